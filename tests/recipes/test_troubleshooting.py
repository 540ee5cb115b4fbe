"""The table of troubles: every row is provoked, says what is quoted, and its remedy helps.

A row begins with `<!-- name -->`; `provoke_NAME` makes the trouble, tries the remedy and returns what was
seen. A row without such a function fails, and a function without a row does, too.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from seqkit.cli import run
from seqkit.nn.model import SequenceModel
from seqkit.training.lock import locked
from tests.conftest import toy_assignments, toy_pairs, write_lines
from tests.recipes.pages import TROUBLES
from tests.reliability.faults import Disk, full_disk
from tests.reliability.pseudo_terminal import everything_sent_to

PAGE = TROUBLES.read_text()
PLAIN = ["Ein Hund läuft im Park.", "Zwei Kinder spielen am Strand."] * 10
TOKENISED = [line.replace(".", " .") for line in PLAIN]


@dataclass(frozen=True)
class Row:
    """A trouble as the page describes it."""

    name: str
    quoted: list[str]  # `…` stands for anything within a line
    code: int


def rows() -> list[Row]:
    found = []
    for line in PAGE.splitlines():
        if match := re.match(r"\| <!-- (\S+) --> (.+)", line):
            symptom, code, why, remedy = re.split(r"(?<!\\)\|", match[2].rstrip(" |"))
            assert why.strip()
            assert remedy.strip()
            quoted = [] if "nothing at all" in symptom else re.findall(r"`([^`]+)`", symptom)
            found.append(Row(match[1], quoted, int(code)))
    return found


ROWS = rows()


@dataclass(frozen=True)
class Seen:
    """How a command ended and all that it said, on both streams."""

    code: int
    said: str


@dataclass
class Bench:
    """A folder to go wrong in, with a toy corpus, a translator and a generator at hand."""

    folder: Path
    capfd: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    corpus: Path
    model: Path
    generator: Path

    def __call__(self, *words: object) -> Seen:
        """Run the command in this process."""
        self.capfd.readouterr()
        code = run([*map(str, words)])
        out, err = self.capfd.readouterr()
        return Seen(int(code), out + err)

    def helps(self, *words: object) -> str:
        """Run a remedy, which must work."""
        seen = self(*words)
        assert seen.code == 0, seen.said
        return seen.said

    def train(self, *more: object, corpus: Path | None = None, **changes: object) -> list[object]:
        """The words of a short training run into the folder's `model`."""
        settings = toy_assignments(**{"training__samples": 0, **changes})
        return ["train", corpus or self.corpus, "model", "--threads", 1, *settings, *more]

    def texts(self, pairs: Sequence[tuple[str, str]], source: str = "s", target: str = "t") -> list[object]:
        """Write pairs to two files; the words that name them to `prepare`."""
        write_lines(self.folder / source, [pair[0] for pair in pairs])
        write_lines(self.folder / target, [pair[1] for pair in pairs])
        return ["--source", source, "--target", target]


@pytest.fixture
def bench(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    toy_corpus: Path,
    toy_model: Path,
    toy_generator: Path,
) -> Bench:
    return Bench(tmp_path, capfd, monkeypatch, toy_corpus, toy_model, toy_generator)


def provoke_misaligned(bench: Bench) -> Seen:
    pairs = toy_pairs(60)
    whole = bench.texts(pairs)
    write_lines(bench.folder / "t", [target for _, target in pairs[1:]])
    seen = bench("prepare", "c", *whole)
    assert "first suspicious pair at line " in seen.said
    write_lines(bench.folder / "pairs.tsv", ["\t".join(pair) for pair in pairs])
    bench.helps("prepare", "c", "--pairs", "pairs.tsv", "--tokenizer", "char")
    return seen


