"""How many threads there are, what processors they run on, and how they wait."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from seqkit import processors
from seqkit.processors import (
    available_processors,
    has_fast_bf16,
    instructions,
    prepare_environment,
    processor_name,
    processor_quota,
    single_threaded_blas,
    thread_count,
)

ZEN_3 = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC 7B13
flags\t\t: fpu sse2 fma f16c avx2 sha_ni

processor\t: 1
model name\t: another
flags\t\t: fpu
"""
GRAVITON = "processor\t: 0\nBogoMIPS\t: 2100.00\nFeatures\t: fp asimd asimddp sve i8mm bf16\n"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A machine with so many processors and such a quota, and nothing said in the environment."""

    def make(allowed: int, quota: float | None = None) -> None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(allowed)), raising=False)
        monkeypatch.setattr(processors, "processor_quota", lambda: quota)

    return make


@pytest.mark.parametrize(
    ("allowed", "quota", "said", "expected"),
    [
        (8, None, None, 8),
        (8, 2.0, None, 2),
        (8, 2.5, None, 3),
        (8, 0.1, None, 1),
        (2, 6.0, None, 2),
        (8, None, "3", 3),
        (8, None, "3,2", 3),
        (8, None, " 3 ", 3),
        (8, 2.0, "3", 2),
        (2, None, "16", 2),
        (8, None, "0", 8),
        (8, None, "-1", 8),
        (8, None, "all", 8),
        (8, None, "", 8),
    ],
)
def test_threads_follow_from_affinity_quota_and_environment(
    machine: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    allowed: int,
    quota: float | None,
    said: str | None,
    expected: int,
) -> None:
    machine(allowed, quota)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert available_processors() == expected
    assert thread_count(None) == expected
    assert thread_count(7) == 7, "what is asked for by name is used"


def test_a_system_that_tells_no_affinity_has_all_its_processors(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(1)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_processors() == 6


def test_the_smallest_quota_on_the_way_counts(tmp_path: Path) -> None:
    groups, own = tmp_path / "cgroup", tmp_path / "own"
    inner = groups / "machine" / "container"
    inner.mkdir(parents=True)
    own.write_text("9:name=systemd:/\n0::/machine/container\n")

    def quota(
        outermost: str | None = None, outer: str | None = None, innermost: str | None = None
    ) -> float | None:
        for folder, content in ((groups, outermost), (inner.parent, outer), (inner, innermost)):
            (folder / "cpu.max").unlink(missing_ok=True)
            if content is not None:
                (folder / "cpu.max").write_text(content)
        return processor_quota(groups, own)

    assert quota() is None
    assert quota(innermost="max 100000\n") is None
    assert quota(innermost="150000 100000\n") == 1.5
    assert quota(outer="150000 100000\n", innermost="400000 100000\n") == 1.5
    assert quota(outermost="50000 100000\n", innermost="max 100000\n") == 0.5
    assert quota(innermost="nonsense\n") is None
    assert quota(innermost="1 0\n") is None
    own.write_text("0::/\n")
    assert quota(outermost="200000 100000\n") == 2
    own.write_text("4:cpu:/one\n")  # version 1 alone
    assert quota(outermost="200000 100000\n") is None
    assert processor_quota(groups, tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("content", "name", "known", "fast"),
    [
        (ZEN_3, "AMD EPYC 7B13 (family 25, model 1)", ["avx2", "fma", "f16c"], False),
        (ZEN_3.replace("avx2", "avx512_bf16"), "AMD EPYC 7B13 (family 25, model 1)", None, True),
        (ZEN_3.replace("avx2", "amx_bf16"), "AMD EPYC 7B13 (family 25, model 1)", None, True),
        (GRAVITON, None, ["asimd", "asimddp", "i8mm", "bf16", "sve"], False),
    ],
)
def test_what_linux_says_of_a_processor(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str,
    name: str | None,
    known: list[str] | None,
    fast: bool,
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(content)
    assert processor_name(path) == name if name else processor_name(path)
    if known is not None:
        assert instructions(path) == known
    monkeypatch.setattr(processors, "instructions", lambda: instructions(path))
    assert has_fast_bf16() == fast


def test_a_system_that_says_nothing_of_its_processor(tmp_path: Path) -> None:
    assert instructions(tmp_path / "missing") == []
    assert processor_name(tmp_path / "missing")


@pytest.mark.parametrize(
    ("said", "spins"),
    [({}, "7"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_threads_spin_shortly_unless_the_user_says_how_they_wait(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], spins: str | None
) -> None:
    monkeypatch.setattr(os, "environ", dict(said))
    monkeypatch.setattr(processors, "spins", lambda: "7")
    prepare_environment()
    assert os.environ.get("GOMP_SPINCOUNT") == spins


def test_threads_look_less_often_where_every_processor_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    load = tmp_path / "loadavg"
    assert processors.spins(load) == "20000", "a system that does not tell"
    for running, expected in ((1, "20000"), (4, "20000"), (5, "2000"), (40, "2000")):
        load.write_text(f"0.52 0.58 0.59 {running}/467 12345\n")
        assert processors.spins(load) == expected
    load.write_text("0.52\n")
    assert processors.spins(load) == "20000"


def threads_of_blas() -> list[int]:
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


def test_decoding_has_one_thread_of_numpys_library_for_products() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    before = threads_of_blas()
    assert before, "numpy's library is not known to threadpoolctl"
    with single_threaded_blas():
        assert set(threads_of_blas()) == {1}
    assert threads_of_blas() == before
