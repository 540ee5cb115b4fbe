"""What many tests share: a toy language, a corpus of it, and a model that has learnt a little of it."""

from __future__ import annotations

import csv
import logging
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# The same draws on every run, however slow the machine: what fails once fails again.
# HYPOTHESIS_PROFILE=default draws at random, to search for more.
hypothesis.settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

# What a person has set for terminals is none of the tests'.
for name in (
    *("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PYTHONWARNINGS", "PYTHONUNBUFFERED"),
    *("CI", "TF_BUILD", "TEAMCITY_VERSION", "JENKINS_URL", "JPY_PARENT_PID", "TTY_INTERACTIVE"),
):
    os.environ.pop(name, None)

# Set before torch is imported anywhere: one thread is as fast for toys, and exact on busy machines.
os.environ.setdefault("OMP_NUM_THREADS", "1")

TOY_SETTINGS = {
    "model.embedding_size": 32,
    "model.hidden_size": 64,
    "model.attention_heads": 2,
    "model.dropout": 0.0,
    "model.word_dropout": 0.0,
    "training.batch_tokens": 256,
    "training.learning_rate": 1e-2,
    "training.warmup": 0.04,
    "training.precision": "fp32",
    "training.validation_sentences": 20,
}


def toy_pairs(count: int, seed: int = 1, longest: int = 6) -> list[tuple[str, str]]:
    """Pairs of a toy language: the target is the source's words in reverse order."""
    words = ["ba", "di", "fu", "go", "ke", "lo", "mi", "nu"]
    generator = random.Random(seed)
    pairs = []
    for _ in range(count):
        sentence = [generator.choice(words) for _ in range(generator.randint(2, longest))]
        pairs.append((" ".join(sentence), " ".join(reversed(sentence))))
    return pairs


def write_lines(path: Path, lines: list[str]) -> Path:
    """A text file of the given lines."""
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    return path


