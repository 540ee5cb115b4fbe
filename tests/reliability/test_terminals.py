"""Control characters in anything that is read never reach a terminal raw; pipes get the exact bytes."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import time
import tty
from pathlib import Path

import pytest

from seqkit.files import sha256
from tests.conftest import Finished, toy_assignments, write_lines
from tests.reliability.hostile import believe, read_manifest, write_manifest
from tests.reliability.pseudo_terminal import everything_sent_to

# A title, a colour in one byte of C1, a clear screen, a direction override: what a terminal would obey.
TITLE, COLOUR, CLEAR, OVERRIDE = "\x1b]0;OWNED\x07", "\x9b31m", "\x1b[2J", "\u202egnp.exe"
PAYLOAD = f"{TITLE}{COLOUR}{CLEAR}{OVERRIDE}"
RAW = [part.encode() for part in (TITLE, COLOUR, OVERRIDE, "\x07")] + [b"\x9b", b"\x1b]"]


def on_terminal(*arguments: object, stdin: bytes = b"", seconds: float = 90) -> Finished:
    """Run the command with standard output and standard error on one terminal; what it was sent."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    process = subprocess.Popen(
        [sys.executable, "-m", "seqkit", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(theirs)
    assert process.stdin is not None
    process.stdin.write(stdin)
    process.stdin.close()
    seen = everything_sent_to(ours, seconds)
    return Finished(process.wait(10), seen, seen.decode(errors="replace"))


def assert_harmless(finished: Finished, *shown: str) -> None:
    """Nothing of the payload was sent as it is, and what it was put into was shown."""
    for raw in RAW:
        assert raw not in finished.out, (raw, finished.err[-2000:])
    assert CLEAR.encode() not in finished.out
    for text in shown:
        assert text in finished.err, finished.err[-2000:]


@pytest.fixture(scope="module")
def hostile_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs whose lines hold the payload, in files whose names do."""
    folder = tmp_path_factory.mktemp("hostile") / f"names {CLEAR}\x07"
    folder.mkdir()
    lines = [f"ba {PAYLOAD} di {number} fu" for number in range(60)]
    write_lines(folder / "s", lines)
    write_lines(folder / "t", [line.upper() for line in lines])
    return folder


def prepare(folder: Path, name: str = "corpus") -> list[object]:
    return [
        *("prepare", folder / name, "--source", folder / "s", "--target", folder / "t"),
        *("--valid-size", 10, "--vocab-size", 330),
        *("--normalization", "nfc"),  # the usual form takes control characters out of what is learnt
    ]


def test_prepare_and_train(hostile_corpus: Path) -> None:
    prepared = on_terminal(*prepare(hostile_corpus))
    assert_harmless(prepared, "\\x1b[2J")
    assert prepared.code == 0, prepared.err
    arguments = ["train", hostile_corpus / "corpus", hostile_corpus / "model", "--steps", 4, "--threads", 1]
    trained = on_terminal(*arguments, *toy_assignments(training__validate_every=2))
    assert trained.code == 0, trained.err
    assert_harmless(trained, "\\x1b]0;OWNED\\x07", "\\x9b31m", "\\u202e")


def test_a_run_outlives_its_terminal(toy_corpus: Path, tmp_path: Path) -> None:
    """The window is closed on a job that ignores SIGHUP: what it would say is lost, and nothing else."""
    ours, theirs = pty.openpty()
    words = ["train", toy_corpus, tmp_path / "model", "--steps", "60", "--threads", "1", "--json"]
    with open(tmp_path / "out", "wb") as out:
        process = subprocess.Popen(
            [
                *("sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-m", "seqkit"),
                *map(str, words),
                *toy_assignments(training__validate_every=10, training__checkpoint_every=10),
            ],
            stdout=out,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
        )
    os.close(theirs)
    seen = b""
    while b"BLEU" not in seen:  # the head of the rows
        seen += os.read(ours, 1 << 16)
    os.close(ours)
    assert process.wait(120) == 0
    assert json.loads((tmp_path / "out").read_bytes())["step"] == 60


def test_a_misaligned_line_is_shown_not_sent(hostile_corpus: Path) -> None:
    with open(hostile_corpus / "s2", "wb") as stream:
        stream.write((hostile_corpus / "s").read_bytes() + f"ba {PAYLOAD}\n".encode())
    words = [
        "prepare",
        hostile_corpus / "c2",
        "--source",
        hostile_corpus / "s2",
        "--target",
        hostile_corpus / "t",
    ]
    finished = on_terminal(*words)
    assert finished.code == 65
    assert_harmless(finished, "differ in length")


@pytest.mark.parametrize("layout", [(), ("--json",), ("--scores", "--alignments"), ("--n-best", 2)])
def test_translations_and_what_they_carry_along(toy_model: Path, layout: tuple[object, ...]) -> None:
    line = json.dumps({"text": f"ba {PAYLOAD} di", "id": PAYLOAD}, ensure_ascii=False)
    finished = on_terminal("translate", toy_model, "--threads", 1, *layout, stdin=f"{line}\nba\n".encode())
    assert finished.code == 0
    assert_harmless(finished)


def test_a_pipe_gets_the_exact_bytes(toy_model: Path) -> None:
    line = json.dumps({"text": "ba", "id": PAYLOAD}, ensure_ascii=False)
    process = subprocess.run(
        [sys.executable, "-m", "seqkit", "translate", str(toy_model), "--threads", "1", "--json"],
        input=f"{line}\n".encode(),
        capture_output=True,
        check=True,
    )
    assert json.loads(process.stdout)["id"] == PAYLOAD
    assert COLOUR.encode() in process.stdout


def test_prompts(toy_generator: Path) -> None:
    words = [
        "generate",
        toy_generator,
        "--prompt",
        f"ba {PAYLOAD}",
        "--length",
        5,
        "--seed",
        1,
        "--threads",
        1,
    ]
    for more in ([], ["--json"], ["--samples", 2]):
        finished = on_terminal(*words, *more)
        assert finished.code == 0, finished.err
        assert_harmless(finished)


@pytest.mark.parametrize(
    "arguments",
    [
        ["translate", f"no-{PAYLOAD}"],
        ["translate", "MODEL", f"no-{PAYLOAD}"],
        ["translate", "MODEL", f"--{PAYLOAD}"],
        [f"tr{PAYLOAD}"],
        ["train", "no-corpus", "model", "--set", f"model.{PAYLOAD}=1"],
        ["train", "no-corpus", "model", "--set", f"model.cell={PAYLOAD}"],
        ["train", "no-corpus", "model", "--preset", PAYLOAD],
        ["train", "no-corpus", "model", "--config", "CONFIG"],
        ["evaluate", "--reference", f"no-{PAYLOAD}"],
        ["generate", "MODEL", "--precision", PAYLOAD],
        ["evaluate", "--reference", "MODEL", "--metric", PAYLOAD],
    ],
    ids=str,
)
def test_errors(toy_model: Path, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "config.toml").write_text(
        f'"{PAYLOAD.encode("unicode_escape").decode()}" = 1\n'.replace("\\x", "\\u00")
    )
    replaced = {"MODEL": str(toy_model), "CONFIG": str(tmp_path / "config.toml")}
    finished = on_terminal(*(replaced.get(word, word) for word in arguments))
    assert finished.code not in {0, 70}, finished.err
    assert_harmless(finished, "error")


def test_models_from_elsewhere(toy_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    for change in ("config", "versions", "tensor", "key"):
        shutil.rmtree(model, ignore_errors=True)
        shutil.copytree(toy_model, model)
        manifest = read_manifest(model)
        if change == "config":
            config = json.loads((model / "config.json").read_bytes())
            config["model"][PAYLOAD] = 1
            believe(model, "config.json", json.dumps(config).encode())
        elif change == "versions":
            manifest["versions"] = {PAYLOAD: PAYLOAD}
            manifest["tokenizer_self_test"] = [PAYLOAD]
            write_manifest(model, manifest)
        elif change == "tensor":
            content = (model / "weights.safetensors").read_bytes()
            name = b"decoder.readout.weight"
            evil = (b"\\u001b]0;OWNED\\u0007" + b"x" * 99)[: len(name)]
            believe(model, "weights.safetensors", content.replace(name, evil))
        else:
            manifest[PAYLOAD] = {"sha256": sha256(b"")}
            write_manifest(model, manifest)
        finished = on_terminal("translate", model, stdin=b"ba\n")
        assert finished.code == 65, (change, finished.err)
        assert_harmless(finished, "seqkit: error: ")


PLAIN = {
    "dumb": {"TERM": "dumb"},
    "unknown": {"TERM": "unknown"},
    "no name": {"TERM": ""},
    "no description": {"TERM": "no-such-terminal"},
    "a notebook": {"TERM": "xterm-color"},
    "a notebook, by its kernel": {"TERM": "xterm-256color", "JPY_PARENT_PID": "7"},
    "continuous integration": {"TERM": "xterm-256color", "CI": "true"},
    "no size": {"TERM": "xterm-256color", "COLUMNS": ""},
    "by wish": {"TERM": "xterm-256color", "TTY_INTERACTIVE": "0"},
}


def training_on_terminal(
    corpus: Path, model: Path, environment: dict[str, str], *before: str
) -> tuple[str, float]:
    """What a terminal with this environment is sent by a short run, and the seconds that it took."""
    ours, theirs = pty.openpty()
    began = time.monotonic()
    words = ["train", corpus, model, "--steps", "30", "--threads", "1"]
    process = subprocess.Popen(
        [
            *before,
            *(sys.executable, "-m", "seqkit", *map(str, words)),
            *toy_assignments(training__validate_every=15, training__checkpoint_every=1000),
        ],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "100", **environment},
    )
    os.close(theirs)
    seen = everything_sent_to(ours, 300).decode()
    assert process.wait(60) == 0, seen
    return seen, time.monotonic() - began


@pytest.mark.parametrize("environment", PLAIN.values(), ids=PLAIN)
def test_without_a_moving_cursor_there_are_plain_lines(
    toy_corpus: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """A line for the start, for each validation and every half minute, and a summary; nothing drawn over."""
    seen, seconds = training_on_terminal(toy_corpus, tmp_path / "model", environment)
    assert "\x1b[1A" not in seen
    assert "\x1b[2K" not in seen
    assert len(seen.split("\n")) < 20 + seconds / 30
    assert re.search(r"validation step=15 .* valid_nats=", seen)


def test_a_recorded_terminal_gets_plain_lines(toy_corpus: Path, tmp_path: Path) -> None:
    """`script` records a terminal that nobody watches: it has no size."""
    if shutil.which("script") is None:
        pytest.skip("there is no script command here")
    words = [
        sys.executable,
        "-m",
        "seqkit",
        "train",
        str(toy_corpus),
        str(tmp_path / "model"),
        "--steps",
        "30",
    ]
    words += ["--threads", "1", *toy_assignments(training__validate_every=10)]
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    log = tmp_path / "log"
    subprocess.run(
        ["script", "--quiet", "--return", "--command", shlex.join(words), str(log)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**environment, "TERM": "xterm-256color"},
        check=True,
        timeout=300,
    )
    recorded = log.read_text()
    assert "validation step=10" in recorded
    assert "\x1b[1A" not in recorded


def test_with_one_there_is_a_live_area(toy_corpus: Path, tmp_path: Path) -> None:
    """The counterpart: on these the plain lines would say less."""
    for number, environment in enumerate(
        ({"TERM": "xterm-256color"}, {"TERM": "xterm-color", "TTY_INTERACTIVE": "1"}, {"TERM": "xterm-new"})
    ):
        seen, _ = training_on_terminal(toy_corpus, tmp_path / f"model{number}", environment)
        assert "\x1b[1A" in seen, environment
        assert "validation step=" not in seen
