"""A corpus directory is whole or refused, and nothing else is ever deleted."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqkit.data.corpus import Corpus
from seqkit.data.forms import ROLES, field_files, load_fields
from seqkit.data.manifest import ARRAY_FILES
from seqkit.data.prepare.parallel import PrepareOptions, prepare_parallel
from seqkit.data.prepare.plain import PrepareTextOptions, prepare_text
from seqkit.data.store import create_corpus
from seqkit.data.tokenizers import train_tokenizer
from seqkit.errors import DataError, InputMissing, ModelError, OutputError
from seqkit.kinds import GENERATION, TRANSLATION

FILES = ("tokenizer.spm", "valid.source.txt", "valid.target.txt", *sorted(ARRAY_FILES))
PAIRS = [(f"a dog runs {number}", f"ein Hund läuft {number}") for number in range(60)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "pairs.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS))
    options = PrepareOptions(
        folder / "corpus", pairs=(str(folder / "pairs.tsv"),), valid_size=10, vocabulary_size=300
    )
    prepare_parallel(options, lambda *_: None)
    return folder / "corpus"


@pytest.fixture
def generation(tmp_path: Path) -> Path:
    """A corpus for a generator, of nine names."""
    (tmp_path / "names").write_text("anna\nbo\ncarl\n" * 3)
    options = PrepareTextOptions(tmp_path / "generation", (str(tmp_path / "names"),), documents="line")
    prepare_text(options, lambda *_: None)
    return tmp_path / "generation"


@pytest.fixture
def corpus(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "corpus"))


def rewrite(corpus: Path, **changes: Any) -> None:
    path = corpus / "corpus.json"
    manifest = json.loads(path.read_text())
    del manifest["checksum"]  # without one no bit is proved to be right, and the rest is looked at
    path.write_text(json.dumps(manifest | changes))


def test_an_opened_corpus_holds_the_text(corpus: Path) -> None:
    opened = Corpus.open(corpus, verify=True)
    assert (opened.kind.name, len(opened.train), len(opened.valid)) == ("translation", 50, 10)
    assert opened.source_tokenizer is opened.target_tokenizer
    assert set(field_files(opened.fields)) == {"tokenizer.spm"}
    sides = []
    for split in (opened.train, opened.valid):
        assert split.source is not None
        sides.append(
            list(
                zip(
                    opened.source_tokenizer.decode(split.source.gather(range(len(split)))),
                    opened.target_tokenizer.decode(split.target.gather(range(len(split)))),
                    strict=True,
                )
            )
        )
    assert sorted(sides[0] + sides[1]) == sorted(PAIRS)
    assert list(zip(*map(opened.valid_text, ROLES), strict=True)) == sides[1]


def test_the_fingerprint_is_of_the_content(corpus: Path, original: Path) -> None:
    assert Corpus.open(corpus).fingerprint == Corpus.open(original).fingerprint
    assert len(Corpus.open(corpus).fingerprint) == 64


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["cut", "gone", "flipped", "link"])
def test_damage_to_any_file_is_named(name: str, damage: str, corpus: Path) -> None:
    path = corpus / name
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:-1])
    elif damage == "flipped":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "link":
        (corpus.parent / "elsewhere").write_bytes(content)
        path.symlink_to(corpus.parent / "elsewhere")
    told = "a link, which is refused" if damage == "link" else "damaged"
    with pytest.raises(DataError, match=f"{name} is {told}") as caught:
        Corpus.open(corpus, verify=damage == "flipped")
    assert caught.value.where == str(path)
    remedy = "cp -rL" if damage == "link" else "prepare the corpus again with --overwrite"
    assert remedy in str(caught.value.hint)


def test_a_changed_tokenizer_is_found_without_being_asked(corpus: Path) -> None:
    content = (corpus / "tokenizer.spm").read_bytes()
    (corpus / "tokenizer.spm").write_bytes(b"\x00" + content[1:])
    with pytest.raises(DataError, match=r"tokenizer\.spm is damaged: its content has changed"):
        Corpus.open(corpus)


def test_ids_beyond_the_vocabulary_are_found_even_if_the_hashes_fit(corpus: Path) -> None:
    path = corpus / "train.target.values.bin"
    values = np.fromfile(path, "<u2")
    values[3] = 60_000
    values.tofile(path)
    files = json.loads((corpus / "corpus.json").read_text())["files"]
    files[path.name]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    rewrite(corpus, files=files)
    with pytest.raises(DataError, match=r"train\.target\.values\.bin .* beyond the vocabulary"):
        Corpus.open(corpus, verify=True)


def test_other_files_are_ignored(corpus: Path) -> None:
    (corpus / "notes.txt").write_text("mine")
    assert len(Corpus.open(corpus).train) == 50


def test_no_directory_and_no_manifest_are_missing_input(corpus: Path) -> None:
    with pytest.raises(InputMissing, match="there is no corpus"):
        Corpus.open(corpus / "nowhere")
    (corpus / "corpus.json").unlink()
    with pytest.raises(DataError, match="is not a corpus: it has no corpus.json"):  # noqa: RUF043
        Corpus.open(corpus)


def test_another_format_version_says_which(corpus: Path) -> None:
    rewrite(corpus, version=99)
    with pytest.raises(DataError, match="corpus format 99; this version of seqkit reads 2"):
        Corpus.open(corpus)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "something else"},
        {"kind": "music"},
        {"lines": "many"},
        {"lines": True},
        {"lines": 1.5},
        {"surprise": 1},
        {"arrays": {}},
        {"arrays": []},
        {"files": {}},
        {"files": {"../../etc/passwd": {"size": 1, "sha256": "0"}}},
        {"files": {"corpus.json": {"size": 1, "sha256": "0"}}},
        {"tokenizer": {"kind": "bpe", "normalization": "nfd", "sizes": [300]}},
    ],
)
def test_a_manifest_that_does_not_fit_is_damaged(changes: dict[str, Any], corpus: Path) -> None:
    rewrite(corpus, **changes)
    with pytest.raises(DataError, match=r"corpus\.json is damaged"):
        Corpus.open(corpus)


TEXT_RECORD = {
    "documents": "line",
    "train_characters": 1,
    "valid_characters": 1,
    "train_documents": 8,
    "valid_documents": 1,
    "min_count": 2,
}
NO_FILE = {"size": 0, "sha256": "0"}


def test_a_corpus_for_a_generator_has_one_side(generation: Path) -> None:
    opened = Corpus.open(generation, verify=True)
    assert (opened.kind.name, len(opened.train), len(opened.valid)) == ("generation", 8, 1)
    assert opened.train.source is None
    assert opened.manifest.filters is None
    rewrite(generation, text=TEXT_RECORD)
    assert Corpus.open(generation).manifest.text is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "translation"},
        {"text": None},
        {"text": TEXT_RECORD | {"documents": "page"}},
        {"text": TEXT_RECORD | {"train_documents": 7}},
        {"text": TEXT_RECORD | {"valid_documents": 2}},
        {"text": TEXT_RECORD | {"valid_characters": 0}},
        {"text": TEXT_RECORD | {"min_count": -1}},
        {"text": {"documents": "line"}},
        {"filters": {"max_tokens": 0, "max_ratio": 0, "keep_duplicates": True, "keep_identical": True}},
        {"tokenizer": {"kind": "char", "normalization": "identity", "sizes": [300, 300]}},
    ],
)
def test_a_manifest_of_another_kind_is_damaged(changes: dict[str, Any], generation: Path) -> None:
    rewrite(generation, **changes)
    with pytest.raises(DataError, match=r"corpus\.json is damaged"):
        Corpus.open(generation)


@pytest.mark.parametrize("name", ["valid.source.txt", "train.source.values.bin", "source.characters.json"])
def test_a_corpus_for_a_generator_has_no_files_of_pairs(name: str, generation: Path) -> None:
    files = json.loads((generation / "corpus.json").read_text())["files"]
    rewrite(generation, files=files | {name: NO_FILE})
    with pytest.raises(DataError, match=f"a file that a corpus does not have: {name}"):
        Corpus.open(generation)


def test_a_corpus_of_pairs_has_no_record_of_text(corpus: Path) -> None:
    assert "text" not in json.loads((corpus / "corpus.json").read_text())
    rewrite(corpus, text=TEXT_RECORD)
    with pytest.raises(DataError, match=r"corpus\.json is damaged: it is not that of a translation corpus"):
        Corpus.open(corpus)


@pytest.mark.parametrize("field", ["count", "total"])
def test_a_manifest_with_other_sizes_is_refused(field: str, corpus: Path) -> None:
    arrays = json.loads((corpus / "corpus.json").read_text())["arrays"]
    arrays["train.source"][field] += 1
    rewrite(corpus, arrays=arrays)
    with pytest.raises(DataError, match=r"train\.source\.\w+\.bin is damaged"):
        Corpus.open(corpus)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b'{"a": 1, "a": 2}', b"[" * 100_000, b"\xff"])
def test_a_manifest_that_is_no_json_object_is_refused(content: bytes, corpus: Path) -> None:
    (corpus / "corpus.json").write_bytes(content)
    with pytest.raises(DataError, match=r"corpus\.json"):
        Corpus.open(corpus)


@pytest.mark.parametrize("kind", ["bpe", "char"])
def test_tokenizers_are_known_by_their_file_names(kind: Any) -> None:
    lines = [source for source, _ in PAIRS]
    first, second = train_tokenizer(kind, lines, 300), train_tokenizer(kind, lines, 280)
    joint = load_fields(field_files({"source": first, "target": first}), TRANSLATION)
    assert joint["source"] is joint["target"]
    assert load_fields(field_files({"target": first}), GENERATION)["target"].fingerprint == first.fingerprint
    files = field_files({"source": first, "target": second})
    assert len(files) == 2
    separate = load_fields(files, TRANSLATION)
    assert {role: field.fingerprint for role, field in separate.items()} == {
        "source": first.fingerprint,
        "target": second.fingerprint,
    }
    for some in (dict(list(files.items())[:1]), {}, {**files, "source.labels.json": b"{}"}):
        with pytest.raises(ModelError, match="are not the fields of a translation corpus"):
            load_fields(some, TRANSLATION)
    with pytest.raises(ModelError, match="are not the fields of a generation corpus"):
        load_fields(files, GENERATION)


def listing(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_new_directory_appears_when_the_work_is_done(tmp_path: Path) -> None:
    with create_corpus(tmp_path / "deep" / "new", overwrite=False) as work:
        assert not (tmp_path / "deep" / "new").exists()
        (work / "file").write_text("content")
    assert listing(tmp_path / "deep") == ["new"]
    assert listing(tmp_path / "deep" / "new") == ["file"]
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "deep" / "new").stat().st_mode & 0o777 == 0o777 & ~mask


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_corpus_and_nothing_new(error: type[BaseException], corpus: Path) -> None:
    before = Corpus.open(corpus).fingerprint

    def fail() -> None:
        with create_corpus(corpus, overwrite=True) as work:
            (work / "file").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert listing(corpus.parent) == ["corpus"]
    assert Corpus.open(corpus, verify=True).fingerprint == before


def test_a_corpus_is_replaced_only_when_asked(corpus: Path) -> None:
    with pytest.raises(OutputError, match="exists already") as caught, create_corpus(corpus, overwrite=False):
        pass
    assert "--overwrite" in str(caught.value.hint)
    with create_corpus(corpus, overwrite=True) as work:
        (work / "corpus.json").write_text("{}")
    assert listing(corpus) == ["corpus.json"]
    assert listing(corpus.parent) == ["corpus"]


def test_an_empty_directory_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with create_corpus(tmp_path / "empty", overwrite=False) as work:
        (work / "file").touch()
    assert listing(tmp_path / "empty") == ["file"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("what", ["file", "folder", "corpus and more", "corpus and folder"])
def test_what_is_not_a_corpus_alone_is_never_deleted(what: str, overwrite: bool, corpus: Path) -> None:
    path = corpus
    if what == "file":
        path = corpus.parent / "text"
        path.write_text("mine")
    elif what == "folder":
        path = corpus.parent / "folder"
        path.mkdir()
        (path / "text").write_text("mine")
    elif what == "corpus and more":
        (corpus / "text").write_text("mine")
    else:
        (corpus / "train.more").mkdir()
    before = sorted(str(entry) for entry in corpus.parent.rglob("*"))
    with pytest.raises(OutputError) as caught, create_corpus(path, overwrite=overwrite):
        pass
    assert caught.value.where == str(path)
    assert sorted(str(entry) for entry in corpus.parent.rglob("*")) == before


def test_work_that_takes_long_does_not_overwrite_what_came_meanwhile(tmp_path: Path) -> None:
    work = create_corpus(tmp_path / "new", overwrite=False)
    work.__enter__()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").touch()
    with pytest.raises(OutputError):
        work.__exit__(None, None, None)
    assert listing(tmp_path / "new") == ["mine"]


def test_a_parent_that_is_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError), create_corpus(tmp_path / "file" / "new", overwrite=False):
        pass
