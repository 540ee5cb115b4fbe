"""Runs an OpenNMT-py command: opennmt_run.py [--minutes M] train|translate ARGUMENT…

OpenNMT-py 3.5.1 imports spacy and fasttext for transforms that nobody here uses, and does so even for
--help. It cannot stop training by the clock: with --minutes the supply of batches ends when the time does,
and the trainer saves as it does after its last step.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from clock import Clock, take_minutes
from stand_ins import stand_in_for

stand_in_for("spacy", "fasttext")


def stop_by(clock: Clock) -> None:
    """End the training loop when the clock says so."""
    from onmt.trainer import Trainer

    batches_of = Trainer._accum_batches

    def until_then(self: Any, iterator: Any) -> Iterator[Any]:
        for batches in batches_of(self, iterator):
            yield batches
            if clock.is_over():
                return

    Trainer._accum_batches = until_then


def main() -> None:
    """Take the option of ours away and hand the rest to OpenNMT-py."""
    clock, (command, *arguments) = take_minutes(sys.argv[1:])
    sys.argv[1:] = arguments
    if command == "train":
        from onmt.bin.train import main as run
    else:
        from onmt.bin.translate import main as run
    if clock is not None:
        stop_by(clock)
    run()


if __name__ == "__main__":
    main()
