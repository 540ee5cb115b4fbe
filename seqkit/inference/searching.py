"""Batches of pieces to hypotheses, and both as other processes are told of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from seqkit.data.tokenizers import END, START
from seqkit.decoding.beam import BeamOptions, Hypothesis, beam_search
from seqkit.decoding.stepper import Engine
from seqkit.inference.segments import Piece
from seqkit.inference.translation import TranslateOptions
from seqkit.processors import single_threaded_blas


class Batch(NamedTuple):
    """Pieces that are translated together; `number` is the caller's."""

    number: int
    pieces: Sequence[Piece]
    options: TranslateOptions


Found = Sequence[Sequence[Hypothesis]]  # of each piece, best first; none where nothing has a probability


def translated(engine: Engine, batch: Batch) -> Found:
    """The best translations of a batch's pieces."""
    pieces, options = batch.pieces, batch.options
    found = search(
        engine,
        pieces,
        np.array([_longest(piece, options) for piece in pieces]),
        options.beam,
        [piece.prefix for piece in pieces] if any(len(piece.prefix) for piece in pieces) else None,
        with_attention=options.attention or options.coverage_penalty > 0,
    )
    if options.attention:
        return found
    return [[_without_attention(one) for one in some] for some in found]  # the penalty alone needed it


@single_threaded_blas()
def search(
    engine: Engine,
    pieces: Sequence[Piece],
    maximum_lengths: np.ndarray,
    options: BeamOptions,
    prefixes: Sequence[np.ndarray] | None,
    *,
    with_attention: bool = False,
) -> Found:
    """A beam search of pieces, each with a maximum length (B,) and, where there are prefixes, its own."""
    stepper = engine.start(
        [np.append(piece.ids, END) for piece in pieces],
        options.beam_size,
        prefixes=prefixes,
        with_attention=with_attention,
    )
    return beam_search(
        stepper,
        start=START,
        end=END,
        first_allowed=END,
        maximum_lengths=maximum_lengths,
        options=options,
        prefixes=prefixes,
        source_lengths=np.array([len(piece.ids) for piece in pieces]),
    )


def _longest(piece: Piece, options: TranslateOptions) -> int:
    """The most target tokens that a piece may get."""
    natural = max(len(piece.prefix) + 2 * len(piece.ids) + 20, options.minimum_length)
    return options.maximum_length or natural


def _without_attention(hypothesis: Hypothesis) -> Hypothesis:
    return Hypothesis(hypothesis.tokens, hypothesis.log_probabilities, hypothesis.score, None)


def task_of(batch: Batch) -> bytes:
    """A batch as a fresh worker is told of it."""
    pieces = [(piece.ids.tolist(), piece.prefix.tolist()) for piece in batch.pieces]
    return json.dumps([batch.number, pieces, asdict(batch.options)]).encode()


def batch_of(task: bytes) -> Batch:
    """The batch of a task; its pieces are numbered in its own order."""
    number, pieces, options = json.loads(task)
    made = [
        Piece(0, place, np.array(ids, np.int64), np.array(prefix, np.int64))
        for place, (ids, prefix) in enumerate(pieces)
    ]
    return Batch(number, made, TranslateOptions(**options))


def record_of(number: int, found: Found) -> bytes:
    """A batch's number and what was found for its pieces; floats survive JSON to the bit."""
    return json.dumps([number, [[_to_dict(one) for one in some] for some in found]]).encode()


def found_in(record: bytes) -> tuple[int, Found]:
    """What `record_of` was given."""
    number, found = json.loads(record)
    return number, [[_hypothesis(one) for one in some] for some in found]


def _to_dict(hypothesis: Hypothesis) -> dict[str, Any]:
    attention = None if hypothesis.attention is None else hypothesis.attention.tolist()
    tokens, scores = hypothesis.tokens.tolist(), hypothesis.log_probabilities.tolist()
    return {"tokens": tokens, "scores": scores, "score": hypothesis.score, "attention": attention}


def _hypothesis(record: dict[str, Any]) -> Hypothesis:
    tokens, scores = np.array(record["tokens"], np.int64), np.array(record["scores"], np.float64)
    attention = None if record["attention"] is None else np.array(record["attention"])
    return Hypothesis(tokens, scores, record["score"], attention)
