"""`seqkit prepare` at the shell: streams, exit codes, errors that say how to mend them."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from seqkit.cli import run
from seqkit.cli.prepare.command import FilesCommand, prepare, spread_files
from seqkit.data.corpus import Corpus
from seqkit.errors import ExitCode

SOURCE = [f"a dog sees {number} cats" for number in range(100)]
TARGET = [f"ein Hund sieht {number} Katzen" for number in range(100)]

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with parallel text in it."""
    (tmp_path / "train.en").write_text("".join(f"{line}\n" for line in SOURCE))
    (tmp_path / "train.de").write_bytes(gzip.compress("".join(f"{line}\n" for line in TARGET).encode()))
    pairs = zip(SOURCE, TARGET, strict=True)
    (tmp_path / "pairs.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in pairs))
    (tmp_path / "short.de").write_text("".join(f"{line}\n" for line in TARGET[:-1]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(folder: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "seqkit", *arguments]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


TWO_FILES = ("--source", "train.en", "--target", "train.de")


def test_the_report_ends_with_the_next_command(folder: Path, capsys: Capture) -> None:
    assert run(["prepare", "my corpus", *TWO_FILES, "--valid-size", "10", "--vocab-size", "300"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert "corpus my corpus" in lines
    assert {"  pairs read        100", "  pairs kept        90", "  validation pairs  10"} <= set(lines)
    assert any(line.startswith("  vocabulary        300 (joint)") for line in lines)
    assert lines[-1] == "next: seqkit train 'my corpus' MODEL"
    assert len(Corpus.open(folder / "my corpus", verify=True).train) == 90


def test_dropped_pairs_have_a_row_each(folder: Path, capsys: Capture) -> None:
    with open(folder / "pairs.tsv", "a") as stream:
        stream.write("\tleer\nsame\tsame\n" + f"{SOURCE[0]}\t{TARGET[0]}\n")
    assert run(["prepare", "c", "--pairs", "pairs.tsv", "--tokenizer", "byte"]) == 0
    rows = [line.split() for line in capsys.readouterr().err.splitlines() if "dropped" in line]
    assert rows == [["dropped:", reason, "1"] for reason in ("empty", "identical", "duplicate")]


@pytest.mark.usefixtures("folder")
def test_json_is_one_object_on_standard_output(capsys: Capture) -> None:
    assert run(["prepare", "c", "--pairs", "pairs.tsv", "--tokenizer", "char", "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    (line,) = out.splitlines()
    summary = json.loads(line)
    assert (summary["schema"], summary["corpus"], summary["kind"]) == (1, "c", "translation")
    assert (summary["lines"], summary["kept"], summary["valid"]) == (100, 95, 5)
    assert summary["dropped"] == dict.fromkeys(
        ("too_long", "length_ratio", "empty", "identical", "duplicate", "held_out"), 0
    )
    assert summary["fingerprint"] == Corpus.open("c").fingerprint


@pytest.mark.usefixtures("folder")
def test_quiet_still_warns(capsys: Capture) -> None:
    arguments = ["--valid-pairs", "pairs.tsv", "--tokenizer", "byte", "--quiet"]
    assert run(["prepare", "c", "--pairs", "pairs.tsv", *arguments]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("seqkit: warning: 100 training pairs have a source")
    assert err.count("\n") == 1


def test_standard_input_is_read(folder: Path) -> None:
    content = (folder / "pairs.tsv").read_bytes()
    assert shell(folder, "prepare", "plain", "--pairs", "-", input=content).returncode == 0
    assert shell(folder, "prepare", "zipped", "--pairs", "-", input=gzip.compress(content)).returncode == 0
    assert run(["prepare", "file", "--pairs", "pairs.tsv"]) == 0
    fingerprints = {Corpus.open(folder / name).fingerprint for name in ("plain", "zipped", "file")}
    assert len(fingerprints) == 1


@pytest.mark.usefixtures("folder")
def test_files_of_a_side_are_one_text(capsys: Capture) -> None:
    repeated = [
        "--source",
        "train.en",
        "--source",
        "train.en",
        "--target",
        "train.de",
        "--target",
        "train.de",
    ]
    assert run(["prepare", "c", *repeated, "--tokenizer", "byte", "--drop-duplicates", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["lines"], summary["dropped"]["duplicate"]) == (200, 100)


@pytest.mark.usefixtures("folder")
def test_every_option_reaches_the_corpus() -> None:
    options = ["--tokenizer", "unigram", "--vocab-size", "290", "--separate-vocabularies", "--seed", "5"]
    options += ["--normalization", "nfkc", "--max-tokens", "90", "--max-ratio", "4.5", "--valid-size", "0.2"]
    options += ["--keep-duplicates", "--keep-identical", "--threads", "1"]
    assert run(["prepare", "c", *TWO_FILES, *options]) == 0
    manifest = Corpus.open("c").manifest
    assert manifest.tokenizer.kind == "unigram"
    assert manifest.tokenizer.normalization == "nfkc"
    assert len(manifest.tokenizer.sizes) == 2
    assert max(manifest.tokenizer.sizes) <= 290
    assert (manifest.filters.max_tokens, manifest.filters.max_ratio) == (90, 4.5)
    assert manifest.filters.keep_duplicates
    assert manifest.filters.keep_identical
    assert manifest.seed == 5
    assert 8 <= manifest.arrays["valid.source"].count <= 34


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


ERRORS: list[tuple[str, list[str], Callable[[Path], object] | None, ExitCode, str, str, str]] = [
    (
        "misaligned",
        ["c", "--source", "train.en", "--target", "short.de"],
        None,
        ExitCode.BAD_DATA,
        "source and target differ in length: train.en has 100 lines, short.de has 99",
        "no suspicious pair before the end of short.de",
        "check that both files were cut from the same corpus; --pairs reads one tab-separated file instead",
    ),
    (
        "missing",
        ["c", "--source", "train.en", "--target", "trian.de"],
        None,
        ExitCode.INPUT_MISSING,
        "cannot read trian.de: there is no such file",
        "trian.de",
        "did you mean train.de?",
    ),
    (
        "columns",
        ["c", "--pairs", "bad.tsv"],
        write("bad.tsv", b"a\tb\na b\n"),
        ExitCode.BAD_DATA,
        "bad.tsv has one column in line 2",
        "bad.tsv:2",
        "--source and --target read a file for each side",
    ),
    (
        "damaged",
        ["c", "--pairs", "bad.gz"],
        write("bad.gz", gzip.compress(b"a\tb\n")[:-4]),
        ExitCode.BAD_DATA,
        "bad.gz is a damaged gzip file",
        "bad.gz, after line",
        "gzip -t",
    ),
    (
        "taken",
        ["c", *TWO_FILES],
        lambda folder: run(["prepare", str(folder / "c"), "--pairs", "pairs.tsv", "--quiet"]),
        ExitCode.CANNOT_CREATE,
        "the corpus c exists already",
        "c",
        "--overwrite",
    ),
    (
        "foreign",
        [".", *TWO_FILES, "--overwrite"],
        None,
        ExitCode.CANNOT_CREATE,
        ". exists and contains other files",
        ".",
        "name another directory",
    ),
    (
        "below a file",
        ["train.en/c", *TWO_FILES],
        None,
        ExitCode.CANNOT_CREATE,
        "cannot create",
        "train.en",
        "write elsewhere",
    ),
    (
        "vocabulary",
        ["c", *TWO_FILES, "--vocab-size", "261"],
        None,
        ExitCode.USAGE,
        "a vocabulary of 261 is too small",
        "--vocab-size",
        "--tokenizer byte",
    ),
    (
        "size",
        ["c", *TWO_FILES, "--valid-size", "many"],
        None,
        ExitCode.USAGE,
        "--valid-size many is not a number",
        "--valid-size",
        "such as 1000, or 0.01",
    ),
    (
        "misspelt",
        ["c", *TWO_FILES, "--tokenizer", "unigramm"],
        None,
        ExitCode.USAGE,
        "--tokenizer unigramm is not known",
        "--tokenizer",
        "did you mean unigram?",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "before", "code", "message", "where", "hint"),
    [error[1:] for error in ERRORS],
    ids=[error[0] for error in ERRORS],
)
def test_an_error_says_what_and_where_and_how_to_mend_it(
    arguments: list[str],
    before: Callable[[Path], object] | None,
    code: ExitCode,
    message: str,
    where: str,
    hint: str,
    folder: Path,
    capsys: Capture,
) -> None:
    if before is not None:
        before(folder)
    capsys.readouterr()
    files = sorted(folder.rglob("*"))
    assert run(["prepare", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    first, second, third = err.splitlines()
    assert first.startswith("seqkit: error: ")
    assert message in first
    assert second.startswith("  where: ")
    assert where in second
    assert third.startswith("  try:   ")
    assert hint in third
    assert sorted(folder.rglob("*")) == files


@pytest.mark.usefixtures("folder")
def test_no_input_is_a_usage_error(capsys: Capture) -> None:
    assert run(["prepare", "c"]) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert "--source is missing" in err
    assert "--pairs" in err
    assert "--text" in err


@pytest.mark.usefixtures("folder")
def test_overwrite_replaces_a_corpus(capsys: Capture) -> None:
    assert run(["prepare", "c", *TWO_FILES, "--tokenizer", "byte"]) == 0
    assert run(["prepare", "c", *TWO_FILES, "--tokenizer", "char", "--overwrite"]) == 0
    assert Corpus.open("c").manifest.tokenizer.kind == "char"
    capsys.readouterr()


def test_help_shows_examples_and_all_options(capsys: Capture) -> None:
    assert run(["prepare", "--help"]) == 0
    out = capsys.readouterr().out
    assert "seqkit prepare corpus --source train.en --target train.de" in " ".join(out.split())
    for option in (
        "--pairs",
        "--valid-size",
        "--vocab-size",
        "--max-ratio",
        "--overwrite",
        "--json",
        "--threads",
    ):
        assert option in out


def test_prepare_runs_without_torch(folder: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = None; from seqkit.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "prepare", "c", *TWO_FILES],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
    )
    assert (result.returncode, result.stdout) == (0, b"")


def test_a_full_disk_is_an_io_error_and_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def limit_files() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    before = sorted(folder.iterdir())
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # Python would keep the halves of its own files
    result = shell(folder, "prepare", "c", *TWO_FILES, "--tokenizer", "byte", preexec_fn=limit_files)
    assert result.returncode == ExitCode.IO_ERROR
    assert result.stderr.startswith(b"seqkit: error: cannot write")
    assert b"Traceback" not in result.stderr
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("tokenizer", ["byte", "unigram"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_an_interrupted_run_leaves_nothing(
    number: signal.Signals, code: ExitCode, tokenizer: str, folder: Path
) -> None:
    lines = [f"{left} {right} {left + right}" for left in SOURCE for right in SOURCE]
    for name in ("long.en", "long.de"):
        (folder / name).write_text("".join(f"{name} {line}\n" for line in lines * 20))
    before = sorted(folder.iterdir())
    command = [sys.executable, "-m", "seqkit", "prepare", "c", "--source", "long.en", "--target", "long.de"]
    process = subprocess.Popen(
        [*command, "--tokenizer", tokenizer, "--keep-duplicates"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while not list(folder.glob(".tmp-*/scratch/sources")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, b"")
    assert sorted(folder.iterdir()) == before


def test_several_files_may_follow_one_option() -> None:
    assert spread_files(["c", "--source", "a", "b", "--target=x", "y", "-", "--seed", "1", "--quiet"]) == [
        *("c", "--source", "a", "--source", "b"),
        *("--target=x", "--target", "y", "--target", "-", "--seed", "1", "--quiet"),
    ]


def test_before_the_corpus_an_option_takes_one_file() -> None:
    arguments = ["--source", "a", "--target", "b", "c"]
    assert spread_files(arguments) == arguments


def test_an_option_without_a_file_stays_wrong() -> None:
    assert spread_files(["c", "--source", "--target", "b"]) == ["c", "--source", "--target", "b"]


@pytest.mark.usefixtures("folder")
def test_the_command_class_reads_several_files(capsys: Capture) -> None:
    app = typer.Typer()
    app.command(cls=FilesCommand)(prepare)
    arguments = ["c", "--source", "train.en", "train.en", "--target", "train.de", "train.de", "--json"]
    typer.main.get_command(app).main(
        [*arguments, "--tokenizer", "byte", "--drop-duplicates"], standalone_mode=False
    )
    assert json.loads(capsys.readouterr().out)["lines"] == 200


def test_a_closed_standard_input_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert run(["prepare", "c", "--pairs", "-"]) == ExitCode.INPUT_MISSING
    assert "standard input is closed" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert run(["prepare", "c", "--pairs", "-"]) == ExitCode.BAD_DATA
    assert "there are no lines to prepare" in capsys.readouterr().err
    assert not (folder / "c").exists()
