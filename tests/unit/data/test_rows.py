"""Rows of tables in all their formats, read as pairs; bad ones are told, or skipped and counted."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqkit.data.text.pairs import Tabular, TwoSided, open_text
from seqkit.data.text.reading import read_lines
from seqkit.data.text.rows import Columns
from seqkit.errors import ConfigError, DataError, SeqkitError

Pairs = list[tuple[str, str]]

PAIRS: Pairs = [("a dog", "ein Hund"), ("two, dogs", 'zwei "Hunde"')]
TMX = """<?xml version="1.0" encoding="{encoding}"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="en-US"><seg>a <hi>dog</hi></seg></tuv>
    <tuv xml:lang="de"><seg>ein<bpt i="1">&lt;b&gt;</bpt>
 Hund<ept i="1">&lt;/b&gt;</ept></seg></tuv></tu>
<tu><tuv xml:lang="EN-us"><seg>two, dogs</seg></tuv><tuv xml:lang="de"><seg>zwei "Hunde"</seg></tuv></tu>
</body></tmx>"""
WMT = """<?xml version='1.0'?>
<dataset id="x"><doc id="1">
<src lang="en"><p><seg id="1">a dog</seg><seg id="2">two, dogs</seg></p></src>
<ref lang="de" translator="A"><p><seg id="1">ein Hund</seg><seg id="2">zwei "Hunde"</seg></p></ref>
<ref lang="de" translator="B"><p><seg id="1">1 Hund</seg><seg id="2">2 Hunde</seg></p></ref>
</doc></dataset>"""
SGM = """<refset setid="x" trglang="de">
<doc docid="1">
<seg id="1"> a dog </seg>
<seg id="2">
R&amp;D < é
</seg>
</doc></refset>
"""


def read(path: Path, columns: str | None = None, *, skip: bool = False) -> tuple[Pairs, Tabular]:
    spool = path.parent / "spool"
    spool.mkdir(exist_ok=True)
    text = open_text((), (), (str(path),), spool, columns=columns, skip_bad=skip)
    assert isinstance(text, Tabular)
    return [pair for block in text.blocks(warn=True) for pair in zip(*block, strict=True)], text


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


FORMATS: dict[str, tuple[str, str | bytes, str | None]] = {
    "csv": ("a.csv", 'a dog,ein Hund\r\n"two, dogs","zwei ""Hunde"""\r\n', None),
    "csv with a header": ("a.csv", 'id;de;en\n1;ein Hund;a dog\n2;"zwei ""Hunde""";"two, dogs"\n', "en,de"),
    "csv by number": ("a.csv", 'a dog,x,ein Hund\n"two, dogs",y,"zwei ""Hunde"""\n', "1,3"),
    "a cell of two lines": ("a.csv", 'a dog,ein Hund\n"two,\ndogs","zwei ""Hunde"""\n', None),
    "tsv": ("a", 'a dog\tein Hund\ntwo, dogs\tzwei "Hunde"\n', None),
    "tsv of four": ("a.tsv", '1\ta dog\t2\tein Hund\n3\ttwo, dogs\t4\tzwei "Hunde"\n', "2,4"),
    "tsv called csv": ("a.csv", 'a dog\tein Hund\ntwo, dogs\tzwei "Hunde"\n', None),
    "json": ("a.jsonl", "".join(json.dumps({"en": s, "de": t}) + "\n" for s, t in PAIRS), None),
    "json within json": (
        "a.ndjson.gz",
        gzip.compress(
            "".join(json.dumps({"id": 1, "t": {"en": s, "de": t}}) + "\n" for s, t in PAIRS).encode()
        ),
        "t.en,t.de",
    ),
    "json without a name": (
        "a",
        "".join(json.dumps({"x": 1, "en": s, "de": t}) + "\n" for s, t in PAIRS),
        "en,de",
    ),
    "tmx": ("a.tmx", TMX.format(encoding="UTF-8"), None),
    "tmx in utf-16": ("a", TMX.format(encoding="UTF-16").encode("utf-16"), "en,DE"),
    "wmt": ("a.xml", WMT, None),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_pairs(name: str, tmp_path: Path) -> None:
    file, content, columns = FORMATS[name]
    pairs, text = read(written(tmp_path, file, content), columns)
    assert pairs == PAIRS
    assert text.skipped == 0
    assert [pair for block in text.blocks(warn=False) for pair in zip(*block, strict=True)] == PAIRS  # again


