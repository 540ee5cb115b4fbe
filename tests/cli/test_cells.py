"""Cells on a terminal, in a pipe, as JSON and as a page: every form says the same, and nothing is raw."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.text import Text

from seqkit import cli
from seqkit.cli.generate.cells import CellOptions, show
from seqkit.cli.generate.cells_terminal import Canvas, canvas, rendition
from seqkit.cli.terminal import console
from seqkit.errors import ConfigError, DataError, InputMissing, OutputError
from seqkit.inspection.cell_relations import View, relate_cells
from seqkit.inspection.cells import cell_activations
from seqkit.model_directory import LoadedModel
from tests.conftest import Finished
from tests.generators import small_generator, write_generator
from tests.unit.pages.test_cells import ALPHABET, HOSTILE, TEXT, Page


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return small_generator(characters=ALPHABET)


def shown(loaded: LoadedModel, text: str, options: CellOptions) -> Finished:
    """What `show` writes."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with mock.patch.multiple(sys, stdout=out, stderr=err):
        show(loaded, text, options)
    out.flush()
    written = out.buffer
    assert isinstance(written, io.BytesIO)
    return Finished(0, written.getvalue(), err.getvalue())


def lines(loaded: LoadedModel, text: str, options: CellOptions) -> list[str]:
    return shown(loaded, text, options).out.decode().removesuffix("\n").split("\n")


# Options


@pytest.mark.parametrize(
    "cells", ["", "1", "1:0", "0:1", "1:2,", "1:2;1:3", "auto,1:2", "1:-2", "a:b", "1:1234567"]
)
def test_misspelt_cells_are_refused(cells: str) -> None:
    with pytest.raises(ConfigError, match="names no cells") as caught:
        CellOptions(cells)
    assert "--show-cells 1:42,2:7" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("options", "wanted", "printed"),
    [
        (CellOptions(), False, False),
        (CellOptions("auto"), True, True),
        (CellOptions("1:2"), True, True),
        (CellOptions(text="file"), True, True),
        (CellOptions(html=Path("page")), True, False),
        (CellOptions(text="file", html=Path("page")), True, False),
        (CellOptions("auto", "file", Path("page")), True, True),
    ],
)
def test_what_is_wanted(options: CellOptions, wanted: bool, printed: bool) -> None:
    assert (options.wanted, options.printed) == (wanted, printed)


@pytest.mark.parametrize("cells", ["3:1", "1:25", "1:2,2:25"])
def test_cells_that_the_model_lacks_are_refused(loaded: LoadedModel, cells: str) -> None:
    with pytest.raises(ConfigError, match="this model has 2 layers of 24 cells") as caught:
        show(loaded, TEXT, CellOptions(cells))
    assert caught.value.hint == "1:1 to 2:24, or auto"


def test_too_little_text_is_said(loaded: LoadedModel) -> None:
    with pytest.raises(DataError, match="too few to find out"):
        show(loaded, TEXT[:100], CellOptions("auto"))
    with pytest.raises(DataError, match="there is no text"):
        show(loaded, "", CellOptions("1:1"))


