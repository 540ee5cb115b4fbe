"""What earlier versions wrote still opens, goes on, and says what it said then."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqkit.data.corpus import Corpus
from tests.conftest import Finished

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
VERSIONS = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())

RECORDED: dict[str, tuple[object, ...]] = {
    "n-best": ("translate", "translator", "sources.en", "--n-best", 3, "--alignments"),
    "greedy": ("translate", "translator", "sources.en", "--beam-size", 1),
    "shortlist": ("translate", "translator", "sources.en", "--shortlist"),
    "fp32": ("translate", "translator", "sources.en", "--precision", "fp32"),
    "samples": (
        *("generate", "generator", "--prompt", "A man ", "--samples", 10, "--length", 60, "--seed", 1),
        "--log-probabilities",
    ),
    "samples-fp32": (
        *("generate", "generator", "--prompt", "A man ", "--samples", 2, "--length", 40, "--seed", 1),
        *("--precision", "fp32"),
    ),
    "translation-scores": (
        *("evaluate", "--model", "translator", "--source", "sources.en"),
        *("--reference", "references.de", "--metric", "bleu,chrf,ter"),
    ),
    "text-scores": ("evaluate", "--model", "generator", "--text", "held-out.en", "--window", 64),
}


@pytest.fixture(params=VERSIONS)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what a version wrote, as the current directory."""
    copy = tmp_path / "version"
    shutil.copytree(FIXTURES / str(request.param), copy)
    monkeypatch.chdir(copy)
    return copy


def assert_alike(found: Any, recorded: Any) -> None:
    """The same keys, words and whole numbers; other numbers but for how processors round.

    What is found may have more keys. A signature names the version that measured.
    """
    if isinstance(recorded, dict):
        for key, value in recorded.items():
            assert_alike(found[key], value)
    elif isinstance(recorded, list):
        assert len(found) == len(recorded)
        for one, other in zip(found, recorded, strict=True):
            assert_alike(one, other)
    elif isinstance(recorded, float):
        assert found == pytest.approx(recorded, rel=1e-4, abs=1e-4)
    elif isinstance(recorded, str):
        without = re.compile(r"seqkit:[\d.]+")
        assert without.sub("", found) == without.sub("", recorded)
    else:
        assert found == recorded


@pytest.mark.parametrize("name", RECORDED)
def test_an_old_model_says_what_it_said(folder: Path, name: str, seqkit: Callable[..., Finished]) -> None:
    recorded = (folder / "recorded" / f"{name}.jsonl").read_text().splitlines()
    done = seqkit(*RECORDED[name], "--json")
    assert done.code == 0, done.err
    lines = done.out.decode().splitlines()
    assert len(lines) == len(recorded) > 0
    for found, line in zip(lines, recorded, strict=True):
        assert_alike(json.loads(found), json.loads(line))


def test_an_old_corpus_opens(folder: Path) -> None:
    pairs, text = (Corpus.open(folder / name, verify=True) for name in ("pairs", "text"))
    assert (pairs.kind.name, len(pairs.train), len(pairs.valid)) == ("translation", 400, 20)
    assert (text.kind.name, len(text.train)) == ("generation", 361)
    assert pairs.valid_text("source")[0] == "All boys want to drink hot milk."


def test_an_old_run_goes_on(folder: Path, seqkit: Callable[..., Finished]) -> None:
    settings = re.findall(
        r"--set (\S+)", (FIXTURES / "README.md").read_text().split("seqkit prepare text")[0]
    )
    arguments = [part for setting in settings for part in ("--set", setting)]
    done = seqkit(
        *("train", "pairs", "translator", "--preset", "tiny", "--steps", 1200, "--threads", 1, "--seed", 1),
        *arguments,
    )
    assert done.code == 0, done.err
    assert "continued_after_step=1180" in done.err
    rows = [json.loads(line) for line in Path("translator/metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [600, 1200]
    # Twenty steps in fp32, which processors round in their ways.
    *_, last = (folder / "recorded/metrics.jsonl").read_text().splitlines()
    assert rows[-1]["valid_nats"] == pytest.approx(json.loads(last)["valid_nats"], abs=0.02)
