"""What the machine can do at best: matrix products and memory, measured for a second or ten.

    python recipes/benchmark/machine.py --threads 2 [--seconds 0.3] [--quick]

prints one JSON object: `limits` maps a probe's name to GFLOP/s (GOP/s for int8) or GB/s, `machine` says what
it ran on. A limit is the best of many tries: whatever disturbs a machine only makes it slower.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable
from typing import Any

from seqkit.engines.fixed.grid import byte_kernel
from seqkit.processors import has_fast_bf16, processor_name

SQUARE = (2048, 2048, 2048)
# Rows, inner size, columns: what training and decoding multiply. The name says where it occurs.
SHAPES = {
    "LSTM step, 16 streams of 192": (16, 192, 768),
    "LSTM step, 64 rows of 512": (64, 512, 2048),
    "LSTM step, beam 5 of one line": (5, 512, 2048),
    "LSTM step, beam 5 of 64 lines": (320, 512, 2048),
    "LSTM inputs, 1,024 rows": (1024, 256, 2048),
    "output layer, 1,024 rows of 256": (1024, 256, 8000),
    "output layer, 1,024 rows of 512": (1024, 512, 8000),
}
BYTES = 256 << 20  # of one array for the memory probes: far beyond any cache
PACKAGES = ("seqkit", "torch", "numpy", "onnxruntime", "sentencepiece", "sacrebleu")


def best_seconds(work: Callable[[], object], budget: float) -> float:
    """The shortest time that `work` took, tried for `budget` seconds and at least three times."""
    work()  # makes primitives and touches memory
    best, tries, end = float("inf"), 0, time.perf_counter() + budget
    while tries < 3 or time.perf_counter() < end:
        began = time.perf_counter()
        work()
        best, tries = min(best, time.perf_counter() - began), tries + 1
    return best


def probe_name(dtype: str, shape: tuple[int, int, int]) -> str:
    """The name of a matrix product's limit: `bf16 2048 x 2048 x 2048`."""
    return f"{dtype} {' x '.join(map(str, shape))}"


def limits(threads: int, seconds: float, *, quick: bool = False, plain: bool = False) -> dict[str, float]:
    """All limits by name: 10^9 operations, or bytes, a second; `quick` stops after the square products.

    `plain` leaves out bf16, which takes minutes where it is imitated, and bytes, whose product by ONNX
    Runtime cannot be held back.
    """
    import torch

    torch.set_num_threads(threads)
    found: dict[str, float] = {}
    for shape in (SQUARE,) if quick else (SQUARE, *SHAPES.values()):
        budget = seconds if shape == SQUARE else seconds / 4
        operations = 2.0 * shape[0] * shape[1] * shape[2]
        for dtype, work in products(shape, threads).items():
            if plain and not dtype.startswith("fp32"):
                continue
            found[probe_name(dtype, shape)] = operations / best_seconds(work, budget) / 1e9
    for name, (size, work) in ({} if quick else memory_work()).items():
        found[name] = size / best_seconds(work, seconds) / 1e9
    return found


def products(shape: tuple[int, int, int], threads: int) -> dict[str, Callable[[], object]]:
    """A matrix product (rows, inner) x (inner, columns) in every way that the machine has, by name."""
    import torch

    rows, inner, columns = shape
    works: dict[str, Callable[[], object]] = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        left = torch.randn(rows, inner).to(dtype)
        right = torch.randn(inner, columns).to(dtype)
        result = torch.empty(rows, columns, dtype=dtype)
        works[name] = _torch_product(left, right, result)
    if shape == SQUARE:
        left8 = torch.randint(-127, 127, (rows, inner), dtype=torch.int8)
        right8 = torch.randint(-127, 127, (inner, columns), dtype=torch.int8)
        works["int8 torch"] = lambda: torch._int_mm(left8, right8)
    works.update(_onnx_products(shape, threads))
    return works


def _torch_product(left: Any, right: Any, result: Any) -> Callable[[], object]:
    import torch

    return lambda: torch.mm(left, right, out=result)


def _onnx_products(shape: tuple[int, int, int], threads: int) -> dict[str, Callable[[], object]]:
    """ONNX Runtime's products, fp32 and uint8 x int8; none where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return {}
    import numpy as np

    from seqkit.engines.fixed.onnx_model import Node, model_bytes

    rows, inner, columns = shape
    random = np.random.default_rng(1)
    kinds: dict[str, tuple[str, Any, Any, type[Any]]] = {
        "fp32 onnx": (
            "MatMul",
            random.standard_normal((rows, inner), np.float32),
            random.standard_normal((inner, columns), np.float32),
            np.float32,
        ),
        "int8 onnx": (
            "MatMulInteger",
            random.integers(0, 255, (rows, inner), np.uint8),
            random.integers(-127, 127, (inner, columns)).astype(np.int8),
            np.int32,
        ),
    }
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    works: dict[str, Callable[[], object]] = {}
    for name, (operator, left, right, made) in kinds.items():
        model = model_bytes(
            [Node(operator, ("left", "right"), "result")],
            {"right": right},
            {"left": (left.dtype.type, (rows, inner))},
            {"result": (made, (rows, columns))},
        )
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        works[name] = _onnx_product(session, left)
    return works


def _onnx_product(session: Any, left: Any) -> Callable[[], object]:
    return lambda: session.run(None, {"left": left})


def memory_work() -> dict[str, tuple[int, Callable[[], object]]]:
    """Memory probes: bytes that the program reads and writes, and the work.

    What a processor fetches only to write over it is not counted.
    """
    import torch

    count = BYTES // 4
    first, second = torch.ones(count), torch.zeros(count)
    side = 8192
    matrix, vector = first.view(side, side), torch.ones(side)
    return {
        "copy": (2 * BYTES, lambda: second.copy_(first)),
        "triad": (3 * BYTES, lambda: torch.add(first, second, alpha=0.5, out=second)),
        "matrix times vector": (BYTES, lambda: torch.mv(matrix, vector)),
    }


def description() -> dict[str, Any]:
    """The machine in words: processor, cores, memory, versions."""
    import torch

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16": has_fast_bf16(),
        "kernel": byte_kernel(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "versions": versions,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=0.3, help="for each of the square products")
    parser.add_argument("--quick", action="store_true", help="the square products alone")
    parser.add_argument("--plain", action="store_true", help="fp32 alone: the rest is forced away, or not")
    options = parser.parse_args()
    began = time.monotonic()
    found = limits(options.threads, options.seconds, quick=options.quick, plain=options.plain)
    result = {
        "value": max(value for name, value in found.items() if name.endswith(probe_name("", SQUARE))),
        "unit": "GFLOP/s",
        "seconds": time.monotonic() - began,
        "details": {"threads": options.threads, "limits": found, "machine": description()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
