"""Empty modules in the place of libraries that a peer imports and a benchmark never calls."""

from __future__ import annotations

import sys
from types import ModuleType


class StandIn(ModuleType):
    """A module, class or function: whatever is asked of it is another one, and a call does nothing."""

    __path__: list[str] = []  # noqa: RUF012  what makes it a package to the import system

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{self.__name__}.{name}")

    def __call__(self, *_values: object, **_options: object) -> None:
        return None


def stand_in_for(*names: str) -> None:
    """Make `import NAME` find nothing in particular; a package's modules are named one by one."""
    for name in names:
        sys.modules[name] = StandIn(name)
