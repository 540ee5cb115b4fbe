"""Preparing parallel text: what is kept and held out, the same bytes every time, in bounded memory."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.corpus import Corpus
from seqkit.data.forms import ROLES
from seqkit.data.prepare import scan
from seqkit.data.prepare.parallel import PrepareOptions, PrepareReport, prepare_parallel
from seqkit.data.tokenizers import CharacterTokenizer
from seqkit.errors import ConfigError, DataError

Pairs = list[tuple[str, str]]

DISTINCT: Pairs = [(f"a dog sees {number} cats", f"ein Hund sieht {number} Katzen") for number in range(80)]


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """The warnings of the package's logger."""
    messages: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    logger, collector = logging.getLogger("seqkit"), Collector(logging.WARNING)
    logger.addHandler(collector)
    yield messages
    logger.removeHandler(collector)


def write(path: Path, pairs: Pairs) -> tuple[str]:
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    return (str(path),)


def prepare(folder: Path, pairs: Pairs, **options: Any) -> tuple[PrepareReport, Corpus]:
    inputs = write(folder / "pairs.tsv", pairs)
    given = {"tokenizer": "byte", "normalization": "identity"} | options
    report = prepare_parallel(PrepareOptions(folder / "corpus", pairs=inputs, **given), lambda *_: None)
    return report, Corpus.open(folder / "corpus", verify=True)


def text_of(corpus: Corpus, name: str) -> Pairs:
    split = getattr(corpus, name)
    return list(
        zip(
            corpus.source_tokenizer.decode(split.source.gather(range(len(split)))),
            corpus.target_tokenizer.decode(split.target.gather(range(len(split)))),
            strict=True,
        )
    )


def test_every_filter_counts_its_own(tmp_path: Path) -> None:
    noise = [
        ("", "leer"),
        ("blank", " \u3000"),
        ("same", "same"),
        (" same ", "same"),
        DISTINCT[3],
        (DISTINCT[3][0] + " ", DISTINCT[3][1]),
        ("x" * 60, "y" * 50),
        ("abc", "a" * 40),
    ]
    pairs = DISTINCT[:40] + noise + DISTINCT[40:]
    valid = write(tmp_path / "valid.tsv", [("v", "w")])
    report, corpus = prepare(tmp_path, pairs, valid_pairs=valid, max_tokens=50, max_ratio=9)
    assert report.dropped == {
        "empty": 2,
        "identical": 2,
        "duplicate": 2,
        "too_long": 1,
        "length_ratio": 1,
        "held_out": 0,
    }
    assert (report.lines, report.kept, report.valid) == (88, 80, 1)
    assert text_of(corpus, "train") == DISTINCT
    assert corpus.manifest.dropped == report.dropped


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, DISTINCT),
        ({"keep_identical": True}, [*DISTINCT, ("same", "same")]),
        ({"keep_duplicates": True}, [*DISTINCT, DISTINCT[0]]),
        ({"max_tokens": 0}, [*DISTINCT, ("x" * 2000, "y" * 2000)]),
        ({"max_tokens": 2000}, [*DISTINCT, ("x" * 2000, "y" * 2000)]),
        ({"max_ratio": 0}, [*DISTINCT, ("a", "b" * 10)]),
        ({"max_ratio": 10.0}, [*DISTINCT, ("a", "b" * 10)]),
    ],
)
def test_every_filter_can_be_turned_off(options: dict[str, Any], kept: Pairs, tmp_path: Path) -> None:
    noise = [("same", "same"), DISTINCT[0], ("x" * 2000, "y" * 2000), ("a", "b" * 10)]
    valid = write(tmp_path / "valid.tsv", [("v", "w")])
    _, corpus = prepare(tmp_path, DISTINCT + noise, valid_pairs=valid, **options)
    assert text_of(corpus, "train") == kept


short = st.text(st.sampled_from("ab "), max_size=3)


@settings(max_examples=60)
@given(
    pairs=st.lists(st.tuples(short, short), max_size=30),
    size=st.one_of(st.integers(1, 4), st.floats(0.05, 0.6)),
    seed=st.integers(0, 5),
)
def test_nothing_leaks_and_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, pairs: Pairs, size: int | float, seed: int
) -> None:
    pairs = pairs + DISTINCT[:10]
    report, corpus = prepare(tmp_path_factory.mktemp("split"), pairs, valid_size=size, seed=seed, max_ratio=0)
    train, valid = text_of(corpus, "train"), text_of(corpus, "valid")
    assert report.lines == len(pairs) == len(train) + len(valid) + sum(report.dropped.values())
    held_out = {source.strip() for source, _ in valid}
    assert len(held_out) == len(valid)
    assert not held_out & {source.strip() for source, _ in train}
    if isinstance(size, int):
        assert len(valid) == size
    # What is left is what a plain loop leaves, in the order of the input.
    seen: set[tuple[str, str]] = set()
    expected = []
    for source, target in pairs:
        stripped = source.strip(), target.strip()
        if all(stripped) and stripped[0] != stripped[1] and stripped not in seen:
            seen.add(stripped)
            expected.append((source, target))
    assert train == [pair for pair in expected if pair[0].strip() not in held_out]
    assert [pair for pair in expected if pair in valid] == valid
    assert list(zip(*map(corpus.valid_text, ROLES), strict=True)) == valid


