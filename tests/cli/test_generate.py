"""`seqkit generate`: what it prints where, what it refuses, and how it ends."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from seqkit.cli import run
from seqkit.errors import ExitCode
from seqkit.inference.generator import TextGenerator
from tests.conftest import Finished
from tests.generators import small_generator, write_generator

PATIENCE = 60.0  # seconds; a busy machine takes long to start Python
COMMAND = [sys.executable, "-m", "seqkit", "generate"]
OPTIONS = ["--threads", "1"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
ESCAPE = "\x1b"

Run = Callable[..., Finished]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_generator(small_generator(), tmp_path_factory.mktemp("generator") / "model")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose documents are lines."""
    loaded = small_generator(documents="line", characters="abcdeé東", end_bias=1.0)
    return write_generator(loaded, tmp_path_factory.mktemp("names") / "model")


@pytest.fixture(scope="module")
def of_bytes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of bytes that writes any of them."""
    return write_generator(small_generator(characters=""), tmp_path_factory.mktemp("bytes") / "model")


@pytest.fixture(scope="module")
def rude(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that writes control characters."""
    loaded = small_generator(characters=f"\n\t ab{ESCAPE}\x07\r\x85\u202e")
    return write_generator(loaded, tmp_path_factory.mktemp("rude") / "model")


