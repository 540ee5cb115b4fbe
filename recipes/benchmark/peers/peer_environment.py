"""A peer's own Python environment, made by pip from pinned packages."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from peer_processes import Command, run

from seqkit.errors import RunFailed
from seqkit.files import write_atomic

TORCH = "torch==2.13.0"


@dataclass(frozen=True)
class Environment:
    """What is installed into `folder`: torch first, then packages as they are, then what they need.

    `packages` are installed without their dependencies, because those would pull an old torch or libraries
    that no longer work; `needs` is what of them is really imported.
    """

    folder: Path
    packages: tuple[str, ...]
    needs: tuple[str, ...]

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "venv" / "bin" / "python"

    def program(self, name: str) -> Path:
        """A command that one of the packages brings."""
        return self.python.parent / name

    def install(self) -> None:
        """Make it; nothing happens where it is made already. RunFailed with pip's last error."""
        if self._written() == self._wanted():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._stamp.unlink(missing_ok=True)
        log = self.folder / "logs"
        venv: Command = [sys.executable, "-m", "venv", "--clear", self.python.parent.parent]
        run(venv, log / "venv.log", 1, what="python -m venv")
        pip: Command = [self.python, "-m", "pip", "install", "--no-input", "--quiet"]
        run([*pip, TORCH], log / "pip-torch.log", 1, what=f"pip install {TORCH}")
        run(
            [*pip, "--no-deps", *self.packages],
            log / "pip-package.log",
            1,
            what=f"pip install {self.packages[0]}",
        )
        run(
            [*pip, TORCH, *self.needs],
            log / "pip-needs.log",
            1,
            what=f"pip install what {self.packages[0]} needs",
        )
        write_atomic(self._stamp, self._wanted().encode())

    def require(self) -> None:
        """RunFailed where it is not made."""
        if self._written() != self._wanted():
            raise RunFailed("not installed in this form; run install first")

    @property
    def _stamp(self) -> Path:
        return self.folder / "installed.json"

    def _wanted(self) -> str:
        return json.dumps([TORCH, *self.packages, *self.needs], indent=1) + "\n"

    def _written(self) -> str | None:
        if not self._stamp.is_file() or not self.python.exists():
            return None
        return self._stamp.read_text(encoding="utf-8", errors="replace")
