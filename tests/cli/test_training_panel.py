"""The live area of a training run and the small charts in it."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from rich.console import Console
from rich.text import Text

from seqkit.cli.terminal.chart import Curve, bar, line_chart, sparkline
from seqkit.cli.terminal.live_area import Area
from seqkit.cli.train.display import TrainingDisplay
from seqkit.cli.train.panel import TrainingPanel
from seqkit.kinds import GENERATION, KINDS, TRANSLATION, Kind
from seqkit.training.events import Progress, Validated
from seqkit.training.loop import StepReport
from seqkit.training.validation import Measured

_UP = "\x1b[1A"


def dots(lines: Sequence[str]) -> set[tuple[int, int]]:
    """Column and row of every dot, from the upper left corner."""
    bits = {(0, 0): 1, (0, 1): 2, (0, 2): 4, (1, 0): 8, (1, 1): 16, (1, 2): 32, (0, 3): 64, (1, 3): 128}
    return {
        (2 * column + x, 4 * row + y)
        for row, line in enumerate(lines)
        for column, character in enumerate(line)
        for (x, y), bit in bits.items()
        if (ord(character) - 0x2800) & bit
    }


def test_a_line_chart_joins_its_points() -> None:
    chart = line_chart([(0, 0), (10, 7)], 4, 2, right=10)
    assert [len(line) for line in chart] == [4, 4]
    assert dots(chart) == {(place, 7 - place) for place in range(8)}  # a diagonal
    assert dots(line_chart([(0, 1), (5, 1)], 4, 2, right=10)) == {(place, 0) for place in range(5)}
    steep = dots(line_chart([(0, 0), (0, 7), (10, 7)], 4, 2, right=10))
    assert {(0, row) for row in range(8)} <= steep


def test_a_chart_of_nothing_is_blank_and_of_odd_values_whole() -> None:
    assert dots(line_chart([], 3, 2, right=5)) == set()
    assert dots(line_chart([(0, math.nan), (1, math.inf)], 3, 2, right=5)) == set()
    assert dots(line_chart([(0, 3.0)], 3, 2, right=5)) == {(0, 0)}
    assert max(x for x, _ in dots(line_chart([(0, 0), (99, 1)], 3, 1, right=5))) == 5  # beyond the right edge


def test_bars_and_sparklines() -> None:
    assert [bar(share) for share in (-1, 0, 0.5, 1, 2)] == [" ", " ", "▄", "█", "█"]
    assert sparkline([1, 2, 3, 8]) == "▁▂▃█"
    assert sparkline([5, 5]) == "▁▁"
    assert len(sparkline(list(range(100)))) == 24
    assert sparkline(list(range(100)))[-1] == "█"


def test_a_curve_stays_small_and_keeps_its_ends() -> None:
    curve = Curve()
    for step in range(100_000):
        curve.add(step, step)
    assert 200 < len(curve.points) <= Curve.LIMIT
    assert curve.points[0][0] < 1000
    assert curve.points[-1][0] > 99_000
    assert curve.points == sorted(curve.points)


def report(step: int, loss: float, **changes: Any) -> StepReport:
    values: dict[str, Any] = {
        **{"step": step, "epoch": step / 50, "objective": 900.0, "nats": 100 * loss, "positions": 100},
        **{
            "source_positions": 100,
            "learning_rate": 1e-3,
            "gradient_norm": 0.5,
            "clipped": False,
            "finite": True,
        },
        **{"norms": torch.zeros(1), **changes},
    }
    return StepReport(**values)


def filled(steps: int = 100) -> TrainingPanel:
    panel = TrainingPanel("BLEU", TRANSLATION.samples, total_steps=200)
    for step in range(1, steps + 1):
        panel.take_step(Progress(report(step, 5 - step / 50), step / 200, 10.0, 65.0, validating=False))
        if step % 20 == 0:
            panel.take_row(step, step / 2, {"encoder_1": 1.0, "bridge": 1e-2, "decoder_1": 1e-4})
    panel.best, panel.rate = "BLEU 50.00 at 100", 12_345.0
    return panel


def drawn(panel: TrainingPanel, width: int, height: int = 40) -> list[str]:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    Console(file=stream, width=width, height=height, force_terminal=True, color_system=None).print(panel)
    stream.seek(0)
    return stream.read().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_the_panel_fits_and_says_what_counts(width: int) -> None:
    lines = drawn(filled(), width)
    assert all(len(line) < width for line in lines)
    text = "\n".join(lines)
    assert "50%" in text
    assert "step 100/200" in text
    assert "loss 3." in text
    assert "gradient 0.50" in text
    if width >= 80:
        for words in ("1:05 left", "12,345 tok/s", "lr 1.0e-03", "best BLEU 50.00 at 100", "clipped 0%"):
            assert words in text
        assert "by part █▄" in text
        assert "weakest decoder 1, 0.0001" in text
        assert "train loss 4.98 → " in text
        assert "BLEU 10.00 → 50.00" in text


def test_the_charts_reach_as_far_as_the_run_has_come() -> None:
    lines = drawn(filled(), 80)
    first = [re.findall("[\u2800-\u28ff]+", line) for line in lines]
    charts = [found for found in first if len(found) == 2]
    assert len(charts) == 4
    for side in range(2):
        columns = {x for x, _ in dots([found[side] for found in charts])}
        width = 2 * len(charts[0][side])
        assert max(columns) == pytest.approx(width / 2, abs=2)  # half of the budget is used


@pytest.mark.parametrize("width", [2, 10, 22, 23, 39])
def test_the_narrowest_terminal_ends_no_run(width: int) -> None:
    lines = drawn(filled(), width)
    assert len(lines) == 3
    assert all(len(line) < width for line in lines)


def test_what_was_cut_is_whole_again_on_a_wider_terminal() -> None:
    panel = filled()
    panel.take_samples([{"source": "a line of sixty characters, " + "x" * 32, "translation": "y" * 50}])
    before = drawn(panel, 100)
    assert drawn(panel, 40) != before
    assert drawn(panel, 100) == before


def test_a_low_screen_has_no_charts_and_an_old_encoding_no_braille() -> None:
    assert len(drawn(filled(), 80, height=10)) == 3
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    Console(file=stream, width=80, height=40, force_terminal=True, color_system=None).print(filled())
    stream.seek(0)
    assert len(stream.read().splitlines()) == 3


def test_trouble_is_shown_as_such() -> None:
    panel = filled()
    step = report(101, math.nan, finite=False, gradient_norm=math.inf, clipped=True)
    panel.take_step(Progress(step, 0.5, 1.0, 1.0, validating=True))
    text = "\n".join(drawn(panel, 100))
    assert "gradient not finite" in text
    assert "validating …" in text
    assert "clipped 2%" in text
    assert "nan" not in text


def test_samples_replace_each_other_and_cannot_steer_the_terminal() -> None:
    panel = filled()
    panel.take_samples([{"source": "old \x1b[2J", "reference": "reference", "translation": "translation"}])
    assert "    → translation" in drawn(panel, 80)
    assert "      old \\x1b[2J" in drawn(panel, 80)
    panel.take_samples([{"source": "new", "translation": "one\ntwo"}])
    lines = drawn(panel, 80)
    assert "    → two" in lines
    assert not any("old" in line for line in lines)


def test_a_text_is_shown_by_its_first_lines() -> None:
    panel = filled()
    panel.signs = GENERATION.samples
    panel.take_samples([{"text": "\n".join(f"line {n}" for n in range(9))}])
    lines = drawn(panel, 80)
    assert [line.strip() for line in lines if "│" in line] == [f"│ line {n}" for n in range(6)]


class Screen(Console):
    """A console whose width can be changed, as a person changes a terminal's."""

    def __init__(self, width: int) -> None:
        self.stream = io.StringIO()
        super().__init__(file=self.stream, force_terminal=True, width=width, height=30, color_system=None)


