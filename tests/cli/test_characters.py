"""Words to words and to symbols at the shell: tokenizers per side, their preset, going on from a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqkit.cli import run
from seqkit.data.corpus import Corpus
from seqkit.errors import ExitCode
from tests.cli.test_translate import results
from tests.conftest import toy_assignments, write_lines

SYLLABLES = ("ba", "di", "fu", "ge", "ho", "ka", "li", "mo")
LEMMAS = [f"{a}{b}{c}" for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES[:3]]
TAGS = {"V;PRS;3;SG": "t", "V;PST(1,PL)": "ten", "N": ""}
FORMS = [(f"{lemma}\t{tags}", lemma + ending) for lemma in LEMMAS for tags, ending in TAGS.items()]
FEW = ["--steps", "2", "--threads", "1", "--precision", "fp32"]

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: sources of two columns, pairs of words, words and phonemes."""
    write_lines(tmp_path / "source", [source for source, _ in FORMS])
    write_lines(tmp_path / "target", [target for _, target in FORMS])
    write_lines(tmp_path / "words.tsv", [f"{lemma}\t{lemma}t" for lemma in LEMMAS])
    write_lines(tmp_path / "phones.tsv", [f"{lemma}\t{' '.join(lemma.upper())}" for lemma in LEMMAS])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: Capture) -> dict[str, str]:
    """The rows of the report."""
    lines = [line.strip().split("  ", 1) for line in capsys.readouterr().err.splitlines()]
    return {line[0]: line[-1].strip() for line in lines}


def test_the_report_says_what_targets_are_and_what_follows(folder: Path, capsys: Capture) -> None:
    assert run(["prepare", "c", "--pairs", "words.tsv"]) == 0
    err = capsys.readouterr().err
    assert "  targets           words\n" in err
    assert (
        "because targets are words: identical pairs are kept, duplicate pairs are kept, lengths are not "
        "compared, the tokenizer is char; options override each\n"
    ) in err
    assert run(["prepare", "d", "--pairs", "phones.tsv", "--json", "--quiet"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["targets"] == "symbols"
    assert "the tokenizer is char and word" in summary["decided"]
    assert Corpus.open(folder / "d", verify=True).target_tokenizer.kind == "word"


def test_every_decision_has_an_option(folder: Path, capsys: Capture) -> None:
    options = ["--drop-identical", "--drop-duplicates", "--max-ratio", "9", "--tokenizer", "byte"]
    assert run(["prepare", "c", "--pairs", "words.tsv", *options]) == 0
    assert "because targets are" not in capsys.readouterr().err
    filters = Corpus.open(folder / "c").manifest.filters
    assert filters is not None
    assert (filters.keep_identical, filters.keep_duplicates, filters.max_ratio) == (False, False, 9.0)


def test_tags_are_symbols_from_prepare_to_translate(folder: Path, capsys: Capture) -> None:
    sides = ["--source", "source", "--target", "target"]
    assert run(["prepare", "c", *sides, "--source-tokenizer", "char,tags", "--valid-size", "20"]) == 0
    assert said(capsys)["vocabulary"].endswith("(source + target)")
    corpus = Corpus.open(folder / "c", verify=True)
    assert corpus.source_tokenizer.pieces(corpus.source_tokenizer.encode(["ba\tV;PST(1,PL)"])[0]) == [
        *["b", "a", "<0x09>"],
        *["V", "PST", "1", "PL"],
    ]
    assert run(["train", "c", "m", *FEW, "--set", "model.hidden_size=16", "--quiet"]) == 0
    settings = json.loads((folder / "m" / "config.json").read_text())
    assert settings["model"]["tied_embeddings"] == "target", "two vocabularies"
    assert len(results(folder / "m", stdin=b"badi\tN\nbadi\n\nx\ty\tz\n")) == 4


@pytest.mark.usefixtures("folder")
def test_the_preset_for_short_sequences_is_taken_and_said(capsys: Capture) -> None:
    assert run(["prepare", "c", "--pairs", "words.tsv", "--quiet"]) == 0
    for budget in (["--epochs", "3"], ["--minutes", "20"]):
        assert run(["train", "c", "--print-config", *budget]) == 0
        out = capsys.readouterr().out
        assert "# preset characters" in out
        assert "chosen at the start" not in out
    assert run(["train", "c", "--print-config", "--preset", "tiny"]) == 0
    assert "# preset characters" not in capsys.readouterr().out
    dry = ["train", "c", "m", "--dry-run", *FEW, *toy_assignments()]
    assert run(dry) == 0
    assert "preset characters, for pairs of short sequences; --preset overrides it" in capsys.readouterr().err
    assert run([*dry, "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["preset"], found["better_preset"], found["chosen_size"]) == ("characters", None, None)


@pytest.mark.usefixtures("folder")
def test_a_run_that_was_begun_with_the_usual_preset_goes_on(capsys: Capture) -> None:
    assert run(["prepare", "c", "--pairs", "words.tsv", "--quiet"]) == 0
    command = ["train", "c", "m", *FEW, "--set", "model.hidden_size=16"]
    assert run([*command, "--preset", "small", "--quiet"]) == 0
    assert run(command) == 0
    err = capsys.readouterr().err
    assert "The run was finished already" in err
    assert "preset characters" not in err


def test_sentences_have_the_usual_preset(toy_corpus: Path, capsys: Capture) -> None:
    assert run(["train", str(toy_corpus), "--print-config"]) == 0
    assert "preset characters" not in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_a_model_s_own_vocabulary_serves_new_data(capsys: Capture) -> None:
    few = [*FEW, *toy_assignments(), "--quiet"]
    options = ["--tokenizer", "bpe", "--vocab-size", "290", "--quiet"]
    assert run(["prepare", "c", "--pairs", "words.tsv", *options]) == 0
    assert run(["train", "c", "m", *few]) == 0
    write_lines(Path("new.tsv"), [f"{lemma}\t{lemma}x" for lemma in LEMMAS])
    assert run(["prepare", "d", "--pairs", "new.tsv", "--tokenizer-from", "m", "--quiet"]) == 0
    first, second = (Corpus.open(name, verify=True) for name in ("c", "d"))
    assert first.target_tokenizer.fingerprint == second.target_tokenizer.fingerprint
    assert run(["train", "d", "n", *few, "--init-from", "m"]) == 0
    capsys.readouterr()
    assert (
        run(["prepare", "e", "--pairs", "new.tsv", "--tokenizer-from", "m", "--vocab-size", "300"])
        == ExitCode.USAGE
    )
    assert "--vocab-size cannot be used with --tokenizer-from" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_much_that_would_be_dropped_is_an_error_with_both_options(capsys: Capture) -> None:
    write_lines(Path("s"), [f"see page {number}" for number in range(100)] * 2)
    write_lines(Path("t"), [f"see page {number}" for number in range(40)] + ["siehe dort"] * 160)
    write_lines(Path("t2"), [f"siehe Seite {number}" for number in range(100)] * 2)
    assert run(["prepare", "c", "--source", "s", "--target", "t2"]) == ExitCode.BAD_DATA
    err = capsys.readouterr().err
    assert "seqkit: error: 100 of 200 pairs (50%) would be dropped: they occur more than once" in err
    assert "--keep-duplicates keeps them; --drop-duplicates drops them" in err
    assert run(["prepare", "c", "--source", "s", "--target", "t2", "--drop-duplicates"]) == 0
    assert "seqkit: warning: 100 of 200 pairs (50%) are dropped" in capsys.readouterr().err
