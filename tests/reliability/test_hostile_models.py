"""Two thousand hostile model directories: each is refused in one line, soon, or does no harm."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from seqkit.cli import run
from seqkit.errors import ExitCode
from tests.reliability.hostile import MUTATIONS, mutate

SECONDS, MEMORY = 20, 1 << 30  # for each; the first imports what a process lacks
CHUNK = 100  # in a process


class TooSlow(BaseException):
    """A directory took longer than it may."""


@contextmanager
def time_limit() -> Iterator[None]:
    """Raise TooSlow in this process when the block takes too long."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


def outcome(arguments: list[str], errors: Path) -> dict[str, Any]:
    """The exit code of a command and what it said, run in this process."""
    kept = os.dup(2)
    with open(errors, "wb") as stream:
        os.dup2(stream.fileno(), 2)
        try:
            with time_limit():
                code: int | str = int(run(arguments))
        except TooSlow:
            code = "too slow"
        except BaseException as error:
            code = f"{type(error).__name__}: {error}"
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    return {"code": code, "said": errors.read_text(errors="replace")}


def attempts(original: Path, folder: Path, seeds: range, kind: str) -> None:
    """Try mutated models one by one and write what came of each, as it comes: a crash loses the last only."""
    model, text = folder / "model", folder / "text"
    text.write_text("ba di\n")
    with open(folder / "outcomes", "a") as outcomes, open(2, "w", buffering=1, closefd=False) as sys.stderr:
        for seed in seeds:
            what = mutate(original, model, seed)
            print(json.dumps({"what": what}), file=outcomes, flush=True)
            if kind == "translation":
                arguments = ["translate", str(model), str(text), "--output", str(folder / "out")]
            else:
                arguments = ["generate", str(model), "--length", "5", "--output", str(folder / "out")]
            began = time.monotonic()
            found = outcome([*arguments, "--quiet"], folder / "errors")
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            found |= {"seconds": time.monotonic() - began, "memory": memory}
            print(json.dumps(found), file=outcomes, flush=True)


def outcomes_of(original: Path, folder: Path, kind: str, seeds: range) -> Iterator[dict[str, Any]]:
    """Outcomes of mutated models, tried in processes of their own, so that a crash is seen."""
    for start in range(seeds.start, seeds.stop, CHUNK):
        place = folder / f"{kind}{start}"
        place.mkdir()
        child = os.fork()
        if not child:
            try:
                attempts(original, place, range(start, min(start + CHUNK, seeds.stop)), kind)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        lines = [json.loads(line) for line in (place / "outcomes").read_text().splitlines()]
        for asked, answered in zip(lines[::2], [*lines[1::2], {}], strict=False):
            if not answered:
                answered = {"code": f"crashed: wait status {status}", "said": ""}
            yield asked | answered


@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_each_is_refused_in_one_line_or_harmless(
    kind: str, count: int, toy_model: Path, toy_generator: Path, tmp_path: Path
) -> None:
    original = toy_model if kind == "translation" else toy_generator
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    refused, harmless, wrong = 0, 0, []
    for found in outcomes_of(original, tmp_path, kind, range(count)):
        said = found["said"]
        if found["code"] == ExitCode.OK:
            harmless += 1
        elif found["code"] == ExitCode.BAD_DATA and said.startswith("seqkit: error: ") and one_block(said):
            refused += 1
        else:
            wrong.append(f"{found['what']}: {found['code']}: {said[:300]}")
        if found.get("memory", 0) - before > MEMORY:
            wrong.append(f"{found['what']}: {found['memory'] >> 20} MB")
            before = found["memory"]
    print(f"{kind}: {refused} refused, {harmless} harmless", file=sys.stderr)
    assert not wrong, "\n".join([f"{len(wrong)} of them:", *wrong[:20]])
    assert refused + harmless == count
    assert refused > count * 0.6, "most of the mutations must be seen"


def one_block(said: str) -> bool:
    """One error of a message, a place and a remedy at most, with nothing raw in it."""
    lines = said.splitlines()
    heads = [line.split(":")[0].strip() for line in lines]
    raw = [character for character in said if ord(character) < 32 and character != "\n"]
    return heads[0] == "seqkit" and set(heads[1:]) <= {"where", "try"} and not raw and "Traceback" not in said


def test_every_mutation_mutates(toy_model: Path, tmp_path: Path) -> None:
    names = {mutate(toy_model, tmp_path / "model", seed).split(": ")[1] for seed in range(len(MUTATIONS))}
    assert len(names) == len(MUTATIONS) == 10