def converted(bench: Bench, encoding: str) -> tuple[Seen, str]:
    """What `prepare` says of a file in another encoding, and of what iconv makes of it."""
    words = bench.texts([(f"né {source}", target) for source, target in toy_pairs(60)])
    text = (bench.folder / "s").read_text()
    (bench.folder / "s").write_bytes(text.encode(encoding))
    words += ["--tokenizer", "char"]
    seen = bench("prepare", "c", *words)
    iconv = next(command for command in re.findall(r"`(iconv [^`]+)`", PAGE) if encoding.upper() in command)
    subprocess.run(["bash", "-ec", f"FILE=s; {iconv.replace('FILE', '$FILE')}"], check=True)
    assert (bench.folder / "s.txt").read_text() == text
    return seen, bench.helps("prepare", "c", "--source", "s.txt", *words[2:], "--overwrite")


def provoke_encoding(bench: Bench) -> Seen:
    return converted(bench, "utf-16")[0]


def provoke_latin(bench: Bench) -> Seen:
    seen, mended = converted(bench, "windows-1252")
    assert "U+FFFD" not in mended
    return seen


def provoke_nothing_left(bench: Bench) -> Seen:
    words = ["prepare", "c", *bench.texts(toy_pairs(60)), "--tokenizer", "char"]
    seen = bench(*words, "--max-tokens", 1)
    assert re.search(r"\(\d+ too long", seen.said)
    bench.helps(*words, "--max-tokens", 50)
    twice = bench("prepare", "d", "--source", "s", "--target", "s")
    assert (twice.code, "--keep-identical keeps the latter" in twice.said) == (65, True)
    return seen


def provoke_great_loss(bench: Bench) -> Seen:
    pairs = toy_pairs(60)
    words = ["prepare", "c", *bench.texts([*pairs, *pairs]), "--tokenizer", "char"]
    seen = bench(*words)
    assert "--keep-duplicates keeps them; --drop-duplicates drops them" in seen.said
    bench.helps(*words, "--drop-duplicates")
    bench.helps(*words, "--keep-duplicates", "--overwrite")
    return seen


def provoke_unknown(bench: Bench) -> Seen:
    setting = bench("train", bench.corpus, "m", "--set", "model.hiden_size=8")
    preset = bench("train", bench.corpus, "m", "--preset", "smal")
    assert "did you mean model.hidden_size?" in setting.said
    assert "did you mean small?" in preset.said
    printed = bench.helps("train", "--print-config", "--preset", "small", "--set", "model.hidden_size=8")
    assert re.search(r"^model.hidden_size = 8 ", printed, re.MULTILINE)
    assert setting.code == preset.code
    return Seen(setting.code, setting.said + preset.said)


def provoke_other_settings(bench: Bench) -> Seen:
    bench.helps(*bench.train("--steps", 2))
    seen = bench(*bench.train("--steps", 3))
    assert "finished" in bench.helps(*bench.train("--steps", 2))
    bench.helps(*bench.train("--steps", 3, "--restart"))
    return seen


def provoke_locked(bench: Bench) -> Seen:
    with locked(bench.folder / "model" / "training"):
        seen = bench(*bench.train("--steps", 2))
        assert f"process {os.getpid()} on " in seen.said
    assert (bench.folder / "model/training/lock").exists()
    bench.helps(*bench.train("--steps", 2))
    return seen


def provoke_disk_full(bench: Bench) -> Seen:
    words = bench.train("--steps", 4, training__checkpoint_every=1, training__validate_every=2)
    disk = Disk(bench.folder / "model", at=150, fault=full_disk, lasting=10)
    with disk.installed(bench.monkeypatch):
        seen = bench(*words)
    assert "continued_after_step=" in bench.helps(*words)
    return seen


def provoke_memory(bench: Bench) -> Seen:
    loss = SequenceModel.loss

    def limited(model: SequenceModel, batch: Any, *rest: Any) -> Any:
        if model.training and batch.targets.values.numel() > 150:
            raise MemoryError
        return loss(model, batch, *rest)

    with bench.monkeypatch.context() as patch:
        patch.setattr(SequenceModel, "loss", limited)
        seen = bench(*bench.train("--steps", 4))
        smaller = bench.helps(*bench.train("--steps", 4, "--restart", training__batch_tokens=100))
    assert "out of memory" not in smaller
    return seen


