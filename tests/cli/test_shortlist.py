"""`--shortlist` of translate and evaluate: what it changes, and when it is refused."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from seqkit import cli, model_directory
from seqkit.data.tokenizers import END
from seqkit.errors import ExitCode
from seqkit.inference.translator import Translator
from seqkit.network.shortlist import Shortlist
from tests.cli.test_translate import LINES, results, translate
from tests.cli.test_translate_errors import assert_one_block
from tests.conftest import Finished, write_lines


@pytest.fixture(scope="module")
def model(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy model with a shortlist that allows every token its neighbour in the vocabulary."""
    model = tmp_path_factory.mktemp("shortlisted") / "model"
    shutil.copytree(toy_model, model, ignore=shutil.ignore_patterns("training"))
    size = model_directory.load(model).source_tokenizer.size
    neighbours = (np.arange(size, dtype=np.int32)[:, None] + 1) % size
    shortlist = Shortlist(neighbours, np.array([END], np.int32))
    model_directory.add_files(model, {model_directory.SHORTLIST: shortlist.to_bytes()})
    return model


def evaluate(*arguments: object) -> Finished:
    """Run the command in this process."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with mock.patch.multiple(sys, stdin=io.StringIO(), stdout=out, stderr=err):
        code = cli.run(["evaluate", "--threads", "1", *map(str, arguments)])
    out.flush()
    written = out.buffer
    assert isinstance(written, io.BytesIO)
    return Finished(code, written.getvalue(), err.getvalue())


def test_translate_with_it_says_what_python_says(model: Path) -> None:
    expected = Translator.load(model, threads=1, shortlist=True).translate(LINES)
    assert results(model, "--shortlist") == [one.text for one in expected]
    free = Translator.load(model, threads=1).translate(LINES)
    assert results(model) == [one.text for one in free]
    assert [one.score for one in free] != [one.score for one in expected]


def test_the_other_options_go_with_it(model: Path) -> None:
    lines = results(model, "--shortlist", "--n-best", 2, "--scores", "--alignments", "--json")
    assert len(lines) == 2 * len(LINES) - 1  # the empty line has one
    assert {"score", "rank", "alignment", "tokens"} <= json.loads(lines[0]).keys()
    begun = results(model, "--shortlist", "--target-prefix", "lo mi")
    assert all(line.startswith("lo mi") for line in begun if line)
    assert results(model, "--shortlist", "--ensemble", model) == results(model, "--shortlist")


def test_a_model_without_one(toy_model: Path) -> None:
    finished = translate(toy_model, "--shortlist")
    assert_one_block(finished, ExitCode.USAGE, "--shortlist: the model has none")
    assert "--set training.shortlist=" in finished.err


@pytest.mark.parametrize("arguments", [["--precision", "fp32"], ["--precision", "fp32", "--device", "cpu"]])
def test_the_network_itself_refuses_it(model: Path, arguments: list[str]) -> None:
    finished = translate(model, "--shortlist", *arguments)
    assert_one_block(finished, ExitCode.USAGE, "--shortlist needs int8 on a CPU")


def test_a_damaged_one_is_bad_data(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "damaged")
    path = tmp_path / "damaged" / model_directory.SHORTLIST
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    for arguments in ([], ["--shortlist"]):
        assert_one_block(
            translate(tmp_path / "damaged", *arguments), ExitCode.BAD_DATA, "shortlist.safetensors is damaged"
        )


def test_evaluate(model: Path) -> None:
    lines = [line for line in LINES if line]
    expected = Translator.load(model, threads=1, shortlist=True).translate(lines)
    source = write_lines(Path("source"), lines)
    reference = write_lines(Path("reference"), [one.text for one in expected])
    arguments = ["--model", model, "--source", source, "--reference", reference, "--metric", "chrf", "--json"]
    scores = []
    for more in ([], ["--shortlist"]):
        finished = evaluate(*arguments, *more)
        assert finished.code == 0
        scores.append(json.loads(finished.out)["score"])
    assert scores[1] == 100
    assert scores[0] < 100


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["--shortlist", "--reference", "source"], "--shortlist has no effect without --model"),
        (["--shortlist", "--text", "source", "--model", "m"], "has no meaning beside"),
    ],
)
def test_evaluate_refuses_it_where_nothing_is_translated(arguments: list[str], fragment: str) -> None:
    write_lines(Path("source"), ["ba"])
    assert_one_block(evaluate(*arguments), ExitCode.USAGE, fragment)


@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_help_names_it(seqkit: Callable[..., Finished], command: str) -> None:
    assert "--shortlist" in seqkit(command, "--help", COLUMNS="100").out.decode()
