"""What the pages say in tables and formulas agrees with the program."""

from __future__ import annotations

import re

import pytest
import torch
import typer

from seqkit.cli import application
from seqkit.config import Config, flatten
from seqkit.nn.recurrent import RecurrentLayer
from seqkit.training import health
from tests.recipes.pages import MIGRATING, ROOT, TROUBLES, cells, rows

RECIPE = ROOT / "recipes" / "long-memory"
CHAPTER = RECIPE / "CHAPTER.md"
SETTING = re.compile(r"(data|model|training|decoding)\.")
OURS = {"metrics.jsonl", "Translator.score"}  # what a cell names beside options and settings


def options() -> dict[str, set[str]]:
    """The options of every command, without those that are not shown."""
    group = typer.main.get_command(application())
    return {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in group.commands.items()  # type: ignore[attr-defined]
    }


OPTIONS = options()
SETTINGS = flatten(Config())


TITLES, *MIGRATION = rows(MIGRATING.read_text())


def unknown(text: str) -> list[str]:
    """What is named in code within a text and is neither an option of its command nor a setting."""
    wrong, found = [], 0
    for code in re.findall(r"`([^`]+)`", text):
        words = code.removeprefix("seqkit ").split()
        named = [word for word in words if word.startswith("--")]
        keys = [word.partition("=")[0] for word in words if SETTING.match(word)]
        wrong += [key for key in keys if key not in SETTINGS]
        command = words[0]
        if command in OPTIONS:
            wrong += [f"{command} {option}" for option in named if option not in OPTIONS[command]]
        elif named:
            wrong += [option for option in named if not any(option in known for known in OPTIONS.values())]
        elif not keys and code not in OURS:
            wrong.append(code)
        found += 1
    return wrong if found or "by default" in text else [f"nothing is named in {text!r}"]


def test_the_table_for_those_who_come_from_elsewhere_is_whole() -> None:
    assert TITLES == ["what", "OpenNMT-py 3", "fairseq", "char-rnn", "seqkit"]
    assert len(MIGRATION) >= 30
    assert all(len(row) == 5 and all(row) for row in MIGRATION)
    assert len({row[0] for row in MIGRATION}) == len(MIGRATION)


@pytest.mark.parametrize("row", MIGRATION, ids=lambda row: row[0])
def test_what_it_names_of_ours_exists(row: list[str]) -> None:
    assert unknown(row[4]) == []


def test_a_name_that_does_not_exist_is_noticed() -> None:
    assert unknown("`train --epoch`; `model.hiden_size`, or `generate --beams`") == [
        "train --epoch",
        "model.hiden_size",
        "generate --beams",
    ]
    assert unknown("`onmt_train`") == ["onmt_train"]
    assert unknown("words")


def test_what_the_table_of_troubles_advises_exists() -> None:
    troubles = [cells(line) for line in TROUBLES.read_text().splitlines() if "<!--" in line]
    codes = [code for row in troubles for code in re.findall(r"`([^`]+)`", row[3])]
    ours = [c for c in codes if ("--" in c and not c.startswith("iconv")) or SETTING.match(c)]
    assert len(ours) >= 20
    for code in ours:
        assert unknown(f"`{code}`") == []


def test_the_chapter_shows_what_the_recipe_makes() -> None:
    text = CHAPTER.read_text()
    shown = re.findall(r"!\[[^\]]+\]\(charts/(\w+\.svg)\)", text)
    made = re.findall(r'"(\w+\.svg)":', (RECIPE / "long_memory.py").read_text())
    assert sorted(shown) == sorted(made)
    # Every row of figures is one of the recipe's own.
    recorded = (RECIPE / "README.md").read_text().splitlines()
    rows = [line for line in text.splitlines() if line.startswith("|") and re.search(r"\d{3}", line)]
    assert len(rows) >= 4
    for row in rows:
        assert row in recorded, row


def test_the_chapters_equations_are_those_of_the_layers() -> None:
    blocks = re.findall(r"```python\n(.*?)```", CHAPTER.read_text(), re.DOTALL)
    assert len(blocks) == 3
    torch.manual_seed(1)
    for cell, code in zip(("rnn", "lstm", "gru"), blocks, strict=True):
        layer = RecurrentLayer(cell, 4, 3)  # type: ignore[arg-type]
        gates = {"rnn": "h", "lstm": "ifgo", "gru": "rzn"}[cell]
        inward, recurrent, inward_bias, recurrent_bias = layer.recurrence.parameters()
        names: dict[str, object] = {"tanh": torch.tanh, "sigmoid": torch.sigmoid}
        for number, gate in enumerate(gates):
            part = slice(3 * number, 3 * number + 3)
            suffix = "" if cell == "rnn" else f"_{gate}"
            names[f"W{suffix}"], names[f"U{suffix}"] = inward[part], recurrent[part]
            names[f"b{suffix}"] = inward_bias[part] + recurrent_bias[part]
            names[f"d{suffix}"] = recurrent_bias[part]
        if cell == "gru":  # its new value has the recurrent bias within the gate
            names["b_n"] = inward_bias[6:]
        x = torch.randn(4)
        state = tuple(torch.randn(1, 3) for _ in range(2 if cell == "lstm" else 1))
        names.update(x=x, h=state[0][0], c=state[-1][0])
        exec(code, {}, names)
        outputs, after = layer(x[None, None], state)
        assert torch.allclose(names["h"], outputs[0, 0], atol=1e-6), cell  # type: ignore[arg-type]
        if cell == "lstm":
            assert torch.allclose(names["c"], after[1][0], atol=1e-6)  # type: ignore[arg-type]


def test_the_chapter_quotes_the_warnings() -> None:
    parts = {"parts": {"encoder_1_forwards": 1e-9, "output": 1.0}, "norm": 50.0, "nonfinite_steps": 0}
    said = health.warnings(dict(parts), {"decoder.forget": 0.95}, 1.0)
    quoted = [" ".join(found.split()) for found in re.findall(r"\n- `([^`]+)`", CHAPTER.read_text())]
    assert len(quoted) == len(said) == 3
    for words, warning in zip(quoted, said, strict=True):
        assert re.fullmatch(re.escape(words).replace("…", ".+"), warning), (words, warning)