def provoke_not_finite(bench: Bench) -> Seen:
    words = bench.train("--steps", 20, "--set", "training.warmup=0")
    seen = bench(*words, "--set", "training.learning_rate=1e30")
    bench.helps(*words, "--set", "training.learning_rate=0.001", "--restart")
    return seen


def provoke_over_fitting(bench: Bench) -> Seen:
    valid = bench.texts(toy_pairs(40, 2), "vs", "vt")
    sides = [*bench.texts(toy_pairs(24)), "--valid-source", valid[1], "--valid-target", valid[3]]
    bench.helps("prepare", "c", *sides, "--tokenizer", "char")
    learn: dict[str, Any] = {
        "training__best_metric": "loss",
        "training__validation_sentences": 0,
        "training__label_smoothing": 0,
        "training__ema": 0,
        "training__validate_every": 15,
        "corpus": bench.folder / "c",
    }
    seen = bench(*bench.train("--steps", 200, **learn))
    assert "the best checkpoint is kept" in seen.said
    learn["training__patience"] = 2
    sooner = bench.helps(*bench.train("--steps", 200, "--restart", **learn))
    assert "no progress in 2 validations" in sooner
    return seen


def provoke_tokenised(bench: Bench) -> Seen:
    bench.texts(list(zip(PLAIN, TOKENISED, strict=True)), "plain", "tokenised")
    seen = bench("evaluate", "--reference", "plain", "tokenised")
    write_lines(bench.folder / "lower", [line.lower() for line in TOKENISED])
    mended = bench.helps("evaluate", "--reference", "lower", "lower", "--protocol", "lowercased-tokenized")
    assert "warning" not in mended
    assert re.search(r"bleu +100\.00", mended)
    return seen


def provoke_direction(bench: Bench) -> Seen:
    pairs = [(source, target.upper()) for source, target in toy_pairs(300)]
    words = bench.texts(pairs)
    bench.helps("prepare", "swapped", "--source", "t", "--target", "s", "--tokenizer", "char")
    few = bench.texts(pairs[:6], "test.s", "test.t")
    score = ["evaluate", "--model", "model", "--source", few[1], "--reference", few[3], "--show-worst", 3]
    bench.helps(*bench.train("--steps", 100, corpus=bench.folder / "swapped"))
    seen = bench(*score)
    hypotheses = re.findall(r"hypothesis +(\S.*)", seen.said)
    assert len(hypotheses) == 3
    assert not any(re.search("[A-Z]", text) for text in hypotheses), "in the language of the wrong side"
    swapped = ["prepare", "swapped", *words, "--tokenizer", "char"]
    assert bench(*swapped).code == 73
    bench.helps(*swapped, "--overwrite")
    assert bench(*bench.train("--steps", 100, corpus=bench.folder / "swapped")).code == 65
    bench.helps(*bench.train("--steps", 100, "--restart", corpus=bench.folder / "swapped"))
    assert re.search("hypothesis +[A-Z]", bench.helps(*score))
    return seen


def provoke_undefined(bench: Bench) -> Seen:
    write_lines(bench.folder / "words", ["yes", "no", "maybe"])
    seen = bench("evaluate", "--reference", "words", "words")
    assert re.search(r"bleu +undefined", seen.said)
    mended = bench.helps("evaluate", "--reference", "words", "words", "--metric", "exact,cer")
    assert "undefined" not in mended
    assert re.search(r"exact +100\.00", mended)
    return seen


def provoke_empty(bench: Bench) -> Seen:
    write_lines(bench.folder / "gap", ["ba di", "", "fu go"])
    write_lines(bench.folder / "reference", ["di ba", "mi", "go fu"])
    seen = bench("evaluate", "--model", bench.model, "--source", "gap", "--reference", "reference")
    assert "the first at line 2" in seen.said
    translated = bench.helps("translate", bench.model, "gap", "--threads", 1)
    assert translated.split("\n")[1] == ""
    return seen


def provoke_long(bench: Bench) -> Seen:
    sentence = "ba di fu go"
    write_lines(bench.folder / "long", [" ".join([sentence] * 10)])
    seen = bench("translate", bench.model, "long", "--threads", 1)
    assert seen.said.count("\n") == 2, "a warning and one line"
    write_lines(bench.folder / "lines", [sentence] * 10)
    assert "pieces" not in bench.helps("translate", bench.model, "lines", "--threads", 1)
    return seen


