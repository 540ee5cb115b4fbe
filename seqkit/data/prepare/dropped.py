"""Pairs that are dropped: never many in silence, and not a great part of the data without being asked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from seqkit.data.prepare.options import DEFAULT_MAX_RATIO, PrepareOptions
from seqkit.data.prepare.targets import Plan
from seqkit.errors import DataError

TOLD = 0.05  # a share of the data that is warned of
REFUSED = 0.2  # a share that an option must ask for

logger = logging.getLogger("seqkit")


@dataclass(frozen=True)
class _Loss:
    """Why pairs are dropped, the option that decides it, whether that is given, and what can be done."""

    words: str
    option: str
    given: bool
    remedy: str  # to keep them
    consent: str = ""  # to drop them all the same


def refuse_great_losses(
    dropped: Mapping[str, int], lines: int, options: PrepareOptions, settled: Plan
) -> None:
    """Warn of each reason for which more than a twentieth of `lines` pairs is dropped.

    Raises DataError for one that drops more than a fifth, unless its option is given. Empty pairs have no
    option: there is nothing to learn from them.
    """
    for reason, loss in _losses(options, settled).items():
        count = dropped.get(reason, 0)
        if count <= TOLD * lines:
            continue
        share = f"{count:,} of {lines:,} pairs ({count / lines:.0%})"
        if count > REFUSED * lines and not loss.given:
            raise DataError(
                f"{share} would be dropped: {loss.words}",
                where=loss.option,
                hint="; ".join(filter(None, (loss.remedy, loss.consent))),
            )
        logger.warning("%s are dropped: %s; %s", share, loss.words, loss.remedy)


def _losses(options: PrepareOptions, settled: Plan) -> dict[str, _Loss]:
    """By the names of reports."""
    ratio = settled.max_ratio or DEFAULT_MAX_RATIO
    return {
        "empty": _Loss("a side is empty", "", True, "check the files if that is unexpected"),
        "identical": _Loss(
            "their target is their source",
            "--keep-identical",
            options.keep_identical is not None,
            "--keep-identical keeps them",
            "--drop-identical drops them",
        ),
        "duplicate": _Loss(
            "they occur more than once",
            "--keep-duplicates",
            options.keep_duplicates is not None,
            "--keep-duplicates keeps them",
            "--drop-duplicates drops them",
        ),
        "held_out": _Loss(
            "their source is in the validation set",
            "--valid-size",
            options.valid_size is not None,
            "a smaller --valid-size, or validation files, leave more for training",
        ),
        "too_long": _Loss(
            f"a side has more than {settled.max_tokens:,} tokens",
            "--max-tokens",
            options.max_tokens is not None,
            "a larger --max-tokens keeps them",
            f"--max-tokens {settled.max_tokens} drops them",
        ),
        "length_ratio": _Loss(
            f"one side is more than {ratio:g} times as long as the other",
            "--max-ratio",
            options.max_ratio is not None,
            "check that the files are aligned line by line; --max-ratio 0 keeps them",
            f"--max-ratio {ratio:g} drops them",
        ),
    }
