"""`seqkit evaluate --text` and `--novelty`: with a generator that the real commands have made."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seqkit import __version__, cli
from seqkit.errors import ExitCode
from seqkit.model_directory import load

SENTENCES = [
    f"{who} {what} {where}.\n"
    for who in ("The old dog", "A young cat", "My neighbour")
    for what in ("runs", "sleeps", "sings loudly")
    for where in ("in the garden", "under the bridge", "near the river")
]
TRAINING = "".join(SENTENCES[number * 5 % len(SENTENCES)] for number in range(150))
TEST = "".join(SENTENCES[number * 7 % len(SENTENCES)] for number in range(12))
METRICS = ["bits_per_character", "nats_per_character", "perplexity"]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def rows(self) -> list[list[str]]:
        return [line.split() for line in self.out.splitlines()]


Evaluate = Callable[..., Outcome]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, a generator that has learnt a little of it, and texts."""
    folder = tmp_path_factory.mktemp("generator")
    (folder / "training.txt").write_text(TRAINING)
    (folder / "test.txt").write_text(TEST)
    (folder / "test.gz").write_bytes(gzip.compress(TEST.encode()))
    (folder / "empty").write_bytes(b"")
    settings = {
        "model.embedding_size": 16,
        "model.hidden_size": 32,
        "model.decoder_layers": 1,
        "training.learning_rate": 2e-2,
        "training.precision": "fp32",
        "training.samples": 0,
        "training.validate_every": 30,
        "data.streams": 4,
        "data.slice_length": 32,
    }
    assignments = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    corpus, model = str(folder / "corpus"), str(folder / "model")
    for command in (
        ["prepare", corpus, "--text", str(folder / "training.txt"), "--quiet"],
        ["train", corpus, model, "--steps", "60", "--quiet", "--threads", "1", *assignments],
    ):
        assert cli.run(command) == 0
    return folder


@pytest.fixture
def evaluate(made: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: Any) -> Evaluate:
    """Run `seqkit evaluate` in that folder."""

    def run(*arguments: str, stdin: str = "") -> Outcome:
        stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin.encode())))  # type: ignore[arg-type]
        monkeypatch.setattr(sys, "stdin", stream)
        monkeypatch.chdir(made)
        capsysbinary.readouterr()
        code = cli.run(["evaluate", *arguments])
        captured = capsysbinary.readouterr()
        return Outcome(code, captured.out.decode(), captured.err.decode())

    return run


def test_a_text_is_scored_with_signatures(evaluate: Evaluate) -> None:
    outcome = evaluate("--model", "model", "--text", "test.txt", "--threads", "1")
    assert outcome.code == 0
    heading, *rows = outcome.rows
    assert heading == ["metric", "score", "signature"]
    assert [row[0] for row in rows] == METRICS
    assert {row[2] for row in rows} == {
        f"protocol:stream|state:carried|unit:char|tokens:{len(TEST)}|ends:0|characters:{len(TEST)}"
        f"|seqkit:{__version__}"
    }
    bits, nats, perplexity = (float(row[1]) for row in rows)
    assert 0.1 < nats < 3.0
    assert bits == pytest.approx(nats / 0.6931, abs=2e-3)
    assert perplexity == pytest.approx(2.7183**nats, rel=1e-3)
    assert outcome.err == f"{len(TEST)} characters, {len(TEST)} predictions; lower is better\n"


def test_every_protocol_in_one_run(evaluate: Evaluate) -> None:
    outcome = evaluate(
        *["--model", "model", "--text", "test.txt", "--window", "8", "--window", "64", "--dynamic"],
        *["--ngram", "corpus", "--ngram-order", "4", "--json"],
    )
    assert outcome.code == 0
    assert outcome.err == ""
    protocols = ["stream", "window-8", "window-64", "dynamic", "ngram-4", "ngram-4-adaptive"]
    assert [(found["protocol"], found["metric"]) for found in outcome.objects] == [
        (protocol, metric) for protocol in protocols for metric in METRICS
    ]
    scores = {found["protocol"]: found["score"] for found in outcome.objects if found["metric"] == METRICS[1]}
    assert scores["stream"] < scores["window-64"] < scores["window-8"]  # less context, more surprise
    assert scores["ngram-4-adaptive"] != scores["ngram-4"] < 0.7
    first = outcome.objects[0]
    assert list(first) == ["schema", "metric", "score", "signature", "protocol", "characters", "details"]
    assert (first["schema"], first["characters"]) == (1, len(TEST))
    assert first["details"]["tokens"] == len(TEST)
    assert scores["stream"] == pytest.approx(first["details"]["nats"] / len(TEST), abs=1e-5)


