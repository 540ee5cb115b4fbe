"""How fast a generator writes, start-up excluded, or as a whole process.

    python recipes/benchmark/generating.py write MODEL --samples 1 --length 10000
    python recipes/benchmark/generating.py process MODEL --length 200

`write` draws samples side by side through `seqkit.TextGenerator`; `process` times `seqkit generate`. Prints
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from translating import timed_process

PROMPT = "ROMEO:"


def write(options: argparse.Namespace) -> dict[str, Any]:
    """Characters a second, all samples together."""
    from seqkit import TextGenerator

    generator = TextGenerator.load(options.model, threads=options.threads)
    generator.generate(PROMPT, length=min(200, options.length), samples=options.samples, seed=1)
    began = time.perf_counter()
    samples = generator.generate(PROMPT, length=options.length, samples=options.samples, seed=2)
    seconds = time.perf_counter() - began
    characters = sum(len(sample.text) for sample in samples)
    details = {"samples": len(samples), "characters": characters}
    return {"value": characters / seconds, "unit": "characters/s", "seconds": seconds, "details": details}


def process(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds from the start of the command to its end."""
    command = [sys.executable, "-m", "seqkit", "generate", str(options.model), "--quiet", "--seed", "1"]
    return timed_process([*command, "--prompt", PROMPT, "--length", str(options.length)], "")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("what", choices=("write", "process"))
    parser.add_argument("model", type=Path)
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    try:
        print(json.dumps({"write": write, "process": process}[options.what](options)))
    except subprocess.CalledProcessError as error:
        sys.exit(f"generating.py: error: the command ended with exit code {error.returncode}")


if __name__ == "__main__":
    main()
