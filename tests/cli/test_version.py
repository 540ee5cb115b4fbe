"""What `seqkit --version --verbose` and `--debug` say of the machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from seqkit import __version__
from seqkit.engines.fixed.grid import byte_kernel
from seqkit.processors import SPINS, SPINS_BESIDE_OTHERS, available_processors
from tests.conftest import Finished

FACTS = ["system", "libraries", "processor", "threads", "products", "waiting", "BLAS"]


def facts_of(text: str) -> dict[str, str]:
    rows = [line.split(maxsplit=1) for line in text.splitlines()]
    return {row[0]: row[-1] for row in rows if row}


def test_the_version_alone_is_one_line(seqkit: Callable[..., Finished]) -> None:
    assert seqkit("--version").out.decode() == f"seqkit {__version__}\n"


def test_verbose_says_what_decides_how_fast_it_is(seqkit: Callable[..., Finished]) -> None:
    done = seqkit("--version", "--verbose", OMP_NUM_THREADS="1")
    assert (done.code, done.err) == (0, "")
    first, *lines = done.out.decode().splitlines()
    facts = facts_of("\n".join(lines))
    assert first == f"seqkit {__version__}"
    assert list(facts) == FACTS
    assert "numpy " in facts["libraries"]
    assert facts["threads"] == f"1 of {os.cpu_count()} CPUs (OMP_NUM_THREADS=1)"
    assert f"({byte_kernel()}) in decoding" in facts["products"]
    assert facts["waiting"] in {f"GOMP_SPINCOUNT={count}" for count in (SPINS, SPINS_BESIDE_OTHERS)}
    assert "one thread in decoding" in facts["BLAS"]


def test_verbose_says_what_the_user_has_set(seqkit: Callable[..., Finished]) -> None:
    done = seqkit("--version", "--verbose", SEQKIT_KERNEL="float", OMP_WAIT_POLICY="PASSIVE")
    facts = facts_of(done.out.decode())
    assert facts["products"].startswith("whole numbers in floats (float) in decoding, by SEQKIT_KERNEL=float")
    assert facts["waiting"] == "OMP_WAIT_POLICY=PASSIVE"


@pytest.mark.parametrize("arguments", [["--verbose"], ["--verbose", "train"]])
def test_verbose_goes_with_version(seqkit: Callable[..., Finished], arguments: list[str]) -> None:
    done = seqkit(*arguments)
    assert done.code == 2
    assert "--verbose goes with --version" in done.err


def test_a_command_is_needed(seqkit: Callable[..., Finished]) -> None:
    done = seqkit("--")
    assert done.code == 2
    assert "a command is missing" in done.err


def test_debug_says_it_too_on_standard_error(seqkit: Callable[..., Finished], toy_model: Path) -> None:
    done = seqkit("translate", toy_model, "--debug", stdin=b"ba di\n")
    assert (done.code, done.out.count(b"\n")) == (0, 1)
    assert set(FACTS) <= set(facts_of(done.err))
    assert f"{available_processors()} of" in facts_of(done.err)["threads"]