@pytest.mark.parametrize("text", ["test.gz", "-"])
def test_compressed_and_standard_input_give_the_same_bytes(evaluate: Evaluate, text: str) -> None:
    expected = evaluate("--model", "model", "--text", "test.txt", "--json").out
    assert evaluate("--model", "model", "--text", text, "--json", stdin=TEST).out == expected


def test_the_validation_text_has_the_score_that_training_reported(evaluate: Evaluate, made: Path) -> None:
    valid = TRAINING[-load_manifest(made)["text"]["valid_characters"] :]
    found = evaluate("--model", "model", "--text", "-", "--json", stdin=valid).objects
    reported = load(made / "model").facts.scores
    assert {score["metric"]: score["score"] for score in reported} == pytest.approx(
        {score["metric"]: score["score"] for score in found}, abs=1e-4
    )


def load_manifest(made: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made / "corpus" / "corpus.json").read_text())
    return found


def test_ngrams_need_no_model(evaluate: Evaluate) -> None:
    outcome = evaluate("--text", "test.txt", "--ngram", "corpus")
    assert outcome.code == 0
    assert [row[0] for row in outcome.rows[1:]] == METRICS
    assert all(
        row[2].startswith("protocol:ngram-5|counts:fixed|smoothing:witten-bell|") for row in outcome.rows[1:]
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--text", "test.txt", "--ngram", "corpus", "--dynamic"],
        ["test.txt", "--novelty", "corpus"],
    ],
    ids=["ngram", "novelty"],
)
def test_what_needs_no_model_loads_neither_torch_nor_a_runtime(arguments: list[str], made: Path) -> None:
    program = (
        "import sys; from seqkit.cli import run; code = run(['evaluate', *sys.argv[1:], '--quiet']); "
        "print(code, sorted({'torch', 'onnxruntime'} & sys.modules.keys()))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=made, capture_output=True, text=True, check=True
    )
    assert finished.stdout.splitlines()[-1] == "0 []"


def test_the_learning_is_in_the_signature(evaluate: Evaluate) -> None:
    outcome = evaluate(
        *["--model", "model", "--text", "test.txt", "--dynamic", "--quiet"],
        *["--dynamic-rate", "0.004", "--dynamic-decay", "0.01", "--dynamic-segment", "10"],
    )
    assert outcome.err == ""
    assert "|rate:0.004|decay:0.01|segment:10|" in outcome.rows[-1][2]


def test_text_that_the_vocabulary_lacks_is_scored(evaluate: Evaluate) -> None:
    (bits, *_) = evaluate("--model", "model", "--text", "-", "--json", stdin="Ω\x00\u2028\n").objects
    assert bits["characters"] == 4
    assert bits["details"]["tokens"] > 4


def test_novelty_is_measured_beside_the_validation_text(evaluate: Evaluate) -> None:
    copied = TRAINING[100:160]
    outcome = evaluate("--novelty", "corpus", "-", stdin="Zebras dance!\n" + copied + "Zebras!")
    assert outcome.code == 0
    heading, *rows, last = outcome.out.splitlines()
    assert heading.split() == ["metric", "score", "validation", "signature"]
    assert [row.split()[0] for row in rows] == [
        *("longest_copy", "mean_copy", "copied_20", "copied_50", "copied_100"),
        *("new_10grams", "new_20grams", "new_words"),
    ]
    assert 60 <= float(rows[0].split()[1]) <= 62
    assert last.startswith("longest copy, from character 1")
    assert "\\n" in last  # a newline of the copy, written out
    assert "lengths in characters" in outcome.err


def test_novelty_as_json_has_the_longest_copy_whole(evaluate: Evaluate) -> None:
    outcome = evaluate("--novelty", "corpus", "training.txt", "--json")
    longest, *others = outcome.objects
    assert list(longest) == ["schema", "metric", "score", "signature", "validation", "details"]
    assert longest["details"] == {"start": 0, "text": longest["details"]["text"]}
    assert len(longest["details"]["text"]) == longest["score"] > 1000
    assert longest["details"]["text"].startswith(TRAINING[:1000])
    assert all(found["signature"] == longest["signature"] for found in others)
    assert outcome.err == ""


