"""How steady seqkit is beside busy neighbours: one busy loop per core, quiet and busy in turns.

    python recipes/benchmark/contention.py train CORPUS [--preset small] [--set table.key=value …]
    python recipes/benchmark/contention.py stop CORPUS [--preset small] [--set table.key=value …]
    python recipes/benchmark/contention.py line MODEL TEXT --beam 5
    python recipes/benchmark/contention.py bulk MODEL TEXT --beam 5

All of it is the `seqkit` command, as a user runs it. `train`: the speed of a run beside the loops as a share
of its quiet speed (a fair share is 50 %). `line`: milliseconds for a line that arrives alone in a process
that has started, as a multiple of the quiet ones. `bulk`: `seqkit translate MODEL TEXT` as a whole process.
`stop`: seconds from SIGTERM to the end of a run that has saved what it has. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neighbours import available_cores, busy
from texts import lines_of

from seqkit.processors import SPIN_VARIABLE

SEQKIT = (sys.executable, "-m", "seqkit")
LOOK = 0.02  # seconds between two looks at what a run has written
QUIET, BUSY = "quiet", "busy"
# No end of the budget, and of the validations that mark the turns the loss alone.
ENDLESS = {"training.steps": 10_000_000, "training.samples": 0, "training.patience": 0}
WITHOUT_BLEU = {"training.validation_sentences": 0, "training.best_metric": "loss"}


class Failed(Exception):
    """What was to be measured did not run; the message says why."""


@dataclass
class Turns:
    """Figures of quiet and busy turns."""

    figures: dict[str, list[float]] = field(default_factory=lambda: {QUIET: [], BUSY: []})

    def take(self, pairs: int) -> Iterator[list[float]]:
        """A list to put the figures of a turn into, quiet and busy one after the other, `pairs` times.

        While a busy turn's list is in use the neighbours run.
        """
        for _ in range(pairs):
            for state in (QUIET, BUSY):
                with busy() if state == BUSY else nullcontext():
                    yield self.figures[state]

    def median(self, state: str) -> float:
        """The middle figure of all quiet, or all busy, turns."""
        return statistics.median(self.figures[state])

    @property
    def ratio(self) -> float:
        """Busy over quiet."""
        return self.median(BUSY) / self.median(QUIET)

    def details(self, unit: str) -> dict[str, Any]:
        """What both states came to, for the report."""
        return {
            QUIET: self.median(QUIET),
            BUSY: self.median(BUSY),
            "figure_unit": unit,
            "turns": {state: [round(figure, 4) for figure in self.figures[state]] for state in self.figures},
            "neighbours": len(available_cores()),
        }


# Training


class Training:
    """A `seqkit train` that runs, and the lines of its metrics.jsonl as they come."""

    def __init__(self, process: subprocess.Popen[bytes], model: Path, log: Path) -> None:
        self.process, self.model, self.log = process, model, log
        self._rows = self._follow()

    def row(self, limit: float) -> dict[str, Any]:
        """The next validation; `Failed` when the run has ended or writes none within `limit` seconds."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            row = next(self._rows)
            if row is not None:
                return row
            if self.process.poll() is not None:
                raise Failed(f"seqkit train ended with exit code {self.process.returncode}: {self._said()}")
            time.sleep(LOOK)
        raise Failed(f"seqkit train validated nothing within {limit:g} seconds")

    def terminate(self, limit: float) -> float:
        """Seconds from SIGTERM to the end; `Failed` unless it ends as a terminated run does, all saved."""
        began = time.monotonic()
        self.process.terminate()
        try:
            code = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failed(f"seqkit train did not end within {limit:g} seconds of SIGTERM") from None
        seconds = time.monotonic() - began
        if code != 128 + signal.SIGTERM:
            raise Failed(f"a terminated seqkit train ended with exit code {code}: {self._said()}")
        if not list((self.model / "training").glob("checkpoint-*")):
            raise Failed("a terminated seqkit train saved no checkpoint")
        return seconds

    def _follow(self) -> Iterator[dict[str, Any] | None]:
        """Every line of metrics.jsonl once, and None while there is no further one."""
        path, shown = self.model / "metrics.jsonl", 0
        while True:
            lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
            for line in lines[shown:]:
                yield json.loads(line)
            shown = len(lines)
            yield None

    def _said(self) -> str:
        lines = self.log.read_text(errors="replace").strip().split("\n")
        return lines[-1].strip()


@contextmanager
def training(
    corpus: Path, *, seconds: float, threads: int, preset: str, settings: Iterable[str]
) -> Iterator[Training]:
    """A run in a folder of its own that validates every so many seconds. It is gone when the block ends."""
    chosen = {**ENDLESS, "training.validate_minutes": seconds / 60}
    if json.loads((corpus / "corpus.json").read_bytes())["kind"] == "translation":
        chosen |= WITHOUT_BLEU
    assignments = [f"{key}={value}" for key, value in chosen.items()] + list(settings)
    with tempfile.TemporaryDirectory() as folder:
        model, log = Path(folder) / "model", Path(folder) / "log"
        command = [*SEQKIT, "train", str(corpus), str(model), "--preset", preset, "--threads", str(threads)]
        command += [part for assignment in assignments for part in ("--set", assignment)]
        with (
            open(log, "wb") as errors,
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as process,
        ):
            try:
                yield Training(process, model, log)
            finally:
                process.kill()


