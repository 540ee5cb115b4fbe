"""The report of a run: its numbers are the run's, and nothing from outside can act in it."""

from __future__ import annotations

import json
import os
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context, rcParams

from seqkit.cli import run
from seqkit.data.corpus import Corpus
from seqkit.errors import DataError
from seqkit.inference.translator import TranslateOptions, Translator
from seqkit.pages.charts import curves
from seqkit.pages.contents import Contents
from seqkit.printable import printable_text
from seqkit.training.record import read_rows
from tests.conftest import toy_assignments

Capture = pytest.CaptureFixture[str]
HOSTILE = "$x_1</pre><script>alert(1)</script>\x1b[31m\u202e&amp;'\""


class Page(HTMLParser):
    """Tables as lists of rows, definitions, headings, the text of sections, and every attribute."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tables: dict[str, list[list[list[str]]]] = {}
        self.definitions: dict[str, str] = {}
        self.text: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._section = ""
        self._open: list[str] = []
        self._term = ""
        self.feed(content.decode())
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "meta":
            return
        self._open.append(tag)
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
            self.text[self._section] = ""
        elif tag == "table":
            self.tables.setdefault(self._section, []).append([])
        elif tag == "tr":
            self.tables[self._section][-1].append([])
        elif tag in {"td", "th"}:
            self.tables[self._section][-1][-1].append("")
        elif tag == "dt":
            self._term = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._section:
            self.text[self._section] += data
        if {"td", "th"} & set(self._open):
            self.tables[self._section][-1][-1][-1] += data
        elif "dt" in self._open:
            self._term += data
        elif "dd" in self._open:
            self.definitions[self._term] = self.definitions.get(self._term, "") + data

    def records(self, section: str) -> list[dict[str, str]]:
        """A section's first table, a dictionary a row."""
        heads, *rows = self.tables[section][0]
        return [dict(zip(heads, row, strict=True)) for row in rows]


def page_at(path: Path) -> Page:
    return Page(path.read_bytes())


