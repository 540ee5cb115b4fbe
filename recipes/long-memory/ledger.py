"""Finished trials on disk, one a line, so that none is done twice and the charts are drawn from data."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from learner import Outcome, Trial, train

from seqkit.files import write_atomic

SCHEMA = 1  # raise it when the same trial would come out otherwise


class Ledger:
    """The outcomes in a JSON Lines file: `{"schema": 1, "trial": {…}, "outcome": {…}}`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[Trial, Outcome] = {}
        content = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        for line in content.splitlines():
            # A line of another version is as good as none.
            with suppress(ValueError, KeyError, TypeError):
                record = json.loads(line)
                if record["schema"] == SCHEMA:
                    self.outcomes[Trial(**record["trial"])] = Outcome(**record["outcome"])

    def outcome(self, trial: Trial) -> Outcome:
        """What is written down, or what comes of the trial now."""
        if trial not in self.outcomes:
            self.outcomes[trial] = train(trial)
            lines = [
                json.dumps(
                    {"schema": SCHEMA, "trial": asdict(done), "outcome": asdict(outcome)}, allow_nan=False
                )
                for done, outcome in self.outcomes.items()
            ]
            write_atomic(self.path, "".join(line + "\n" for line in lines).encode())
        return self.outcomes[trial]