def test_control_characters_of_a_copy_do_not_reach_the_terminal(evaluate: Evaluate, tmp_path: Path) -> None:
    corpus, text = str(tmp_path / "corpus"), str(tmp_path / "text")
    Path(text).write_text("\x1b]0;owned\x07" * 200)
    assert cli.run(["prepare", corpus, "--text", text, "--quiet"]) == 0
    outcome = evaluate("--novelty", corpus, text)
    assert "\x1b" not in outcome.out
    assert "\\x1b]0;owned\\x07" in outcome.out
    assert outcome.out.endswith('…"\n')  # a long copy is shown in part


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--text", "test.txt"], "--text needs --model"),
        (
            ["--text", "test.txt", "--window", "8", "--ngram", "corpus"],
            "--window has no effect without --model",
        ),
        (["--text", "test.txt", "--model", "model", "--window", "0"], "--window"),
        (["--text", "test.txt", "--model", "model", "--window", "8", "--window", "8"], "twice"),
        (["--text", "test.txt", "--model", "model", "--ngram-order", "3"], "--ngram-order needs --ngram"),
        (
            ["--text", "test.txt", "--model", "model", "--dynamic-rate", "1"],
            "--dynamic-rate has no effect without --dynamic",
        ),
        (
            ["--text", "test.txt", "--ngram", "corpus", "--dynamic", "--dynamic-decay", "0.1"],
            "--dynamic-decay has no effect without --model",
        ),
        (["--text", "test.txt", "--model", "model", "--dynamic", "--dynamic-rate", "nan"], "--dynamic-rate"),
        (
            ["--text", "test.txt", "--model", "model", "--dynamic", "--dynamic-segment", "0"],
            "--dynamic-segment",
        ),
        (["--text", "test.txt", "--model", "model", "other.txt"], "other.txt is one text too many"),
        (["--window", "8", "--model", "model"], "add --text FILE"),
        (["--ngram", "corpus"], "add --text FILE"),
        (["--text", "test.txt", "--model", "model", "--reference", "r"], "--reference is for translations"),
        (
            ["--text", "test.txt", "--model", "model", "--fail-under", "20"],
            "--fail-under is for translations",
        ),
        (["--text", "test.txt", "--model", "model", "--metric", "bleu"], "--metric is for translations"),
        (["--text", "test.txt", "--model", "model", "--protocol", "cased"], "--protocol is for translations"),
        (["--novelty", "corpus", "--text", "test.txt"], "beside --novelty"),
        (["--novelty", "corpus", "--reference", "test.txt"], "beside --novelty"),
        (["--novelty", "corpus", "--model", "model", "test.txt"], "needs no --model"),
        (["--text", "test.txt", "--model", "model", "--device", "tpu"], "--device"),
    ],
)
def test_wrong_usage_is_refused_by_name(evaluate: Evaluate, arguments: list[str], said: str) -> None:
    outcome = evaluate(*arguments)
    assert outcome.code == ExitCode.USAGE
    assert outcome.out == ""
    assert outcome.err.startswith("seqkit: error: ")
    assert said in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--model", "model", "--text", "empty"], ExitCode.BAD_DATA, "there is no text in empty"),
        (["--text", "empty", "--ngram", "corpus"], ExitCode.BAD_DATA, "there is no text in empty"),
        (["--novelty", "corpus", "empty"], ExitCode.BAD_DATA, "there is no text in empty"),
        (["--novelty", "corpus"], ExitCode.BAD_DATA, "there is no text in standard input"),
        (["--model", "model", "--text", "absent"], ExitCode.INPUT_MISSING, "cannot read absent"),
        (["--novelty", "corpus", "absent"], ExitCode.INPUT_MISSING, "cannot read absent"),
        (["--model", "absent", "--text", "test.txt"], ExitCode.INPUT_MISSING, "absent"),
        (["--text", "test.txt", "--ngram", "absent"], ExitCode.INPUT_MISSING, "absent"),
        (["--novelty", "absent", "test.txt"], ExitCode.INPUT_MISSING, "absent"),
        (["--model", "corpus", "--text", "test.txt"], ExitCode.BAD_DATA, "not a model directory"),
        (["--text", "test.txt", "--ngram", "model"], ExitCode.BAD_DATA, "not a corpus"),
    ],
)
def test_bad_and_missing_files(evaluate: Evaluate, arguments: list[str], code: int, said: str) -> None:
    outcome = evaluate(*arguments)
    assert outcome.code == code
    assert outcome.out == ""
    assert said in outcome.err


def test_each_kind_of_model_says_how_it_is_evaluated(
    evaluate: Evaluate, toy_model: Path, toy_corpus: Path
) -> None:
    translator = evaluate("--model", str(toy_model), "--text", "test.txt")
    assert translator.code == ExitCode.BAD_DATA
    assert "holds a translator" in translator.err
    assert "--source FILE --reference FILE" in translator.err
    generator = evaluate("--model", "model", "--source", "test.txt", "--reference", "test.txt")
    assert generator.code == ExitCode.BAD_DATA
    assert "holds a generator" in generator.err
    for option in ("--ngram", "--novelty"):
        text = ["--text", "test.txt"] if option == "--ngram" else ["test.txt"]
        outcome = evaluate(option, str(toy_corpus), *text)
        assert outcome.code == ExitCode.BAD_DATA
        assert "parallel text" in outcome.err
