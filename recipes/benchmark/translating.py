"""How fast a model translates, start-up excluded, one line at a time, or as a whole process.

    python recipes/benchmark/translating.py decode MODEL TEXT --beam 5 --repeat 20 [--reference FILE]
    python recipes/benchmark/translating.py latency MODEL TEXT --beam 5
    python recipes/benchmark/translating.py process MODEL TEXT

`decode` translates the text `--repeat` times over in one call of `seqkit.Translator`; `latency` translates
its first lines one by one; `process` times `seqkit translate MODEL`, given one line. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from texts import lines_of

PROCESSES = 3  # a whole process is timed so often; the median counts


def decode(options: argparse.Namespace) -> dict[str, Any]:
    """Sentences a second."""
    from seqkit import Translator

    lines = lines_of(options.text)
    translator = Translator.load(options.model, threads=options.threads)
    chosen = replace(translator.options, beam_size=options.beam)
    translator.translate(lines[:50], chosen)  # what is made once is made
    began = time.perf_counter()
    translations = translator.translate(lines * options.repeat, chosen)
    seconds = time.perf_counter() - began
    tokens = sum(len(translation.alternatives[0].tokens) for translation in translations)
    details = {"sentences": len(translations), "output_tokens_per_second": tokens / seconds}
    if options.reference:
        from seqkit.metrics.sacre import corpus_bleu

        references = lines_of(options.reference)
        texts = [translation.text for translation in translations[: len(lines)]]
        details["bleu"] = round(corpus_bleu(texts, [references]), 2)
        expected = options.repeat * sum(map(len, translator.target_tokenizer.encode(references)))
        details["length_ratio"] = tokens / expected
    return _result(len(translations) / seconds, "sentences/s", seconds, details)


def latency(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds that half of all lines need at most; nine tenths and more in the details."""
    from seqkit import Translator

    lines = lines_of(options.text)[: options.lines]
    translator = Translator.load(options.model, threads=options.threads)
    chosen = replace(translator.options, beam_size=options.beam)
    for line in lines[:5]:
        translator.translate([line], chosen)
    times = []
    for line in lines:
        began = time.perf_counter()
        translator.translate([line], chosen)
        times.append(1000 * (time.perf_counter() - began))
    return _result(statistics.median(times), "ms", sum(times) / 1000, percentiles(times))


def percentiles(times: list[float]) -> dict[str, Any]:
    """p50 and p95 of times, by the nearest of them."""
    ordered = sorted(times)
    at = {share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95)}
    return {"lines": len(times), "p50_ms": at[0.5], "p95_ms": at[0.95]}


def process(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds from the start of the command to its end."""
    command = [sys.executable, "-m", "seqkit", "translate", str(options.model), "--quiet"]
    line = lines_of(options.text)[0]
    return timed_process(command, line + "\n")


def timed_process(command: list[str], given: str) -> dict[str, Any]:
    """A command's wall time: the median of some, after one that is not counted."""
    times = []
    for _ in range(1 + PROCESSES):
        began = time.perf_counter()
        done = subprocess.run(command, input=given.encode(), stdout=subprocess.PIPE, check=True)
        times.append(time.perf_counter() - began)
    return _result(
        statistics.median(times[1:]), "s", sum(times), {"first": times[0], "bytes": len(done.stdout)}
    )


def _result(value: float, unit: str, seconds: float, details: dict[str, Any]) -> dict[str, Any]:
    return {"value": value, "unit": unit, "seconds": seconds, "details": details}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("what", choices=("decode", "latency", "process"))
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    try:
        print(json.dumps({"decode": decode, "latency": latency, "process": process}[options.what](options)))
    except subprocess.CalledProcessError as error:
        sys.exit(f"translating.py: error: the command ended with exit code {error.returncode}")


if __name__ == "__main__":
    main()
