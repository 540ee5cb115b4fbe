"""Every setting: its name, default, unit and range, and the part of a model that it is for.

Four frozen tables (`data`, `model`, `training`, `decoding`) make a `Config`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from seqkit import limits
from seqkit.errors import ConfigError
from seqkit.kinds import KINDS, Kind, Part
from seqkit.scores import LOSS

_RANKING_METRICS = tuple(dict.fromkeys(name for kind in KINDS.values() for name in kind.ranking_metrics))


def _setting(
    default: Any,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    part: Part | None = None,
) -> Any:
    """A field with its description, its inclusive range or choices, and the part without which it is nothing.

    The choices of a Literal are those of the type.
    """
    return field(
        default=default,
        metadata={"description": description, "low": low, "high": high, "choices": choices, "part": part},
    )


@dataclass(frozen=True)
class DataConfig:
    """How a prepared corpus is presented to the model."""

    subword_sampling: float = _setting(
        0.0,
        "random segmentation: BPE-dropout (Provilkov et al. 2020), unigram sampling (Kudo 2018); 0: off",
        low=0,
        high=1,
        part="pairs",
    )
    streams: int = _setting(
        16,
        "places of the text that are read side by side, each with a state of its own",
        low=1,
        high=limits.STREAMS,
        part="streams",
    )
    slice_length: int = _setting(
        96,
        "tokens a stream goes on in a step; gradients reach no further back",
        low=1,
        high=limits.STREAMS,
        part="streams",
    )


Cell = Literal["lstm", "gru", "rnn"]


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    cell: Cell = _setting("lstm", "recurrent cell")  # noqa: RUF009
    embedding_size: int = _setting(256, "numbers per embedding", low=1, high=limits.LAYER_WIDTH)
    hidden_size: int = _setting(
        512, "numbers in the decoder's state; each encoder direction has half", low=2, high=limits.LAYER_WIDTH
    )
    encoder_layers: int = _setting(
        1, "bidirectional layers, residual from the second", low=1, high=4, part="encoder"
    )
    decoder_layers: int = _setting(1, "decoder layers, residual from the second", low=1, high=8)
    attention: Literal["dot", "additive"] = _setting(
        "dot", "how queries and keys are compared", part="attention"
    )
    attention_heads: int = _setting(4, "attention heads", low=1, high=limits.LAYER_WIDTH, part="attention")
    input_feeding: bool = _setting(
        False,
        "feed the last readout to the next step (Luong et al. 2015, 3.3); several times slower",
        part="attention",
    )
    bridge: Literal["linear", "zero"] = _setting(
        "linear", "the decoder's first state: from the encoder, or zeros", part="encoder"
    )
    tied_embeddings: Literal["all", "target", "none"] = _setting(
        "all", "share embeddings: source, target and output; target and output (a generator's two); none"
    )
    dropout: float = _setting(
        0.3, "dropout with one mask a sequence, on embeddings and between layers", low=0, high=0.95
    )
    word_dropout: float = _setting(0.1, "share of words whose embedding is dropped", low=0, high=0.95)
    attention_dropout: float = _setting(
        0.0, "dropout on attention weights", low=0, high=0.95, part="attention"
    )
    weight_drop: float = _setting(
        0.0, "dropout on the recurrent weights (Merity et al. 2018, section 2)", low=0, high=0.95
    )
    initialization: Literal["orthogonal", "xavier", "he", "uniform"] = _setting(
        "orthogonal",
        "orthogonal: recurrent weights orthogonal, input weights Xavier; uniform: 1/sqrt(hidden)",
    )
    forget_bias: float = _setting(1.0, "initial bias of the LSTM's forget gate (Jozefowicz et al. 2015)")


@dataclass(frozen=True)
class TrainingConfig:
    """The run."""

    seed: int = _setting(1, "everything random follows from it", low=0, high=2**63 - 1)
    epochs: float = _setting(30.0, "passes over the training data; 0: no such limit", low=0)
    steps: int = _setting(0, "optimizer steps; 0: no such limit; one budget replaces another", low=0)
    minutes: float = _setting(
        0.0, "wall-clock minutes, start-up and validation included; 0: no such limit", low=0
    )
    batch_tokens: int = _setting(
        2048,
        "target tokens a batch, padding included",
        low=1,
        high=limits.BATCH_TOKENS,
        part="pairs",
    )
    accumulate: int = _setting(1, "batches a step", low=1)
    optimizer: Literal["adamw", "adam", "sgd", "nt-asgd", "adagrad", "rmsprop"] = _setting(
        "adamw", "nt-asgd: SGD, averaged once validation stops improving (Merity et al. 2018, section 3)"
    )
    learning_rate: float = _setting(2.5e-3, "the schedule's peak", low=0)
    momentum: float = _setting(0.9, "of sgd and rmsprop", low=0, high=1)
    nesterov: bool = _setting(False, "Nesterov momentum, for sgd")
    beta1: float = _setting(0.9, "decay of adam's first moment", low=0, high=0.999999)
    beta2: float = _setting(0.98, "decay of adam's second moment", low=0, high=0.999999)
    weight_decay: float = _setting(0.01, "decoupled for adamw, an L2 penalty for the others", low=0)
    schedule: Literal["cosine", "linear", "inverse_sqrt", "constant", "plateau"] = _setting(
        "cosine", "learning rate over the budget"
    )
    warmup: float = _setting(0.1, "share of the budget in which the rate rises from 0", low=0, high=1)
    final_factor: float = _setting(
        0.01, "the rate's share of its peak at the end (cosine, linear)", low=0, high=1
    )
    nonmonotone_validations: int = _setting(
        5, "nt-asgd averages once this many validations brought nothing new", low=1
    )
    plateau_factor: float = _setting(0.5, "what the rate is multiplied with on a plateau", low=0, high=1)
    plateau_patience: int = _setting(2, "validations without progress before that", low=1)
    clip_norm: float = _setting(1.0, "largest norm of the gradient; 0: no clipping", low=0)
    label_smoothing: float = _setting(0.1, "Szegedy et al. 2016, section 7", low=0, high=0.95)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = _setting(
        "auto", "of the matrix products; weights are kept in fp32"
    )
    on_nonfinite: Literal["stop", "rollback"] = _setting(
        "stop", "rollback: back to the last checkpoint with half the rate, five times at most"
    )
    ema: float = _setting(
        0.999, "decay of the moving average of weights that is validated; 0: off", low=0, high=1
    )
    average_best: int = _setting(1, "the final weights are the mean of this many best checkpoints", low=1)
    best_metric: str = _setting("bleu", "what makes a checkpoint the best", choices=_RANKING_METRICS)
    patience: int = _setting(0, "stop after this many validations without progress; 0: never", low=0)
    validate_every: int = _setting(0, "steps between validations; 0: twelve times in the budget", low=0)
    validate_minutes: float = _setting(0.0, "minutes between validations; 0: by steps", low=0)
    checkpoint_every: int = _setting(0, "steps between checkpoints; 0: at each validation", low=0)
    validation_sentences: int = _setting(
        2000, "sentences translated at a validation, at most", low=0, part="search"
    )
    shortlist: int = _setting(
        0,
        "target tokens a source token, learnt from attention at the end, for translate --shortlist; 0: none",
        low=0,
        high=limits.LAYER_WIDTH,
        part="search",
    )
    samples: int = _setting(2, "translations, or texts, shown at a validation", low=0, high=1000)
    sample_length: int = _setting(
        200, "characters of a text that is shown at a validation", low=1, high=1_000_000, part="streams"
    )


@dataclass(frozen=True)
class DecodingConfig:
    """What `translate` does unless told otherwise."""

    beam_size: int = _setting(
        5, "hypotheses kept a sentence; 1 is greedy search", low=1, high=limits.BEAM, part="search"
    )
    length_penalty: float = _setting(
        1.0, "exponent of the length normalisation (Wu et al. 2016, section 7)", part="search"
    )
    coverage_penalty: float = _setting(
        0.0, "weight of the coverage penalty (Wu et al. 2016, section 7)", low=0, part="search"
    )
    batch_tokens: int = _setting(
        1024,
        "source tokens translated together, padding included",
        low=1,
        high=limits.BATCH_TOKENS,
        part="search",
    )


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    decoding: DecodingConfig = DecodingConfig()

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain tables, ready for JSON."""
        return dataclasses.asdict(self)