def toy_assignments(**changes: object) -> list[str]:
    """`--set` options for a toy model; `changes` are settings with `__` for the dot."""
    settings = {**TOY_SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


@dataclass(frozen=True)
class Finished:
    """What a finished process left behind."""

    code: int
    out: bytes
    err: str


@pytest.fixture(scope="session")
def seqkit() -> Callable[..., Finished]:
    """Run the real command in a process of its own: `seqkit("train", corpus, model, stdin=b"")`."""

    def run(*arguments: object, stdin: bytes = b"", timeout: float = 120, **environment: str) -> Finished:
        process = subprocess.run(
            [sys.executable, "-m", "seqkit", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **environment},
            check=False,
        )
        return Finished(process.returncode, process.stdout, process.stderr.decode())

    return run


@pytest.fixture(scope="session")
def toy_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared corpus of 400 toy pairs and 40 for validation, with a joint vocabulary."""
    return make_toy_corpus(tmp_path_factory.mktemp("toy"))


def make_toy_corpus(folder: Path, *, pairs: int = 400, longest: int = 6) -> Path:
    """Prepare a toy corpus in `folder`/corpus."""
    from seqkit.data.prepare.parallel import PrepareOptions, prepare_parallel

    train, valid = toy_pairs(pairs, 1, longest), toy_pairs(40, 2, longest)
    files = {
        name: write_lines(folder / name, [pair[side] for pair in part])
        for name, part, side in (("s", train, 0), ("t", train, 1), ("vs", valid, 0), ("vt", valid, 1))
    }
    prepare_parallel(
        PrepareOptions(
            directory=folder / "corpus",
            source=(str(files["s"]),),
            target=(str(files["t"]),),
            valid_source=(str(files["vs"]),),
            valid_target=(str(files["vt"]),),
            vocabulary_size=300,
        ),
        lambda _stage, _done, _total: None,
    )
    return folder / "corpus"


@pytest.fixture(scope="session")
def toy_model(toy_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory trained for 60 steps on the toy corpus: enough to have opinions, not to be right."""
    from seqkit.cli import run

    model = tmp_path_factory.mktemp("toy-model") / "model"
    code = run(
        [
            "train",
            str(toy_corpus),
            str(model),
            "--steps",
            "60",
            "--quiet",
            "--threads",
            "1",
            *toy_assignments(),
        ]
    )
    silence_logger()
    assert code == 0
    return model


TOY_TEXT_SETTINGS = {
    "model.embedding_size": 16,
    "model.hidden_size": 32,
    "model.dropout": 0.0,
    "data.streams": 4,
    "data.slice_length": 16,
    "training.learning_rate": 1e-2,
    "training.precision": "fp32",
    "training.sample_length": 20,
}


def toy_text(lines: int, seed: int = 1) -> str:
    """Lines of a toy language in quotes and brackets, with a rare character or two."""
    generator = random.Random(seed)
    words = ["ba", "di", "fu", "go", "ke", "lo", "mi", "né"]
    frames = ["{}.\n", '"{}!"\n', "({})\n", "  {}, {}\n"]
    return "".join(
        generator.choice(frames).format(
            " ".join(generator.choices(words, k=generator.randint(1, 5))), generator.choice(words)
        )
        for _ in range(lines)
    )


def make_toy_text_corpus(folder: Path, text: str | None = None, **options: Any) -> Path:
    """Prepare a text for a generator in `folder`/text-corpus."""
    from seqkit.data.prepare.options import PrepareTextOptions
    from seqkit.data.prepare.plain import prepare_text

    (folder / "text.txt").write_text(toy_text(400) if text is None else text, encoding="utf-8")
    prepare_text(
        PrepareTextOptions(directory=folder / "text-corpus", text=(str(folder / "text.txt"),), **options),
        lambda _stage, _done, _total: None,
    )
    return folder / "text-corpus"


@pytest.fixture(scope="session")
def toy_text_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared text of 400 toy lines, the last tenth for validation."""
    return make_toy_text_corpus(tmp_path_factory.mktemp("toy-text"))


@pytest.fixture(scope="session")
def toy_generator(toy_text_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator trained for 60 steps on the toy text."""
    from seqkit.cli import run

    model = tmp_path_factory.mktemp("toy-generator") / "model"
    settings = [part for key, value in TOY_TEXT_SETTINGS.items() for part in ("--set", f"{key}={value}")]
    code = run(
        ["train", str(toy_text_corpus), str(model), "--steps", "60", "--quiet", "--threads", "1", *settings]
    )
    silence_logger()
    assert code == 0
    return model


TOY_CLASSIFIER_SETTINGS = {
    "model.embedding_size": 8,
    "model.hidden_size": 16,
    "model.dropout": 0.0,
    "model.word_dropout": 0.0,
    "training.batch_tokens": 256,
    "training.learning_rate": 2e-2,
    "training.label_smoothing": 0.0,
    "training.ema": 0.0,
    "training.precision": "fp32",
    "training.validate_every": 30,
}


def toy_rows(count: int, seed: int = 1) -> list[dict[str, str]]:
    """Rows with a text, a series that rises or falls, both in the same way, and the class of the row."""
    generator = random.Random(seed)
    rows = []
    for number in range(count):
        label = "rises" if number % 2 else "falls"
        words = ["up", "high", "more"] if number % 2 else ["down", "low", "less"]
        start, step = generator.uniform(-5, 5), (1 if number % 2 else -1) * generator.uniform(0.5, 2)
        series = [start + step * place for place in range(generator.randint(2, 9))]
        rows.append(
            {
                "id": str(number),
                "text": " ".join(generator.choices(words, k=generator.randint(1, 6))),
                "series": " ".join(f"{value:.3f}" for value in series),
                "other": " ".join(f"{generator.gauss(100, 3):.3f}" for _ in series),
                "group": f"g{number // 10}",
                "class": label,
            }
        )
    return rows


def write_table(path: Path, rows: list[dict[str, str]], delimiter: str = ",") -> Path:
    """A table with a header."""
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def make_toy_table_corpus(folder: Path, *sources: str, **options: Any) -> Path:
    """Prepare 120 rows for a classifier of the given columns, `NAME:FORM`, in `folder`/table-corpus."""
    from seqkit.data.prepare.table import PrepareTableOptions, prepare_table
    from seqkit.data.prepare.table_options import Column

    write_table(folder / "train.csv", toy_rows(120))
    if any(source.endswith(":text") for source in sources):
        options.setdefault("vocabulary_size", 280)
    prepare_table(
        PrepareTableOptions(
            directory=folder / "table-corpus",
            table=(str(folder / "train.csv"),),
            source=tuple(Column.parsed(source, "--source") for source in sources),
            target=(Column("class", "class"),),
            **options,
        ),
        lambda _stage, _done, _total: None,
    )
    return folder / "table-corpus"


def make_toy_classifier(folder: Path, *sources: str) -> Path:
    """A classifier of the given columns, trained until it is right, in `folder`/classifier."""
    from seqkit.cli import run

    corpus, model = make_toy_table_corpus(folder, *sources), folder / "classifier"
    settings = [
        part for key, value in TOY_CLASSIFIER_SETTINGS.items() for part in ("--set", f"{key}={value}")
    ]
    code = run(["train", str(corpus), str(model), "--steps", "60", "--quiet", "--threads", "1", *settings])
    silence_logger()
    assert code == 0
    return model


@pytest.fixture(scope="session")
def toy_table_corpus(toy_classifier: Path) -> Path:
    """The corpus that the classifier of texts was trained on."""
    return toy_classifier.parent / "table-corpus"


@pytest.fixture(scope="session")
def toy_classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of texts, see `toy_rows`."""
    return make_toy_classifier(tmp_path_factory.mktemp("toy-classifier"), "text:text")


@pytest.fixture(scope="session")
def toy_series_classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of two series side by side, see `toy_rows`."""
    return make_toy_classifier(
        tmp_path_factory.mktemp("toy-series-classifier"), "series:number", "other:number"
    )


def silence_logger() -> None:
    """Undo what a command did to the package's logger, so that tests can listen to it in their own way."""
    logger = logging.getLogger("seqkit")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """What the package's logger warns of during a test."""
    messages: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    handler = Collect(logging.WARNING)
    logging.getLogger("seqkit").addHandler(handler)
    yield messages
    logging.getLogger("seqkit").removeHandler(handler)


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test works in a folder of its own, and leaves the package's logger as a fresh process has it."""
    monkeypatch.chdir(tmp_path)
    yield
    silence_logger()