def train_share(
    corpus: Path,
    *,
    seconds: float,
    pairs: int,
    threads: int,
    preset: str = "small",
    settings: Sequence[str] = (),
    limit: float = 120.0,
) -> Turns:
    """Tokens per second of one run, validations left out; a turn lasts from one validation to the next.

    The first validation ends the warm-up. `limit` is for the wait for any of them.
    """
    turns = Turns()
    with training(corpus, seconds=seconds, threads=threads, preset=preset, settings=settings) as run:
        run.row(limit)
        for figures in turns.take(pairs):
            figures.append(run.row(limit)["timing"]["target_tokens_per_second"])
    return turns


def stop_seconds(
    corpus: Path,
    *,
    seconds: float,
    pairs: int,
    threads: int,
    preset: str = "small",
    settings: Sequence[str] = (),
    limit: float = 120.0,
) -> Turns:
    """Seconds from SIGTERM to the saved end of runs that have taken steps for a while."""
    turns = Turns()
    for figures in turns.take(pairs):
        with training(corpus, seconds=seconds, threads=threads, preset=preset, settings=settings) as run:
            run.row(limit)
            time.sleep(seconds / 3)  # amid the steps that follow
            figures.append(run.terminate(limit))
    return turns


# Translating


@contextmanager
def translating(model: Path, beam: int, threads: int) -> Iterator[subprocess.Popen[bytes]]:
    """A `seqkit translate` that waits for lines; `Failed` when it ends with an error."""
    command = [
        *SEQKIT,
        "translate",
        str(model),
        "--beam-size",
        str(beam),
        "--threads",
        str(threads),
        "--quiet",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def answer_milliseconds(process: subprocess.Popen[bytes], line: str) -> float:
    """From a line's last byte to that of its translation."""
    assert process.stdin is not None
    assert process.stdout is not None
    began = time.perf_counter()
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()
    if not process.stdout.readline().endswith(b"\n"):
        raise Failed(f"seqkit translate ended with exit code {process.wait()}")
    return 1000 * (time.perf_counter() - began)


def line_latency(model: Path, lines: Sequence[str], *, beam: int, pairs: int, threads: int) -> Turns:
    """Milliseconds per line, one after another, in one process; the same lines in every turn."""
    turns = Turns()
    with translating(model, beam, threads) as process:
        for line in lines[:5]:
            answer_milliseconds(process, line)
        for figures in turns.take(pairs):
            figures += [answer_milliseconds(process, line) for line in lines]
    return turns


def bulk_speed(model: Path, text: Path, *, beam: int, pairs: int, threads: int) -> Turns:
    """Sentences per second of `seqkit translate MODEL TEXT`, start and end of the process included."""
    command = [*SEQKIT, "translate", str(model), str(text), "--beam-size", str(beam)]
    command += ["--threads", str(threads), "--quiet"]
    count, turns = len(lines_of(text)), Turns()
    for figures in turns.take(pairs):
        began = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        seconds = time.perf_counter() - began
        if done.returncode or done.stdout.count(b"\n") != count:
            raise Failed(f"seqkit translate ended with exit code {done.returncode}")
        figures.append(count / seconds)
    return turns


# The command line


def main() -> None:
    """Measure and print."""
    os.environ.pop(SPIN_VARIABLE, None)  # the command looks who is beside it, and decides
    options = _options()
    began = time.monotonic()
    run = {"pairs": options.pairs, "threads": options.threads}
    of_training = {**run, "seconds": options.seconds, "preset": options.preset, "settings": options.settings}
    try:
        match options.what:
            case "train":
                turns, unit = train_share(options.place, **of_training), "tokens/s"
            case "stop":
                turns, unit = stop_seconds(options.place, **of_training), "s"
            case "line":
                lines = lines_of(options.text)[: options.lines]
                turns, unit = line_latency(options.place, lines, beam=options.beam, **run), "ms"
            case _:
                turns, unit = bulk_speed(options.place, options.text, beam=options.beam, **run), "sentences/s"
    except Failed as error:
        sys.exit(f"contention.py: error: {error}")
    value, of = {
        "train": (100 * turns.ratio, "% of its quiet speed"),
        "bulk": (100 * turns.ratio, "% of its quiet speed"),
        "line": (turns.ratio, "times its quiet latency"),
        "stop": (turns.median(BUSY), "s"),
    }[options.what]
    seconds = time.monotonic() - began
    print(json.dumps({"value": value, "unit": of, "seconds": seconds, "details": turns.details(unit)}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("what", choices=("train", "stop", "line", "bulk"))
    parser.add_argument("place", type=Path, help="a corpus (train, stop) or a model (line, bulk)")
    parser.add_argument("text", type=Path, nargs="?", help="what line and bulk translate")
    parser.add_argument("--pairs", type=int, default=3, help="of a quiet turn and a busy one")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a turn of training")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="table.key=value")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--lines", type=int, default=50)
    parser.add_argument("--threads", type=int, default=len(available_cores()))
    options = parser.parse_args()
    if options.what in ("line", "bulk") and options.text is None:
        parser.error(f"{options.what} needs a text")
    return options


if __name__ == "__main__":
    main()
