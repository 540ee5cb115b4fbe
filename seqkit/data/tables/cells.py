"""What a cell holds: numbers, series and frames from text or JSON."""

from __future__ import annotations

import json
import re
from typing import cast

import numpy as np
from numpy.typing import NDArray

from seqkit import limits
from seqkit.data.tables.row import Cell

_SEPARATORS = re.compile(r"[\s,;]+")
_LARGEST = float(np.finfo(np.float32).max)
_NOTHING = {"", "na", "n/a", "nan", "null", "none", "?"}


class BadCell(Exception):
    """Why a cell cannot be read, in words that follow "column x"."""


def text_of(cell: Cell) -> str:
    """A cell as text of one line."""
    text = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
    return text.replace("\r\n", " ").replace("\n", " ")


def series_of(cell: Cell) -> NDArray[np.float32]:
    """A number, or several of them: a series over time. (T,)"""
    values = _numbers(cell)
    if not values:
        raise BadCell("is empty")
    if len(values) > limits.FRAMES:
        raise BadCell(f"has {len(values):,} numbers, more than {limits.FRAMES:,}")
    return np.array(values, np.float32)


def frames_of(cell: Cell) -> NDArray[np.float32]:
    """A list of lists, a frame each, as (T, F); a list of numbers has frames of one. (T, F)"""
    value = _parsed(cell)
    if not isinstance(value, list) or not value:
        raise BadCell("is not a list of frames")
    frames: list[list[object]] = [each if isinstance(each, list) else [each] for each in value]
    sizes = {len(frame) for frame in frames}
    if len(sizes) != 1 or 0 in sizes:
        raise BadCell("has frames of different sizes")
    if len(frames) > limits.FRAMES or len(frames[0]) > limits.FRAME_NUMBERS:
        raise BadCell(f"has {len(frames):,} frames of {len(frames[0]):,} numbers, too many")
    return np.array([[_number(number) for number in frame] for frame in frames], np.float32)


def _parsed(cell: Cell) -> object:
    """What a cell of text says in JSON."""
    if not isinstance(cell, str):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise BadCell("is not a JSON list of numbers") from error


def _numbers(cell: Cell) -> list[float]:
    """The numbers of a cell: one, a JSON list of them, or some separated by spaces, commas or semicolons."""
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        cell = cast(list[object], _parsed(cell))
    if isinstance(cell, list):
        return [_number(each) for each in cell]
    if isinstance(cell, str):
        return [_number(part) for part in _SEPARATORS.split(cell.strip()) if part]
    return [_number(cell)]


def _number(value: object) -> float:
    if isinstance(value, str):
        return _checked(_parsed_number(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadCell("lacks a number" if value is None else "has something that is no number")
    return _checked(value)


def _parsed_number(text: str) -> float:
    if text.strip().lower() in _NOTHING:
        raise BadCell("lacks a number")
    try:
        if "_" in text:  # Python's own way to group digits
            raise ValueError(text)
        return float(text)
    except ValueError as error:
        raise BadCell(f"has {text[:40]!r}, which is no number") from error


def _checked(number: int | float) -> float:
    # A whole number of JSON may be too large even for a double.
    if not -_LARGEST <= number <= _LARGEST:  # false for NaN too
        raise BadCell("has a number that is NaN, infinite or beyond single precision")
    return float(number)