def metrics(model: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def reported(toy_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained with --report."""
    model = tmp_path_factory.mktemp("reported") / "model"
    words = [
        "train",
        str(toy_corpus),
        str(model),
        "--preset",
        "tiny",
        "--steps",
        "40",
        "--report",
        "--threads",
        "1",
    ]
    assert run([*words, "--set", "training.validate_every=10", *toy_assignments()]) == 0
    return model


def test_the_numbers_of_a_run_stand_in_its_report(reported: Path) -> None:
    page, rows = page_at(reported / "report.html"), metrics(reported)
    shown = page.records("validations")
    assert [int(row["step"]) for row in shown] == [row["step"] for row in rows]
    for found, row in zip(shown, rows, strict=True):
        scores = {score["metric"]: score["score"] for score in row["scores"]}  # type: ignore[attr-defined]
        assert float(found["BLEU"]) == pytest.approx(scores["bleu"], abs=1e-4)
        assert float(found["chrF"]) == pytest.approx(scores["chrf"], abs=1e-4)
        assert float(found["validation"]) == pytest.approx(row["valid_nats"], abs=1e-4)
        assert float(found["training"]) == pytest.approx(row["train_nats"], abs=1e-4)
        assert float(found["learning rate"]) == pytest.approx(row["timing"]["learning_rate"], rel=1e-3)  # type: ignore[index]
    last = [row for row in rows if row["best"]][-1]
    assert page.definitions["best"].startswith(f"step {last['step']}")
    assert "nrefs:1" in page.definitions["BLEU"]
    charts = {a["aria-label"] for tag, a in page.tags if tag == "svg"}
    assert charts >= {"Loss", "Validation scores", "Learning rate", "Speed", "Gradient norms", "Lengths"}


def test_settings_have_their_origin(reported: Path) -> None:
    settings = {row["setting"]: row for row in page_at(reported / "report.html").records("settings")}
    assert settings["model.hidden_size"] == {"setting": "model.hidden_size", "value": "64", "origin": "--set"}
    assert settings["training.steps"]["origin"] == "command line"
    assert settings["model.cell"]["origin"] == "default"
    assert settings["model.dropout"]["value"] == "0.0"
    assert settings["training.warmup"]["origin"] == "--set"
    assert settings["model.encoder_layers"]["origin"] in {"default", "preset tiny"}
    assert settings["training.epochs"]["origin"] == "replaced by command line"
    assert run(["evaluate", "--model", str(reported), "--report", "later.html"]) == 0
    later = {row["setting"]: row for row in page_at(Path("later.html")).records("settings")}
    assert later.keys() == settings.keys()
    assert later["model.hidden_size"]["origin"] == "set"
    assert later["model.cell"]["origin"] == "default"


def test_the_training_text_is_counted(reported: Path, toy_corpus: Path) -> None:
    page, corpus = page_at(reported / "report.html"), Corpus.open(toy_corpus)
    source, target = page.records("text")
    assert corpus.train.source is not None
    for row, array in ((source, corpus.train.source), (target, corpus.train.target)):
        assert int(row["tokens"].replace(",", "")) == len(array.values)
        assert int(row["longest"]) == max(array.lengths)
        assert int(row["different tokens"]) == len(set(array.values.tolist()))
        counts = np.sort(np.bincount(array.values))[::-1]
        wanted = next(n for n in range(1, 300) if counts[:n].sum() >= 0.9 * counts.sum())
        assert int(row["make up 90%"]) == wanted
    assert page.definitions["pairs kept"] == f"{corpus.manifest.kept:,}"
    size = corpus.target_tokenizer.size
    (piece, count) = max(
        zip(
            corpus.target_tokenizer.pieces(np.arange(size)),
            np.bincount(corpus.train.target.values, minlength=size),
            strict=True,
        ),
        key=lambda pair: pair[1],
    )
    assert f"{piece} {count:,}" in page.text["text"]


def test_attention_is_drawn_for_chosen_sentences(reported: Path) -> None:
    sentences = ["ba di fu", "ke lo", HOSTILE]
    Path("chosen").write_text("\n".join(sentences) + "\n")
    assert run(["evaluate", "--model", str(reported), "--report", "page.html", "--source", "chosen"]) == 0
    page = page_at(Path("page.html"))
    options = TranslateOptions(attention=True)
    found = Translator.load(reported).translate(sentences, options)
    heads = [table[0][1:] for table in page.tables["attention"]]
    assert heads == [list(translation.alternatives[0].source_tokens) for translation in found]
    assert "ba di fu" in page.text["attention"]
    samples = page_at(reported / "report.html")
    assert [row["step"] for row in samples.records("samples")] == ["10", "20", "30", "40", "reference"]
    assert len(samples.tables["attention"]) == len(samples.tables["samples"])


def test_metrics_alone_make_a_report(reported: Path, capsys: Capture) -> None:
    Path("metrics.jsonl").symlink_to(reported / "metrics.jsonl")  # a link of one's own is no trap
    assert run(["evaluate", "--model", "metrics.jsonl", "--report", "page.html", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "report": "page.html", "validations": 4}
    page = page_at(Path("page.html"))
    assert page.records("validations") == page_at(reported / "report.html").records("validations")
    assert page.text.keys() == {"summary", "curves", "validations", "samples"}


def test_a_generators_report_colours_its_text(toy_generator: Path, capsys: Capture) -> None:
    assert run(["evaluate", "--model", str(toy_generator), "--report", "page.html"]) == 0
    assert capsys.readouterr().err == "report: page.html\n"
    page = page_at(Path("page.html"))
    texts = [sample["text"] for row in metrics(toy_generator) for sample in row["samples"]]  # type: ignore[attr-defined]
    for text in texts:
        assert printable_text(text) in page.text["samples"]
    assert "cell 1:" in page.text["cells"] or "cell 2:" in page.text["cells"]
    shades = {a["class"] for tag, a in page.tags if tag == "span"}
    assert len(shades) > 4
    assert "attention" not in page.text
    assert "bits per character" in page.records("validations")[0]


def test_the_same_run_makes_the_same_page(reported: Path) -> None:
    for name in ("one.html", "two.html"):
        assert run(["evaluate", "--model", str(reported), "--report", name, "--quiet"]) == 0
    assert Path("one.html").read_bytes() == Path("two.html").read_bytes()


def test_nothing_in_a_page_can_act_or_be_loaded(reported: Path) -> None:
    row = json.loads((reported / "metrics.jsonl").read_text().splitlines()[0])
    row["samples"] = [{"source": HOSTILE, "reference": HOSTILE, "translation": HOSTILE}]
    row["scores"].append({"metric": HOSTILE, "score": 1.0, "signature": HOSTILE})
    row["gradient"]["parts"][HOSTILE] = 0.5
    row["saturated_gates"][HOSTILE] = 0.5
    Path("m.jsonl").write_text(json.dumps(row) + "\n")
    assert run(["evaluate", "--model", "m.jsonl", "--report", "page.html"]) == 0
    page = page_at(Path("page.html"))
    assert "script" not in {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        assert (attributes.get("href") or "#").startswith("#")
        assert (attributes.get("xlink:href") or "#").startswith("#")
    content = Path("page.html").read_bytes().decode()
    assert "\x1b" not in content
    assert "\u202e" not in content
    assert "$x_1</pre><script>alert(1)</script>\\x1b[31m\\u202e&amp;'\"" in page.text["samples"]
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    assert "http" not in content.replace('http-equiv="Content', "").replace("http://www.w3.org/", "")


def test_its_charts_are_the_same_whatever_matplotlib_is_told_elsewhere(reported: Path) -> None:
    rows = read_rows((reported / "metrics.jsonl").read_bytes(), "metrics.jsonl")
    contents = Contents("title", "translation", rows)
    before = curves(contents)
    with rc_context({"lines.linewidth": 9.0, "axes.grid": True, "text.usetex": True}):
        assert curves(contents) == before
        assert rcParams["text.usetex"]  # what was preferred is again


def test_links_and_pipes_in_a_model_directory_are_refused(reported: Path, capsys: Capture) -> None:
    model, record = Path("model"), Path("model/metrics.jsonl")
    shutil.copytree(reported, model)
    words = ["evaluate", "--model", "model", "--report", "p.html"]
    record.rename("elsewhere")
    record.symlink_to("../elsewhere")
    assert run(words) == 65
    assert "metrics.jsonl is a link, which is refused here" in capsys.readouterr().err
    record.unlink()
    os.mkfifo(record)
    assert run(words) == 65
    assert "metrics.jsonl is not a regular file" in capsys.readouterr().err
    assert not Path("p.html").exists()


def test_training_writes_its_report_through_no_link(toy_corpus: Path) -> None:
    words = ["train", str(toy_corpus), "model", "--steps", "2", "--threads", "1", "--report"]
    precious = Path("precious.txt")
    precious.write_text("precious\n")
    assert run([*words, *toy_assignments()]) == 0
    page = Path("model/report.html")
    page.unlink()
    page.symlink_to("../precious.txt")
    assert run([*words, *toy_assignments()]) == 0  # it is finished already, and says so
    assert precious.read_text() == "precious\n"
    assert not page.is_symlink()
    assert page_at(page).records("validations")


def test_values_that_are_no_numbers_leave_gaps(reported: Path) -> None:
    rows = metrics(reported)
    rows[1]["valid_nats"] = rows[1]["valid_perplexity"] = None
    Path("m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["evaluate", "--model", "m.jsonl", "--report", "page.html"]) == 0
    assert [row["validation"] == "–" for row in page_at(Path("page.html")).records("validations")] == [
        *(False, True, False, False)
    ]


@pytest.mark.parametrize(
    "change",
    [{"step": None}, {"step": 10**400}, {"scores": 3}, {"gradient": {}}, {"samples": [1]}, {"timing": []}],
)
def test_a_line_that_is_none_of_ours_is_named(reported: Path, change: dict[str, object]) -> None:
    lines = (reported / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    broken = json.dumps({**json.loads(lines[1]), **change}).encode() + b"\n"
    with pytest.raises(DataError, match=r"this is not a line of a metrics\.jsonl") as caught:
        read_rows(lines[0] + broken, "metrics.jsonl")
    assert caught.value.where == "metrics.jsonl:2"


def test_what_cannot_be_reported_is_said(reported: Path, toy_generator: Path, capsys: Capture) -> None:
    Path("empty.jsonl").touch()
    Path("file.txt").write_text("text\n")
    cases = {
        "there is nothing to report yet: no validation has been made": (
            65,
            ["--model", "empty.jsonl", "--report", "p.html"],
        ),
        "file.txt:1 is not valid JSON": (65, ["--model", "file.txt", "--report", "p.html"]),
        "--report needs a --model": (2, ["--report", "p.html"]),
        "--report tells of a run": (2, ["--model", str(reported), "--report", "p.html", "file.txt"]),
        "--reference is for translations and has no meaning beside --report": (
            *(2, ["--model", str(reported), "--report", "p.html", "--reference", "file.txt"]),
        ),
        "no/p.html": (73, ["--model", str(reported), "--report", "no/p.html"]),
        "there is no model directory nowhere": (66, ["--model", "nowhere", "--report", "p.html"]),
        "--format latex does not apply to --report, which writes HTML": (
            *(2, ["--model", str(reported), "--report", "p.html", "--format", "latex"]),
        ),
        "--source needs the model itself, not its record": (
            *(2, ["--model", "file.txt", "--report", "p.html", "--source", "file.txt"]),
        ),
        "--source: a generator has no source": (
            *(2, ["--model", str(toy_generator), "--report", "p.html", "--source", "file.txt"]),
        ),
        "--device 'zebra' is not known": (
            2,
            ["--model", str(reported), "--report", "p.html", "--device", "zebra"],
        ),
    }
    for message, (code, words) in cases.items():
        assert run(["evaluate", *words]) == code, message
        assert message in capsys.readouterr().err
    assert not Path("p.html").exists()
