"""The Multi30k downloader against a server on this machine, with made-up files under the real names."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "recipes" / "multi30k" / "download.py"
LINES = {"train": 400, "val": 30, "test_2016_flickr": 20, "test_2017_mscoco": 10}
# Not compressible, so that a file can be cut in the middle.
TEXTS = {
    f"{split}.{language}": "".join(
        hashlib.sha256(f"{split} {language} {line}".encode()).hexdigest() + "\n" for line in range(lines)
    ).encode()
    for split, lines in LINES.items()
    for language in ("en", "de", "fr")
}
FILES = {f"{name}.gz": gzip.compress(text, mtime=0) for name, text in TEXTS.items()}
TRAIN_SIZE = len(FILES["train.en.gz"])


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("multi30k_download", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for their module
    spec.loader.exec_module(module)
    return module


@dataclass
class Server:
    """What the server serves, how it misbehaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    cuts: dict[str, list[int]] = field(default_factory=dict)  # bytes to send before hanging up, per request
    statuses: dict[str, list[int]] = field(default_factory=dict)  # to answer first, per request
    ranges: bool = True
    shift: int = 0  # a wrong start of a range
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def asked(self, name: str) -> list[str | None]:
        """The Range headers of the requests for a file."""
        return [range_asked for asked, range_asked in self.requests if asked == name]


def handler_for(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[1]
            asked = self.headers["Range"]
            server.requests.append((name, asked))
            if server.statuses.get(name):
                self.send_error(server.statuses[name].pop(0))
            elif name not in server.files:
                self.send_error(404)
            else:
                self.send(name, server.files[name], asked if server.ranges else None)

        def send(self, name: str, content: bytes, asked: str | None) -> None:
            start = 0
            if asked:
                match = re.fullmatch(r"bytes=(\d+)-", asked)
                assert match is not None
                start = int(match[1])
                if start >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.end_headers()
                    return
                start += server.shift
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            cuts = server.cuts.get(name)
            self.wfile.write(content[start : start + cuts.pop(0)] if cuts else content[start:])

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def serving(server: Server) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_for(server)) as http:
        server.url = f"http://127.0.0.1:{http.server_port}/raw"
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield
        http.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    with serving(made):
        yield made