def test_columns_in_the_other_order_and_joined(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", "lemma\tform\ttags\ngehen\tgehst\tV;2;SG\n")
    assert read(path, "form,lemma")[0] == [("gehst", "gehen")]
    assert read(path, "lemma+tags,form")[0] == [("gehen\tV;2;SG", "gehst")]
    assert read(path, "3+1,2")[0][1] == ("V;2;SG\tgehen", "gehst")
    assert read(written(tmp_path, "a.xml", WMT), "src,ref/B")[0][0] == ("a dog", "1 Hund")


def test_parts_of_xml_as_lines(tmp_path: Path) -> None:
    assert list(read_lines(f"{written(tmp_path, 'a.xml', WMT)}:ref/B")) == ["1 Hund", "2 Hunde"]
    path = written(tmp_path, "a.tmx", TMX.format(encoding="UTF-8"))
    assert list(read_lines(f"{path}:en")) == [source for source, _ in PAIRS]
    with pytest.raises(DataError, match="is TMX, which holds all sides of a text"):
        list(read_lines(path))
    with pytest.raises(DataError, match="has no fr in line 4"):
        list(read_lines(f"{path}:fr"))


def test_sgm_is_read_by_its_segments(tmp_path: Path) -> None:
    assert list(read_lines(written(tmp_path, "a.sgm", SGM))) == ["a dog", "R&D < é"]
    long = SGM.replace(
        '<seg id="2">', "".join(f'<seg id="{n}">nä {n}</seg>\n' for n in range(9000)) + '<seg id="2">'
    )
    assert list(read_lines(written(tmp_path, "a.sgm", long)))[:-1] == [
        "a dog",
        *(f"nä {n}" for n in range(9000)),
    ]


@pytest.mark.parametrize(
    ("name", "content", "columns", "message", "line"),
    [
        ("a.csv", "a,b\nc\nd,e\n", None, "one column where 2 are expected", 2),
        ("a.csv", 'a,b\nc,"d"e\nd,e\n', None, "expected after", 2),
        ("a.csv", "h,i\nc,d,e\nd,e\n", "h,i", "3 columns where 2 are expected", 2),
        ("a.jsonl", '{"a": "x", "b": "y"}\n{"a": "x"}\n{"a": "d", "b": "e"}\n', "a,b", "no text b", 2),
        ("a.jsonl", '{"a": "x", "b": "y"}\n[1]\n{"a": "d", "b": "e"}\n', "a,b", "no JSON object", 2),
        (
            "a.jsonl",
            '{"a": "x", "b": "y"}\n{"a": "x", "b": [1]}\n{"a": "d", "b": "e"}\n',
            "a,b",
            "no text b",
            2,
        ),
        ("a.tsv", "a\tb\nc\nd\te\n", None, "one column", 2),
        ("a.tsv", "a\tb\nc\td\te\nd\te\n", "1,2", "3 columns where 2 are expected", 2),
    ],
)
def test_bad_rows(
    name: str, content: str, columns: str | None, message: str, line: int, tmp_path: Path, warnings: list[str]
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(DataError) as caught:
        read(path, columns)
    assert message in caught.value.message
    assert caught.value.where == f"{path}:{line}"
    pairs, text = read(path, columns, skip=True)
    assert pairs[-1] == ("d", "e")
    assert text.skipped == 1
    assert warnings[0].startswith(f"1 bad row is skipped, the first at {path}:{line}: ")


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("1\tThe cat eats.\t7\tDie Katze isst.\n", "--columns 2,4 reads these two"),
        ("The cat eats.\tDie Katze isst.\t0.87\n", "--columns 1,2 reads these two"),
        ("eng\tThe cat eats.\tdeu\tDie Katze isst.\n", "--columns 2,4 reads these two"),
        ("source\ttarget\tscore\n", "--columns SOURCE,TARGET names two of them, by name or number"),
        ("The cat.\tDie Katze.\tLe chat.\n", "--columns SOURCE,TARGET names two of them, by name or number"),
        ("The cat eats.\n", "--source and --target read a file for each side"),
    ],
)
def test_the_advice_fits_the_layout(content: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, "a.tsv", content))
    assert caught.value.hint == hint


def test_two_columns_must_be_named_among_more(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "id,source,target\n1,a,b\n")
    with pytest.raises(DataError) as caught:
        read(path)
    assert caught.value.message == f"{path} has 3 columns; a source and a target are expected"
    assert caught.value.hint == "--columns source,target reads these two"