def test_a_long_text_is_cut_with_a_warning(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqkit.inspection.cells.MOST_POSITIONS", 30)
    finished = shown(loaded, TEXT, CellOptions("1:1"))
    assert finished.err == ("seqkit: warning: the text is long: only its first 30 characters are examined\n")


# Plain lines


def mark(value: float) -> str:
    return "=- +#"[sum(value > edge for edge in (-0.6, -0.2, 0.2, 0.6))]


def test_marks_stand_below_the_text(loaded: LoadedModel) -> None:
    text = "he said 日本\nso\t☃"
    found = lines(loaded, text, CellOptions("2:3"))
    assert found[0] == "cell 2:3"
    assert found[1].startswith("=  below -0.6")
    assert found[2:6:2] == ["he said 日本↵", "so→   ☃"]
    marks = [mark(value) for value in cell_activations(loaded, text).of(2, 3)]
    first = "".join(marks[:8]) + marks[8] * 2 + marks[9] * 2 + marks[10]
    second = "".join(marks[11:25]) + marks[13] * 4 + marks[14]
    assert found[3:7:2] == [first.rstrip(), second.rstrip()]
    assert found[6] == ""


def test_long_lines_are_folded(loaded: LoadedModel) -> None:
    text = "word " * 50 + "日" * 70
    found = lines(loaded, text, CellOptions("1:1"))
    rows = found[2 : found.index("", 3) : 2]
    assert "".join(rows) == text
    assert [cell_len(row) for row in rows[:-1]] == [100, 100, 100]


def test_every_named_cell_is_shown(loaded: LoadedModel) -> None:
    found = lines(loaded, TEXT, CellOptions("1:2,2:24"))
    headings = [line for line in found if line.startswith("cell ")]
    assert re.fullmatch(r"cell 1:2, best at: .+ \(correlation [+-]0\.\d\d\)", headings[0])
    assert headings[1].startswith("cell 2:24, best at: ")
    assert not [line for line in found if line.startswith("Cells that follow something")]


def test_auto_shows_a_table_of_what_was_found(loaded: LoadedModel) -> None:
    found = lines(loaded, TEXT, CellOptions("auto"))
    relations = relate_cells(cell_activations(loaded, TEXT))
    assert found[0].startswith("Cells that follow something")
    assert found[1].split() == ["feature", "cell", "first", "second", "character", "alone"]
    for line, relation in zip(found[2:], relations.strongest(), strict=False):
        assert line.startswith(relation.description)
        assert f" {relation.layer}:{relation.cell} " in line
        assert f"{relation.second_half:+.2f}" in line
        assert line.endswith("  *") == relation.remembers
    assert any(line.startswith("too rare in this text: inside single quotes, ") for line in found)
    headings = [line for line in found if line.startswith("cell ")]
    telling = relations.telling(3) or relations.strongest()[:1]
    assert headings == [View(one.layer, one.cell, one).title for one in telling]


def test_a_model_without_memory_is_said_to_have_none() -> None:
    forgetful = small_generator(characters=ALPHABET)
    with torch.no_grad():
        for layer in forgetful.model.decoder.recurrent_layers():
            layer.recurrence.weight_hh_l0.zero_()
            layer.recurrence.bias_ih_l0[24:48] = -50.0  # all is forgotten
    finished = shown(forgetful, TEXT, CellOptions("auto"))
    headings = [line for line in finished.out.decode().split("\n") if line.startswith("cell ")]
    assert len(headings) == 1
    assert "no cell clearly beats the current character alone" in finished.err


def guess(piece: str) -> str:
    return console.printable(piece.replace("\n", "↵").replace("\t", "→").replace(" ", "␣"))


def test_what_came_next_stands_below_each_character(loaded: LoadedModel) -> None:
    found = lines(loaded, TEXT, CellOptions("1:4"))
    heading = next(number for number, line in enumerate(found) if line.startswith("Below each character"))
    start = int(re.findall(r"from character ([\d,]+) on", found[heading])[0].replace(",", "")) - 1
    text, guesses = found[heading + 1], found[heading + 2 :]
    assert len(guesses) == 5
    activations = cell_activations(loaded, TEXT)
    jump = int(np.abs(np.diff(activations.of(1, 4))).argmax())
    columns = {}  # where each position begins
    place = 0
    for index in range(start, len(TEXT)):
        pieces, chances = activations.next_pieces[index + 1], activations.next_probabilities[index + 1]
        column = [guess(p) if chance >= 0.01 else "" for p, chance in zip(pieces, chances, strict=True)]
        width = max(1, *map(len, column))
        if place + width > 100:
            break
        columns[index] = place
        assert text[place] == TEXT[index].replace("\n", "↵")
        for row, expected in zip(guesses, column, strict=True):
            assert row[place : place + width].ljust(width) == expected.ljust(width)
        place += width
    assert jump in columns


# Colours


class Screen(io.TextIOWrapper):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "colors"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, ColorSystem.TRUECOLOR),
        ({"TERM": "xterm-256color"}, ColorSystem.EIGHT_BIT),
        ({"TERM": "xterm"}, ColorSystem.STANDARD),
        ({"TERM": "dumb"}, None),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, None),
    ],
)
def test_colours_are_those_of_the_terminal(
    environment: dict[str, str], colors: ColorSystem | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "LINES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**environment, "COLUMNS": "60"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Screen(io.BytesIO()))
    found = canvas()
    assert found.colors is colors
    assert found.width == (80 if environment["TERM"] == "dumb" else 60)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    monkeypatch.setenv("FORCE_COLOR", "1")  # colour is for terminals
    assert canvas() == Canvas(100, None)


@pytest.mark.parametrize("colors", [ColorSystem.TRUECOLOR, ColorSystem.EIGHT_BIT, ColorSystem.STANDARD])
def test_the_text_is_coloured_by_what_the_cell_does(loaded: LoadedModel, colors: ColorSystem) -> None:
    activations = cell_activations(loaded, TEXT)
    screen = Canvas(70, colors)
    found = list(rendition(activations, [View(2, 5)], None, screen))
    assert Text.from_ansi(found[0]).plain == "cell 2:5"
    rows = [Text.from_ansi(row) for row in found[2 : found.index("")]]
    assert "".join(row.plain for row in rows) == TEXT.replace("\n", "↵")
    assert all(cell_len(row.plain) <= 70 for row in rows)
    backgrounds = [
        next(span.style.bgcolor for span in row.spans if span.start <= place < span.end)  # type: ignore[union-attr]
        for row in rows
        for place in range(len(row.plain))
    ]
    assert len(backgrounds) == len(TEXT)
    values = activations.of(2, 5)
    most, least = backgrounds[int(values.argmax())], backgrounds[int(values.argmin())]
    assert most is not None
    assert least is not None
    (red, _, blue), (other_red, _, other_blue) = most.get_truecolor(), least.get_truecolor()
    assert blue > red  # blue for 1
    assert other_red > other_blue  # red for -1
    alike = {round(float(value), 3): color for value, color in zip(values, backgrounds, strict=True)}
    assert len(set(alike.values())) > (2 if colors is ColorSystem.STANDARD else 5)


@pytest.mark.parametrize("colors", [None, *ColorSystem], ids=str)
def test_nothing_reaches_a_terminal_raw(loaded: LoadedModel, colors: ColorSystem | None) -> None:
    activations = cell_activations(loaded, HOSTILE * 12)
    screen = Canvas(50, colors)
    found = "\n".join(rendition(activations, [View(1, 1)], relate_cells(activations), screen))
    bare = re.sub(r"\x1b\[[0-9;]*m", "", found)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", bare)
    assert "\\x1b[31m\\r\\x00\\u202e</script>" in bare.replace("↵", "").replace("\n", "").replace(
        " ", ""
    ) or (colors is None)


# JSON


def test_json_has_the_table_and_the_cells(loaded: LoadedModel) -> None:
    records = [json.loads(line) for line in lines(loaded, TEXT, CellOptions("auto", json_lines=True))]
    activations = cell_activations(loaded, TEXT)
    relations = relate_cells(activations).strongest()
    table = [record for record in records if record["kind"] == "relation"]
    assert [record["feature"] for record in table] == [relation.feature for relation in relations]
    assert table[0]["second_half"] == pytest.approx(relations[0].second_half, abs=1e-4)
    cells = [record for record in records if record["kind"] == "cell"]
    assert records == table + cells
    assert 1 <= len(cells) <= 3
    for record in cells:
        assert record["schema"] == 1
        assert "".join(record["pieces"]) == TEXT
        np.testing.assert_allclose(
            record["activations"], activations.of(record["layer"], record["cell"]), atol=1e-4
        )
        np.testing.assert_allclose(record["surprisal"], activations.surprisal, atol=1e-4)


def test_json_of_hostile_text_is_one_line(loaded: LoadedModel) -> None:
    (line,) = lines(loaded, HOSTILE, CellOptions("1:1", json_lines=True))
    assert len(line.splitlines()) == 1
    assert "".join(json.loads(line)["pieces"]) == HOSTILE


def test_a_page_is_written_whole_or_not_at_all(loaded: LoadedModel, tmp_path: Path) -> None:
    target = tmp_path / "cells.html"
    target.write_text("before")
    assert shown(loaded, TEXT, CellOptions(html=target)).out == b""
    content = target.read_bytes()
    assert content.startswith(b"<!DOCTYPE html>")
    assert shown(loaded, TEXT, CellOptions("1:2", html=target)).out.startswith(b"cell 1:2, best at")
    assert Page(target.read_bytes()).data["selected"] == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["cells.html"]
    with pytest.raises(OutputError, match="cannot create"):
        show(loaded, TEXT, CellOptions(html=tmp_path / "nowhere" / "cells.html"))


# Texts, files and the command


def test_a_text_is_read_from_a_file_or_standard_input(loaded: LoadedModel, tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes(b"\xef\xbb\xbfhe said\r\nso")  # as every text is read
    expected = lines(loaded, "he said\nso", CellOptions("1:1"))
    assert lines(loaded, "not this", CellOptions("1:1", text=str(file))) == expected
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"he said\nso")))  # type: ignore[type-var]
    with mock.patch.object(sys, "stdin", stdin):
        assert lines(loaded, "", CellOptions("1:1", text="-")) == expected
    with pytest.raises(InputMissing, match="no such file"):
        show(loaded, "", CellOptions("1:1", text=str(tmp_path / "absent")))


