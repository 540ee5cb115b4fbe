"""`seqkit translate`: what each option puts into a line, and how the command ends."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seqkit import cli
from seqkit.errors import ExitCode
from seqkit.inference.translator import TranslateOptions, Translation, Translator
from tests.conftest import Finished

LINES = ["ba di fu", "go", "", "lo mi nu ba"]
MODULE = importlib.import_module("seqkit.cli.translate.command")
TEXT = "".join(line + "\n" for line in LINES).encode()


def translate(model: Path, *arguments: object, stdin: bytes = TEXT) -> Finished:
    """Run the command in this process."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    standard_input = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin)))  # type: ignore[type-var]
    with mock.patch.multiple(sys, stdin=standard_input, stdout=out, stderr=err):
        code = cli.run(["translate", str(model), "--threads", "1", *map(str, arguments)])
    out.flush()
    written = out.buffer
    assert isinstance(written, io.BytesIO)
    return Finished(code, written.getvalue(), err.getvalue())


def results(model: Path, *arguments: object, stdin: bytes = TEXT) -> list[str]:
    """The lines of a run that has nothing to say but its results."""
    finished = translate(model, *arguments, stdin=stdin)
    assert (finished.code, finished.err) == (0, "")
    return finished.out.decode().removesuffix("\n").split("\n") if finished.out else []


def records(model: Path, *arguments: object, stdin: bytes = TEXT) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results(model, "--json", *arguments, stdin=stdin)]


def names() -> list[str]:
    """What is in the folder."""
    return sorted(path.name for path in Path().iterdir())


def expected(model: Path, **options: Any) -> list[Translation]:
    return Translator.load(model, device="cpu", threads=1).translate(LINES, TranslateOptions(**options))


def test_lines_in_lines_out(toy_model: Path) -> None:
    assert results(toy_model) == [translation.text for translation in expected(toy_model)]


def test_inputs(toy_model: Path) -> None:
    Path("plain").write_bytes(TEXT)
    Path("packed.gz").write_bytes(gzip.compress(TEXT))
    for arguments in (["-"], ["plain"], ["packed.gz"]):
        assert results(toy_model, *arguments) == results(toy_model)


def test_beam_and_batch_size(toy_model: Path) -> None:
    for beam_size in (1, 3):
        wanted = [translation.text for translation in expected(toy_model, beam_size=beam_size)]
        for tokens in (1, 50):
            assert results(toy_model, "--beam-size", beam_size, "--batch-tokens", tokens) == wanted


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (b"", 0),
        (b"\n", 1),
        (b"\n\n\n", 3),
        (b" \n\t\r\n", 2),
        (b"ba", 1),
        (b"ba\n\n", 2),
        (b"\xef\xbb\xbf", 1),
    ],
)
def test_odd_ends(toy_model: Path, content: bytes, count: int) -> None:
    finished = translate(toy_model, stdin=content)
    assert (finished.code, finished.err) == (0, "")
    assert finished.out.count(b"\n") == count
    if not content.strip():
        assert finished.out == b"\n" * count


# fmt: off
FRAGMENTS = [
    b"ba", b" ", b"\n", b"\n\n", b"\r", b"\r\n", b"\0", b"\t", b"\x0b\x0c", b"\x1c\x1d\x1e", b"\x1b[31m",
    b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xef\xbb\xbf", b"\xe2\x96\x81", b"\xf0\x9f\x98\x80",
    b"\xff", b"\xff\xfe", b"\xed\xa0\x80", b"\xc3", b"BZh9", b"\x1f\x8b", b"<s>", b"</s>", b"<0x0A>",
    b"{", b"}", b'{"text": "a\\nb"}', b'{"text": "\\ud800"}', b'{"text": NaN}', b"[" * 40,
]
# fmt: on
NASTY = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=4), max_size=12).map(b"".join)