def test_a_share_holds_out_about_so_many(tmp_path: Path) -> None:
    pairs = [(f"source {number}", f"Ziel {number}") for number in range(3000)]
    report, _ = prepare(tmp_path, pairs, valid_size=0.1)
    assert 240 < report.valid < 360  # 4 standard deviations are 66


def test_the_default_is_five_percent_of_a_small_text(tmp_path: Path) -> None:
    assert prepare(tmp_path, DISTINCT)[0].valid == 4


def test_another_seed_holds_out_others(tmp_path: Path) -> None:
    held_out = []
    for seed in (1, 2):
        _, corpus = prepare(tmp_path, DISTINCT, valid_size=10, seed=seed, overwrite=True)
        held_out.append(text_of(corpus, "valid"))
    assert held_out[0] != held_out[1]


def test_what_is_held_out_does_not_depend_on_the_other_pairs(tmp_path: Path) -> None:
    _, corpus = prepare(tmp_path, DISTINCT, valid_size=0.2)
    before = text_of(corpus, "valid")
    _, corpus = prepare(tmp_path, [*DISTINCT[::-1], ("more", "mehr")], valid_size=0.2, overwrite=True)
    assert set(before) <= set(text_of(corpus, "valid"))


def test_validation_files_are_kept_whole_but_for_empty_pairs(tmp_path: Path, warnings: list[str]) -> None:
    valid = [("same", "same"), ("", "x"), ("twice", "zweimal"), ("twice", "zweimal"), ("l" * 3000, "k")]
    report, corpus = prepare(tmp_path, DISTINCT, valid_pairs=write(tmp_path / "valid.tsv", valid))
    assert text_of(corpus, "valid") == [pair for pair in valid if all(pair)]
    assert (report.kept, report.shared_sources) == (80, 0)
    assert warnings == ["validation: 1 pairs with an empty side are dropped"]


def test_training_pairs_that_are_in_the_validation_files_are_counted(
    tmp_path: Path, warnings: list[str]
) -> None:
    valid = write(tmp_path / "valid.tsv", [(DISTINCT[5][0], "anders"), DISTINCT[7], ("new", "neu")])
    report, _ = prepare(tmp_path, [*DISTINCT, DISTINCT[5]], valid_pairs=valid)
    assert (report.shared_sources, report.kept) == (2, 80)
    assert warnings == [
        "2 training pairs have a source that is also in the validation files; "
        "validation scores will be too high"
    ]


def test_validation_text_is_kept_as_it_was(tmp_path: Path) -> None:
    valid = write(tmp_path / "valid.tsv", [("  cafe\u0301  x", "\ufb01n\r")])
    _, corpus = prepare(tmp_path, DISTINCT, valid_pairs=valid, normalization="nfkc")
    assert [corpus.valid_text(role) for role in ROLES] == [["  cafe\u0301  x"], ["\ufb01n"]]
    assert text_of(corpus, "valid") == [("café x", "fin")]


@pytest.mark.parametrize("tokenizer", ["bpe", "unigram", "char"])
def test_vocabularies_are_joint_or_separate(tokenizer: str, tmp_path: Path) -> None:
    report, corpus = prepare(tmp_path, DISTINCT, tokenizer=tokenizer, vocabulary_size=310)
    assert len(report.vocabulary_sizes) == 1
    assert corpus.source_tokenizer is corpus.target_tokenizer
    report, corpus = prepare(
        tmp_path,
        DISTINCT,
        tokenizer=tokenizer,
        vocabulary_size=310,
        separate_vocabularies=True,
        overwrite=True,
    )
    assert report.vocabulary_sizes == (corpus.source_tokenizer.size, corpus.target_tokenizer.size)
    assert corpus.source_tokenizer.fingerprint != corpus.target_tokenizer.fingerprint
    assert corpus.manifest.tokenizer.kind == tokenizer


