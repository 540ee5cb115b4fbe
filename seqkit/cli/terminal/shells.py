"""How shells are answered where Typer's own answers will not do.

Typer has no public place for these names, so nothing but `completion.prepare_shells`, which can do without,
imports this file.
"""

from __future__ import annotations

import os
import re

from typer import _completion_classes
from typer._click.shell_completion import CompletionItem, add_completion_class, split_arg_string
from typer._completion_classes import BashComplete

_PLAIN = re.compile(r"[^\w@%+=:,./~^-]")  # what bash must not see bare


def prepare() -> None:
    """Put in place what differs from Typer's."""
    add_completion_class(_Bash, "bash")
    # Typer takes rich's markup out of descriptions, which takes rich 0.1 s to load, and ours has none.
    _completion_classes._sanitize_help_text = lambda text: text


class _Bash(BashComplete):
    """bash cuts words at = and : too, wants only what follows, and takes it as it would be typed."""

    before = ""  # what bash keeps of the word that is completed
    quoted = False

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is completed, and that one, whole."""
        current = int(os.environ["COMP_CWORD"])
        raw = os.environ["COMP_WORDS"].split("\n")[: current + 1]
        words: list[str] = []
        for piece in raw:
            if words and piece and (_is_break(piece) or _is_break(words[-1][-1:])):
                words[-1] += piece
            else:
                words.append(piece)
        last = "" if _is_break(raw[-1]) else raw[-1]
        self.before = words[-1].removesuffix(last)
        self.quoted = raw[-1][:1] in {'"', "'"}
        *before, begun = ("".join(split_arg_string(word)) for word in words)
        return before[1:], begun

    def format_completion(self, item: CompletionItem) -> str:
        """What bash puts behind what it keeps."""
        option, equals, value = self.before.partition("=")
        kept = value if equals and option.startswith("-") else self.before
        rest = str(item.value).removeprefix(kept)
        return rest if self.quoted else _PLAIN.sub(r"\\\g<0>", rest)


def _is_break(piece: str) -> bool:
    return piece != "" and set(piece) <= set("=:")