class Program:
    """The downloader with the made-up files' checksums, writing into a folder with a space in its name."""

    def __init__(self, module: ModuleType, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.module = module
        self.output = output
        self.capsys = capsys

    def run(self, source: str, target: str, *more: str) -> tuple[int, str]:
        """The exit code and what was said on standard error."""
        arguments = [source, target, "--output", str(self.output), "--timeout", "5", *more]
        code = self.module.main(arguments)
        captured = self.capsys.readouterr()
        assert captured.out == ""
        return code, captured.err

    def written(self) -> dict[str, bytes]:
        paths = (path for path in self.output.iterdir() if path.name != ".lock")
        return {path.name: path.read_bytes() for path in paths}


def texts(*names: str) -> dict[str, bytes]:
    return {name: TEXTS[name] for name in names}


EN_DE = texts(*(f"{split}.{language}" for split in LINES for language in ("en", "de")))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    for name in ("MULTI30K", "MULTI30K_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    module = load_script()
    languages = {"test_2017_mscoco": ("en", "de")}
    everything = ("en", "de", "fr", "cs")
    monkeypatch.setattr(
        module,
        "SPLITS",
        {split: (lines, languages.get(split, everything)) for split, lines in LINES.items()},
    )
    known = {name: hashlib.sha256(text).hexdigest() for name, text in TEXTS.items() if "2017" not in name}
    monkeypatch.setattr(module, "SHA256", known)
    md5 = hashlib.md5(FILES["test_2017_mscoco.en.gz"]).hexdigest()
    monkeypatch.setattr(module, "MD5_OF_GZIP", {"test_2017_mscoco.en": md5})
    monkeypatch.setattr(module, "BACKOFF", 0.01)
    return Program(module, tmp_path / "the data", capsys)


def run_with(program: Program, server: Server) -> tuple[int, str]:
    return program.run("en", "de", "--url", server.url)


def test_a_pair_is_downloaded_unpacked_and_verified(program: Program, server: Server) -> None:
    code, said = run_with(program, server)
    assert code == 0
    assert program.written() == EN_DE
    assert "train.en: 400 lines, SHA-256 verified\n" in said
    assert "test_2017_mscoco.en: 10 lines, MD5 verified\n" in said
    assert "test_2017_mscoco.de: 10 lines, number of lines verified\n" in said


def test_only_what_exists_in_both_languages_is_asked_for(program: Program, server: Server) -> None:
    code, _ = program.run("fr", "en", "--url", server.url)
    assert code == 0
    expected = {f"{split}.{language}" for split in list(LINES)[:3] for language in ("fr", "en")}
    assert set(program.written()) == expected


def test_a_second_run_verifies_and_downloads_nothing(
    program: Program, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_with(program, server)
    server.requests.clear()
    monkeypatch.setenv("MULTI30K_URL", server.url)
    code, said = program.run("en", "de")
    assert (code, server.requests) == (0, [])
    assert said.count("there already") == len(EN_DE)


def test_a_damaged_file_is_replaced(program: Program, server: Server) -> None:
    run_with(program, server)
    (program.output / "val.de").write_bytes(TEXTS["val.de"].replace(b"a", b"b", 1))
    server.requests.clear()
    code, said = run_with(program, server)
    assert code == 0
    assert program.written() == EN_DE
    assert server.requests == [("val.de.gz", None)]
    assert "val.de: there already, but its text has another SHA-256 than it should have; replaced" in said


def test_a_cut_download_is_continued_where_it_stopped(program: Program, server: Server) -> None:
    server.cuts["train.en.gz"] = [1000, 5000]
    code, said = run_with(program, server)
    assert code == 0
    assert program.written() == EN_DE
    assert server.asked("train.en.gz") == [None, "bytes=1000-", "bytes=6000-"]
    assert f"the connection was cut after 1,000 of {TRAIN_SIZE:,} bytes" in said


def test_the_next_run_continues_too(program: Program, server: Server) -> None:
    server.cuts["train.en.gz"] = [2000, 0]
    code, _ = program.run("en", "de", "--url", server.url, "--attempts", "1")
    assert code == 66
    assert program.written() == {"train.en.gz.part": FILES["train.en.gz"][:2000]}
    server.cuts.clear()
    code, _ = run_with(program, server)
    assert code == 0
    assert server.asked("train.en.gz")[-1] == "bytes=2000-"
    assert program.written() == EN_DE


def test_progress_resets_the_count_of_failures(program: Program, server: Server) -> None:
    server.cuts["train.en.gz"] = [1000] * 10
    code, _ = program.run("en", "de", "--url", server.url, "--attempts", "2")
    assert code == 0
    assert len(server.asked("train.en.gz")) == 11


def test_a_server_without_ranges_starts_again(program: Program, server: Server) -> None:
    server.ranges = False
    server.cuts["train.en.gz"] = [1000]
    code, _ = run_with(program, server)
    assert code == 0
    assert server.asked("train.en.gz") == [None, "bytes=1000-"]
    assert program.written() == EN_DE


def test_a_download_that_was_complete_is_not_fetched_again(program: Program, server: Server) -> None:
    program.output.mkdir()
    (program.output / "train.en.gz.part").write_bytes(FILES["train.en.gz"])
    code, _ = run_with(program, server)
    assert code == 0
    assert server.asked("train.en.gz") == [f"bytes={TRAIN_SIZE}-"]
    assert program.written() == EN_DE


@pytest.mark.parametrize("stale", [b"\x1f\x8b of another file", FILES["train.de.gz"] + b"and more"])
def test_a_part_of_another_file_is_thrown_away(program: Program, server: Server, stale: bytes) -> None:
    program.output.mkdir()
    (program.output / "train.en.gz.part").write_bytes(stale)
    code, _ = run_with(program, server)
    assert code == 0
    assert server.asked("train.en.gz") == [f"bytes={len(stale)}-", None]
    assert program.written() == EN_DE


def test_a_range_that_starts_elsewhere_is_refused(program: Program, server: Server) -> None:
    server.shift = -10
    server.cuts["train.en.gz"] = [1000]
    code, said = run_with(program, server)
    assert code == 0
    assert "the server continued at another place" in said
    assert program.written() == EN_DE


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(program: Program, server: Server, status: int) -> None:
    server.statuses["val.en.gz"] = [status, status]
    code, said = run_with(program, server)
    assert code == 0
    assert said.count(f"val.en.gz: the server says {status}") == 2
    assert program.written() == EN_DE


def test_an_absent_file_is_an_error_at_once(program: Program, server: Server) -> None:
    del server.files["val.de.gz"]
    code, said = run_with(program, server)
    assert code == 66
    assert len(server.asked("val.de.gz")) == 1
    assert said.endswith(
        "download.py: error: cannot download val.de.gz: the server says 404 Not Found\n"
        f"  where: {server.url}/val.de.gz\n"
        "  try:   check MULTI30K_URL, or set MULTI30K=FOLDER to take local files\n"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (FILES["train.de.gz"], "its text has another SHA-256 than it should have"),
        (gzip.compress(b"a line\n", mtime=0), "it has 1 lines and should have 400"),
        (b"<html>Please log in</html>", "it is not a sound gzip file"),
        (FILES["train.en.gz"][:-9], "it is a damaged gzip file"),
        (FILES["train.en.gz"][:-8] + bytes(8), "it is not a sound gzip file (CRC check failed"),
    ],
)
def test_a_wrong_file_is_refused(program: Program, server: Server, content: bytes, why: str) -> None:
    server.files["train.en.gz"] = content
    code, said = run_with(program, server)
    assert code == 65
    assert f"download.py: error: train.en.gz is not Multi30k's: {why}" in said
    assert program.written() == {}


def test_a_wrong_md5_is_refused(program: Program, server: Server) -> None:
    server.files["test_2017_mscoco.en.gz"] = gzip.compress(TEXTS["test_2017_mscoco.de"], mtime=0)
    code, said = run_with(program, server)
    assert code == 65
    assert "test_2017_mscoco.en.gz is not Multi30k's: its .gz has another MD5 than it should have" in said


def test_a_file_without_end_is_refused(
    program: Program, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program.module, "SIZE_LIMIT", TRAIN_SIZE - 1)
    code, said = run_with(program, server)
    assert code == 65
    assert "train.en.gz.part grows past" in said


def test_offline(program: Program) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/raw"
        code, said = program.run("en", "de", "--url", url, "--attempts", "3")
    assert code == 66
    lines = said.splitlines()
    assert lines[:2] == [
        "train.en.gz: Connection refused; again in 0.01 s",
        "train.en.gz: Connection refused; again in 0.02 s",
    ]
    assert lines[2] == "download.py: error: cannot download train.en.gz: Connection refused"
    assert lines[3] == f"  where: {url}/train.en.gz"
    assert lines[4].startswith("  try:   set MULTI30K=FOLDER ")
    assert len(lines) == 5


def test_a_server_that_never_answers(program: Program) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/raw"
        code, said = program.run("en", "de", "--url", url, "--attempts", "1", "--timeout", "0.2")
    assert code == 66
    assert "cannot download train.en.gz: no answer in time" in said


@pytest.mark.parametrize("compressed", [True, False])
def test_a_folder_is_used_and_left_alone(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compressed: bool
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    content = {f"{name}.gz": FILES[f"{name}.gz"] for name in EN_DE} if compressed else dict(EN_DE)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    monkeypatch.setenv("MULTI30K", str(folder))
    monkeypatch.setenv("MULTI30K_URL", "http://nobody.invalid")
    folder.chmod(0o555)
    code, _ = program.run("en", "de")
    folder.chmod(0o755)
    assert code == 0
    assert program.written() == EN_DE
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content


def test_a_folder_may_lack_test_sets(program: Program, tmp_path: Path) -> None:
    given = texts("train.en", "train.de", "val.en", "val.de", "test_2016_flickr.en")
    for name, text in given.items():
        (tmp_path / name).write_bytes(text)
    code, said = program.run("en", "de", "--folder", str(tmp_path))
    assert code == 0
    assert set(program.written()) == {"train.en", "train.de", "val.en", "val.de"}
    assert f"test_2016_flickr: left out, test_2016_flickr.de not in {tmp_path}\n" in said


def test_a_folder_may_not_lack_training_data(program: Program, tmp_path: Path) -> None:
    (tmp_path / "train.en").write_bytes(TEXTS["train.en"])
    code, said = program.run("en", "de", "--folder", str(tmp_path))
    assert code == 66
    assert "download.py: error: train.de not found, plain or as .gz\n" in said
    code, said = program.run("en", "de", "--folder", str(tmp_path / "absent"))
    assert code == 66
    assert "MULTI30K names no folder" in said


def test_a_wrong_file_in_a_folder_is_refused(program: Program, tmp_path: Path) -> None:
    for name in ("train.en", "train.de"):
        (tmp_path / name).write_bytes(TEXTS["train.de"])
    code, said = program.run("en", "de", "--folder", str(tmp_path))
    assert code == 65
    assert "train.en is not Multi30k's: its text has another SHA-256" in said
    assert program.written() == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("en", "xx"), "invalid choice: 'xx'"),
        (("en", "en"), "source and target are both en"),
        (("en", "de", "--url", "ftp://example.org"), "is not an http:// or https:// address"),
        (("en", "de", "--attempts", "0"), "must be positive"),
    ],
)
def test_wrong_usage(program: Program, arguments: tuple[str, ...], said: str) -> None:
    code, error = program.run(*arguments)
    assert code == 2
    assert error.startswith("download.py: error: ")
    assert said in error
    assert not program.output.exists()


def test_an_output_that_cannot_be_made(program: Program, tmp_path: Path) -> None:
    program.output.write_text("a file")
    code, said = program.run("en", "de", "--folder", str(tmp_path))
    assert code == 73
    assert "--output" in said


def test_what_the_recipe_promises_is_consistent() -> None:
    module = load_script()
    published = {
        f"{split}.{language}" for split, (_, languages) in module.SPLITS.items() for language in languages
    }
    assert len(published) == 22
    assert published >= module.SHA256.keys() | module.MD5_OF_GZIP.keys()
    unknown = published - module.SHA256.keys() - module.MD5_OF_GZIP.keys()
    assert unknown == {f"test_2018_flickr.{language}" for language in ("de", "fr", "cs")}
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in module.SHA256.values())
    assert os.access(SCRIPT, os.R_OK)
