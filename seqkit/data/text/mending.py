"""What other tools have left in a text, entities of HTML and spaces of a tokenizer: noticed, and undone."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal, get_args

from seqkit.errors import ConfigError, suggest

Fault = Literal["entities", "tokens"]
FAULTS: tuple[Fault, ...] = get_args(Fault)

_FEWEST = 5  # lines that tell
_MANY_ENTITIES = 0.01  # share of all lines
_MANY_TOKENISED = 0.6  # share of the lines with a full stop or a comma

_ENTITY = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
_LINE_END = re.compile(r"[\r\n]")
_PUNCTUATED = re.compile(r"[.,。，](?:\s|$)|[。，]")
_SPACE_BEFORE = re.compile(r"\w [.,。，](?:\s|$)|@-@")

_CJK = "\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff60"
_DETOKENISING: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r" ?@([-/–])@ ?"), r"\1"),
    (re.compile(rf"(?<=[{_CJK}]) +(?=[{_CJK}])"), ""),
    (re.compile(r" +([.,!?;:%)\]}”’…。，、！？；：]+)(?= |$|[”’)\]}])"), r"\1"),
    (re.compile(r"(?:(?<= )|^)([(\[{“‘¿¡$£#]) +"), r"\1"),
    (re.compile(r"(?<=\w) +(['’](?:s|S|re|RE|ve|VE|ll|LL|d|D|m|M|t|T)|n['’]t|N['’]T)\b"), r"\1"),
    (re.compile(r"\b([cdjlmnstCDJLMNST]|[Qq]u|[Dd]ell|[Nn]ell|[Ss]ull|[Aa]ll)(['’]) +(?=\w)"), r"\1\2"),
)
_QUOTED = re.compile(r'(?:(?<= )|^)" +(.*?) +"(?= |$|[.,!?;:])')

logger = logging.getLogger("seqkit")


def faults_of(names: str) -> tuple[Fault, ...]:
    """The faults that a list with commas names. ConfigError for an unknown one."""
    for name in names.split(","):
        if name not in FAULTS:
            raise ConfigError(
                f"--mend {name} is not known",
                where="--mend",
                hint=suggest(name, FAULTS) or f"one of {', '.join(FAULTS)}, or both with a comma",
            )
    return tuple(fault for fault in FAULTS if fault in names.split(","))


def mender(faults: Sequence[Fault]) -> Callable[[Sequence[str]], list[str]]:
    """What undoes the faults in lines."""
    return partial(_mended, [_MENDERS[fault] for fault in faults])


def _mended(menders: Sequence[Callable[[str], str]], lines: Sequence[str]) -> list[str]:
    mended = list(lines)
    for mend in menders:
        mended = [mend(line) for line in mended]
    return mended


def without_entities(line: str) -> str:
    """Characters for HTML entities, also for those that were escaped twice ("&amp;quot;"); no line ends."""
    for _ in range(2 if "&amp;" in line else 1):
        line = _ENTITY.sub(lambda found: _LINE_END.sub(" ", html.unescape(found[0])), line)
    return line


def detokenised(line: str) -> str:
    """A line as it is written, of one that Moses or the like has cut: "It 's a dog ." is "It's a dog."."""
    for pattern, replacement in _DETOKENISING:
        line = pattern.sub(replacement, line)
    return _QUOTED.sub(r'"\1"', line)


_MENDERS: dict[Fault, Callable[[str], str]] = {"entities": without_entities, "tokens": detokenised}


def notice(sides: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Warn of faults in a sample of each side, by its name."""
    for name, lines in sides:
        entities = sum(_ENTITY.search(line) is not None for line in lines)
        if entities >= max(_FEWEST, _MANY_ENTITIES * len(lines)):
            first = next(found[0] for line in lines if (found := _ENTITY.search(line)))
            logger.warning(
                "%s: %.0f %% of the lines have HTML entities (%s); --mend entities makes characters of them",
                name,
                100 * entities / len(lines),
                first,
            )
        punctuated = sum(_PUNCTUATED.search(line) is not None for line in lines)
        tokenised = sum(_SPACE_BEFORE.search(line) is not None for line in lines)
        if tokenised >= max(_FEWEST, _MANY_TOKENISED * punctuated):
            logger.warning(
                "%s looks tokenised (spaces before full stops and commas), so translations will be, too; "
                "--mend tokens writes it as usual",
                name,
            )
