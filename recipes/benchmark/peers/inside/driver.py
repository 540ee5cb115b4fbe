"""What the decoding drivers share: lines in, the time that the translation alone took out.

It runs in a peer's environment, on the standard library. The result goes to a file, because peers write
to both standard streams.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WARM_UP = 5  # single sentences before the clock runs

Translate = Callable[[list[str]], list[str]]  # lines of pieces to lines of pieces, in order


@dataclass(frozen=True)
class Job:
    """What to translate and how. `one_by_one` times every line by itself, else all of them in one call."""

    model: Path
    source: Path
    result: Path
    beam: int
    batch: int
    threads: int
    repeat: int
    one_by_one: bool


def job() -> Job:
    """The job that the command line describes."""
    parser = argparse.ArgumentParser()
    for name in ("model", "source", "result"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("beam", "batch", "threads", "repeat"):
        parser.add_argument(f"--{name}", type=int, default=1)
    parser.add_argument("--one-by-one", action="store_true")
    return Job(**vars(parser.parse_args()))


def measure(work: Job, translate: Translate) -> None:
    """Translate the lines, time it and write seconds, outputs and peak memory down."""
    lines = work.source.read_bytes().decode().split("\n")[:-1]
    if work.one_by_one:
        groups = [[line] for line in lines]
        translate_all(translate, groups[:WARM_UP])
    else:
        groups = [lines * work.repeat]
        translate(lines[: work.batch])
    outputs, seconds = translate_all(translate, groups)
    if len(outputs) != len(lines) * work.repeat:
        raise SystemExit(f"{len(lines) * work.repeat} lines went in and {len(outputs)} came out")
    work.result.write_text(
        json.dumps(
            {
                "seconds": seconds,
                "sentences": len(outputs),
                "output_tokens": sum(len(output.split()) for output in outputs),
                "outputs": outputs[: len(lines)],
                "peak_rss_bytes": peak_resident_bytes(),
            }
        )
    )


def peak_resident_bytes() -> int:
    """The most memory that this program had; `ru_maxrss` also knows what ran in the process before it."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def translate_all(translate: Translate, groups: list[list[str]]) -> tuple[list[str], list[float]]:
    """All outputs, and the seconds of each group."""
    outputs, seconds = [], []
    for group in groups:
        began = time.perf_counter()
        translated = translate(group)
        seconds.append(time.perf_counter() - began)
        outputs += translated
    return outputs, seconds