def test_a_vocabulary_never_sees_what_is_held_out(tmp_path: Path) -> None:
    pairs = [(f"{chr(0x4E00 + number)} x", f"{chr(0x4E00 + number)} y") for number in range(100)]
    _, corpus = prepare(tmp_path, pairs, tokenizer="char", vocabulary_size=1000, valid_size=20)
    assert isinstance(corpus.source_tokenizer, CharacterTokenizer)
    known = set(corpus.source_tokenizer.characters)
    assert {source[0] for source, _ in text_of(corpus, "train")} <= known
    assert not {source[0] for source, _ in text_of(corpus, "valid")} & known


def test_large_vocabularies_take_four_bytes(tmp_path: Path) -> None:
    pairs = [(chr(0x20000 + number), chr(0x20000 + number) + "!") for number in range(30_000)]
    pairs += [(chr(0xAC00 + number), chr(0x4E00 + number)) for number in range(11_000)]
    pairs += [(chr(0xE000 + number), chr(0xF0000 + number)) for number in range(6_000)]
    pairs += [(chr(0x100000 + number), chr(0x108000 + number)) for number in range(6_000)]
    report, corpus = prepare(tmp_path, pairs, tokenizer="char", vocabulary_size=100_000, max_ratio=0)
    assert report.vocabulary_sizes[0] > 65_536
    assert corpus.manifest.arrays["train.source"].dtype == "<u4"
    valid = set(text_of(corpus, "valid"))
    assert text_of(corpus, "train") == [pair for pair in pairs if pair not in valid]


def test_the_report_counts_tokens_and_bytes(tmp_path: Path) -> None:
    valid = write(tmp_path / "valid.tsv", [("v", "w")])
    report, corpus = prepare(
        tmp_path, [("aab", "ab"), ("ab", "aé")], tokenizer="char", vocabulary_size=262, valid_pairs=valid
    )
    assert (report.source_tokens, report.target_tokens) == (5, 5)
    assert (report.source_tokens_per_line, report.target_tokens_per_line) == (2.5, 2.5)
    assert report.byte_rate == pytest.approx(2 / 10)
    assert report.unknown_rate == 0
    assert report.fingerprint == corpus.fingerprint
    assert report.lines_per_second == pytest.approx(2 / report.seconds)


def test_progress_names_its_stages_and_reaches_the_end(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int | None]] = []
    options = PrepareOptions(
        tmp_path / "corpus", pairs=write(tmp_path / "pairs.tsv", DISTINCT), tokenizer="byte"
    )
    prepare_parallel(options, lambda *call: calls.append(call))
    assert calls == [("reading", 80, 80), ("learning the vocabulary", 0, None), ("encoding", 80, 80)]


