"""What a run has finished, one line a repeat, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from measure import Attempt

from seqkit.files import write_atomic

SCHEMA = 1


def fingerprint(files: Iterable[Path]) -> str:
    """A hash over the files' content: what was measured with other code is not mixed with the present one."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


class Finished:
    """Attempts in a JSON Lines file by case, command and repeat. Failures are tried again by the next run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._attempts: dict[tuple[str, tuple[str, ...], int], Attempt] = {}
        content = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        for line in content.split("\n"):
            with suppress(ValueError, KeyError, TypeError):
                record = json.loads(line)
                if record["schema"] == SCHEMA:
                    key = (record["case"], tuple(record["command"]), record["repeat"])
                    self._attempts[key] = Attempt(**record["attempt"])

    def find(self, case: str, command: Iterable[str], repeat: int) -> Attempt | None:
        """A finished attempt, or None."""
        return self._attempts.get((case, tuple(command), repeat))

    def add(self, case: str, command: Iterable[str], repeat: int, attempt: Attempt) -> None:
        """Write an attempt down if it has a value."""
        if attempt.value is None:
            return
        self._attempts[case, tuple(command), repeat] = attempt
        lines = [
            json.dumps(
                {
                    "schema": SCHEMA,
                    "case": key[0],
                    "command": key[1],
                    "repeat": key[2],
                    "attempt": asdict(done),
                },
                allow_nan=False,
            )
            for key, done in self._attempts.items()
        ]
        write_atomic(self.path, "".join(line + "\n" for line in lines).encode())
