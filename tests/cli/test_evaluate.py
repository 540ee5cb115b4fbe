"""`seqkit evaluate` as a filter: what goes in, what comes out on which stream, and how it ends."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from seqkit import cli
from seqkit.cli.evaluate.shared import columns, table
from seqkit.errors import ExitCode, InputMissing
from seqkit.evaluation.worst import differences
from tests.conftest import Finished

REFERENCE = "\n".join(f"Ein Hund läuft über Wiese {number} und bellt laut." for number in range(20)) + "\n"
HYPOTHESES = REFERENCE.replace("Wiese 3", "Straße 3").replace("bellt laut", "bellt", 2)


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """Runs command lines in a folder that holds the texts."""

    def __init__(self, capsysbinary: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.capture = capsysbinary
        self.monkeypatch = monkeypatch

    def evaluate(self, *arguments: str, stdin: str = "") -> Outcome:
        self.monkeypatch.setattr(
            sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin.encode())))
        )
        code = cli.run(["evaluate", *arguments])
        captured = self.capture.readouterr()
        return Outcome(code, captured.out.decode(), captured.err.decode())


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Shell:
    (tmp_path / "ref").write_text(REFERENCE)
    (tmp_path / "hyp").write_text(HYPOTHESES)
    (tmp_path / "old").write_text(HYPOTHESES.replace("läuft", "geht"))
    (tmp_path / "source").write_text(HYPOTHESES.upper())
    monkeypatch.chdir(tmp_path)
    return Shell(capsysbinary, monkeypatch)


def test_a_file_is_scored_with_signatures(shell: Shell) -> None:
    outcome = shell.evaluate("--reference", "ref", "hyp")
    assert outcome.code == 0
    rows = [line.split() for line in outcome.out.splitlines()]
    assert rows[0] == ["metric", "score", "signature"]
    assert [row[0] for row in rows[1:]] == ["bleu", "chrf"], "TER is slow: only when it is asked for"
    assert all(row[2].startswith("nrefs:1|case:") for row in rows[1:])
    assert 80 < float(rows[1][1]) < 100
    assert outcome.err == "20 lines, 1 reference, protocol cased\n"


def test_columns_stand_in_line(shell: Shell) -> None:
    lines = shell.evaluate("--reference", "ref", "hyp", "--confidence", "--baseline", "old").out.splitlines()
    assert lines[0].split("  ")[0] == "metric"
    assert {line.index("nrefs") for line in lines[1:]} == {lines[0].index("signature")}


@pytest.mark.parametrize("hypotheses", [[], ["-"], ["hyp"]])
def test_standard_input_gives_the_same_bytes_as_a_file(shell: Shell, hypotheses: list[str]) -> None:
    expected = shell.evaluate("--reference", "ref", "hyp", "--json").out
    assert shell.evaluate("--reference", "ref", *hypotheses, "--json", stdin=HYPOTHESES).out == expected


def test_a_reference_may_come_from_standard_input_and_be_compressed(shell: Shell, tmp_path: Path) -> None:
    expected = shell.evaluate("--reference", "ref", "hyp").out
    (tmp_path / "ref.gz").write_bytes(gzip.compress(REFERENCE.encode()))
    assert shell.evaluate("--reference", "-", "hyp", stdin=REFERENCE).out == expected
    assert shell.evaluate("--reference", "ref.gz", "hyp").out == expected


def test_json_has_an_object_a_metric(shell: Shell) -> None:
    outcome = shell.evaluate("--reference", "ref", "hyp", "--json", "--metric", "chrf,bleu")
    chrf, bleu = outcome.objects
    assert (chrf["metric"], bleu["metric"]) == ("chrf", "bleu")
    assert bleu["schema"] == 1
    assert bleu["signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|")
    assert (bleu["confidence"], bleu["paired"]) == (None, None)
    assert (bleu["protocol"], bleu["lines"]) == ("cased", 20)
    assert len(bleu["details"]["precisions"]) == 4
    assert outcome.err == ""


def test_json_of_a_perfect_score_is_100(shell: Shell) -> None:
    (bleu,) = shell.evaluate("--reference", "ref", "ref", "--json", "--metric", "bleu").objects
    assert bleu["score"] == 100


def test_confidence_and_baseline(shell: Shell) -> None:
    (bleu,) = shell.evaluate(
        "--reference", "ref", "hyp", "--json", "--metric", "bleu", "--confidence", "--baseline", "old"
    ).objects
    assert "|bs:1000|seed:12345|" in bleu["signature"]
    assert bleu["confidence"]["low"] < bleu["score"] < bleu["confidence"]["high"]
    assert (bleu["confidence"]["level"], bleu["confidence"]["resamples"]) == (0.95, 1000)
    assert bleu["paired"]["difference"] == pytest.approx(
        bleu["score"] - bleu["paired"]["baseline_score"], abs=1e-5
    )
    assert bleu["paired"]["difference"] > 10
    assert bleu["paired"]["p_value"] < 0.05


def test_several_references(shell: Shell) -> None:
    (one,) = shell.evaluate("--reference", "ref", "hyp", "--json", "--metric", "bleu").objects
    arguments = ("--reference", "ref", "--reference", "hyp", "hyp", "--json", "--metric", "bleu")
    (two,) = shell.evaluate(*arguments).objects
    assert two["signature"].startswith("nrefs:2|")
    assert one["score"] < two["score"] == 100


def test_the_protocol_is_in_the_signature(shell: Shell) -> None:
    (bleu,) = shell.evaluate(
        "--reference", "ref", "source", "--json", "--metric", "bleu", "--protocol", "lowercased-tokenized"
    ).objects
    assert bleu["protocol"] == "lowercased-tokenized"
    assert "case:lc" in bleu["signature"]
    assert "tok:none" in bleu["signature"]
    assert bleu["score"] > 50


def test_metrics_are_repeatable_and_their_case_is_free(shell: Shell) -> None:
    outcome = shell.evaluate("--reference", "ref", "hyp", "--json", "--metric", "BLEU", "--metric", "Ter")
    assert [found["metric"] for found in outcome.objects] == ["bleu", "ter"]


def test_quiet_leaves_warnings_and_results(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "hyp").write_text("\n" + HYPOTHESES.split("\n", 1)[1])
    outcome = shell.evaluate("--reference", "ref", "hyp", "--quiet")
    assert outcome.out.startswith("metric")
    assert outcome.err == (
        "seqkit: warning: hyp: 1 of 20 lines are empty where the reference is not, the first at line 1\n"
    )


@pytest.mark.parametrize(("threshold", "code"), [("10", 0), ("100", 1)])
def test_fail_under(shell: Shell, threshold: str, code: int) -> None:
    outcome = shell.evaluate("--reference", "ref", "hyp", "--fail-under", threshold)
    assert outcome.code == code
    assert outcome.out.startswith("metric  score")
    assert ("is below --fail-under 100\n  where: hyp\n" in outcome.err) == bool(code)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hyp"], "--reference FILE"),
        (["--reference", "ref", "--fail-under", "nan", "hyp"], "--fail-under nan"),
        (["--reference", "ref", "--fail-under", "-1", "hyp"], "--fail-under -1"),
        (["--reference", "ref", "--fail-under", "101", "hyp"], "--fail-under 101"),
        (["--reference", "ref", "--fail-under", "30", "--metric", "ter", "hyp"], "add bleu to --metric"),
        (["--reference", "ref", "--metric", "blue", "hyp"], "did you mean bleu?"),
        (["--reference", "ref", "--metric", "", "hyp"], "choose among bleu, chrf, ter"),
        (["--reference", "ref", "--metric", "bleu,bleu", "hyp"], "twice"),
        (["--reference", "ref", "--protocol", "tokenized", "hyp"], "did you mean lowercased-tokenized?"),
        (["--reference", "ref", "--chrf-word-order", "2", "--metric", "bleu", "hyp"], "needs chrf"),
        (["--reference", "ref", "--source", "source"], "without --model"),
        (["--reference", "ref", "--beam-size", "5", "hyp"], "--beam-size"),
        (["--reference", "ref", "--batch-tokens", "5", "hyp"], "--batch-tokens"),
        (["--reference", "ref", "--length-penalty", "1", "hyp"], "--length-penalty"),
        (["--reference", "ref", "--model", "m", "--source", "source", "--length-penalty", "inf"], "finite"),
        (["--reference", "ref", "--model", "m"], "--model needs --source"),
        (["--reference", "ref", "--model", "m", "--source", "source", "hyp"], "--baseline hyp"),
        (["--reference", "-"], "only once"),
        (["--reference", "-", "-"], "only once"),
        (["--reference", "ref", "--baseline", "-"], "only once"),
        (["--reference", "ref", "--text", "hyp"], "--text"),
    ],
)
def test_wrong_usage_is_refused_by_name(shell: Shell, arguments: list[str], said: str) -> None:
    outcome = shell.evaluate(*arguments, stdin=HYPOTHESES)
    assert outcome.code == ExitCode.USAGE
    assert outcome.out == ""
    assert outcome.err.startswith("seqkit: error: ")
    assert said in outcome.err


@pytest.mark.parametrize(
    ("hypotheses", "said"),
    [
        ("", "there is nothing in hyp, but 20 lines in ref"),
        (HYPOTHESES + "\n", "line 21 of hyp: it ends with an empty line"),
        (HYPOTHESES.split("\n", 1)[1], "19 lines in hyp, 20 in ref"),
    ],
)
def test_texts_that_do_not_belong_together(shell: Shell, tmp_path: Path, hypotheses: str, said: str) -> None:
    (tmp_path / "hyp").write_text(hypotheses)
    outcome = shell.evaluate("--reference", "ref", "hyp")
    assert outcome.code == ExitCode.BAD_DATA
    assert outcome.out == ""
    assert said in outcome.err


def test_lines_end_at_newlines_only(shell: Shell, tmp_path: Path) -> None:
    text = "a\u2028b c d e\nf\x0bg\u0085h i\r\n\nlast line without newline"
    (tmp_path / "odd").write_bytes(text.encode())
    (bleu, *_) = shell.evaluate("--reference", "odd", "odd", "--json").objects
    assert bleu["lines"] == 4


@pytest.mark.parametrize("missing", ["--reference", "--baseline"])
def test_a_missing_file_is_reported_before_standard_input_is_read(shell: Shell, missing: str) -> None:
    files = {"--reference": "ref", "--baseline": "old"} | {missing: "re"}
    outcome = shell.evaluate(*[word for pair in files.items() for word in pair], stdin=HYPOTHESES)
    assert outcome.code == ExitCode.INPUT_MISSING
    assert "cannot read re: there is no such file" in outcome.err
    assert sys.stdin.read() == HYPOTHESES


@dataclass(frozen=True)
class SearchOptions:
    beam_size: int = 7
    length_penalty: float = 0.6
    batch_tokens: int = 4096


@dataclass(frozen=True)
class FakeTranslation:
    text: str


class FakeTranslator:
    """Stands in for a trained model: gives the source in lower case."""

    loaded: tuple[Any, ...] = ()
    used: Any = None
    options = SearchOptions()
    target_tokenizer = SimpleNamespace(normalization="nfc")

    @classmethod
    def load(cls, directory: str, *, device: str, threads: int | None, shortlist: bool) -> FakeTranslator:
        assert not shortlist
        if directory == "absent":
            raise InputMissing("there is no model absent")
        FakeTranslator.loaded = (str(directory), device, threads)
        return cls()

    def translate(
        self, lines: list[str], options: SearchOptions, *, progress: Callable[[int], None]
    ) -> list[FakeTranslation]:
        FakeTranslator.used = options
        progress(len(lines))
        return [FakeTranslation(line.lower()) for line in lines]


@pytest.fixture
def model(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    module = ModuleType("seqkit.inference.translator")
    vars(module).update(Translator=FakeTranslator)
    monkeypatch.setitem(sys.modules, "seqkit.inference.translator", module)
    return shell


def test_a_model_is_translated_and_scored(model: Shell) -> None:
    outcome = model.evaluate(
        *["--model", "m", "--source", "source", "--reference", "ref"],
        *["--device", "cpu", "--threads", "1", "--protocol", "lowercased-tokenized", "--json"],
    )
    assert outcome.code == 0
    bleu = outcome.objects[0]
    assert 80 < bleu["score"] < 100
    assert FakeTranslator.loaded == ("m", "cpu", 1)
    assert FakeTranslator.used == SearchOptions()  # the model's own
    assert "translating 20 lines with m\n" in outcome.err


def test_search_options_go_over_the_models_own(model: Shell) -> None:
    base = ["--model", "m", "--source", "-", "--reference", "ref"]
    assert model.evaluate(*base, "--beam-size", "2", stdin=HYPOTHESES).code == 0
    assert FakeTranslator.used == SearchOptions(beam_size=2)
    more = ["--batch-tokens", "99", "--length-penalty", "0.9"]
    assert model.evaluate(*base, *more, stdin=HYPOTHESES).code == 0
    assert FakeTranslator.used == SearchOptions(batch_tokens=99, length_penalty=0.9)


def test_a_model_can_fail_under_a_score(model: Shell) -> None:
    base = ["--model", "m", "--source", "source", "--reference", "ref"]
    outcome = model.evaluate(*base, "--fail-under", "99")
    assert outcome.code == ExitCode.RUN_FAILED
    assert "where: what m makes" in outcome.err


def test_a_source_of_another_length_is_refused(model: Shell, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("one line\n")
    outcome = model.evaluate("--model", "m", "--source", "source", "--reference", "ref")
    assert outcome.code == ExitCode.BAD_DATA
    assert "1 line in source, 20 in ref" in outcome.err


def test_a_missing_model(model: Shell) -> None:
    outcome = model.evaluate("--model", "absent", "--source", "source", "--reference", "ref")
    assert outcome.code == ExitCode.INPUT_MISSING


def test_scoring_text_does_not_load_torch(shell: Shell) -> None:  # noqa: ARG001 - for its folder
    code = (
        "import sys; from seqkit import cli; "
        "code = cli.run(['evaluate', '--reference', 'ref', 'hyp', '--confidence', '--quiet']); "
        "sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("metric")
    assert "\x1b" not in done.stdout


def test_a_closed_pipe_is_silent(shell: Shell) -> None:  # noqa: ARG001 - for its folder
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "seqkit", "evaluate", "--reference", "ref", "hyp", "--quiet"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.returncode == -signal.SIGPIPE  # 141 in a shell
    assert done.stderr == b""


def test_several_systems_in_one_table(shell: Shell) -> None:
    """Each against the first; what is significant is marked."""
    found = shell.evaluate("--reference", "ref", "old", "hyp", "ref", "--metric", "bleu,chrf")
    assert found.code == 0
    heading, *rows = [line.split() for line in found.out.splitlines()]
    assert heading == ["metric", "system", "score", "baseline", "difference", "p", "signature"]
    assert [row[:2] for row in rows] == [[m, s] for m in ("bleu", "chrf") for s in ("old", "hyp", "ref")]
    assert len(rows[0]) == 4, "the first is compared with nothing"
    alone = shell.evaluate("--reference", "ref", "hyp", "--baseline", "old", "--metric", "bleu")
    assert rows[1][2:] == alone.out.splitlines()[1].split()[1:]
    assert rows[2][5].endswith("*")
    assert "* p < 0.05" in found.err
    objects = shell.evaluate(
        "--reference", "ref", "old", "hyp", "--metric", "bleu", "--format", "json"
    ).objects
    assert [one["system"] for one in objects] == ["old", "hyp"]
    assert objects[0]["paired"] is None
    assert objects[1]["paired"]["baseline_score"] == objects[0]["score"]


def test_tables_for_papers(shell: Shell) -> None:
    rows = shell.evaluate("--reference", "ref", "hyp", "--format", "markdown").out.splitlines()
    assert rows[0] == "| metric | score | signature |"
    assert rows[1] == "| :-- | --: | :-- |"
    assert rows[2].startswith("| bleu | ")
    assert all(line.replace(r"\|", "").count("|") == 4 for line in rows)
    latex = shell.evaluate("--reference", "ref", "hyp", "--format", "latex").out
    lines = latex.splitlines()
    assert lines[0] == r"\begin{tabular}{lrl}"
    assert lines[-1] == r"\end{tabular}"
    assert "|" not in latex
    assert all(line.endswith(r" \\") and line.count(" & ") == 2 for line in (lines[2], *lines[4:-2]))


SCORES = [
    ["metric", "score", "signature"],
    ["bits", "1.00", "protocol:stream|unit:char"],
    ["nats", "0.69", "protocol:stream|unit:char"],
    ["bits", "12.00", "protocol:window|unit:char"],
]


def test_a_table_that_fits_has_a_signature_a_row() -> None:
    whole = "metric  score  signature\nbits     1.00  protocol:stream|unit:char\n"
    assert columns(SCORES[:2]) == whole
    width = len("bits     1.00  protocol:stream|unit:char")
    assert columns(SCORES, width) == columns(SCORES) != columns(SCORES, width - 1)


def test_on_a_narrow_terminal_a_signature_stands_once_below_the_rows_that_share_it() -> None:
    assert columns(SCORES, 24).splitlines() == [
        "metric  score",
        "    signature",
        "bits     1.00",
        "nats     0.69",
        "    protocol:stream|",
        "    unit:char",
        "bits    12.00",
        "    protocol:window|",
        "    unit:char",
    ]


def test_special_characters_of_latex_are_escaped() -> None:
    assert r"a\_b\&\textbackslash{}\textasciitilde{}" in table([["x", "y"], ["a_b&\\~", "z"]], "latex")


def test_words_are_scored_by_what_suits_them(shell: Shell) -> None:
    """BLEU of single words is undefined, not 0.00; a file is exactly itself."""
    Path("words").write_text("yes\nno\nmaybe\n")
    outcome = shell.evaluate("--reference", "words", "words")
    assert outcome.code == 0
    rows = {row[0]: row[1] for row in (line.split() for line in outcome.out.splitlines()[1:])}
    assert rows == {"bleu": "undefined", "chrf": "100.00", "exact": "100.00", "cer": "0.00"}
    assert "BLEU is undefined: no reference line has four tokens" in outcome.err
    bleu, *_ = shell.evaluate("--reference", "words", "words", "--json").objects
    assert bleu["score"] is None
    assert "four tokens" in bleu["undefined"]


def test_the_tokenizer_is_chosen_by_the_script_and_said(shell: Shell) -> None:
    Path("zh").write_text("我昨天在图书馆看了一本很有意思的书。\n他们明天要去北京开会。\n")
    outcome = shell.evaluate("--reference", "zh", "zh", "--metric", "bleu,ter")
    assert [line.split()[1] for line in outcome.out.splitlines()[1:]] == ["100.00", "0.00"]
    assert outcome.out.count("|tok:zh|") == 2
    assert outcome.err.startswith(
        "tokenizer zh, by the script of the references (--tokenize names another)\n"
    )
    named = shell.evaluate("--reference", "zh", "zh", "--metric", "bleu", "--tokenize", "char")
    assert "|tok:char|" in named.out
    assert "script" not in named.err


@pytest.mark.parametrize("mixed", ["hyp", "ref", "both"])
def test_files_of_mixed_forms_are_compared_in_one(shell: Shell, mixed: str) -> None:
    apart = unicodedata.normalize("NFD", REFERENCE)
    half = "".join(
        (apart if number % 2 else REFERENCE).splitlines(keepends=True)[number] for number in range(20)
    )
    Path("hyp").write_text({"hyp": apart, "ref": REFERENCE, "both": half}[mixed])
    Path("ref").write_text({"hyp": REFERENCE, "ref": apart, "both": apart}[mixed])
    found = shell.evaluate("--reference", "ref", "hyp", "--metric", "bleu,exact,cer", "--json").objects
    assert [one["score"] for one in found] == [100, 100, 0]
    assert all("|form:nfc|" in one["signature"] for one in found)
    raw = shell.evaluate("--reference", "ref", "hyp", "--normalization", "identity", "--json").objects
    assert raw[0]["score"] < 100


def test_what_a_model_with_nfkc_makes_is_compared_in_nfkc(
    model: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeTranslator, "target_tokenizer", SimpleNamespace(normalization="nfkc"))
    Path("source").write_text("ABC 123 XYZ HIJ!\n")
    Path("ref").write_text("ａｂｃ １２３ ｘｙｚ ｈｉｊ！\n")
    command = ("--model", "m", "--source", "source", "--reference", "ref", "--metric", "exact", "--json")
    (exact,) = model.evaluate(*command).objects
    assert (exact["score"], "|form:nfkc|" in exact["signature"]) == (100, True)
    (exact,) = model.evaluate(*command, "--normalization", "nfc").objects
    assert exact["score"] == 0


def test_several_references_in_a_line(shell: Shell) -> None:
    """Separated by tabs, as many as a line has."""
    Path("phones").write_text("T AH M EY T OW\tT AH M AA T OW\nR UW T\n")
    Path("out").write_text("T AH M AA T OW\nR AW T\n")
    command = ("--reference", "phones", "out", "--metric", "exact,per", "--json")
    exact, per = shell.evaluate(*command, "--tab-references").objects
    assert exact["score"] == 50
    assert per["details"] == {"edits": 1, "reference_length": 9}
    assert per["signature"].startswith("nrefs:var|")
    Path("more").write_text("T AH M EY T OW\nR AW T\n")
    both = shell.evaluate(*command, "--tab-references", "--reference", "more").objects
    assert both[0]["score"] == 100


def test_a_table_of_scores_per_line(shell: Shell) -> None:
    command = ("--reference", "ref", "--metric", "bleu,chrf,exact,cer", "--per-line", "lines.tsv")
    assert shell.evaluate(*command, "hyp").code == 0
    heading, *rows = [line.split("\t") for line in Path("lines.tsv").read_text().splitlines()]
    assert heading == ["line", "bleu", "chrf", "exact", "cer"]
    assert [row[0] for row in rows] == [str(number) for number in range(1, 21)]
    assert [row[3] for row in rows].count("100.0000") == 17
    worst = shell.evaluate("--reference", "ref", "hyp", "--show-worst", "1", "--json", "--metric", "bleu")
    assert float(min(rows, key=lambda row: float(row[2]))[2]) == pytest.approx(
        worst.objects[-1]["score"], abs=1e-4
    )
    assert shell.evaluate(*command, "old", "hyp").code == 0
    heading, *rows = [line.split("\t") for line in Path("lines.tsv").read_text().splitlines()]
    assert heading[:2] == ["system", "line"]
    assert [row[0] for row in rows] == ["old"] * 20 + ["hyp"] * 20


def test_a_reference_that_would_be_a_system_is_told(shell: Shell) -> None:
    """`--reference` takes one file: what follows it is a system."""
    Path("ref2").write_text(REFERENCE)
    Path("ref1").write_text(REFERENCE)
    outcome = shell.evaluate("--reference", "ref1", "ref2", "hyp", "--metric", "bleu")
    assert outcome.code == 0
    assert "ref2 is scored as a system, though its name is like that of a reference" in outcome.err
    assert "--reference ref1 --reference ref2" in outcome.err
    assert "2 systems, 20 lines, 1 reference" in outcome.err
    assert "as a system" not in shell.evaluate("--reference", "ref1", "old", "hyp").err
    assert "as a system" not in shell.evaluate("--reference", "ref1", "ref2").err


@pytest.mark.parametrize("first", ['<?xml version="1.0"?>', "<!DOCTYPE html>", '<doc id="1">'])
@pytest.mark.parametrize("place", ["reference", "hypotheses"])
def test_markup_is_refused(shell: Shell, first: str, place: str) -> None:
    Path("xml").write_text(first + "\n" + "<p>A dog runs.</p>\n" * 20)
    files = ("--reference", "xml", "hyp") if place == "reference" else ("--reference", "ref", "xml")
    outcome = shell.evaluate(*files)
    assert (outcome.code, outcome.out) == (ExitCode.BAD_DATA, "")
    assert "xml is markup (SGML or XML), not a sentence per line" in outcome.err


def test_sgm_of_wmt_is_scored_by_its_sentences(shell: Shell) -> None:
    """Its tags are no words: they are the same in every file, and would be matches."""
    Path("ref.sgm").write_text(f'<refset setid="x">\n{_segments(REFERENCE)}</refset>\n')
    Path("hyp.sgm").write_text(f'<tstset setid="x">\n{_segments(HYPOTHESES)}</tstset>\n')
    plain = shell.evaluate("--reference", "ref", "hyp", "--json").objects
    assert shell.evaluate("--reference", "ref.sgm", "hyp.sgm", "--json").objects == plain


def _segments(text: str) -> str:
    return "".join(f'<seg id="{number}">{line}</seg>\n' for number, line in enumerate(text.splitlines(), 1))


def test_a_line_that_begins_with_a_tag_is_text(shell: Shell) -> None:
    Path("tagged").write_text("<doc> is a tag\n" + REFERENCE.split("\n", 1)[1])
    assert shell.evaluate("--reference", "ref", "tagged").code == 0


def test_log_probabilities_of_given_pairs(
    seqkit: Callable[..., Finished], toy_model: Path, tmp_path: Path
) -> None:
    """One per line, those of `Translator.score`; a likely target has more than an unlikely one."""
    from seqkit import Translator

    sources, targets = ["ba di fu", "go ke", "ba di fu"], ["fu di ba", "ke go", "nu nu nu nu nu"]
    (tmp_path / "s").write_text("".join(f"{line}\n" for line in sources))
    (tmp_path / "t").write_text("".join(f"{line}\n" for line in targets))
    command = ("evaluate", "--score-pairs", "--model", toy_model, "--source", tmp_path / "s")
    command += ("--reference", tmp_path / "t")
    done = seqkit(*command)
    assert done.code == 0, done.err
    expected = Translator.load(toy_model).score(sources, targets)
    assert [float(line) for line in done.out.splitlines()] == pytest.approx(expected, abs=1e-4)
    assert expected[0] > expected[2]
    lines = [json.loads(line) for line in seqkit(*command, "--json", "--quiet").out.splitlines()]
    assert [(line["schema"], line["line"]) for line in lines] == [(1, 1), (1, 2), (1, 3)]
    assert [line["score"] for line in lines] == pytest.approx(expected, abs=1e-4)


def test_the_worst_lines(shell: Shell) -> None:
    found = shell.evaluate(
        "--reference", "ref", "hyp", "--source", "source", "--show-worst", "2", "--metric", "bleu"
    )
    assert found.code == 0
    shown = found.out.splitlines()[2:]
    assert [line.split()[0] for line in shown] == ["line", "source", "reference", "hypothesis"] * 2
    objects = shell.evaluate(
        "--reference", "ref", "hyp", "--show-worst", "3", "--json", "--metric", "bleu"
    ).objects[1:]
    assert [one["metric"] for one in objects] == ["line_chrf"] * 3
    assert sorted(one["score"] for one in objects) == [one["score"] for one in objects]
    lines = HYPOTHESES.splitlines()
    assert all(lines[one["line"] - 1] == one["hypothesis"] != one["references"][0] for one in objects)
    assert {one["line"] for one in objects} == {1, 2, 4}, "the lines that differ"


def test_differences_are_words_that_the_other_lacks() -> None:
    assert differences("a big dog runs", "a dog ran") == [
        ("a", False),
        ("big", True),
        ("dog", False),
        ("runs", True),
    ]


@pytest.mark.parametrize("columns", [50, 120])
def test_the_worst_lines_on_a_terminal(
    shell: Shell,  # noqa: ARG001 - for its folder
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Side by side where there is room; words that differ in colour, control characters shown."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "LINES"):
        monkeypatch.delenv(name, raising=False)
    Path("hyp").write_text(HYPOTHESES.replace("Hund", "Hu\x1b[2Jnd", 1))
    Path("ref").write_text(REFERENCE.replace("Hund", "Hünd 東京", 1))
    screen = Screen(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", screen)
    assert cli.run(["evaluate", "--reference", "ref", "hyp", "--show-worst", "1", "--metric", "chrf"]) == 0
    screen.flush()
    text = screen.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert "\x1b[2J" not in text
    assert "\x1b[31m" in text
    assert "\x1b[32m" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert max(len(line) for line in plain.splitlines()[2:]) <= columns
    assert ("hypothesis" in plain) == (columns == 120)
    assert "東京" in plain  # in UTF-8, as all results


class Screen(io.TextIOWrapper):
    """Standard output that says that it is a terminal."""

    def isatty(self) -> bool:
        return True
