"""Scoring text with a generator: how many nats it takes to predict it.

Two protocols. `stream`: the whole text once, every prediction from all that stands before it, the state
carried on; this is what a generator can do. `window-N`: windows of N tokens side by side, each from a zero
state and one token of context, averaged over all positions, as nanoGPT evaluates on windows drawn at random;
the first positions of each know little, so that it is worse, and comparable with models of a fixed context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqkit import __version__
from seqkit.batch import Batch, Padded
from seqkit.data.documents import DocumentText
from seqkit.data.inputs import TextFile
from seqkit.data.manifest import Documents
from seqkit.data.text import input_name
from seqkit.data.tokenizers import END, Tokenizer
from seqkit.data.vocabulary import newline_id
from seqkit.errors import DataError
from seqkit.metrics.translation import Score, bits_per_character, perplexity
from seqkit.models import SequenceModel
from seqkit.nn.heads import Loss
from seqkit.nn.recurrent import DecoderState

IdStream = NDArray[Any]  # (n,) of any integer type: a memory map of a corpus, or ids just made
Progress = Callable[[int], None]  # hears how many predictions are done

SLICE_LENGTH = 1024  # positions of a call: enough for speed, a few megabytes of activations
_WINDOW_POSITIONS = 1 << 14  # of windows scored side by side


@dataclass(frozen=True)
class EncodedText:
    """A text as a generator sees it: one stream of ids (n,), in which END ends every marked document.

    `characters` are those of the normalised text, ends not counted; `boundary` stands before the first id.
    """

    ids: IdStream
    boundary: int
    characters: int
    ends: int
    unit: str  # the kind of tokenizer


def encode_file(path: str, tokenizer: Tokenizer, documents: Documents) -> EncodedText:
    """Read and encode a plain or gzip file, or standard input for `-`, as `prepare` would have done.

    Raises DataError when there is no text in it, and what reading files raises.
    """
    name = input_name(path)
    exact = tokenizer.kind == "byte"
    text = DocumentText((TextFile(Path(path), name),), documents, tokenizer.normalization, exact)
    parts, characters, ends = [], 0, 0
    for chunk in text.chunks(warn=True):
        for number, ids in enumerate(tokenizer.encode_texts(chunk.texts)):
            parts.append(np.append(ids, np.int32(END)) if number < chunk.ends else ids)
        characters, ends = characters + chunk.characters, ends + chunk.ends
    if not characters:
        raise DataError(f"there is no text in {name}, so there is nothing to score", where=name)
    boundary = newline_id(tokenizer) if documents == "none" else END
    return EncodedText(np.concatenate(parts), boundary, characters, ends, tokenizer.kind)


def stream_nats(
    model: SequenceModel,
    ids: IdStream,
    boundary: int,
    *,
    slice_length: int = SLICE_LENGTH,
    device: torch.device,
    precision: str = "fp32",
    should_stop: Callable[[], bool] = lambda: False,
    progress: Progress = lambda _done: None,
) -> tuple[float, int]:
    """Nats of predicting every one of `ids` (n,) from all before it, and how many were predicted.

    `boundary` stands before the first. The state begins at zero and is carried over slices, so memory does
    not grow with the text. Asked after every slice, `should_stop` ends it early: then fewer positions than
    ids were predicted. The model's mode is put back and no random state is touched.
    """
    nats, positions = 0.0, 0
    with _evaluating(model, device, precision):
        for loss in slice_losses(model, ids[None], np.array([boundary]), slice_length, device):
            nats, positions = nats + float(loss.nats), positions + loss.positions
            progress(positions)
            if should_stop():
                break
    return nats, positions


def window_nats(
    model: SequenceModel,
    ids: IdStream,
    boundary: int,
    window: int,
    *,
    slice_length: int = SLICE_LENGTH,
    device: torch.device,
    progress: Progress = lambda _done: None,
) -> float:
    """Nats of predicting every one of `ids` (n,) from the last before its window and those before it in it.

    The windows of `window` ids lie side by side; the last may be shorter.
    """
    nats, positions = 0.0, 0
    with _evaluating(model, device, "fp32"):
        for targets, before in _windows(ids, boundary, window):
            for loss in slice_losses(model, targets, before, slice_length, device):
                nats, positions = nats + float(loss.nats), positions + loss.positions
                progress(positions)
    return nats


def language_scores(text: EncodedText, nats: float, **protocol: object) -> list[Score]:
    """Bits and nats per character and the perplexity of a token, each with its signature.

    `nats` is the sum over all predictions, those of the ends of documents too, which are no characters.
    `protocol` is what else the signature says, in order.
    """
    counts = {"tokens": len(text.ids), "ends": text.ends, "characters": text.characters}
    keys = {**protocol, "unit": text.unit, **counts, "seqkit": __version__}
    signature = "|".join(f"{key}:{value}" for key, value in keys.items())
    values = {
        "bits_per_character": bits_per_character(nats, text.characters),
        "nats_per_character": nats / text.characters,
        "perplexity": perplexity(nats / len(text.ids)),
    }
    details = {"protocol": protocol["protocol"], "nats": nats, **counts}
    return [Score(name, value, signature, details=details) for name, value in values.items()]


_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@contextmanager
def _evaluating(model: SequenceModel, device: torch.device, precision: str) -> Iterator[None]:
    """Evaluation mode without gradients, and the mode there was afterwards."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), torch.autocast(device.type, _DTYPES[precision], precision != "fp32"):
            yield
    finally:
        model.train(training)


def slice_losses(
    model: SequenceModel,
    targets: IdStream,
    before: IdStream,
    slice_length: int,
    device: torch.device,
) -> Iterator[Loss]:
    """The losses of predicting `targets` (R, T), slice by slice; `before` (R,) stands before each row.

    The state is carried over slices, gradients are not.
    """
    state: DecoderState | None = None
    for start in range(0, targets.shape[1], slice_length):
        wanted = np.asarray(targets[:, start : start + slice_length], np.int64)  # (R, S)
        given = np.concatenate([before[:, None], wanted[:, :-1]], axis=1)
        lengths = torch.full((len(wanted),), wanted.shape[1])  # (R,)
        inputs, outputs = (Padded(torch.from_numpy(ids), lengths) for ids in (given, wanted))
        loss, after = model.loss(Batch(inputs, outputs).to(device), state)
        state = after.detach()
        yield loss
        before = wanted[:, -1]


def _windows(ids: IdStream, boundary: int, window: int) -> Iterator[tuple[IdStream, IdStream]]:
    """Windows (R, window) side by side, as many as are scored together, and the ids before them (R,)."""
    rows = max(_WINDOW_POSITIONS // window, 1)
    whole = len(ids) - len(ids) % window
    for start in range(0, whole, rows * window):
        targets = ids[start : min(start + rows * window, whole)].reshape(-1, window)
        yield targets, _before(ids, boundary, start, window, len(targets))
    if whole < len(ids):
        yield ids[whole:][None], _before(ids, boundary, whole, window, 1)


def _before(ids: IdStream, boundary: int, start: int, window: int, rows: int) -> IdStream:
    """The ids before the windows from `start` on. (R,)"""
    places = start + window * np.arange(rows) - 1
    return np.where(places < 0, boundary, ids[places]).astype(np.int64)