def provoke_damaged(bench: Bench) -> Seen:
    copy = Path(shutil.copytree(bench.model, bench.folder / "model"))
    write_lines(bench.folder / "one", ["ba"])
    os.truncate(copy / "weights.safetensors", 100)
    seen = bench("translate", copy, "one", "--threads", 1)
    shutil.rmtree(copy)
    shutil.copytree(bench.model, copy)
    bench.helps("translate", copy, "one", "--threads", 1)
    return seen


def provoke_kind(bench: Bench) -> Seen:
    write_lines(bench.folder / "one", ["ba"])
    seen = bench("translate", bench.generator, "one")
    named = re.search(r"try: +seqkit (generate) ", seen.said)
    assert named
    bench.helps(named[1], bench.generator, "--length", 5, "--threads", 1)
    return seen


def provoke_closed_pipe(bench: Bench) -> Seen:
    seqkit = f"{sys.executable} -m seqkit translate {bench.model} --threads 1"
    script = f"yes ba | {seqkit} | head -n 1 > first; echo ${{PIPESTATUS[1]}}"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (bench.folder / "first").read_text().count("\n") == 1
    return Seen(int(ended.stdout), ended.stderr)


def provoke_cuda(bench: Bench) -> Seen:
    words = bench.train("--steps", 2, "--device")
    with bench.monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        seen = bench(*words, "cuda")
        bench.helps(*words, "cpu")
    return seen


def provoke_slow(bench: Bench) -> Seen:
    seen = bench(*bench.train("--minutes", 0.01))  # less than the start takes: a single step
    assert "too few steps" not in bench.helps(*bench.train("--epochs", 1), "--restart")
    return seen


def provoke_escapes(bench: Bench) -> Seen:
    (bench.folder / "prompt").write_bytes(b"\x1b[1mba")
    words = [sys.executable, "-m", "seqkit", "generate", str(bench.generator), "--prompt-file", "prompt"]
    words += ["--length", "5", "--seed", "1", "--threads", "1"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = everything_sent_to(ours, 60)
    assert b"\x1b[1m" not in shown
    piped = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert piped.stdout.startswith(b"\x1b[1mba")
    return Seen(process.returncode, shown.decode())


def provoke_minutes(bench: Bench) -> Seen:
    def weights(*budget: object) -> tuple[Seen, str]:
        shutil.rmtree(bench.folder / "model", ignore_errors=True)
        # The clock of a command starts with its process, and this one is old.
        command = importlib.import_module("seqkit.cli.train.command")
        bench.monkeypatch.setattr(command, "_STARTED", time.monotonic())
        seen = bench(*bench.train(*budget, training__best_metric="loss", training__validation_sentences=0))
        content = (bench.folder / "model" / "weights.safetensors").read_bytes()
        return seen, hashlib.sha256(content).hexdigest()

    seen, first = weights("--minutes", 0.05)
    # Two runs that are slow may by chance take equally many steps.
    assert any(weights("--minutes", 0.05)[1] != first for _ in range(3))
    assert weights("--steps", 8)[1] == weights("--steps", 8)[1]
    return seen


PROVOCATIONS: dict[str, Callable[[Bench], Seen]] = {
    name.removeprefix("provoke_").replace("_", "-"): value
    for name, value in list(globals().items())
    if name.startswith("provoke_")
}


def test_each_row_has_a_provocation_and_each_provocation_a_row() -> None:
    assert len(ROWS) == PAGE.count("\n| ") - 1 >= 20
    assert sorted(row.name for row in ROWS) == sorted(PROVOCATIONS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_says_what_is_quoted(row: Row, bench: Bench) -> None:
    seen = PROVOCATIONS[row.name](bench)
    assert seen.code == row.code, seen.said
    if not row.quoted:
        assert seen.said == ""
    for words in row.quoted:
        pattern = re.escape(words).replace("…", ".+").replace(r"\ ", r"\s+")
        assert re.search(pattern, seen.said), seen.said