def test_columns_that_there_are_not(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "source,target,x\na,b,c\n")
    with pytest.raises(DataError, match="has no column sorce") as caught:
        read(path, "sorce,target")
    assert caught.value.hint == "did you mean source?"
    with pytest.raises(DataError, match="has no column 4"):
        read(path, "1,4")
    for wrong in ("a", "a,b,c", ",a", "a+,b"):
        with pytest.raises(ConfigError, match="is not SOURCE,TARGET"):
            Columns.parse(wrong, 2)


@pytest.mark.parametrize(
    ("mark", "name"), [("\r", "CR"), ("\x85", "NEL (U+0085)"), ("\u2028", "U+2028"), ("\u2029", "U+2029")]
)
def test_other_line_ends_are_told(mark: str, name: str, tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", mark.join(["a dog", "two dogs", ""]))
    spool = tmp_path / "spool"
    spool.mkdir()
    text = open_text((str(path),), (str(path),), (), spool)
    assert isinstance(text, TwoSided)
    with pytest.raises(DataError) as caught:
        list(text.blocks(warn=False))
    assert (
        caught.value.message == f"the lines of {path} end in {name}, not in LF: it is one line for most tools"
    )
    with pytest.raises(DataError, match="not in LF"):
        read(written(tmp_path, "a.tsv", mark.join(["a\tb", "c\td"])))


UNIT = '<tmx><body><tu><tuv lang="en"><seg>&a;</seg></tuv></tu></body></tmx>'


def test_a_damaged_compressed_table(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(b"a,b\n" * 99))
    content[-6] ^= 255  # of the checksum
    with pytest.raises(DataError, match="is a damaged"):
        read(written(tmp_path, "a.csv.gz", bytes(content)))


ATTACKS = {
    "entities": f'<?xml version="1.0"?><!DOCTYPE tmx [<!ENTITY a "b">]>{UNIT}',
    "an outer file": f'<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/passwd">]>{UNIT}',
    "depth": "<tmx>" + "<a>" * 1000,
    "a long segment": '<tmx><body><tu><tuv lang="en"><seg>' + "x" * (3 << 20),
    "no end": "<tmx><body><tu>",
    "no XML": "<tmx><body></tu>",
}
REFUSALS = {
    "entities": "declares entities, which could make gigabytes of a line",
    "an outer file": "declares entities, which could make gigabytes of a line",
    "depth": "has more than 100 elements inside each other",
    "a long segment": "has a segment of more than 1,048,576 characters",
    "no end": "is not well-formed XML: no element found",
    "no XML": "is not well-formed XML: mismatched tag",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_xml(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, "a.tmx", ATTACKS[name])
    with pytest.raises(DataError, match=REFUSALS[name]) as caught:
        read(path, "en,de")
    assert caught.value.where is not None
    assert str(path) in caught.value.where


@settings(max_examples=150)
@given(
    content=st.binary(max_size=200)
    | st.text(st.sampled_from("<tmx>/uvseg \"=&;{}[]:,\t\n'ab\ud800é"), max_size=80).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    ),
    start=st.sampled_from(
        [b"", b"<tmx>", b'<tmx><tu><tuv lang="en"><seg>', b"<refset>", b"<dataset><doc>", b'{"a": "b", ']
    ),
    name=st.sampled_from(["a.csv", "a.jsonl", "a.tmx", "a.tsv", "a.xml", "a"]),
    columns=st.sampled_from([None, "1,2", "a,b", "en,de"]),
    skip=st.booleans(),
)
def test_any_bytes_give_rows_or_our_error(
    tmp_path_factory: pytest.TempPathFactory,
    content: bytes,
    start: bytes,
    name: str,
    columns: str | None,
    skip: bool,
) -> None:
    path = written(tmp_path_factory.mktemp("rows"), name, start + content)
    pairs: Pairs = []
    with suppress(SeqkitError):
        pairs, _ = read(path, columns, skip=skip)
    assert "\n" not in "".join(source + target for source, target in pairs)
    "".join(source + target for source, target in pairs).encode()  # no lone surrogate


def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    version = '<tuv xml:lang="{}"><seg>a dog {}</seg></tuv>'
    units = (f"<tu>{version.format('en', n)}{version.format('de', n)}</tu>\n" for n in range(40_000))
    content = f"<tmx><body>{''.join(units)}</body></tmx>"
    path = written(tmp_path, "a.tmx", content)
    size = len(content)
    del content
    spool = tmp_path / "spool"
    spool.mkdir()
    text = open_text((), (), (str(path),), spool)
    tracemalloc.start()
    assert sum(len(block[0]) for block in text.blocks(warn=False)) == 40_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size / 2
