#!/usr/bin/env python3
"""What a small Transformer learns in the same time: python3 gpt.py input.txt [--minutes 3] [--threads N]

A minimal decoder-only Transformer of the sizes and settings that nanoGPT's README gives for a CPU: 4 layers,
4 heads, 128 wide, blocks of 64 characters, batches of 12, AdamW from 1e-3 to 1e-4 by a cosine, no dropout.
Here the cosine follows the clock, so that both models have the same wall time. It prints one line of JSON:
the whole-text validation loss (windows of 64, half overlapping: every character has 32 to 63 before it),
characters per second in training and in sampling, and the peak memory.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

PER_MEGABYTE = 1 << 20 if sys.platform == "darwin" else 1 << 10  # of ru_maxrss, which getrusage(2) explains

LAYERS, HEADS, WIDTH, BLOCK, BATCH = 4, 4, 128, 64, 12
PEAK_RATE, LAST_RATE, WARMUP_STEPS = 1e-3, 1e-4, 100


class Block(nn.Module):
    """Attention and a feed-forward layer, each behind a layer norm and added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(WIDTH, bias=False)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.attended = nn.Linear(WIDTH, WIDTH, bias=False)
        self.before_feed = nn.LayerNorm(WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.down = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """(B, T, WIDTH) -> (B, T, WIDTH)"""
        batch, length, _ = values.shape
        parts = self.qkv(self.before_attention(values)).view(batch, length, 3, HEADS, WIDTH // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (B, HEADS, T, WIDTH / HEADS) each
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        values = values + self.attended(mixed.transpose(1, 2).reshape(batch, length, WIDTH))
        return values + self.down(functional.gelu(self.up(self.before_feed(values))))


class Transformer(nn.Module):
    """Characters in, logits of the next ones out; the output layer is the embedding."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(size, WIDTH)
        self.places = nn.Embedding(BLOCK, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                last = name.endswith(("attended.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * LAYERS) if last else 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)"""
        values = self.characters(ids) + self.places(torch.arange(ids.shape[1]))
        return functional.linear(self.norm(self.blocks(values)), self.characters.weight)


def train(model: Transformer, ids: Tensor, seconds: float) -> float:
    """Train for so long; characters per second."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim != 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.99), fused=True)
    began, step = time.monotonic(), 0
    while (progress := (time.monotonic() - began) / seconds) < 1:
        rate = LAST_RATE + 0.5 * (1 + math.cos(math.pi * progress)) * (PEAK_RATE - LAST_RATE)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / WARMUP_STEPS)
        places = torch.randint(len(ids) - BLOCK, (BATCH, 1)) + torch.arange(BLOCK + 1)  # (B, T + 1)
        batch = ids[places]
        loss = functional.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
    return step * BATCH * BLOCK / (time.monotonic() - began)


@torch.inference_mode()
def validation_loss(model: Transformer, ids: Tensor) -> float:
    """Nats a character over the whole text; of all windows but the first only the second half counts."""
    half, nats, count = BLOCK // 2, 0.0, 0
    for start in range(0, len(ids) - 1, half):
        window = ids[start : start + BLOCK + 1]
        skipped = half if start else 0
        if len(window) < skipped + 2:
            break
        losses = functional.cross_entropy(model(window[None, :-1])[0], window[1:], reduction="none")[skipped:]
        nats, count = nats + float(losses.sum()), count + len(losses)
    return nats / count


@torch.inference_mode()
def sampling_rate(model: Transformer, length: int = 1000) -> float:
    """Characters per second, one at a time from the last block, as nanoGPT samples."""
    ids = torch.zeros(1, 1, dtype=torch.long)
    began = time.monotonic()
    for _ in range(length):
        probabilities = functional.softmax(model(ids[:, -BLOCK:])[0, -1], dim=0)
        ids = torch.cat([ids, torch.multinomial(probabilities, 1)[None]], dim=1)
    return length / (time.monotonic() - began)


def main() -> None:
    """Train, score and time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    text = options.text.read_text(encoding="utf-8")
    characters = sorted(set(text))
    ids = torch.tensor([characters.index(character) for character in text])
    cut = int(0.9 * len(ids))
    model = Transformer(len(characters))
    rate = train(model, ids[:cut], 60 * options.minutes)
    result = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "minutes": options.minutes,
        "valid_nats": round(validation_loss(model, ids[cut:]), 4),
        "training_characters_per_second": round(rate),
        "sampling_characters_per_second": round(sampling_rate(model)),
        "peak_memory_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // PER_MEGABYTE,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
