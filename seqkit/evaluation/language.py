"""Scoring text with a generator: how many nats it takes to predict it.

Two protocols. `stream`: the whole text once, every prediction from all that stands before it, the state
carried on; this is what a generator can do. `window-N`: independent windows of N tokens, each from a zero
state and one token of context, averaged over all positions, as nanoGPT evaluates on randomly sampled windows;
the first positions of each know little, so that it is worse, and comparable with models of a fixed context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from seqkit.data.batch import Batch, Padded
from seqkit.device import autocast
from seqkit.evaluation.encoded_text import IdStream
from seqkit.evaluation.windows import windows
from seqkit.nn.heads import Loss
from seqkit.nn.model import SequenceModel
from seqkit.nn.modes import evaluating
from seqkit.nn.recurrent import DecoderState

Progress = Callable[[int], None]  # hears how many predictions are done

SLICE_LENGTH = 1024  # positions of a call: enough for speed, a few megabytes of activations
_WINDOW_POSITIONS = 1 << 14  # of windows scored side by side


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
    with evaluating(model), autocast(precision, device):
        for loss in slice_losses(model, ids[None], np.array([boundary]), slice_length, device):
            nats, positions = nats + float(loss.nats), positions + loss.weight
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
    with evaluating(model), autocast("fp32", device):
        for targets, before in windows(ids, boundary, window, max(_WINDOW_POSITIONS // window, 1)):
            for loss in slice_losses(model, targets, before, slice_length, device):
                nats, positions = nats + float(loss.nats), positions + loss.weight
                progress(positions)
    return nats


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
        batch = Batch(inputs, outputs, continues=state is not None, carries=True)
        loss, after = model.loss(batch.to(device), state)
        assert after is not None  # of a model with a decoder
        state = after.detach()
        yield loss
        before = wanted[:, -1]
