"""Looking inside a generator: what every cell did while it read a text, and what was expected to come next.

After Karpathy, Johnson and Fei-Fei 2015, "Visualizing and Understanding Recurrent Networks", section 4.2.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqkit.batch import Padded
from seqkit.data.documents import DocumentText
from seqkit.data.inputs import TextFile
from seqkit.data.manifest import Documents
from seqkit.data.tokenizers import END, Tokenizer
from seqkit.data.vocabulary import Ids
from seqkit.errors import DataError
from seqkit.evaluation.text import BETWEEN_DOCUMENTS
from seqkit.model_directory import LoadedModel
from seqkit.models import SequenceModel
from seqkit.nn.recurrent import LayerState, RecurrentLayer

Array = NDArray[np.float32]

TOP = 5  # of the most probable next tokens that are kept
MOST_POSITIONS = 20_000
MOST_ACTIVATIONS = 1 << 24  # positions times cells: 64 MB
LONGEST_PIECE = 16  # characters of a token, on average at most
_SLICE = 256  # tokens of a call: with 32,000 tokens to predict, 33 MB of logits


@dataclass(frozen=True)
class CellActivations:
    """What a generator's cells did while it read a text.

    A position is a token, or the several tokens that make one character; special tokens are read but have
    none, but for the ends of documents, which are written as newlines. `pieces` (T) are the positions' texts,
    which joined are the text, `cut` where it was too long to look into. `layers` holds an array (T, H) a
    layer: tanh(c) of an LSTM, h of the others (`quantity` says which), when the position has been read.
    `surprisal` (T,) is in bits. `next_pieces` and `next_probabilities`, (T + 1, TOP), are the most probable
    next tokens before each position, and behind the last one.
    """

    pieces: tuple[str, ...]
    layers: tuple[Array, ...]
    surprisal: Array
    next_pieces: tuple[tuple[str, ...], ...]
    next_probabilities: Array
    quantity: str
    cut: bool

    def of(self, layer: int, cell: int) -> Array:
        """One cell's activation at every position, (T,); layers and cells count from 1."""
        return self.layers[layer - 1][:, cell - 1]


