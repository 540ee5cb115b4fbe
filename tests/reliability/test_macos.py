"""What runs on Linux runs on macOS: what is missing there is taken away, and the results are the same.

`macos/sitecustomize.py` is what takes it away, in every process that is started with its folder on the path.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import TOY_TEXT_SETTINGS, Finished, toy_assignments, toy_pairs, toy_text, write_lines

LOG = "macos.log"
MORE_LINES = [source for source, _ in toy_pairs(700, seed=5, longest=9)]


def as_on_macos(log: Path) -> dict[str, str]:
    """The environment of a process that runs as on macOS."""
    return {"PYTHONPATH": str(Path(__file__).parent / "macos"), "MACOS_LOG": str(log)}


@pytest.fixture(scope="module")
def run(seqkit: Callable[..., Finished], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Run a command with everything there, or as on macOS; its standard output. It must succeed."""
    log = tmp_path_factory.mktemp("macos") / LOG

    def run(system: str, *arguments: object, stdin: bytes = b"") -> bytes:
        log.write_text("")
        done = seqkit(*arguments, stdin=stdin, timeout=300, **(as_on_macos(log) if system == "macos" else {}))
        assert done.code == 0, done.err
        assert "Traceback" not in done.err
        if system == "macos":
            run.log = log.read_text().splitlines()  # type: ignore[attr-defined]
        return done.out

    return run


def log_of(run: Callable[..., bytes]) -> list[str]:
    """What the last process that ran as on macOS started and wrote through."""
    lines: list[str] = run.log  # type: ignore[attr-defined]
    return lines


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each system, with the same data."""
    folder = tmp_path_factory.mktemp("systems")
    for name, count, seed in (("train", 300, 1), ("valid", 30, 2)):
        pairs = toy_pairs(count, seed)
        write_lines(folder / f"{name}.s", [source for source, _ in pairs])
        write_lines(folder / f"{name}.t", [target for _, target in pairs])
    (folder / "text.txt").write_text(toy_text(300), encoding="utf-8")
    write_lines(folder / "more.s", MORE_LINES)
    (folder / "linux").mkdir()
    (folder / "macos").mkdir()
    return {"data": folder, "linux": folder / "linux", "macos": folder / "macos"}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def corpora(run: Callable[..., bytes], places: dict[str, Path]) -> dict[str, Path]:
    """Corpora of pairs and of text, prepared on both systems with the default number of threads."""
    data = places["data"]
    for system in ("linux", "macos"):
        here = places[system]
        sides = ("--source", data / "train.s", "--target", data / "train.t")
        held = ("--valid-source", data / "valid.s", "--valid-target", data / "valid.t")
        run(system, "prepare", here / "pairs", *sides, *held, "--vocab-size", 300)
        run(system, "prepare", here / "text", "--text", data / "text.txt")
    return places


@pytest.fixture(scope="module")
def models(run: Callable[..., bytes], corpora: dict[str, Path]) -> dict[str, Path]:
    """A translator, trained for a few steps on both systems, and a generator, trained as on macOS."""
    few = ("--steps", 12, "--threads", 1)
    for system in ("linux", "macos"):
        here = corpora[system]
        run(system, "train", here / "pairs", here / "translator", *few, *toy_assignments())
    assert "fsync alone" not in log_of(run)
    assert log_of(run).count("full sync") > 10
    settings = [part for key, value in TOY_TEXT_SETTINGS.items() for part in ("--set", f"{key}={value}")]
    run("macos", "train", here / "text", here / "generator", *few, *settings)
    return corpora


def test_the_corpora_are_the_same(corpora: dict[str, Path]) -> None:
    for name in ("pairs", "text"):
        linux, macos = contents(corpora["linux"] / name), contents(corpora["macos"] / name)
        assert linux == macos
        assert len(linux) > 3


def test_the_weights_are_the_same(models: dict[str, Path]) -> None:
    linux, macos = (models[system] / "translator" for system in ("linux", "macos"))
    names = {path.name for path in linux.iterdir()}
    assert {path.name for path in macos.iterdir()} == names
    for name in ("weights.safetensors", "config.json", "tokenizer.spm"):
        assert (linux / name).read_bytes() == (macos / name).read_bytes()


def test_many_lines_are_shared_by_processes(run: Callable[..., bytes], models: dict[str, Path]) -> None:
    flood = (models["data"] / "more.s").read_bytes()
    asked = ("translate", models["linux"] / "translator", "--beam-size", 20, "--scores")
    alone = run("linux", *asked, "--workers", 1, stdin=flood)
    assert alone.count(b"\n") == len(MORE_LINES)
    assert run("macos", *asked, "--workers", 2, stdin=flood) == alone
    assert [line.split()[-1] for line in log_of(run) if line.startswith("started")] == ["translation"] * 2
    assert run("macos", *asked, stdin=flood) == alone  # with as many as there are cores
    few = b"".join(flood.splitlines(keepends=True)[:20])
    assert run("macos", *asked, "--workers", 2, stdin=few) == b"".join(alone.splitlines(keepends=True)[:20])
    assert log_of(run) == []


def test_many_samples_are_shared_by_processes(run: Callable[..., bytes], models: dict[str, Path]) -> None:
    asked = ("generate", models["macos"] / "generator", "--prompt", "ba", "--length", 1000, "--seed", 3)
    alone = run("linux", *asked, "--samples", 100, "--threads", 1, "--json")
    assert alone.count(b"\n") == 100
    assert run("macos", *asked, "--samples", 100, "--threads", 2, "--json") == alone
    assert [line.split()[-2] for line in log_of(run)] == ["generation"] * 2
    first = run("macos", *asked, "--samples", 1, "--json")
    assert first == alone.splitlines(keepends=True)[0]


def test_the_scores_are_the_same(run: Callable[..., bytes], models: dict[str, Path]) -> None:
    data = models["data"]
    valid = data / "valid.s", data / "valid.t"
    for asked in (
        ("--reference", valid[1], valid[0], "--metric", "bleu,chrf,ter"),
        ("--model", models["linux"] / "translator", "--source", valid[0], "--reference", valid[1]),
        ("--model", models["macos"] / "generator", "--text", data / "text.txt"),
    ):
        scores = [run(system, "evaluate", *asked, "--json") for system in ("linux", "macos")]
        assert scores[0] == scores[1]
        assert b'"score"' in scores[0]


LACKING = """
import fcntl, os, pathlib, select, sys
assert sys.platform == "darwin" and fcntl.F_FULLFSYNC
assert not hasattr(os, "sched_getaffinity") and not hasattr(select, "epoll")
for work in (os.fork, pathlib.Path("/proc/self/status").read_text, lambda: os.listdir("/proc")):
    try:
        work()
    except (AssertionError, FileNotFoundError):
        continue
    raise SystemExit(f"{work} worked")
"""


def test_what_macos_lacks_is_lacking(tmp_path: Path) -> None:
    """The other tests would say little if it were still there."""
    done = subprocess.run(
        [sys.executable, "-c", LACKING],
        env={**os.environ, **as_on_macos(tmp_path / LOG)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