@pytest.fixture
def generate(capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run the command in this process."""

    def call(*arguments: object) -> Finished:
        code = run(["generate", *map(str, arguments), *OPTIONS])
        out, err = capfdbinary.readouterr()
        return Finished(code, out, err.decode())

    return call


def texts(model: Path, prompt: str = "", **options: Any) -> list[str]:
    """What the Python interface generates."""
    return [made.text for made in TextGenerator.load(model).generate(prompt, **options)]


def test_the_prompt_comes_first_and_a_newline_last(model: Path, generate: Run) -> None:
    (text,) = texts(model, "ab 東", length=50, seed=3)
    finished = generate(model, "--prompt", "ab 東", "--length", 50, "--seed", 3)
    assert (finished.code, finished.err) == (0, "")
    assert finished.out.decode() == "ab 東" + text + "\n"
    finished = generate(model, "--prompt", "ab 東", "--length", 50, "--seed", 3, "--no-prompt")
    assert finished.out.decode() == text + "\n"


def test_500_characters_without_options(model: Path, generate: Run) -> None:
    finished = generate(model)
    text = finished.out.decode()
    assert len(text.removesuffix("\n")) in {499, 500}
    words = finished.err.split()
    assert (words[0], words[2:]) == ("--seed", ["reproduces", "this", "text"])
    again = generate(model, "--seed", words[1])
    assert (again.out.decode(), again.err) == (text, "")
    assert generate(model, "--quiet").err == ""


def test_a_newline_at_the_end_is_not_doubled(model: Path, generate: Run) -> None:
    (text,) = texts(model, "", seed=1)
    end = text.index("\n") + 1
    assert generate(model, "--seed", 1, "--length", end).out.decode() == text[:end]
    assert generate(model, "--seed", 1, "--length", 0).out == b"\n"
    assert generate(model, "--seed", 1, "--length", 0, "--prompt", "a\n").out == b"a\n"


def test_several_samples_have_a_line_before_each(model: Path, generate: Run) -> None:
    made = texts(model, "ab", length=30, samples=3, seed=5)
    finished = generate(model, "--prompt", "ab", "--length", 30, "--samples", 3, "--seed", 5)
    assert finished.out.decode() == "".join(
        f"--- sample {number} ---\nab{text}\n".replace("\n\n", "\n" if text.endswith("\n") else "\n\n")
        for number, text in enumerate(made, 1)
    )


def test_documents_that_are_lines_are_written_as_lines(names: Path, generate: Run) -> None:
    made = texts(names, "", samples=20, seed=5)
    finished = generate(names, "--samples", 20, "--seed", 5)
    assert finished.out.decode() == "".join(text + "\n" for text in made)
    assert finished.out.count(b"\n") == 20
    assert len({len(text) for text in made}) > 3


def test_json_has_an_object_a_sample(names: Path, generate: Run) -> None:
    arguments = ("--prompt", "ab", "--samples", 3, "--seed", 5, "--json", "--stop", "eé", "--length", 12)
    finished = generate(names, *arguments, "--log-probabilities")
    records = [json.loads(line) for line in finished.out.splitlines()]
    made = TextGenerator.load(names).generate(
        "ab", samples=3, seed=5, length=12, stop=("eé",), log_probabilities=True
    )
    for number, (record, one) in enumerate(zip(records, made, strict=True), 1):
        assert record == {
            "schema": 1,
            "sample": number,
            "prompt": "ab",
            "text": one.text,
            "reason": one.reason,
            "seed": 5,
            "tokens": list(one.tokens or ()),
            "log_probabilities": [round(value, 6) for value in one.log_probabilities or ()],
        }
    plain = [json.loads(line) for line in generate(names, *arguments).out.splitlines()]
    unasked = {"tokens", "log_probabilities"}
    assert plain == [{k: v for k, v in record.items() if k not in unasked} for record in records]
    (record,) = [json.loads(line) for line in generate(names, "--json").out.splitlines()]
    assert generate(names, "--seed", record["seed"]).out.decode() == record["text"] + "\n"


def test_json_keeps_a_sample_on_one_line(rude: Path, generate: Run) -> None:
    finished = generate(rude, "--json", "--length", 300, "--seed", 1, "--prompt", "\u2028\x85")
    assert finished.out.count(b"\n") == 1
    assert len(finished.out.decode().splitlines()) == 1
    assert set(json.loads(finished.out)["text"]) >= {"\x85", ESCAPE, "\n"}


def test_a_prompt_from_a_file_keeps_its_last_newline(model: Path, generate: Run) -> None:
    Path("prompt").write_bytes("ab\né\n".encode())
    finished = generate(model, "--prompt-file", "prompt", "--length", 20, "--seed", 1)
    assert finished.out == generate(model, "--prompt", "ab\né\n", "--length", 20, "--seed", 1).out
    assert finished.out.startswith("ab\né\n".encode())


def test_a_file_appears_when_it_is_whole(model: Path, generate: Run) -> None:
    to_standard_output = generate(model, "--length", 30, "--seed", 1).out
    finished = generate(model, "--length", 30, "--seed", 1, "--output", "out")
    assert (finished.code, finished.out) == (0, b"")
    assert Path("out").read_bytes() == to_standard_output
    finished = generate(model, "--seed", 1, "--output", "/dev/full")
    assert (finished.code, finished.out) == (ExitCode.IO_ERROR, b"")
    assert "cannot write /dev/full: No space left on device" in finished.err
    assert [path.name for path in Path().iterdir()] == ["out"]


def test_options_reach_the_generator(model: Path, generate: Run) -> None:
    arguments: dict[str, Any] = {
        "length": 60,
        "seed": 2,
        "temperature": 0.7,
        "top_k": 9,
        "top_p": 0.9,
        "min_p": 0.01,
        "typical": 0.95,
        "repetition_penalty": 2.0,
        "repetition_ngram": 3,
    }
    base = generate(model, "--length", 60, "--seed", 2).out
    for name, value in arguments.items():
        given = {
            "length": 60,
            "seed": 2,
            **({"repetition_ngram": 3} if "penalty" in name else {}),
            name: value,
        }
        flags = [part for key, one in given.items() for part in (f"--{key.replace('_', '-')}", one)]
        out = generate(model, *flags).out
        assert out.decode().removesuffix("\n") == texts(model, **given)[0].removesuffix("\n")
        assert out != base or name in {"length", "seed", "min_p", "top_k", "top_p", "repetition_ngram"}
    assert generate(model, "--length", 60, "--top-k", 1).out == (
        generate(model, "--length", 60, "--temperature", 0).out
    )


def test_beam_search(model: Path, generate: Run) -> None:
    finished = generate(model, "--beam-size", 4, "--samples", 2, "--length", 10, "--json")
    records = [json.loads(line) for line in finished.out.splitlines()]
    assert [record["text"] for record in records] == texts(model, beam_size=4, samples=2, length=10)
    assert [record["seed"] for record in records] == [None, None]
    assert generate(model, "--beam-size", 4, "--length", 10).err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--length", "-1"], "--length -1 must be 0 or more"),
        (["--samples", "0"], "--samples 0 must be from 1 to 1,048,576"),
        (["--temperature", "-1"], "--temperature -1.0 must be from 0 to 100"),
        (["--temperature", "nan"], "--temperature nan must be from 0 to 100"),
        (["--top-k", "-2"], "--top-k -2 must be 0 (all) or more"),
        (["--top-p", "0"], "--top-p 0.0 must be above 0 and at most 1"),
        (["--min-p", "2"], "--min-p 2.0 must be from 0 to 1"),
        (["--typical", "1.5"], "--typical 1.5 must be above 0 and at most 1"),
        (["--repetition-penalty", "0.5"], "--repetition-penalty 0.5 must be 1 (none) or more"),
        (["--repetition-ngram", "1"], "--repetition-ngram 1 must be from 2 to 100"),
        (["--seed", "-1"], "--seed -1 must be from 0 to 18446744073709551615"),
        (["--stop", ""], "--stop needs a text that is not empty"),
        (["--precision", "int4"], "--precision 'int4' is not known"),
        (["--log-probabilities"], "--log-probabilities needs --json"),
        (["--prompt", "a", "--prompt-file", "-"], "--prompt and --prompt-file cannot both be given"),
        (["--beam-size", "2", "--temperature", "0.5"], "--temperature has no meaning with --beam-size"),
        (
            ["--show-cells", "auto", "--samples", "2"],
            "cells can be shown for one text only, but --samples is 2",
        ),
        (["--show-cells", "auto", "--output", "x"], "cells are written to standard output, not to --output"),
        (["--length", "many"], "Invalid value for '--length'"),
    ],
)
def test_impossible_values_are_refused_by_name(
    model: Path, generate: Run, arguments: list[str], message: str
) -> None:
    finished = generate(model, *arguments)
    assert (finished.code, finished.out) == (ExitCode.USAGE, b"")
    assert finished.err.startswith(f"seqkit: error: {message}")


def test_what_is_missing_or_no_generator(tmp_path: Path, generate: Run) -> None:
    assert generate(tmp_path / "nothing").code == ExitCode.INPUT_MISSING
    (tmp_path / "empty").mkdir()
    assert generate(tmp_path / "empty").code == ExitCode.BAD_DATA
    damaged = write_generator(small_generator(), tmp_path / "damaged")
    assert generate(damaged, "--prompt-file", "nothing").code == ExitCode.INPUT_MISSING
    content = bytearray((damaged / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (damaged / "weights.safetensors").write_bytes(content)
    finished = generate(damaged)
    assert (finished.code, finished.out) == (ExitCode.BAD_DATA, b"")
    assert "weights.safetensors is damaged" in finished.err


def test_cells_are_shown_of_the_prompt_and_the_text(model: Path, generate: Run) -> None:
    (text,) = texts(model, "ab", length=30, seed=1)
    finished = generate(model, "--prompt", "ab", "--length", 30, "--seed", 1, "--show-cells", "1:2", "--json")
    record = json.loads(finished.out.splitlines()[-1])
    assert (finished.code, "".join(record["pieces"])) == (0, "ab" + text)
    finished = generate(model, "--length", 30, "--seed", 1, "--cells-html", "page.html", "--prompt", "ab")
    assert finished.out.decode().rstrip("\n") == ("ab" + text).rstrip("\n")
    assert Path("page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    Path("read").write_text("abc")
    finished = generate(model, "--cells-text", "read", "--show-cells", "1:2", "--json")
    assert "".join(json.loads(finished.out.splitlines()[-1])["pieces"]) == "abc"


def test_a_prompt_from_standard_input(model: Path, generate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"ab\xff\n"))))
    finished = generate(model, "--prompt-file", "-", "--length", 20, "--seed", 1)
    (text,) = texts(model, "ab\ufffd\n", length=20, seed=1)
    assert finished.out.decode() == "ab\ufffd\n" + text + "\n" * (not text.endswith("\n"))
    assert "invalid UTF-8 replaced by U+FFFD in line 1" in finished.err


def test_bytes_on_the_command_line_that_are_no_text_come_out_as_they_were(model: Path, generate: Run) -> None:
    argument = os.fsdecode(b"a\xff")
    assert generate(model, "--prompt", argument, "--length", 3, "--seed", 1).out.startswith(b"a\xff")
    finished = generate(model, "--prompt", argument, "--length", 3, "--seed", 1, "--json")
    assert json.loads(finished.out)["prompt"] == argument


def test_a_model_of_bytes_writes_bytes_as_they_are(of_bytes: Path, generate: Run) -> None:
    options = ("--length", 300, "--seed", 1)
    Path("prompt").write_bytes(b"\xef\xbb\xbfcaf\xe9\r\n")
    finished = generate(of_bytes, "--prompt-file", "prompt", *options)
    (text,) = texts(of_bytes, "\ufeffcaf\udce9\r\n", length=300, seed=1)
    assert "\ufffd" not in text
    assert finished.out == b"\xef\xbb\xbfcaf\xe9\r\n" + text.encode("utf-8", "surrogateescape")
    with pytest.raises(UnicodeDecodeError):
        finished.out.decode()
    assert generate(of_bytes, "--prompt-file", "prompt", *options, "--no-prompt", "--output", "out").code == 0
    assert Path("out").read_bytes() == text.encode("utf-8", "surrogateescape")  # and no newline
    # In JSON such a byte is a lone surrogate (PEP 383), as in a prompt.
    record = json.loads(generate(of_bytes, "--prompt-file", "prompt", *options, "--json").out)
    assert (record["prompt"], record["text"]) == ("\ufeffcaf\udce9\r\n", text)


def test_several_texts_of_bytes_are_kept_apart(of_bytes: Path, generate: Run) -> None:
    first, second = texts(of_bytes, length=20, seed=2, samples=2)
    finished = generate(of_bytes, "--length", 20, "--seed", 2, "--samples", 2)
    assert finished.out.decode("utf-8", "surrogateescape") == (
        f"--- sample 1 ---\n{first}\n--- sample 2 ---\n{second}\n"
    )


def test_a_page_of_bytes_that_are_no_text(of_bytes: Path, generate: Run) -> None:
    finished = generate(
        of_bytes,
        "--length",
        200,
        "--seed",
        1,
        "--cells-html",
        "cells.html",
        "--prompt",
        os.fsdecode(b"a\xff"),
    )
    assert (finished.code, finished.err) == (0, "")
    assert "\ufffd" in Path("cells.html").read_text(encoding="utf-8")


def on_terminal(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    """What the command shows when standard output is a terminal."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)  # a terminal would put a CR before each newline
    seen: list[bytes] = []

    def watch() -> None:
        with suppress(OSError):  # the other side is closed
            while chunk := os.read(ours, 1 << 16):
                seen.append(chunk)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with monkeypatch.context() as patch, open(theirs, "w", encoding="ascii") as terminal:
        patch.setattr(sys, "stdout", terminal)
        assert run(["generate", *map(str, arguments), *OPTIONS]) == 0
    watcher.join()
    os.close(ours)
    return b"".join(seen).decode()


def test_a_terminal_gets_the_bytes_that_a_pipe_gets(
    model: Path, generate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (model, "--prompt", "ab", "--length", 400, "--seed", 1, "--samples", 3)
    assert on_terminal(monkeypatch, *arguments) == generate(*arguments).out.decode()


def test_control_characters_do_not_reach_a_terminal(
    rude: Path, generate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (rude, "--length", 300, "--seed", 1, "--prompt", f"a{ESCAPE}[31m")
    seen = on_terminal(monkeypatch, *arguments)
    assert not set(seen) & {ESCAPE, "\x07", "\r", "\x85", "\u202e"}
    raw = generate(*arguments).out.decode()
    assert set(raw) >= {ESCAPE, "\x07", "\r", "\x85", "\u202e", "\t"}
    for character in (ESCAPE, "\x07", "\r", "\x85", "\u202e"):
        raw = raw.replace(character, character.encode("unicode_escape").decode())
    assert seen == raw


# As a process between real pipes, and with signals.


def command(model: Path, *arguments: str) -> list[str]:
    """A command line that is at work for hours."""
    return [*COMMAND, str(model), *OPTIONS, "--length", "100000000", "--seed", "1", *arguments]


def shell(script: str, model: Path) -> Finished:
    """Run a bash script in which "$@" is the command."""
    process = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script, "bash", *command(model)],
        capture_output=True,
        env=ENVIRONMENT,
        timeout=2 * PATIENCE,
        check=False,
    )
    return Finished(process.returncode, process.stdout, process.stderr.decode())


def test_a_closed_pipe_ends_it_without_a_word(model: Path) -> None:
    finished = shell('"$@" | head -n 1 | wc -l; echo "${PIPESTATUS[*]}"', model)
    assert finished.out.split() == [b"1", b"141", b"0", b"0"]
    assert finished.err == ""


def test_a_full_disk_is_an_error_with_its_own_code(model: Path) -> None:
    finished = shell('"$@" > /dev/full', model)
    assert (finished.code, finished.out) == (ExitCode.IO_ERROR, b"")
    assert "cannot write standard output: No space left on device" in finished.err


@pytest.mark.parametrize("watched", [True, False], ids=["terminal", "file"])
def test_an_interruption_keeps_what_was_written(model: Path, watched: bool) -> None:
    ours, theirs = pty.openpty() if watched else os.pipe()
    if watched:
        tty.setraw(theirs)
    process = subprocess.Popen(command(model), stdout=theirs, stderr=subprocess.PIPE, env=ENVIRONMENT)
    os.close(theirs)
    try:
        seen = os.read(ours, 1 << 16)
        assert process.poll() is None  # it streams
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # so ends a terminal
            while chunk := os.read(ours, 1 << 16):
                seen += chunk
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        os.close(ours)
    assert (process.returncode, err) == (ExitCode.INTERRUPTED, b"")
    text = seen.decode()
    assert text.endswith("\n") or not watched
    text = text.removesuffix("\n") if watched else text
    assert texts(model, length=len(text), seed=1) == [text]


def test_a_termination_has_its_own_code_and_leaves_no_file(model: Path) -> None:
    process = subprocess.Popen(
        command(model, "--output", "out"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    try:
        while not list(Path().glob(".tmp-*")):  # the model is loaded by then
            time.sleep(0.05)
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (ExitCode.TERMINATED, b"", b"")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("options", [["--help"], ["--length", "5"], ["--precision", "fp32"]], ids=" ".join)
def test_torch_is_not_loaded(model: Path, options: list[str]) -> None:
    program = (
        "import sys; from seqkit.cli import run; code = run(['generate', *sys.argv[1:]]); "
        "print(code, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(model), *options]
    assert subprocess.check_output(command, text=True).splitlines()[-1] == "0 False"