@torch.inference_mode()
def cell_activations(loaded: LoadedModel, text: str) -> CellActivations:
    """Read `text` with a generator, in slices with the state carried on, and record its cells.

    Documents are marked as in its training text. DataError when there is no text.
    """
    model, tokenizer = loaded.model, loaded.target_tokenizer
    layers = model.decoder.recurrent_layers()
    limit = min(MOST_POSITIONS, MOST_ACTIVATIONS // sum(layer.hidden_size for layer in layers))
    documents = cast(Documents, loaded.facts.documents)
    ids = _encoded(text[: MOST_POSITIONS * LONGEST_PIECE], tokenizer, documents)  # (N,)
    cut = len(ids) > limit or len(text) > MOST_POSITIONS * LONGEST_PIECE
    ids = ids[:limit]
    if not len(ids):
        raise DataError(
            "there is no text to look into", where="the text", hint="a --prompt, or --cells-text FILE"
        )
    with _recorded(layers) as history:
        read = _read(model, ids.tolist(), loaded.facts.boundary)
    names = _names(tokenizer)
    written = tokenizer.token_bytes()
    written[END] = BETWEEN_DOCUMENTS[documents]
    firsts, lasts, pieces = _positions(ids.tolist(), written)
    # Input 0 is the boundary: token k is predicted at input k and read at input k + 1.
    before, after = np.array([*firsts, len(ids)]), np.array(lasts) + 1
    bits = np.concatenate([[0.0], np.cumsum(read.bits, dtype=np.float64)])
    return CellActivations(
        pieces,
        tuple(np.concatenate(layer)[after] for layer in history),
        (bits[after] - bits[before[:-1]]).astype(np.float32),
        tuple(tuple(names[token] for token in row) for row in read.tokens[before].tolist()),
        read.probabilities[before],
        "tanh(c)" if layers[0].cell == "lstm" else "h",
        cut,
    )


@dataclass(frozen=True)
class _Read:
    """The surprisal of each token (N,), and the most probable tokens at each input (N + 1, TOP)."""

    bits: Array
    tokens: NDArray[np.int64]
    probabilities: Array


def _read(model: SequenceModel, ids: Sequence[int], boundary: int) -> _Read:
    device = next(model.parameters()).device
    inputs = torch.tensor([boundary, *ids], device=device)  # (N + 1,)
    wanted = torch.tensor([*ids, boundary], device=device)  # (N + 1,)  nothing follows the last
    bits, tokens, probabilities = [], [], []
    state = model.start(None, 1)
    for values, targets in zip(torch.split(inputs, _SLICE), torch.split(wanted, _SLICE), strict=True):
        lengths = torch.tensor([len(values)], device=device)
        vectors = model.target_frontend(Padded(values[None], lengths)).values  # (1, S, E)
        decoded = model.decoder(vectors, state)
        state = decoded.state
        scores = torch.log_softmax(model.head.predict(decoded.readouts[0]).float(), dim=1)  # (S, V)
        best = scores.topk(TOP, dim=1)
        bits.append(-scores.gather(1, targets[:, None])[:, 0] / math.log(2))
        tokens.append(best.indices)
        probabilities.append(best.values.exp())
    return _Read(*(torch.cat(parts).cpu().numpy() for parts in (bits, tokens, probabilities)))


def _encoded(text: str, tokenizer: Tokenizer, documents: Documents) -> Ids:
    """The ids of a text (N,), with END between its documents."""
    file = _TextAtHand(Path(), "the text", text)
    parts = [np.zeros(0, np.int32)]
    for chunk in DocumentText((file,), documents, tokenizer.normalization, exact=False).chunks(warn=False):
        for number, ids in enumerate(tokenizer.encode_texts(chunk.texts)):
            parts.append(np.append(ids, np.int32(END)) if number < chunk.ends else ids)
    joined = np.concatenate(parts)
    return joined[:-1] if len(joined) and joined[-1] == END else joined


@dataclass(frozen=True)
class _TextAtHand(TextFile):
    """A text that need not be read from a file."""

    content: str

    def text(self, *, warn: bool, exact: bool) -> Iterator[str]:  # noqa: ARG002
        """All of it, in one part."""
        yield self.content


@contextmanager
def _recorded(layers: Sequence[RecurrentLayer]) -> Iterator[list[list[Array]]]:
    """For each layer a list of its cells' activations (S, H), one for every call while this lasts."""
    history: list[list[Array]] = [[] for _ in layers]

    def recorder(calls: list[Array]) -> Callable[..., None]:
        def record(layer: RecurrentLayer, inputs: Any, result: tuple[Tensor, LayerState]) -> None:
            calls.append(_activations(layer, inputs[0], inputs[1], result[0]).cpu().numpy())

        return record

    handles = [
        layer.register_forward_hook(recorder(calls)) for layer, calls in zip(layers, history, strict=True)
    ]
    try:
        yield history
    finally:
        for handle in handles:
            handle.remove()


def _activations(layer: RecurrentLayer, inputs: Tensor, state: LayerState, outputs: Tensor) -> Tensor:
    """tanh(c) of an LSTM, h of the others, (T, H), from a call's inputs (1, T, I) and outputs (1, T, H).

    h = o * tanh(c), and o follows from what the call was given and gave: no loop over positions is needed.
    """
    if layer.cell != "lstm":
        return outputs[0]
    inward_weight, recurrent_weight, inward_bias, recurrent_bias = (
        parameter[3 * layer.hidden_size :] for parameter in layer.recurrence.parameters()
    )
    before = torch.cat([state[0], outputs[0, :-1]])  # (T, H)
    gate = nn.functional.linear(inputs[0], inward_weight, inward_bias)
    gate = (gate + nn.functional.linear(before, recurrent_weight, recurrent_bias)).sigmoid()  # (T, H)
    return (outputs[0] / gate.clamp(min=torch.finfo(gate.dtype).tiny)).clamp(-1, 1)


def _names(tokenizer: Tokenizer) -> list[str]:
    """How each token is written: its text, or `<0xE2>` for bytes that are no text alone."""
    written = []
    for token, content in enumerate(tokenizer.token_bytes()):
        try:
            written.append(content.decode() or tokenizer.pieces([token])[0])
        except UnicodeDecodeError:
            written.append("".join(f"<0x{byte:02X}>" for byte in content))
    return written


def _positions(
    ids: Sequence[int], token_bytes: Sequence[bytes]
) -> tuple[list[int], list[int], tuple[str, ...]]:
    """The first and the last token of every position, and its text."""
    firsts, lasts, pieces = [], [], []
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    first = 0
    for index, token in enumerate(ids):
        if not decoder.getstate()[0]:
            first = index
        piece = decoder.decode(token_bytes[token])
        if piece:
            firsts.append(first)
            lasts.append(index)
            pieces.append(piece)
    return firsts, lasts, tuple(pieces)
