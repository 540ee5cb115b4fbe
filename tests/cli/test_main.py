"""The command as a whole: help, version, start-up, and errors that are one block."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import seqkit as package
from seqkit.cli import run
from seqkit.cli.terminal import console
from seqkit.errors import ExitCode
from tests.conftest import Finished, toy_assignments

COMMANDS = ["prepare", "train", "translate", "evaluate"]


def test_version(seqkit: Callable[..., Finished]) -> None:
    assert seqkit("--version").out == f"seqkit {package.__version__}\n".encode()


@pytest.mark.parametrize("command", [[], *[[name] for name in COMMANDS]])
def test_help_renders_and_shows_an_example(seqkit: Callable[..., Finished], command: list[str]) -> None:
    result = seqkit(*command, "--help", COLUMNS="100")
    assert result.code == 0
    assert b"Usage: seqkit" in result.out
    if command:
        assert result.out.count(b"seqkit " + command[0].encode()) >= 2


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from seqkit.cli import run; run(['--help']);"
        "heavy = {'torch', 'numpy', 'sentencepiece', 'sacrebleu', 'onnxruntime', 'onnx', 'jinja2'};"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"


def test_help_answers_soon(seqkit: Callable[..., Finished]) -> None:
    # 0.4 s is the promise on an idle machine; against a bare interpreter the ratio holds on a busy one, too.
    def seconds(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    pairs = [
        (
            seconds(lambda: seqkit("--help")),
            seconds(lambda: subprocess.run([sys.executable, "-c", "import typer, rich"], check=True)),
        )
        for _ in range(5)
    ]
    assert statistics.median(ours / bare for ours, bare in pairs) < 4


@pytest.mark.parametrize(
    ("arguments", "code", "fragment"),
    [
        (["trian"], ExitCode.USAGE, "train"),
        (["train", "--presett", "small"], ExitCode.USAGE, "--preset"),
        (["train", "corpus", "model", "--preset", "smal"], ExitCode.USAGE, "small"),
        (
            ["train", "corpus", "model", "--set", "training.learning_rat=1"],
            ExitCode.USAGE,
            "training.learning_rate",
        ),
        (["train", "no-such-corpus", "model"], ExitCode.INPUT_MISSING, "no-such-corpus"),
        (["translate", "no-such-model"], ExitCode.INPUT_MISSING, "no-such-model"),
        (["evaluate", "--reference", "no-such-file"], ExitCode.INPUT_MISSING, "no-such-file"),
        (
            ["prepare", "corpus", "--source", "no-such-file", "--target", "x"],
            ExitCode.INPUT_MISSING,
            "no-such",
        ),
    ],
)
def test_an_error_is_one_block_with_a_code(
    arguments: list[str], code: ExitCode, fragment: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    captured = capfd.readouterr()
    assert captured.out == ""
    first, *rest = captured.err.splitlines()
    assert first.startswith("seqkit: error: ")
    assert fragment in captured.err
    assert all(line.startswith(("  where: ", "  try:   ")) for line in rest)


def test_debug_shows_the_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["translate", "no-such-model", "--debug"]) == ExitCode.INPUT_MISSING
    assert "Traceback" in capfd.readouterr().err


def test_a_bug_says_so_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import seqkit.inference.translator

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("unexpected \x1b[31m")

    monkeypatch.setattr(seqkit.inference.translator.Translator, "load", broken)
    assert run(["translate", str(tmp_path)]) == ExitCode.BUG
    error = capfd.readouterr().err
    assert "this is a bug in seqkit: ZeroDivisionError" in error
    assert "Traceback" not in error
    assert "\x1b" not in error


def test_a_lack_of_memory_names_what_takes_less(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import seqkit.inference.translator

    def greedy(*_: object, **__: object) -> None:
        bytearray(1 << 60)

    monkeypatch.setattr(seqkit.inference.translator.Translator, "load", greedy)
    assert run(["translate", str(tmp_path)]) == ExitCode.RUN_FAILED
    error = capfd.readouterr().err
    assert error.startswith("seqkit: error: not enough memory")
    assert "--batch-tokens" in error


@pytest.mark.parametrize(
    "words",
    [
        ["translate", "MODEL"],
        ["evaluate", "--reference", "text", "text", "--metric", "bleu", "--json"],
        ["train", "CORPUS", "model", "--steps", "2", "--threads", "1", "--json", *toy_assignments()],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_a_lost_standard_error_is_no_reason_to_fail_or_to_talk_elsewhere(
    toy_model: Path, toy_corpus: Path, words: list[str], where: str
) -> None:
    Path("text").write_text("ba di\n")
    names = {"MODEL": str(toy_model), "CORPUS": str(toy_corpus)}
    result = subprocess.run(
        [
            *("bash", "-c", f'"$0" -m seqkit "$@" < text {where}', sys.executable),
            *(names.get(word, word) for word in words),
        ],
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert result.stdout.count(b"\n") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\x9bb", "a\\x9bb"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("Grüße 東京", "Grüße 東京"),
        ("tab\tend", "tab\\tend"),
    ],
)
def test_control_characters_are_shown_not_sent(text: str, shown: str) -> None:
    assert console.printable(text) == shown


INTERRUPTED = """
import io, os, signal, sys
from seqkit.cli import console
signal.signal(signal.SIGUSR1, lambda number, frame: console.note("said by a handler"))
class Raw(io.RawIOBase):
    def writable(self):
        return True
    def fileno(self):
        return 2
    def write(self, content):
        os.kill(os.getpid(), signal.SIGUSR1)
        return os.write(2, content)
sys.stderr = io.TextIOWrapper(io.BufferedWriter(Raw()))
console.note("said before")
"""


def test_a_signal_in_the_middle_of_a_line_is_answered() -> None:
    """Python's streams refuse a handler's line while they write another."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=True)
    assert sorted(done.stderr.splitlines()) == ["said before", "said by a handler"]


def test_durations() -> None:
    assert [console.duration(seconds) for seconds in (0.4, 59, 61, 3661)] == [
        "0 s",
        "59 s",
        "1:01",
        "1:01:01",
    ]
