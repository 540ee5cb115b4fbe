"""The generator recipes run from start to end on a little text, and fetch what they say they fetch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import toy_text

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
TEXT = toy_text(900).encode()


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(script: Path, work: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a recipe in the environment that runs the tests."""
    return subprocess.run(
        ["bash", str(script)],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "VIRTUAL_ENV": sys.prefix,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "WORK": str(work),
            **environment,
        },
    )


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The fetching script, made to expect the toy text."""
    module = load(RECIPES / "shakespeare/fetch.py")
    monkeypatch.setattr(module, "SHA256", hashlib.sha256(TEXT).hexdigest())
    monkeypatch.setattr(module, "SIZE", len(TEXT))
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    return module


@pytest.fixture
def server() -> Iterator[tuple[str, list[bytes]]]:
    """An address, and what it answers, an item a request; an empty one is a server error."""
    answers: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = answers.pop(0)
            self.send_response(200 if content else 503)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/input.txt", answers
        httpd.shutdown()


def test_a_download_is_verified_retried_and_kept(
    fetch: ModuleType, server: tuple[str, list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, answers = server
    monkeypatch.setattr(fetch, "URL", url)
    monkeypatch.delenv("SHAKESPEARE", raising=False)
    output = tmp_path / "folder" / "input.txt"
    answers.extend([b"", TEXT])
    assert fetch.main([str(output)]) == 0
    assert output.read_bytes() == TEXT
    assert fetch.main([str(output)]) == 0, "nothing is asked for what is there"
    assert not answers


def test_another_text_is_refused(
    fetch: ModuleType,
    server: tuple[str, list[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, answers = server
    monkeypatch.setattr(fetch, "URL", url)
    monkeypatch.delenv("SHAKESPEARE", raising=False)
    answers.append(b"<html>please log in</html>")
    assert fetch.main([str(tmp_path / "input.txt")]) == 65
    answers.extend([b""] * fetch.ATTEMPTS)
    assert fetch.main([str(tmp_path / "input.txt")]) == 66
    monkeypatch.setenv("SHAKESPEARE", str(tmp_path / "missing.txt"))
    assert fetch.main([str(tmp_path / "input.txt")]) == 66
    assert fetch.main([]) == 2
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err.count("  try:   ") == 4


def test_the_text_may_come_from_a_file(
    fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_bytes(TEXT)
    monkeypatch.setenv("SHAKESPEARE", str(tmp_path / "mine.txt"))
    assert fetch.main([str(tmp_path / "input.txt")]) == 0
    assert (tmp_path / "input.txt").read_bytes() == TEXT


def test_shakespeare_runs_and_runs_again(tmp_path: Path) -> None:
    """The recipe as it is, on another text: a copy of its folder expects that one's checksum."""
    copy = tmp_path / "recipe"
    copy.mkdir()
    script = (RECIPES / "shakespeare/run.sh").read_text()
    (copy / "run.sh").write_text(script.replace("$here/../setup.sh", str(RECIPES / "setup.sh")))
    fetcher = (RECIPES / "shakespeare/fetch.py").read_text()
    real = load(RECIPES / "shakespeare/fetch.py").SHA256
    (copy / "fetch.py").write_text(fetcher.replace(real, hashlib.sha256(TEXT).hexdigest()))
    (tmp_path / "text.txt").write_bytes(TEXT)
    environment = {"SHAKESPEARE": str(tmp_path / "text.txt"), "PRESET": "tiny", "BUDGET": "--steps 12"}
    first = run(copy / "run.sh", tmp_path / "work", **environment)
    assert first.returncode == 0, first.stderr
    for protocol in ("stream", "window-64", "dynamic", "ngram"):
        assert protocol in first.stdout, protocol
    assert "ROMEO:" in first.stdout
    second = run(copy / "run.sh", tmp_path / "work", **environment)
    assert second.returncode == 0, second.stderr
    assert "finished already" in second.stderr
    assert second.stdout == first.stdout, "the same seeds give the same text and scores"


def test_python_source_learns_from_the_python_that_runs_it(tmp_path: Path) -> None:
    work = tmp_path / "a folder"
    result = run(RECIPES / "python-source/run.sh", work, MINUTES="0.05", MEGABYTES="0.15")
    assert result.returncode == 0, result.stderr
    assert "def " in result.stdout
    train, valid = ((work / name).read_text() for name in ("train.txt", "valid.txt"))
    assert len(train) > 10 * len(valid) / 2 > 0
    assert "import" in train


def test_collecting_is_the_same_every_time_and_splits_whole_files(tmp_path: Path) -> None:
    collect = load(RECIPES / "python-source/collect.py")
    for name in ("one", "two"):
        assert collect.main([str(tmp_path / name), "--megabytes", "0.3"]) == 0
    for name in ("train.txt", "valid.txt"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    library = tmp_path / "library"
    library.mkdir()
    (library / "good.py").write_text("x = 1\n")
    (library / "latin.py").write_bytes(b"# caf\xe9\n")
    (library / "empty.py").write_text("\n")
    (library / "test").mkdir()
    (library / "test/test_x.py").write_text("y = 2\n")
    assert collect.gather(library, 10**6) == ["x = 1\n"]


def test_the_small_transformer_learns_scores_and_samples(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(TEXT[:12_000].decode("utf-8", "ignore").encode())
    result = subprocess.run(
        [
            *(sys.executable, str(RECIPES / "shakespeare/gpt.py"), str(tmp_path / "text.txt")),
            *("--minutes", "0.05", "--threads", "1"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(result.stdout)
    assert 780_000 < found["parameters"] < 820_000, "nanoGPT prints 0.80M for these sizes"
    uniform = math.log(len(set(TEXT[:12_000].decode("utf-8", "ignore"))))
    assert found["valid_nats"] < uniform
    assert found["training_characters_per_second"] > 0
    assert found["sampling_characters_per_second"] > 0
