"""The plain way to a character generator: nn.LSTM in PyTorch, as char-rnn does it; a peer of seqkit's.

    python recipes/benchmark/char_lstm.py train TEXT --hidden 512 --streams 64 --slice 128
    python recipes/benchmark/char_lstm.py write TEXT --hidden 512 --length 2000

Two layers, characters as embeddings, streams side by side with carried state, truncated back-propagation,
Adam, clipping, dropout between the layers, fp32: what PyTorch does unasked. `write` samples one character at
a time from an untrained network, which takes as long as from a trained one. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

LAYERS, EMBEDDING, RATE, CLIP = 2, 64, 2e-3, 5.0
State = tuple[Tensor, Tensor] | None


class CharLSTM(nn.Module):
    """Characters in, logits of the next ones and the state out."""

    def __init__(self, size: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, EMBEDDING)
        self.lstm = nn.LSTM(EMBEDDING, hidden, LAYERS, batch_first=True, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, size)

    def forward(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) -> (B, T, V)"""
        outputs, state = self.lstm(self.embedding(ids), state)
        return self.output(self.dropout(outputs)), state


def slices(ids: Tensor, streams: int, length: int) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Inputs and targets (streams, length), for ever, and whether a pass over the text begins."""
    rows = ids[: len(ids) // streams * streams].view(streams, -1)
    while True:
        for start in range(0, rows.shape[1] - length, length):
            part = rows[:, start : start + length + 1]
            yield part[:, :-1], part[:, 1:], start == 0


def train(model: CharLSTM, ids: Tensor, options: argparse.Namespace) -> tuple[float, float]:
    """Characters a second after the warm-up, and how many seconds that was."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    state: State = None
    began, counted, from_here = time.perf_counter(), 0, 0.0
    for inputs, targets, first in slices(ids, options.streams, options.slice):
        state = None if first or state is None else (state[0].detach(), state[1].detach())
        logits, state = model(inputs, state)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        now = time.perf_counter()
        if from_here:
            counted += inputs.numel()
            if now - from_here >= options.seconds:
                break
        elif now - began >= options.warm_up:
            from_here = now
    return counted / (now - from_here), now - from_here


@torch.inference_mode()
def write(model: CharLSTM, length: int) -> tuple[float, float]:
    """Characters a second, one after the other, and the seconds."""
    character, state = torch.zeros(1, 1, dtype=torch.long), None
    model.eval()
    began = 0.0
    for number in range(length + 100):
        if number == 100:
            began = time.perf_counter()
        logits, state = model(character, state)
        character = torch.multinomial(logits[0, -1].softmax(dim=0), 1)[None]
    seconds = time.perf_counter() - began
    return length / seconds, seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("what", choices=("train", "write"))
    parser.add_argument("text", type=Path)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--slice", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--warm-up", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--length", type=int, default=2000)
    options = parser.parse_args()
    torch.manual_seed(1)
    text = options.text.read_text(encoding="utf-8")
    numbers = {character: number for number, character in enumerate(sorted(set(text)))}
    ids = torch.tensor([numbers[character] for character in text])
    model = CharLSTM(len(numbers), options.hidden, options.dropout)
    value, seconds = train(model, ids, options) if options.what == "train" else write(model, options.length)
    details = {
        "threads": torch.get_num_threads(),
        "precision": "fp32",
        "vocabulary": len(numbers),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    result = {"value": value, "unit": "characters/s", "seconds": seconds, "details": details}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
