"""The model directory that a run writes: checkpoints, the published files, and the record of validations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from seqkit import model_directory
from seqkit.data.forms import field_files, self_test
from seqkit.errors import ConfigError
from seqkit.files import remove_temporaries, to_json
from seqkit.model_directory import CONFIG, METRICS, TRAINING, WEIGHTS, ModelWriter
from seqkit.nn import weights
from seqkit.training import checkpoints
from seqkit.training.checkpoints import KEPT, Checkpoint
from seqkit.training.events import Validated
from seqkit.training.learner import Learner
from seqkit.training.lock import locked
from seqkit.training.loop import BETTER_ARITHMETIC, NotFinite
from seqkit.training.record import json_line
from seqkit.training.session import Session
from seqkit.training.state import RunState


class Store:
    """A run's model directory. One process has it, and holds its lock: see `held`.

    `metrics` is the text of metrics.jsonl; `saved_step` is the step of the newest checkpoint.
    """

    def __init__(self, directory: Path) -> None:
        self.directory, self.training = directory, directory / TRAINING
        self.metrics, self.saved_step = b"", 0
        self._candidates: dict[int, set[int]] = {}  # by checkpoint: the steps whose weights it may need
        self._writer = ModelWriter(directory, fresh=True)
        self._self_test: list[Any] = []

    @classmethod
    @contextmanager
    def held(cls, directory: Path) -> Iterator[Store]:
        """Make a model directory, or open an existing one, and hold it.

        Raises `ConfigError` when it holds something else, `LockedError` when another run has it.
        """
        model_directory.create(directory)
        with locked(directory / TRAINING):
            remove_temporaries(directory)
            checkpoints.remove_leftovers(directory / TRAINING)
            yield cls(directory)

    # Checkpoints ----------------------------------------------------------------------------------------

    def newest(self) -> Checkpoint | None:
        """The newest intact checkpoint, whose record the run continues with; None if there is none."""
        checkpoint = checkpoints.load_newest(self.training)
        if checkpoint is not None:
            self.metrics = checkpoint.metrics
            self._saved(RunState.from_dict(checkpoint.state, str(self.training)))
        return checkpoint

    def save(self, learner: Learner, state: RunState) -> None:
        """Write a checkpoint, and delete what neither it nor the one before it needs.

        Raises `NotFinite`, with the older ones left, when there is nothing to keep.
        """
        if not learner.is_finite:
            raise NotFinite(
                f"the weights are not finite after step {state.position.step:,}; "
                "the checkpoint before is whole",
                hint=BETTER_ARITHMETIC,
            )
        state.scaler = learner.scaler.state_dict()
        checkpoints.save(self.training, learner.checkpoint(state.to_dict(), self.metrics))
        self._saved(state)
        checkpoints.remove_candidates(self.training, set().union(*self._candidates.values()))

    def _saved(self, state: RunState) -> None:
        self.saved_step = state.position.step
        self._candidates[self.saved_step] = {int(step) for _, step in state.ranking.best}
        for older in sorted(self._candidates)[:-KEPT]:
            del self._candidates[older]

    def forget(self) -> None:
        """Delete every checkpoint."""
        checkpoints.remove_all(self.training)

    def refuse_trained_model(self) -> None:
        """Raise `ConfigError` when there is a model, which a run that begins would replace."""
        if model_directory.is_complete(self.directory):
            raise ConfigError(
                f"{self.directory} holds a trained model, but no checkpoint to continue from",
                where=str(self.training),
                hint="name a new model directory, or start over with --restart",
            )

    def keep_candidate(self, step: int, parameters: Mapping[str, Tensor]) -> None:
        """Keep the weights of a step that may become part of the final average."""
        checkpoints.save_candidate(self.training, step, parameters)

    def mean_of_candidates(self, steps: list[int], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean of the weights that were kept at several steps, named and shaped as `expected`."""
        return checkpoints.mean_of_candidates(self.training, steps, expected)

    # Published files ------------------------------------------------------------------------------------

    def open(self, session: Session, state: RunState, *, fresh: bool) -> None:
        """Publish what stays the same in a run; a `fresh` one begins without weights."""
        self._writer = ModelWriter(self.directory, fresh=fresh)
        self._self_test = self_test(session.fields)
        config = to_json(session.config.to_dict())
        self.publish(session, state, {**field_files(session.fields), CONFIG: config})

    def publish_validation(
        self, session: Session, state: RunState, validated: Validated, parameters: Mapping[str, Tensor]
    ) -> None:
        """Publish a validation's row, and the `parameters` that were measured when they are the best."""
        self.metrics += json_line(validated.row)
        files = {}
        if validated.best:
            state.ranking.tensors_sha256 = weights.tensor_hash(parameters)
            files[WEIGHTS] = weights.to_bytes(parameters)
        self.publish(session, state, files)

    def publish(
        self, session: Session, state: RunState, files: Mapping[str, bytes] = MappingProxyType({})
    ) -> None:
        """Replace the record, and other files by name, and describe the directory again."""
        self._writer.publish(
            {METRICS: self.metrics, **files},
            session.facts(state),
            tensors_sha256=state.ranking.tensors_sha256,
            self_test=self._self_test,
        )
