"""`prepare --table … --train-on-all`: rows for validation are trained on as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqkit.data.corpus import Corpus
from seqkit.data.prepare.table import PrepareTableOptions, PrepareTableReport, prepare_table
from seqkit.data.prepare.table_options import Column
from seqkit.errors import ConfigError

ROWS = 20
SIDES = {"source": (Column("x", "number"),), "target": (Column("side", "class"),)}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    lines = [f"{number},{'left' if number % 2 else 'right'}" for number in range(ROWS)]
    path.write_text("\n".join(["x,side", *lines]) + "\n")
    return path


def prepared(
    folder: Path, table: Path, *, on_all: bool
) -> tuple[PrepareTableReport, list[float], list[float]]:
    """The report, and the numbers that are trained on and validated."""
    options = PrepareTableOptions(folder, (str(table),), **SIDES, valid_size=5, train_on_all=on_all)
    report = prepare_table(options, lambda *_: None)
    corpus = Corpus.open(folder)
    train, valid = (
        [float(split.source[row][0, 0]) for row in range(len(split))]  # type: ignore[index]
        for split in (corpus.train, corpus.valid)
    )
    return report, train, valid


def test_all_rows_are_trained_on(tmp_path: Path, table: Path) -> None:
    report, train, valid = prepared(tmp_path / "all", table, on_all=True)
    assert train == list(range(ROWS))
    assert len(valid) == 5
    assert (report.kept, report.valid, report.train_on_all) == (ROWS, 5, True)
    assert report.classes == {"left": 10, "right": 10}


def test_the_rows_for_validation_are_those_that_would_be_held_out(tmp_path: Path, table: Path) -> None:
    _, train, held_out = prepared(tmp_path / "some", table, on_all=False)
    _, _, valid = prepared(tmp_path / "all", table, on_all=True)
    assert valid == held_out
    assert sorted(train + held_out) == list(range(ROWS))


def test_validation_tables_are_not_trained_on(tmp_path: Path, table: Path) -> None:
    with pytest.raises(ConfigError, match="--train-on-all cannot be used with --valid-table"):
        PrepareTableOptions(
            tmp_path / "c", (str(table),), **SIDES, valid_table=(str(table),), train_on_all=True
        )
