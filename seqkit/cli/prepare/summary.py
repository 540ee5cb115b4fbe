"""What `seqkit prepare` says of its work: the rows of its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqkit.cli.terminal import console

if TYPE_CHECKING:
    from seqkit.data.prepare.parallel import PrepareReport
    from seqkit.data.prepare.plain import PrepareTextReport


def pair_rows(report: PrepareReport) -> list[tuple[str, str]]:
    """The report on parallel text."""
    rows = [("pairs read", f"{report.lines:,}"), ("pairs kept", f"{report.kept:,}")]
    rows += [
        (f"dropped: {reason.replace('_', ' ')}", f"{count:,}")
        for reason, count in report.dropped.items()
        if count
    ]
    if report.targets != "text":
        rows.append(("targets", report.targets))
    if report.bad_rows:
        rows.append(("bad rows skipped", f"{report.bad_rows:,}"))
    if report.mended:
        rows.append(("mended", f"{report.mended:,} pairs"))
    if report.cleaned:
        rows.append(("invisible characters", f"taken out of {report.cleaned:,} pairs"))
    sizes = " + ".join(f"{size:,}" for size in report.vocabulary_sizes)
    return [
        *rows,
        ("validation pairs", f"{report.valid:,}"),
        ("source tokens", f"{report.source_tokens:,} ({report.source_tokens_per_line:.1f} per line)"),
        ("target tokens", f"{report.target_tokens:,} ({report.target_tokens_per_line:.1f} per line)"),
        ("vocabulary", f"{sizes} ({'joint' if len(report.vocabulary_sizes) == 1 else 'source + target'})"),
        ("unknown", f"{report.unknown_rate:.2%}; byte fallback {report.byte_rate:.2%}"),
        ("time", f"{console.duration(report.seconds)} ({report.lines_per_second:,.0f} pairs/s)"),
    ]


def pair_notes(report: PrepareReport) -> list[str]:
    """What was decided because of the targets, in a sentence."""
    if not report.decided:
        return []
    return [f"because targets are {report.targets}: {', '.join(report.decided)}; options override each"]


def text_rows(report: PrepareTextReport) -> list[tuple[str, str]]:
    """The report on plain text."""
    sides = {
        "training": (report.train_characters, report.train_tokens, report.train_documents),
        "validation": (report.valid_characters, report.valid_tokens, report.valid_documents),
    }
    rows = []
    for name, (characters, tokens, documents) in sides.items():
        marked = f" in {documents:,} documents" if report.documents != "none" else ""
        rows.append((name, f"{characters:,} characters, {tokens:,} tokens{marked}"))
    rows += [(f"dropped: {reason}", f"{count:,}") for reason, count in report.dropped.items() if count]
    fallback = f"{report.byte_rate:.2%} of training, {report.valid_byte_rate:.2%} of validation"
    return [
        *rows,
        ("vocabulary", f"{report.vocabulary_size:,}"),
        ("byte fallback", fallback),
        (
            "time",
            f"{console.duration(report.seconds)} ({report.characters_per_second:,.0f} characters/s)",
        ),
    ]
