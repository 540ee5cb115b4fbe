"""`seqkit train` as a command: settings, refusals, what it says where, and its budget in minutes."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqkit.cli import run
from seqkit.config import resolve
from seqkit.kinds import TRANSLATION
from seqkit.training import clock as clock_module
from tests.conftest import Finished, toy_assignments
from tests.laws.runs import tiny_config, train


class Shell:
    """Runs command lines in this process."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.capfd = capfd

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self.capfd.readouterr()
        code = run(["train", *map(str, arguments)])
        captured = self.capfd.readouterr()
        return int(code), captured.out, captured.err


@pytest.fixture
def shell(capfd: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capfd)


def toy(corpus: Path, model: Path, *more: object, **changes: object) -> list[object]:
    return [corpus, model, "--threads", 1, *toy_assignments(**changes), *more]


def test_printed_settings_name_their_origins(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[model]\ndropout = 0.5\n")
    code, out, err = shell(
        "--print-config", "--preset", "base", "--config", "my.toml",
        "--set", "training.optimizer=sgd", "--minutes", "3", "--seed", "7",
    )  # fmt: skip
    assert (code, err) == (0, "")
    lines = {line.split(" = ")[0]: line for line in out.splitlines()}
    assert lines.keys() == resolve([], TRANSLATION).origins.keys()
    for key, value, origin in [
        ("model.hidden_size", "768", "preset base"),
        ("model.dropout", "0.5", "my.toml"),
        ("training.optimizer", '"sgd"', "--set"),
        ("training.minutes", "3.0", "command line"),
        ("training.epochs", "0.0", "replaced by command line"),
        ("training.seed", "7", "command line"),
        ("decoding.beam_size", "5", "default"),
    ]:
        assert re.fullmatch(rf"{re.escape(key)} = {re.escape(value)} +# {origin}", lines[key])
    assert tomllib.loads(out)["model"]["dropout"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (
            ["--set", "training.learning_rat=1"],
            "unknown setting 'training.learning_rat'",
            "training.learning_rate",
        ),
        (["--set", "modle.cell=gru"], "unknown setting 'modle.cell'", "did you mean model.cell?"),
        (["--preset", "smal"], "there is no preset 'smal'", "did you mean small?"),
        (["--set", "training.steps=1.5"], "training.steps = 1.5 should be of type int", ""),
        (["--set", "training.optimizer=adan"], "training.optimizer cannot be 'adan'", "did you mean adam?"),
        (["--set", "x"], "--set 'x' has no '='", "--set training.learning_rate=0.001"),
        (["--precision", "fp64"], "training.precision cannot be 'fp64'", ""),
        (["--steps", "5", "--minutes", "1"], "training has 2 budgets: steps and minutes", "give one"),
        (["--epochs", "0"], "training has no budget", ""),
        (["--epochs", "-1"], "training.epochs = -1.0 is out of range", ""),
        (["--device", "tpu"], "--device 'tpu' is not known", "auto, cpu, cuda"),
        (["--device", "cpu:"], "--device 'cpu:' is not known", ""),
        (["--precision", "fp16", "--device", "cpu"], "fp16 needs a CUDA device", "--precision bf16"),
        (["--steps", "many"], "'--steps'", "seqkit train --help"),
        (["--threads", "0"], "threads", "seqkit train --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_usage_errors_are_one_block_with_code_2(
    shell: Shell, toy_corpus: Path, tmp_path: Path, arguments: list[str], message: str, hint: str
) -> None:
    code, out, err = shell(toy_corpus, tmp_path / "model", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("seqkit: error: ")
    assert message in err
    assert hint in err
    assert len(err.splitlines()) <= 3
    assert not (tmp_path / "model" / "weights.safetensors").exists()


def test_both_directories_are_needed(shell: Shell, toy_corpus: Path) -> None:
    for arguments in ([], [toy_corpus]):
        code, _, err = shell(*arguments)
        assert code == 2
        assert "train needs two directories: seqkit train CORPUS MODEL" in err


def test_directories_that_will_not_do(shell: Shell, toy_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("text")
    (tmp_path / "file").write_text("text")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "corpus.json").write_text('{"format": 99}')
    for corpus, model, code in (
        (tmp_path / "none", tmp_path / "model", 66),
        (tmp_path / "texts", tmp_path / "model", 65),
        (tmp_path / "broken", tmp_path / "model", 65),
        (toy_corpus, tmp_path / "texts", 2),
        (toy_corpus, tmp_path / "file", 73),
        (toy_corpus, tmp_path / "file" / "model", 73),
    ):
        found, out, err = shell(corpus, model, "--steps", 1)
        assert (found, out) == (code, ""), err
        assert err.startswith("seqkit: error: ")
        assert "  where: " in err
    assert not (tmp_path / "model").exists()
    assert (tmp_path / "texts" / "a.txt").read_text() == "text"


def test_a_damaged_corpus_is_refused_before_training(shell: Shell, toy_corpus: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(toy_corpus, tmp_path / "corpus")
    path = tmp_path / "corpus" / "train.target.values.bin"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code, _, err = shell(*toy(tmp_path / "corpus", tmp_path / "model", "--steps", 1))
    assert code == 65
    assert "train.target.values.bin" in err


SUMMARY = {
    *("schema", "model", "step", "epoch", "best_step", "best_metric", "best_score", "scores"),
    *("seconds", "reason"),
}


def test_what_is_said_where(shell: Shell, toy_corpus: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    changes = {"training__validate_every": 4, "training__learning_rate": 1e-3}
    code, out, err = shell(*toy(toy_corpus, model, "--steps", 8, "--json", **changes))
    assert code == 0
    (line,) = out.splitlines()
    summary = json.loads(line)
    assert summary.keys() >= SUMMARY
    assert summary["schema"] == 1
    assert (summary["model"], summary["step"], summary["best_metric"]) == (str(model), 8, "bleu")
    assert [score["metric"] for score in summary["scores"]] == ["bleu", "chrf"]
    assert all(score["signature"] for score in summary["scores"])
    assert "\x1b" not in err
    assert "\r" not in err
    events = [dict(pairs_of(line)) for line in err.splitlines() if re.match(r"\d{4}-\d\d-\d\dT", line)]
    (started, *validations) = events
    assert started["threads"] == "1"
    assert started["precision"] == "fp32"
    assert int(started["parameters"]) > 10_000
    assert [(row["step"], row["best"]) for row in validations] == [
        ("4", "yes"),
        ("8", validations[1]["best"]),
    ]
    kept = [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]
    for row, whole in zip(validations, kept, strict=True):
        assert float(row["valid_nats"]) == pytest.approx(whole["valid_nats"], abs=1e-4)
        # Comparable with it: without label smoothing, which training's own objective has.
        assert float(row["train_nats"]) == pytest.approx(whole["train_nats"], abs=1e-4)
        assert abs(whole["train_loss"] - whole["train_nats"]) > 1e-3
        assert float(row["learning_rate" if "learning_rate" in row else "gradient_norm"]) > 0
    assert "Training is finished: the budget is used up." in err
    assert f"seqkit translate {model}" in err


def pairs_of(line: str) -> list[tuple[str, str]]:
    """The `key=value` pairs of a log line; whatever is none is an error."""
    pattern = r'(\w+)=("(?:[^"\\]|\\.)*"|[^\s"]+)'
    _, _, rest = line.split(" ", 2)
    assert re.fullmatch(rf"{pattern}( {pattern})*", rest), line
    return [(match[1], match[2]) for match in re.finditer(pattern, rest)]


def test_progress_lines_are_pairs_too(
    shell: Shell, toy_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqkit.cli.train import display

    monkeypatch.setattr(display, "LOG_SECONDS", 0.0)
    _, _, err = shell(*toy(toy_corpus, tmp_path / "model", "--steps", 4, training__validate_every=2))
    steps = [dict(pairs_of(line)) for line in err.splitlines() if re.match(r"\S+T\S+ step ", line)]
    assert [row["step"] for row in steps] == ["1", "2", "3", "4"]
    assert "best" not in steps[0]
    assert steps[3]["best"].startswith('"BLEU ')
    assert float(steps[1]["progress"]) == 0.5


def test_quiet_says_nothing_but_results(shell: Shell, toy_corpus: Path, tmp_path: Path) -> None:
    assert shell(*toy(toy_corpus, tmp_path / "one", "--steps", 2, "--quiet")) == (0, "", "")
    code, out, err = shell(*toy(toy_corpus, tmp_path / "two", "--steps", 2, "--quiet", "--json"))
    assert (code, err) == (0, "")
    assert json.loads(out)["step"] == 2


def test_metrics_have_a_line_a_validation(shell: Shell, toy_corpus: Path, tmp_path: Path) -> None:
    shell(*toy(toy_corpus, tmp_path / "model", "--steps", 6, "--quiet", training__validate_every=2))
    lines = (tmp_path / "model" / "metrics.jsonl").read_text().splitlines()
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert [row["step"] for row in found] == [2, 4, 6]
    assert all(row["schema"] == 1 for row in found)
    for row in found:
        assert row["train_loss"] > row["train_nats"] > 0
        assert row["valid_perplexity"] == pytest.approx(2.718281828 ** row["valid_nats"], rel=1e-6)
        assert {"norm", "clipped_share", "nonfinite_steps", "parts"} == row["gradient"].keys()
        assert row["gradient"]["parts"]["encoder_1_forwards"] > 0
        assert set(row["saturated_gates"]) >= {"encoder.forget", "decoder.forget", "decoder.input"}
        assert [sample.keys() for sample in row["samples"]] == [{"source", "reference", "translation"}] * 2
        assert row["timing"]["elapsed_seconds"] > 0


def test_minutes_are_respected(seqkit: Callable[..., Finished], toy_corpus: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    result = seqkit("train", *toy(toy_corpus, tmp_path / "model", "--minutes", 0.1, "--json"))
    seconds = time.monotonic() - began
    assert result.code == 0, result.err
    summary = json.loads(result.out)
    assert summary["seconds"] < 6 + 30
    assert summary["seconds"] < seconds < summary["seconds"] + 30, "what it says of the time is true"
    assert summary["step"] >= 1
    assert summary["seconds"] > 3, "it uses the time that it is given"
    rows = [json.loads(line) for line in (tmp_path / "model" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == summary["step"]


class Clock:
    """Stands in for `time`, on a machine that never pauses: a little passes at every look, one a step."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        self.now += 0.01
        return self.now


@pytest.mark.parametrize(("minutes", "validations"), [(0.06, 3), (0.0001, 1)])
def test_the_rate_reaches_its_end_when_the_time_does(
    toy_corpus: Path, tmp_path: Path, minutes: float, validations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_module, "time", Clock())
    config = tiny_config(
        training__steps=0,
        training__minutes=minutes,
        training__validate_every=0,
        training__checkpoint_every=0,
        training__warmup=0.0,
    )
    train(toy_corpus, tmp_path / "model", config)
    found = [json.loads(line) for line in (tmp_path / "model" / "metrics.jsonl").read_text().splitlines()]
    rates = [row["timing"]["learning_rate"] for row in found]
    assert len(found) >= validations
    assert rates == sorted(rates, reverse=True)
    if validations > 1:
        assert rates[0] > 3e-3
        assert rates[-1] < 3e-4, "a tenth of the peak at most"
    else:
        assert found[-1]["step"] >= 1, "however short the time, a model comes of it"


def test_settings_as_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--print-config", "--json", "--set", "model.hidden_size=96"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {row["setting"]: row for row in rows}
    assert found["model.hidden_size"] == {
        **{"schema": 1, "setting": "model.hidden_size", "value": 96, "origin": "--set"},
    }
    assert found["model.cell"]["value"] == "lstm"
