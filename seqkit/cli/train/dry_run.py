"""`seqkit train --dry-run`: what a run would need."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from seqkit.cli.terminal import console
from seqkit.cli.terminal.output import json_line, write_results
from seqkit.kinds import KINDS

if TYPE_CHECKING:
    from seqkit.training.options import TrainOptions
    from seqkit.training.rehearsal import Rehearsal
    from seqkit.training.sizing import Choice


def rehearse_training(options: TrainOptions, preset: str, *, as_json: bool, quiet: bool) -> None:
    """Take some steps and print what they say."""
    from seqkit.training.rehearsal import rehearse
    from seqkit.training.sizing import better_preset

    if not quiet:
        console.note("taking a dozen steps; nothing is written")
    found = rehearse(options)
    choice = options.choice
    better = better_preset(KINDS[found.kind], preset, found.size) if choice is None else None
    if as_json:
        record = {"schema": 1, **asdict(found), "preset": preset, "better_preset": better}
        write_results(json_line({**record, **words_of_choice(choice)}) + "\n")
        return
    rows = _rows(found)
    if choice is not None:
        rows = [("chosen size", choice.size), ("chosen for", choice.reason), *rows]
    width = max(len(name) for name, _ in rows)
    write_results("".join(f"{name:<{width}}  {value}\n" for name, value in rows))
    if quiet:
        return
    if better is not None:
        console.note(f"a corpus of this size suits --preset {better}; README.md says what each is for")
    if found.disk_needed > found.disk_free:
        console.note(f"not enough disk space: free some, or choose a MODEL elsewhere than {options.model}")


def words_of_choice(choice: Choice | None) -> dict[str, str | None]:
    """What a summary says of the size that the budget chose."""
    return {
        "chosen_size": None if choice is None else choice.size,
        "chosen_for": None if choice is None else choice.reason,
    }


def _rows(found: Rehearsal) -> list[tuple[str, str]]:
    threads = f"{found.threads} thread{'' if found.threads == 1 else 's'}"
    return [
        ("parameters", f"{found.parameters:,}"),
        ("training text", f"{found.size:,} {KINDS[found.kind].counted.many}"),
        ("computes", f"{found.precision} on {found.device}, {threads}"),
        ("speed", f"{found.tokens_per_second:,.0f} {KINDS[found.kind].predicted}/s"),
        ("budget", f"{found.steps:,} steps, {found.epochs:.1f} epochs"),
        ("time", f"{console.duration(found.seconds)}, {'in all' if found.timed else 'and the validations'}"),
        ("memory", f"{_size(found.peak_memory)} so far"),
        ("disk", f"{_size(found.disk_needed)} at most; {_size(found.disk_free)} are free"),
    ]


def _size(count: float) -> str:
    """Bytes in the unit that fits."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:,.0f} {unit}" if unit != "GB" else f"{count:,.1f} {unit}"