def refuse_impossible(config: Config, kind: Kind) -> None:
    """Raise ConfigError, by name, for settings that do not go together."""
    training = config.training
    _refuse_impossible_network(config.model, kind)
    _refuse_impossible_ranking(training, kind)
    budgets = [name for name in ("epochs", "steps", "minutes") if getattr(training, name)]
    if len(budgets) > 1:
        raise ConfigError(
            f"training has {len(budgets)} budgets: {' and '.join(budgets)}",
            hint="give one; set the others to 0",
        )
    if not budgets:
        raise ConfigError("training has no budget: epochs, steps and minutes are all 0", hint="give one")
    if training.nesterov and (training.optimizer != "sgd" or training.momentum == 0):
        raise ConfigError("training.nesterov needs training.optimizer = sgd and a training.momentum above 0")
    if training.optimizer == "nt-asgd" and training.average_best > 1:
        raise ConfigError("training.optimizer = nt-asgd averages by itself: training.average_best must be 1")
    if training.validate_every and training.validate_minutes:
        raise ConfigError("training.validate_every and training.validate_minutes exclude each other")


def _refuse_impossible_network(model: ModelConfig, kind: Kind) -> None:
    if "encoder" in kind.parts and model.hidden_size % 2:
        raise ConfigError(f"model.hidden_size = {model.hidden_size} is odd; the encoder has two halves")
    if "attention" in kind.parts and model.hidden_size % model.attention_heads:
        raise ConfigError(
            f"model.attention_heads = {model.attention_heads} does not divide "
            f"model.hidden_size = {model.hidden_size}"
        )


def _refuse_impossible_ranking(training: TrainingConfig, kind: Kind) -> None:
    name = training.best_metric
    if name not in kind.ranking_metrics:
        raise ConfigError(
            f"training.best_metric = {name} is not measured of {kind.model}",
            hint=f"one of {', '.join(kind.ranking_metrics)}: --set training.best_metric={LOSS.name}",
        )
    if "search" in kind.parts and name != LOSS.name and not training.validation_sentences:
        raise ConfigError(
            f"training.best_metric = {name} needs translations, but training.validation_sentences is 0",
            hint=f"--set training.best_metric={LOSS.name}",
        )