def test_a_narrower_terminal_gets_its_broken_lines_erased() -> None:
    screen = Screen(100)
    area = Area(Text("x" * 90 + "\n" + "y" * 40 + "\n" + "z" * 61), screen)
    screen.print(area)
    assert screen.stream.getvalue() == "x" * 90 + "\n" + "y" * 40 + "\n" + "z" * 61
    assert area.process_renderables([Text("unchanged")]) == [Text("unchanged")]
    screen.width = 30
    (up, rest) = area.process_renderables([Text("what follows")])
    assert str(rest) == "what follows"
    # 90 columns take three rows of 30, 40 two and 61 three: five more than there were.
    assert str(up).count(_UP) == 5
    assert area.process_renderables([Text("once")]) == [Text("once")]
    screen.width = 200
    assert area.process_renderables([Text("wider")]) == [Text("wider")]


@pytest.mark.parametrize(
    ("total", "expected"), [(1000, ["estimate seconds=245 steps_per_second=4"]), (0, [])]
)
def test_how_long_a_run_takes_is_told_once_it_is_known(
    total: int, expected: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of a budget in steps; the first step, which takes a second more, is left out."""
    now = [100.0]
    monkeypatch.setattr("seqkit.cli.train.display.time.monotonic", lambda: now[0])
    display = TrainingDisplay(TRANSLATION, quiet=False)
    display.panel.total_steps = total
    now[0] += 1
    for step in range(1, 60):
        now[0] += 0.25
        display.show(Progress(report(step, 2.0), step / 1000, now[0], 0.0, False))
    lines = capfd.readouterr().err.splitlines()
    told = [line[line.index("estimate") :] for line in lines if "estimate" in line]
    # Told after the twelfth of the steps that follow the first.
    assert told == [line.replace("245", f"{(1000 - 13) / 4:.0f}") for line in expected]


def test_a_warning_is_said_when_it_begins(capfd: pytest.CaptureFixture[str]) -> None:
    """A loss that rises for ten validations is one warning, not ten; what comes back is said again."""
    row: dict[str, Any] = {"step": 1, "epoch": 1.0, "train_nats": 2.0, "valid_perplexity": 3.0}
    row["gradient"] = {"norm": 1.0, "clipped_share": 0.0, "parts": {}}
    row["timing"] = {"target_tokens_per_second": 9.0, "elapsed_seconds": 1.0}
    display = TrainingDisplay(TRANSLATION, quiet=True)
    said = []
    for kinds in (
        ["over-fitting"],
        ["over-fitting", "gradients vanish"],
        ["over-fitting"],
        [],
        ["over-fitting"],
    ):
        warnings = [f"{kind}: by {len(said)}" for kind in kinds]
        display.show(Validated(Measured(2.0, (), (), {}, 10), row, False, warnings))
        said.append(capfd.readouterr().err.removeprefix("seqkit: warning: "))
    assert said == ["over-fitting: by 0\n", "gradients vanish: by 1\n", "", "", "over-fitting: by 4\n"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_the_titles_of_the_columns_stand_above_the_rows_once(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[str] = []
    monkeypatch.setattr("seqkit.cli.train.display.console.row", lambda text, **_: rows.append(text))
    display = TrainingDisplay(kind, quiet=False)
    display.terminal = Console(width=100)
    scores = tuple({"metric": metric.name, "score": 1.23456, "signature": ""} for metric in kind.metrics)
    for step in (1, 2, 3):
        row: dict[str, Any] = {"step": step, "epoch": 1.0, "train_nats": 2.0, "valid_perplexity": 3.0}
        row["gradient"] = {"norm": 1.0, "clipped_share": 0.0, "parts": {}}
        row["timing"] = {"target_tokens_per_second": 9.0, "elapsed_seconds": 1.0}
        display.show(Validated(Measured(2.0, scores, (), {}, 10), row, False, []))
    header, *values = rows
    assert header.split()[:4] == ["step", "epoch", "train", "valid"]
    assert [metric.short in header for metric in kind.shown] == [True] * len(kind.shown)
    assert len(values) == 3
    assert all(metric.text(1.23456) in line for metric in kind.shown for line in values)
    assert all(len(line) == len(header) for line in values)
