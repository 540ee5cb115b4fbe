"""`seqkit prepare --table`: what its options ask for, and what it says of its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seqkit.cli.terminal import console
from seqkit.errors import ConfigError

if TYPE_CHECKING:
    from seqkit.data.prepare.table import PrepareTableReport

_MOST_NAMED = 12  # columns, or classes


def prepare_from_tables(
    tables: Sequence[str],
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    delimiter: str | None,
    header: bool,
    quiet: bool,
    **named: Any,
) -> PrepareTableReport:
    """Prepare a corpus of tables; `named` are fields of `PrepareTableOptions` as the command has them."""
    from seqkit.data.prepare.table import PrepareTableOptions, prepare_table
    from seqkit.data.prepare.table_options import Column
    from seqkit.data.tables.rows import TableOptions

    given: Mapping[str, Any] = {name: value for name, value in named.items() if value is not None}
    options = PrepareTableOptions(
        table=tuple(tables),
        source=tuple(Column.parsed(text, "--source") for text in sources),
        target=tuple(Column.parsed(text, "--target") for text in targets),
        reading=TableOptions(delimiter, header),
        **given,
    )
    with console.progress("rows", quiet=quiet) as update:
        return prepare_table(options, update)


def refuse_without_table(options: Mapping[str, object]) -> None:
    """ConfigError for the first of the options that is given, since they are for tables."""
    for name, value in options.items():
        if value is not None and value is not False:
            raise ConfigError(f"{name} needs --table", where=name, hint="leave it out: it is for tables")


def table_rows(report: PrepareTableReport) -> list[tuple[str, str]]:
    """The report on tables, for people."""
    rows = [("kind", "classification")]
    for role, columns in (("source", report.source), ("target", report.target)):
        form = next(iter(columns.values()))
        rows.append((role, f"{_some(list(columns))} ({form}): {report.fields[role]}"))
    rows += [("rows read", f"{report.rows:,}"), ("rows kept", f"{report.kept:,}")]
    rows += [(f"dropped: {reason} rows", f"{count:,}") for reason, count in report.dropped.items() if count]
    rows += [
        ("validation rows", f"{report.valid:,}{', trained on as well' if report.train_on_all else ''}"),
        ("lengths", f"{report.mean_length:,.1f} on average, at most {report.longest:,}"),
        ("classes", _classes(report.classes)),
        ("time", f"{console.duration(report.seconds)} ({report.rows_per_second:,.0f} rows/s)"),
    ]
    return rows


def _classes(counts: Mapping[str, int]) -> str:
    """The commonest classes with their training rows."""
    order = sorted(counts.items(), key=lambda pair: -pair[1])
    return _some([f"{label} {count:,}" for label, count in order])


def _some(names: Sequence[str]) -> str:
    """The first of many names."""
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