PROGRAM = """
import sys
from pathlib import Path
from seqkit.data.prepare.parallel import PrepareOptions, prepare_parallel
options = PrepareOptions(Path(sys.argv[1]), pairs=(sys.argv[2],), valid_size=7, seed=3, tokenizer=sys.argv[3],
                         vocabulary_size=400, threads=int(sys.argv[4]))
prepare_parallel(options, lambda *_: None)
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("tokenizer", ["bpe", "unigram", "char"])
def test_the_same_text_gives_the_same_bytes_anywhere(tokenizer: str, tmp_path: Path) -> None:
    write(tmp_path / "pairs.tsv", [(f"{source} ä漢", target) for source, target in DISTINCT])
    contents = []
    for number, environment in enumerate(
        [
            {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8"},
            {"PYTHONHASHSEED": "2", "LC_ALL": "C", "PYTHONUTF8": "0"},
        ]
    ):
        folder = tmp_path / f"place {number}"
        folder.mkdir()
        (folder / "pairs.tsv").symlink_to(tmp_path / "pairs.tsv")
        subprocess.run(
            [sys.executable, "-c", PROGRAM, f"corpus{number}", "pairs.tsv", tokenizer, str(number + 1)],
            cwd=folder,
            env=os.environ | environment | {"PYTHONPATH": str(Path(scan.__file__).parents[3])},
            check=True,
        )
        corpus = folder / f"corpus{number}"
        contents.append({path.name: path.read_bytes() for path in corpus.iterdir()})
    assert len(contents[0]) == 12
    assert contents[0] == contents[1]


def test_the_manifest_holds_no_path_and_no_time(tmp_path: Path) -> None:
    _, corpus = prepare(tmp_path, DISTINCT)
    content = (corpus.directory / "corpus.json").read_text()
    assert str(tmp_path) not in content
    assert set(json.loads(content)) == {
        *("format", "version", "seqkit", "kind", "seed", "tokenizer", "filters"),
        *("lines", "kept", "dropped", "arrays", "files", "checksum"),
    }


def test_memory_does_not_grow_with_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqkit.data.text.reading._BLOCK", 8192)
    monkeypatch.setattr("seqkit.data.text.pairs._BATCH_PAIRS", 500)
    monkeypatch.setattr("seqkit.data.prepare.keys._CHUNK", 500)
    monkeypatch.setattr("seqkit.data.prepare.keys._PARTITION", 500)
    monkeypatch.setattr(scan.PairSample.__init__, "__defaults__", (500, 1 << 24))
    peaks = []
    for count in (2_000, 12_000):
        inputs = write(tmp_path / "pairs.tsv", [(f"source {n}", f"Ziel {n}") for n in range(count)])
        options = PrepareOptions(
            tmp_path / "corpus", pairs=inputs, tokenizer="char", valid_size=10, overwrite=True
        )
        prepare_parallel(options, lambda *_: None)  # what is loaded once is not counted
        tracemalloc.start()
        prepare_parallel(options, lambda *_: None)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The texts differ by 330 kB, the keys of the pairs by 160 kB.
    assert peaks[1] < peaks[0] + 50_000


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "there are no lines to prepare"),
        (
            [("", "x"), ("the same", "the same")],
            "of 2 pairs 1 have an empty side and 1 a target that is their source",
        ),
        ([("a", "b")], "holding out 1 of 1 different sources leaves nothing"),
        ([("x", "y" * 50), ("z", "y" * 60), ("v", "y" * 40)], "nothing is left to train on"),
    ],
)
def test_text_of_which_nothing_is_left_is_an_error(pairs: Pairs, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        prepare(tmp_path, pairs)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.tsv"]


def test_validation_files_with_nothing_in_them_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no validation pair is left"):
        prepare(tmp_path, DISTINCT, valid_pairs=write(tmp_path / "valid.tsv", [("", "x")]))


def test_more_held_out_than_there_is_names_both(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holding out 80 of 80 different sources") as caught:
        prepare(tmp_path, DISTINCT, valid_size=80)
    assert caught.value.where == "--valid-size"


def test_mostly_unequal_pairs_are_an_error_unless_the_option_is_given(
    tmp_path: Path, warnings: list[str]
) -> None:
    odd = [(f"{number}", "y" * 60) for number in range(100)]
    valid = write(tmp_path / "valid.tsv", [("v", "w")])
    with pytest.raises(DataError, match=r"100 of 180 pairs \(56%\) would be dropped: one side is") as caught:
        prepare(tmp_path, DISTINCT + odd, valid_pairs=valid)
    assert "aligned line by line" in str(caught.value.hint)
    prepare(tmp_path, DISTINCT + odd, valid_pairs=valid, max_ratio=9.0)
    (warning,) = warnings
    assert warning.startswith("100 of 180 pairs (56%) are dropped: one side is more than 9 times as long")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "--source is missing"),
        ({"source": ("a",)}, "--target is missing"),
        ({"target": ("a",)}, "--source is missing"),
        ({"pairs": ("a",), "source": ("b",)}, "--pairs cannot be used with --source"),
        ({"pairs": ("a",), "valid_source": ("b",)}, "--valid-target is missing"),
        ({"pairs": ("a",), "valid_target": ("b",)}, "--valid-source is missing"),
        (
            {"pairs": ("a",), "valid_pairs": ("b",), "valid_source": ("b",), "valid_target": ("b",)},
            "--valid-pairs cannot be used with",
        ),
        ({"pairs": ("a",), "valid_pairs": ("b",), "valid_size": 5}, "--valid-size cannot be used"),
        ({"source": ("-",), "target": ("-",)}, "standard input"),
        ({"pairs": ("a",), "valid_size": 0}, "--valid-size 0"),
        ({"pairs": ("a",), "valid_size": 1.0}, "--valid-size 1.0"),
        ({"pairs": ("a",), "valid_size": float("nan")}, "--valid-size nan"),
        ({"pairs": ("a",), "tokenizer": "bpee"}, "--tokenizer bpee is not known"),
        ({"pairs": ("a",), "normalization": "nfd"}, "--normalization nfd is not known"),
        ({"pairs": ("a",), "tokenizer": "byte", "vocabulary_size": 8000}, "--vocab-size 8000 cannot be used"),
        ({"pairs": ("a",), "tokenizer": "byte", "separate_vocabularies": True}, "--separate-vocabularies"),
        ({"pairs": ("a",), "vocabulary_size": 259}, "--vocab-size 259 is too small"),
        ({"pairs": ("a",), "max_tokens": -1}, "--max-tokens -1"),
        ({"pairs": ("a",), "max_ratio": 0.5}, "--max-ratio 0.5"),
        ({"pairs": ("a",), "max_ratio": float("nan")}, "--max-ratio nan"),
        ({"pairs": ("a",), "seed": -1}, "--seed -1"),
        ({"pairs": ("a",), "threads": 0}, "--threads 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PrepareOptions(Path("corpus"), **options)
    assert words in caught.value.message
    assert caught.value.hint
