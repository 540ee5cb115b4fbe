"""A Transformer of nanoGPT's CPU sizes as a peer of the generator: the one of recipes/shakespeare.

    python recipes/benchmark/small_transformer.py train|write TEXT

4 layers, 4 heads, 128 wide, blocks of 64, batches of 12, fp32. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from pathlib import Path
from types import ModuleType

import torch

SCRIPT = Path(__file__).resolve().parents[1] / "shakespeare" / "gpt.py"


def transformer() -> ModuleType:
    """The other recipe's script as a module."""
    specification = importlib.util.spec_from_file_location("gpt", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("what", choices=("train", "write"))
    parser.add_argument("text", type=Path)
    parser.add_argument("--warm-up", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--length", type=int, default=1000)
    options = parser.parse_args()
    gpt = transformer()
    torch.manual_seed(1)
    text = options.text.read_text(encoding="utf-8")
    numbers = {character: number for number, character in enumerate(sorted(set(text)))}
    ids = torch.tensor([numbers[character] for character in text])
    model = gpt.Transformer(len(numbers))
    began = time.perf_counter()
    if options.what == "train":
        gpt.train(model, ids, options.warm_up)
        value = gpt.train(model, ids, options.seconds)
    else:
        gpt.sampling_rate(model, 100)
        value = gpt.sampling_rate(model, options.length)
    details = {
        "threads": torch.get_num_threads(),
        "precision": "fp32",
        "vocabulary": len(numbers),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    seconds = time.perf_counter() - began
    print(json.dumps({"value": value, "unit": "characters/s", "seconds": seconds, "details": details}))


if __name__ == "__main__":
    main()
