"""Looking inside a generator: what every cell did while it read a text, and what was expected to come next.

After Karpathy, Johnson and Fei-Fei 2015, "Visualizing and Understanding Recurrent Networks", section 4.2.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from seqkit.data.manifest import Documents
from seqkit.data.text.documents import DocumentText
from seqkit.data.text.sources import TextFile
from seqkit.data.tokenizers import END, Tokenizer
from seqkit.data.tokenizers.vocabulary import Ids
from seqkit.engines.fixed.decoder import FixedPointDecoder
from seqkit.errors import DataError
from seqkit.evaluation.encoded_text import BETWEEN_DOCUMENTS
from seqkit.evaluation.stepwise import SLICE_LENGTH, log_totals
from seqkit.model_directory import LoadedModel

Array = NDArray[np.float32]

TOP = 5  # of the most probable next tokens that are kept
MOST_POSITIONS = 20_000
MOST_ACTIVATIONS = 1 << 24  # positions times cells: 64 MB
LONGEST_PIECE = 16  # characters of a token, on average at most


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


def cell_activations(loaded: LoadedModel, text: str) -> CellActivations:
    """Read `text` with a generator, step by step, and record its cells.

    Documents are marked as in its training text. DataError when there is no text.
    """
    model, tokenizer = loaded.config.model, loaded.target_tokenizer
    limit = min(MOST_POSITIONS, MOST_ACTIVATIONS // (model.hidden_size * model.decoder_layers))
    documents = cast(Documents, loaded.facts.documents)
    ids = _encoded(text[: MOST_POSITIONS * LONGEST_PIECE], tokenizer, documents)  # (N,)
    cut = len(ids) > limit or len(text) > MOST_POSITIONS * LONGEST_PIECE
    ids = ids[:limit]
    if not len(ids):
        raise DataError(
            "there is no text to examine", where="the text", hint="a --prompt, or --cells-text FILE"
        )
    read = _read(FixedPointDecoder(loaded.blueprint, loaded.parameters, "fp32"), ids, loaded.facts.boundary)
    names = _names(tokenizer)
    written = tokenizer.token_bytes()
    written[END] = BETWEEN_DOCUMENTS[documents]
    firsts, lasts, pieces = _positions(ids.tolist(), written)
    # Input 0 is the boundary: token k is predicted at input k and read at input k + 1.
    before, after = np.array([*firsts, len(ids)]), np.array(lasts) + 1
    bits = np.concatenate([[0.0], np.cumsum(read.bits, dtype=np.float64)])
    return CellActivations(
        pieces,
        tuple(layer[after] for layer in read.cells),
        (bits[after] - bits[before[:-1]]).astype(np.float32),
        tuple(tuple(names[token] for token in row) for row in read.tokens[before].tolist()),
        read.probabilities[before],
        "tanh(c)" if model.cell == "lstm" else "h",
        cut,
    )


@dataclass(frozen=True)
class _Read:
    """What there was at each of N + 1 inputs, of which the first is the boundary.

    The surprisal in bits of the token that came next (N,), the most probable ones (N + 1, TOP), and what each
    layer's cells said when the input had been read (L, N + 1, H).
    """

    bits: Array
    tokens: NDArray[np.int64]
    probabilities: Array
    cells: Array


def _read(decoder: FixedPointDecoder, ids: Ids, boundary: int) -> _Read:
    inputs = np.append(boundary, ids).astype(np.int64)  # (N + 1,)
    bits, tokens, probabilities, cells = [], [], [], []
    rows = decoder.begin()
    for start in range(0, len(inputs), SLICE_LENGTH):
        stop = start + SLICE_LENGTH
        states = rows.follow(inputs[start:stop])
        logits = states.logits()  # (S, V)
        totals, following = log_totals(logits), inputs[start + 1 : stop + 1]
        scores = logits[np.arange(len(following)), following]  # the last input is followed by nothing
        bits.append((totals[: len(following)] - scores) / math.log(2))
        best = np.argpartition(-logits, TOP - 1, axis=1)[:, :TOP]
        order = np.argsort(-np.take_along_axis(logits, best, 1), axis=1)
        tokens.append(np.take_along_axis(best, order, 1))
        probabilities.append(np.exp(np.take_along_axis(logits, tokens[-1], 1) - totals[:, None]))
        cells.append(states.cells())
    return _Read(
        np.concatenate(bits).astype(np.float32),
        np.concatenate(tokens),
        np.concatenate(probabilities).astype(np.float32),
        np.concatenate(cells, axis=1),
    )


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
