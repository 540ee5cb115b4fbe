"""`seqkit prepare --text` at the shell: what it says, what it refuses, and where text comes from."""

from __future__ import annotations

import gzip
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqkit.cli import run
from seqkit.cli.prepare.command import spread_files
from seqkit.data.corpus import Corpus
from seqkit.errors import ExitCode
from tests.conftest import Finished

TEXT = "".join(f"Line {number} of the text.\n" for number in range(100))

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A text of 100 lines in the working directory."""
    (tmp_path / "book.txt").write_text(TEXT)
    return tmp_path / "book.txt"


@pytest.mark.usefixtures("text")
def test_the_report_ends_with_the_next_command(capsys: Capture) -> None:
    assert run(["prepare", "my corpus", "--text", "book.txt", "--valid-size", "290"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[:4] == [
        "corpus my corpus",
        "  training       1,800 characters, 1,800 tokens",
        "  validation     290 characters, 290 tokens",
        "  vocabulary     282",
    ]
    assert lines[4] == "  byte fallback  0.00% of training, 0.00% of validation"
    assert lines[5].startswith("  time ")
    assert lines[6:] == ["next: seqkit train 'my corpus' MODEL"]
    assert Corpus.open("my corpus", verify=True).kind.name == "generation"


def test_documents_and_what_was_dropped_have_their_place(text: Path, capsys: Capture) -> None:
    text.write_text(TEXT + "\n \n")
    assert run(["prepare", "c", "--text", "book.txt", "--documents", "line"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == "  training        1,790 characters, 1,880 tokens in 90 documents"
    assert lines[2] == "  validation      200 characters, 210 tokens in 10 documents"
    assert "  dropped: blank  2" in lines


@pytest.mark.usefixtures("text")
def test_json_is_one_object_on_standard_output(capsys: Capture) -> None:
    assert run(["prepare", "c", "--text", "book.txt", "--tokenizer", "byte", "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    (line,) = out.splitlines()
    summary = json.loads(line)
    assert summary.pop("seconds") > 0
    assert summary.pop("characters_per_second") > 0
    assert summary == {
        "schema": 1,
        "corpus": "c",
        "kind": "generation",
        "documents": "none",
        "train_characters": 1881,
        "valid_characters": 209,
        "train_documents": 1,
        "valid_documents": 1,
        "dropped": {"blank": 0},
        "train_tokens": 1881,
        "valid_tokens": 209,
        "vocabulary_size": 260,
        "byte_rate": 0.0,
        "valid_byte_rate": 0.0,
        "fingerprint": Corpus.open("c").fingerprint,
    }


def test_standard_input_and_gzip_are_text_like_any(text: Path, seqkit: Callable[..., Finished]) -> None:
    assert seqkit("prepare", "file", "--text", text).code == 0
    assert seqkit("prepare", "plain", "--text", "-", stdin=TEXT.encode()).code == 0
    assert seqkit("prepare", "zipped", "--text", "-", stdin=gzip.compress(TEXT.encode())).code == 0
    names = ("file", "plain", "zipped")
    assert len({Corpus.open(name, verify=True).fingerprint for name in names}) == 1


@pytest.mark.usefixtures("text")
def test_several_files_may_follow(seqkit: Callable[..., Finished]) -> None:
    arguments = ["c", "--text", "a", "b", "--valid-text", "x", "y", "--quiet"]
    assert spread_files(arguments) == [
        *("c", "--text", "a", "--text", "b"),
        *("--valid-text", "x", "--valid-text", "y", "--quiet"),
    ]
    result = seqkit("prepare", "c", "--text", "book.txt", "book.txt", "--valid-text", "book.txt", "--json")
    assert json.loads(result.out)["train_characters"] == 2 * len(TEXT)


@pytest.mark.usefixtures("text")
def test_options_have_their_say() -> None:
    options = ["--documents", "line", "--tokenizer", "unigram", "--vocab-size", "290", "--seed", "7"]
    assert run(["prepare", "c", "--text", "book.txt", *options, "--normalization", "nfkc", "--quiet"]) == 0
    manifest = Corpus.open("c").manifest
    assert manifest.text is not None
    assert (manifest.text.documents, manifest.seed) == ("line", 7)
    assert (manifest.tokenizer.kind, manifest.tokenizer.normalization) == ("unigram", "nfkc")
    assert run(["prepare", "c", "--text", "book.txt", "--min-count", "50", "--overwrite", "--quiet"]) == 0
    assert Corpus.open("c").manifest.tokenizer.sizes == (272,)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--source", "a"], "--source cannot be used with --text"),
        (["--pairs", "a"], "--pairs cannot be used with --text"),
        (["--valid-pairs", "a"], "--valid-pairs cannot be used with --text"),
        (["--separate-vocabularies"], "--separate-vocabularies cannot be used with --text"),
        (["--max-ratio", "0"], "--max-ratio cannot be used with --text"),
        (["--max-tokens", "0"], "--max-tokens cannot be used with --text"),
        (["--keep-duplicates"], "--keep-duplicates cannot be used with --text"),
        (["--keep-identical"], "--keep-identical cannot be used with --text"),
        (["--documents", "lines"], "--documents lines is not known"),
        (["--min-count", "3", "--tokenizer", "byte"], "--min-count cannot be used with --tokenizer byte"),
        (["--valid-size", "many"], "--valid-size many is not a number"),
    ],
)
@pytest.mark.usefixtures("text")
def test_options_that_make_no_sense_are_refused_by_name(
    option: list[str], message: str, capsys: Capture
) -> None:
    assert run(["prepare", "c", "--text", "book.txt", *option]) == ExitCode.USAGE
    first, *rest = capsys.readouterr().err.splitlines()
    assert first == f"seqkit: error: {message}"
    assert rest[-1].startswith("  try:   ")
    assert not Path("c").exists()


@pytest.mark.parametrize("option", [("--documents", "line"), ("--min-count", "1"), ("--valid-text", "a")])
def test_options_of_plain_text_need_it(option: tuple[str, str], capsys: Capture) -> None:
    assert run(["prepare", "c", "--pairs", "pairs.tsv", *option]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith(f"seqkit: error: {option[0]} needs --text\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--text", "bok.txt"], ExitCode.INPUT_MISSING, "cannot read bok.txt: there is no such file"),
        (["--text", "."], ExitCode.INPUT_MISSING, "cannot read .: it is a directory"),
        (["--text", "empty"], ExitCode.BAD_DATA, "there is no text to prepare"),
        (["--text", "book.txt", "--valid-text", "empty"], ExitCode.BAD_DATA, "there is no validation text"),
        (["--text", "book.txt", "--documents", "file"], ExitCode.BAD_DATA, "the text is a single document"),
        (["--text", "book.txt", "--valid-size", "9999"], ExitCode.BAD_DATA, "leaves nothing to train on"),
    ],
)
def test_trouble_has_an_exit_code_and_one_block(
    arguments: list[str], code: ExitCode, message: str, text: Path, capsys: Capture
) -> None:
    (text.parent / "empty").touch()
    assert run(["prepare", "c", *arguments]) == code
    err = capsys.readouterr().err
    assert err.startswith("seqkit: error: ")
    assert message in err.splitlines()[0]
    assert sorted(path.name for path in text.parent.iterdir()) == ["book.txt", "empty"]


def test_quiet_still_warns_of_what_was_mended(text: Path, capsys: Capture) -> None:
    text.write_bytes(TEXT.encode() + b"\xff\n")
    assert run(["prepare", "c", "--text", "book.txt", "--quiet"]) == 0
    assert capsys.readouterr() == (
        "",
        "seqkit: warning: book.txt: invalid UTF-8 replaced by U+FFFD in line 101\n",
    )


def test_a_full_disk_is_an_io_error_and_leaves_nothing(text: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "seqkit", "prepare", "c", "--text", "book.txt"],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert result.returncode == ExitCode.IO_ERROR
    assert result.stderr.startswith(b"seqkit: error: cannot write")
    assert [path.name for path in text.parent.iterdir()] == ["book.txt"]


def test_plain_text_is_prepared_without_torch(text: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = None; from seqkit.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "prepare", "c", "--text", str(text), "--tokenizer", "bpe"],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
    )
    assert (result.returncode, result.stdout) == (0, b"")
