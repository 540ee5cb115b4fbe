"""The command line that every peer answers to, and the line of JSON that it prints.

A peer is a translation toolkit that runs beside seqkit in the benchmark. Its module is run as a script:

    python peers/NAME.py install --work FOLDER
    python peers/NAME.py prepare --work FOLDER --data DATA
    python peers/NAME.py train-speed|train|decode|latency|process --work FOLDER …
    python peers/NAME.py limits

What a peer cannot do ends with exit code 1 and one line on standard error; `limits` names it beforehand.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from seqkit.cli.terminal.console import printable
from seqkit.errors import ExitCode, RunFailed

THREADS = 2


@dataclass(frozen=True)
class Measure:
    """A figure: `seconds` is how long the measured part took, `details` whatever explains it."""

    value: float
    unit: str
    seconds: float
    details: Mapping[str, Any]

    def line(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)


class Peer(Protocol):
    """What the benchmark asks of a toolkit. Every method raises RunFailed with the reason it cannot."""

    name: str
    limits: str

    def install(self, work: Path) -> None:
        """Make its environment inside `work`, or find it made."""

    def prepare(self, work: Path, data: Path) -> None:
        """Write vocabulary and configuration for the pieces in `data`."""

    def train_speed(self, work: Path, seconds: float, threads: int) -> Measure:
        """Target tokens a second, without padding and start marks, in a steady state of so many seconds."""

    def train(self, work: Path, minutes: float, threads: int) -> Measure:
        """Train for so many minutes of wall time, start-up included, and leave a model for decoding."""

    def decode(self, work: Path, beam: int, threads: int, repeat: int) -> Measure:
        """Sentences a second over the test set so many times in one call, start-up excluded."""

    def latency(self, work: Path, beam: int, threads: int) -> Measure:
        """Milliseconds for one line after another, start-up excluded: the median."""

    def process(self, work: Path, threads: int) -> Measure:
        """Seconds for one line as a whole process: the median."""


def run(peer: Peer, arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the exit code."""
    options = _parser(peer).parse_args(arguments)
    # Without a handler of its own a terminated process would leave the peer running.
    signal.signal(signal.SIGTERM, _terminated)
    try:
        measure = _call(peer, options)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except (RunFailed, OSError) as error:
        print(f"{peer.name}: error: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        return ExitCode.RUN_FAILED
    if measure is not None:
        print(measure.line(), flush=True)
    return ExitCode.OK


def _terminated(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(int(ExitCode.TERMINATED))


def _call(peer: Peer, options: argparse.Namespace) -> Measure | None:
    match options.command:
        case "limits":
            print(peer.limits.strip())
            return None
        case "install":
            peer.install(options.work)
            return None
        case "prepare":
            peer.prepare(options.work, options.data)
            return None
        case "train-speed":
            return peer.train_speed(options.work, options.seconds, options.threads)
        case "train":
            return peer.train(options.work, options.minutes, options.threads)
        case "decode":
            return peer.decode(options.work, options.beam, options.threads, options.repeat)
        case "latency":
            return peer.latency(options.work, options.beam, options.threads)
        case _:
            return peer.process(options.work, options.threads)


def _parser(peer: Peer) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"{peer.name}.py", description=f"{peer.name} in the benchmark.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("limits", help="what it cannot do")
    install = commands.add_parser("install", help="make its environment")
    prepare = commands.add_parser("prepare", help="write its vocabulary and configuration")
    prepare.add_argument("--data", type=_folder, required=True)
    speed = commands.add_parser("train-speed", help="target tokens per second in training")
    speed.add_argument("--seconds", type=_positive, required=True)
    train = commands.add_parser("train", help="train for a while and leave a model")
    train.add_argument("--minutes", type=_positive, required=True)
    decode = commands.add_parser("decode", help="sentences a second in decoding")
    decode.add_argument("--repeat", type=_count, default=1)
    latency = commands.add_parser("latency", help="milliseconds for one line")
    process = commands.add_parser("process", help="seconds for one line as a whole process")
    for command in (decode, latency):
        command.add_argument("--beam", type=_count, required=True)
    for command in (speed, train, decode, latency, process):
        command.add_argument("--threads", type=_count, default=THREADS)
    for command in (install, prepare, speed, train, decode, latency, process):
        command.add_argument("--work", type=Path, required=True)
    return parser


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"no folder at {text}")
    return path


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)