@settings(max_examples=40)
@given(content=NASTY, layout=st.sampled_from([(), ("--json",), ("--scores",), ("--json", "--alignments")]))
def test_as_many_lines_as_came_whatever_the_bytes(
    toy_model: Path, content: bytes, layout: tuple[str, ...]
) -> None:
    assume(not (content.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\0" in content))  # refused as UTF-16
    assume(not content.startswith((b"\x1f\x8b\x08", b"PK", b"\x28\xb5\x2f\xfd")))  # compressed
    finished = translate(toy_model, "--beam-size", 1, "--max-length", 2, *layout, stdin=content)
    assert finished.code == 0, finished.err
    wanted = content.count(b"\n") + (bool(content) and not content.endswith(b"\n"))
    text = finished.out.decode("utf-8")
    assert text.count("\n") == len(text.splitlines()) == wanted
    if "--json" in layout:
        assert [json.loads(line)["line"] for line in text.splitlines()] == list(range(1, wanted + 1))


def test_a_flood_is_in_order(toy_model: Path) -> None:
    lines = [LINES[number * 7 % 4] for number in range(4500)]
    by_line = dict(zip(LINES, results(toy_model, "--beam-size", 1), strict=True))
    stdin = "".join(line + "\n" for line in lines).encode()
    assert results(toy_model, "--beam-size", 1, stdin=stdin) == [by_line[line] for line in lines]


def test_workers_share_a_flood_and_keep_its_order(toy_model: Path) -> None:
    lines = b"".join(b"ba di " * (1 + number % 3) + b"\n" for number in range(400))
    Path("flood").write_bytes(lines)
    alone = results(toy_model, "flood", "--batch-tokens", 64, "--workers", 1)
    assert results(toy_model, "flood", "--batch-tokens", 64, "--workers", 3) == alone
    assert len(alone) == 400


def test_precisions_agree_or_are_refused(toy_model: Path) -> None:
    assert results(toy_model, "--precision", "int8") == results(toy_model)
    assert len(results(toy_model, "--precision", "fp32")) == len(LINES)
    finished = translate(toy_model, "--precision", "int4")
    assert finished.code == ExitCode.USAGE
    assert "did you mean int8?" in finished.err


def test_one_line_is_translated_without_torch(toy_model: Path) -> None:
    code = (
        "import sys; from seqkit.cli import run; "
        f"code = run(['translate', {str(toy_model)!r}]); "
        "sys.exit(code or 99 * ('torch' in sys.modules))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], input=b"ba di fu\n", capture_output=True, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert finished.stdout.count(b"\n") == 1


def test_json_has_the_named_keys(toy_model: Path) -> None:
    for number, (record, translation) in enumerate(
        zip(records(toy_model), expected(toy_model), strict=True), 1
    ):
        assert record == {
            "schema": 1,
            "line": number,
            "source": translation.source,
            "text": translation.text,
            "score": pytest.approx(translation.score, abs=1e-4),
        }


def test_json_objects_pass_their_other_keys_through(toy_model: Path) -> None:
    extra = {
        "id": 7,
        "tags": ["a", {"b": None}],
        "big": 10**30,
        "half": 0.5,
        "Ü": "\ud800 \u2028",
        "schema": 9,
    }
    given_ = [
        {"text": "ba di fu", **extra},
        {"target_prefix": "nu", "text": "go"},
        {"target_prefix": 5, "text": "go"},
    ]
    stdin = "".join(json.dumps(value) + "\n" for value in given_).encode()
    one, two, three = records(toy_model, stdin=stdin)
    (plain,) = records(toy_model, stdin=b"ba di fu\n")
    assert one == {**extra, **plain, "score": pytest.approx(plain["score"], abs=1e-4)}
    assert two["text"].startswith("nu")
    assert "target_prefix" not in two
    assert three["target_prefix"] == 5


@pytest.mark.parametrize(
    "line",
    ['{"text": 5}', '{"txt": "ba"}', '{"text": "ba", "x": NaN}', '{"text": "ba", "x": 1e999}', '{"a', "{} x"],
)
def test_a_broken_json_object_is_translated_as_it_is_with_a_warning(
    toy_model: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "LINES_TOGETHER", 1)
    finished = translate(toy_model, "--json", "--beam-size", 1, stdin=f"ba\n{line}\nba\n".encode())
    assert finished.code == 0
    found = [json.loads(record) for record in finished.out.splitlines()]
    assert [record["source"] for record in found] == ["ba", line, "ba"]
    warnings = [w for w in finished.err.splitlines() if "JSON" in w]
    assert warnings == [
        'seqkit: warning: line 2 is not a JSON object with a "text", so all of it is translated'
    ]


def test_without_json_a_json_object_is_text(toy_model: Path) -> None:
    plain = translate(toy_model, "--beam-size", 1, stdin=b'{"text": "ba"}\n')
    assert (plain.code, plain.out.count(b"\n")) == (0, 1)
    assert plain.out != translate(toy_model, "--beam-size", 1, stdin=b"ba\n").out


def test_n_best_in_columns_and_in_json(toy_model: Path) -> None:
    wanted = [
        (str(number), str(rank), alternative.text)
        for number, translation in enumerate(expected(toy_model, beam_size=4, n_best=3), 1)
        for rank, alternative in enumerate(translation.alternatives, 1)
    ]
    assert len(wanted) == 10  # three each, and one for the empty line
    arguments = ("--beam-size", 4, "--n-best", 3)
    assert [tuple(line.split("\t")) for line in results(toy_model, *arguments)] == wanted
    found = records(toy_model, *arguments)
    assert [(str(record["line"]), str(record["rank"]), record["text"]) for record in found] == wanted


def test_scores_in_columns_and_in_json(toy_model: Path) -> None:
    wanted = expected(toy_model)
    for line, translation in zip(results(toy_model, "--scores"), wanted, strict=True):
        score, text = line.split("\t")
        assert text == translation.text
        assert float(score) == pytest.approx(translation.score, abs=1e-4)
    for record, translation in zip(records(toy_model, "--scores"), wanted, strict=True):
        assert record["tokens"] == list(translation.alternatives[0].tokens)
        assert record["token_scores"] == pytest.approx(translation.alternatives[0].token_scores, abs=1e-4)
    columns = results(toy_model, "--scores", "--n-best", 2)[0].split("\t")
    assert [columns[0], columns[1], columns[3]] == ["1", "1", wanted[0].text]


def test_alignments_in_columns_and_in_json(toy_model: Path) -> None:
    wanted = [translation.alternatives[0] for translation in expected(toy_model, attention=True)]
    for line, best in zip(results(toy_model, "--alignments"), wanted, strict=True):
        text, links = line.split("\t")
        assert text == best.text
        assert links == " ".join(f"{source}-{target}" for source, target in best.alignment())
        assert len(links.split()) == len(best.tokens)
    for record, best in zip(records(toy_model, "--alignments"), wanted, strict=True):
        assert record["alignment"] == [list(link) for link in best.alignment()]
        assert record["source_tokens"] == list(best.source_tokens)
        assert record["target_tokens"] == list(best.tokens)
        assert len(record["attention"]) == len(best.tokens)
        assert all(len(row) == len(best.source_tokens) for row in record["attention"])


def test_too_many_weights_are_left_out(toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "LARGEST_ATTENTION", 3)
    found = records(toy_model, "--alignments")
    assert [record["attention"] for record in found] == [None, found[1]["attention"], [], None]
    assert all(record["alignment"] for record in found if record["text"])


def test_lengths_prefix_and_penalties(toy_model: Path) -> None:
    lengths = [
        len(record["tokens"])
        for record in records(toy_model, "--scores", "--min-length", 8, "--max-length", 9)
        if record["source"]
    ]
    assert len(lengths) == 3
    assert set(lengths) <= {8, 9}
    assert [line.startswith("nu di") for line in results(toy_model, "--target-prefix", "nu di")] == [
        True
    ] * 2 + [
        False,
        True,
    ]
    for name, value in (("length_penalty", 0.0), ("coverage_penalty", 0.5)):
        option = f"--{name.replace('_', '-')}"
        found = [record["score"] for record in records(toy_model, option, value)]
        wanted = [translation.score for translation in expected(toy_model, **{name: value})]
        assert found == pytest.approx(wanted, abs=1e-4)
        assert found != pytest.approx([t.score for t in expected(toy_model)], abs=1e-3)


def test_line_breaks_of_any_kind_become_spaces(toy_model: Path) -> None:
    breaks = "nu\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029di"
    spaces = "nu di"  # the model's corpus was cleaned: runs of spaces are one
    (line,) = results(toy_model, "--target-prefix", breaks, stdin=b"ba di\n")
    (record,) = records(toy_model, "--target-prefix", breaks, stdin=b"ba di\n")
    assert line.startswith(spaces)
    assert record["text"] == line
    (columns,) = results(toy_model, "--scores", "--target-prefix", "nu\tdi", stdin=b"ba di\n")
    assert columns.split("\t")[1].startswith("nu di")


def test_an_ensemble_of_the_same_model_changes_nothing(toy_model: Path) -> None:
    found = records(toy_model, "--ensemble", toy_model, "--ensemble", toy_model)
    for one, two in zip(found, records(toy_model), strict=True):
        assert one["text"] == two["text"]
        assert one["score"] == pytest.approx(two["score"], abs=1e-5)


def test_output_goes_to_a_file(toy_model: Path) -> None:
    Path("out").write_text("old")
    Path("link").symlink_to("out")
    assert results(toy_model, "--output", "link") == []
    assert Path("out").read_bytes() == translate(toy_model).out
    assert Path("link").is_symlink()
    assert names() == ["link", "out"]


def test_output_appears_only_when_it_is_whole(toy_model: Path) -> None:
    Path("out").write_text("old")
    Path("cut.gz").write_bytes(gzip.compress(os.urandom(2_000))[:1_000])
    finished = translate(toy_model, "--beam-size", 1, "--max-length", 1, "--output", "out", "cut.gz")
    assert finished.code == ExitCode.BAD_DATA
    assert Path("out").read_text() == "old"
    assert names() == ["cut.gz", "out"]


def test_output_to_a_pipe_or_device_leaves_it_in_place(toy_model: Path) -> None:
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert results(toy_model, "--output", "pipe") == []
    assert os.read(reader, 1 << 16) == translate(toy_model).out
    os.close(reader)
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)