def test_of_an_endless_text_the_beginning_is_read(loaded: LoadedModel, tmp_path: Path) -> None:
    file = tmp_path / "long"
    file.write_text("so it was\n" * 200_000)
    finished = shown(loaded, "", CellOptions("1:1", text=str(file), json_lines=True))
    assert "only its first 20,000 characters" in finished.err
    assert len(json.loads(finished.out)["pieces"]) == 20_000


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory and a text."""
    folder = tmp_path_factory.mktemp("generator")
    (folder / "text").write_text(TEXT * 6)
    write_generator(small_generator(characters=ALPHABET), folder / "model")
    return folder


def generate(*arguments: object) -> Finished:
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with mock.patch.multiple(sys, stdout=out, stderr=err):
        code = cli.run(["generate", *map(str, arguments), "--threads", "1"])
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return Finished(code, out.buffer.getvalue(), err.getvalue())


def test_generate_shows_cells_of_what_it_wrote(directory: Path) -> None:
    model = directory / "model"
    plain = generate(model, "--prompt", "he said", "--length", 500, "--seed", 4)
    cells = generate(
        model, "--prompt", "he said", "--length", 500, "--seed", 4, "--show-cells", "2:24", "--json"
    )
    assert (plain.code, cells.code) == (0, 0)
    assert "".join(json.loads(cells.out)["pieces"]) == plain.out.decode().removesuffix("\n")


def test_generate_shows_cells_of_a_given_text(directory: Path, tmp_path: Path) -> None:
    options = ("--cells-text", directory / "text", "--cells-html", tmp_path / "cells.html")
    finished = generate(directory / "model", *options)
    assert (finished.code, finished.out) == (0, b"")
    found = Page((tmp_path / "cells.html").read_bytes())
    assert "".join(found.texts["pre"]).removeprefix("\n") == TEXT * 6
    assert [len(base64.b64decode(layer)) for layer in found.data["layers"]] == [24 * len(TEXT * 6)] * 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("--show-cells", "9:9", "--length", 20),
            2,
            "there is no cell 9:9; this model has 2 layers of 24 cells",
        ),
        (("--show-cells", "all"), 2, "--show-cells 'all' names no cells"),
        (("--show-cells", "auto", "--length", 20, "--seed", 1), 65, "the text has 20 characters, too few"),
        (("--cells-text", "absent"), 66, "cannot read absent: there is no such file"),
        (("--cells-html", "no/where.html", "--length", 20), 73, "cannot create "),
    ],
)
def test_the_command_ends_with_a_clear_error(
    directory: Path, arguments: tuple[object, ...], code: int, message: str
) -> None:
    finished = generate(directory / "model", *arguments)
    assert finished.code == code
    assert message in finished.err
