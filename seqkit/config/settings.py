"""All settings: name, default, unit, range, and the part of a model that each belongs to.

Four frozen tables (`data`, `model`, `training`, `decoding`) make a `Config`.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from seqkit import limits
from seqkit.errors import ConfigError
from seqkit.kinds import KINDS, Kind, Part
from seqkit.scores import AUTO, LOSS, TOKENIZERS

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
    """A field with its description, its inclusive range or choices, and the part that it belongs to.

    The choices of a Literal come from the type.
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
        "strength of BPE-dropout (Provilkov et al. 2020) or unigram sampling (Kudo 2018); 0: off",
        low=0,
        high=1,
        part="pairs",
    )
    case_noise: float = _setting(
        0.0,
        "share of training sources put in capitals or in small letters, half each, for lines in ALL CAPS",
        low=0,
        high=1,
        part="pairs",
    )
    languages: str = _setting("", "languages of the text, as in 'en de', for the model card")
    license: str = _setting("", "license of the model, as in 'cc-by-4.0', for the model card")
    streams: int = _setting(
        16,
        "parallel text streams (the batch size)",
        low=1,
        high=limits.STREAMS,
        part="streams",
    )
    noise: float = _setting(
        0.0,
        "standard deviation of noise on frames in training, in units of each number's own deviation",
        low=0,
        high=10,
        part="frames",
    )
    scaling: float = _setting(
        0.0,
        "scaling of frames in training: the deviation of its logarithm",
        low=0,
        high=3,
        part="frames",
    )
    time_mask: float = _setting(
        0.0,
        "largest share of a sequence of frames blanked in training",
        low=0,
        high=0.9,
        part="frames",
    )
    time_crop: float = _setting(
        0.0,
        "largest share of a sequence of frames cut off in training, at its ends",
        low=0,
        high=0.9,
        part="frames",
    )
    time_warp: float = _setting(
        0.0,
        "stretching of a sequence of frames in training: the deviation of its logarithm",
        low=0,
        high=0.5,
        part="frames",
    )
    slice_length: int = _setting(
        96,
        "tokens per stream and step: the length of truncated BPTT",
        low=1,
        high=limits.STREAMS,
        part="streams",
    )


Cell = Literal["lstm", "gru", "rnn"]


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    cell: Cell = _setting("lstm", "recurrent cell")  # noqa: RUF009
    embedding_size: int = _setting(256, "dimension of the embeddings", low=1, high=limits.LAYER_WIDTH)
    hidden_size: int = _setting(
        512,
        "dimension of the decoder's state; each encoder direction has half",
        low=2,
        high=limits.LAYER_WIDTH,
    )
    encoder_layers: int = _setting(
        1, "bidirectional layers, residual from the second", low=1, high=4, part="encoder"
    )
    decoder_layers: int = _setting(
        1, "decoder layers, residual from the second", low=1, high=8, part="decoder"
    )
    convolutions: int = _setting(
        0,
        "convolutions before the recurrence; each halves the length",
        low=0,
        high=6,
        part="frames",
    )
    pooling: Literal["mean", "max", "last", "attention"] = _setting(
        "mean", "how the outputs of all positions become one", part="pooling"
    )
    attention: Literal["dot", "additive"] = _setting(
        "dot", "score function of queries and keys", part="attention"
    )
    attention_heads: int = _setting(4, "attention heads", low=1, high=limits.LAYER_WIDTH, part="attention")
    input_feeding: bool = _setting(
        False,
        "feed the last readout to the next step (Luong et al. 2015, 3.3); several times slower",
        part="attention",
    )
    bridge: Literal["linear", "zero"] = _setting(
        "linear", "initial state of the decoder: a linear map of the encoder's, or zeros", part="encoder"
    )
    tied_embeddings: Literal["all", "target", "none"] = _setting(
        "all", "shared embeddings: all (source, target, output), target (target and output) or none"
    )
    dropout: float = _setting(
        0.3, "dropout on embeddings and between layers, with one mask per sequence", low=0, high=0.95
    )
    word_dropout: float = _setting(0.1, "probability of dropping a token's embedding", low=0, high=0.95)
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

    seed: int = _setting(1, "random seed", low=0, high=2**63 - 1)
    epochs: float = _setting(30.0, "passes over the training data; 0: no such limit", low=0)
    steps: int = _setting(0, "optimizer steps; 0: no such limit; one budget replaces another", low=0)
    minutes: float = _setting(
        0.0, "wall-clock minutes, including start-up and validation; 0: no such limit", low=0
    )
    batch_tokens: int = _setting(
        2048,
        "target tokens per batch, including padding",
        low=1,
        high=limits.BATCH_TOKENS,
        part="pairs",
    )
    batch_rows: int = _setting(
        0,
        "most sequences per batch; 0: as many as training.batch_tokens allows",
        low=0,
        high=limits.BATCH_TOKENS,
        part="pooling",
    )
    accumulate: int = _setting(1, "batches per step (gradient accumulation)", low=1)
    optimizer: Literal["adamw", "adam", "sgd", "nt-asgd", "adagrad", "rmsprop"] = _setting(
        "adamw", "nt-asgd: SGD that averages weights once validation stalls (Merity et al. 2018, section 3)"
    )
    learning_rate: float = _setting(2.5e-3, "peak learning rate of the schedule", low=0)
    momentum: float = _setting(0.9, "momentum of sgd and rmsprop", low=0, high=1)
    nesterov: bool = _setting(False, "Nesterov momentum, for sgd")
    beta1: float = _setting(0.9, "decay of the first moment of adam and adamw", low=0, high=0.999999)
    beta2: float = _setting(0.98, "decay of the second moment of adam and adamw", low=0, high=0.999999)
    weight_decay: float = _setting(0.01, "decoupled for adamw, an L2 penalty for the others", low=0)
    schedule: Literal["cosine", "linear", "inverse_sqrt", "constant", "plateau"] = _setting(
        "cosine", "course of the learning rate over the budget"
    )
    warmup: float = _setting(0.1, "fraction of the budget in which the rate rises from 0", low=0, high=1)
    final_factor: float = _setting(
        0.01, "final rate as a fraction of the peak (cosine, linear)", low=0, high=1
    )
    nonmonotone_validations: int = _setting(
        5, "nt-asgd: start averaging after N validations without improvement", low=1
    )
    plateau_factor: float = _setting(0.5, "plateau: factor that the rate is multiplied by", low=0, high=1)
    plateau_patience: int = _setting(
        2, "plateau: validations without improvement before the rate drops", low=1
    )
    clip_norm: float = _setting(1.0, "maximum gradient norm; 0: no clipping", low=0)
    label_smoothing: float = _setting(
        0.1, "label smoothing (Szegedy et al. 2016, section 7)", low=0, high=0.95
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = _setting(
        "auto", "precision of matrix products; weights are kept in fp32"
    )
    on_nonfinite: Literal["stop", "rollback"] = _setting(
        "stop", "rollback: return to the last checkpoint with half the rate, at most five times"
    )
    ema: float = _setting(
        0.999, "decay of the exponential moving average of weights, which is validated; 0: off", low=0, high=1
    )
    average_best: int = _setting(1, "number of best checkpoints whose weights are averaged at the end", low=1)
    best_metric: str = _setting(
        "bleu",
        "metric that selects the best checkpoint; ties are decided by chrf, then loss",
        choices=_RANKING_METRICS,
    )
    tokenize: str = _setting(
        AUTO,
        "tokenizer of BLEU and TER in validations; auto: what suits the script of the references",
        choices=(AUTO, *TOKENIZERS),
        part="search",
    )
    patience: int = _setting(0, "stop after N validations without improvement; 0: never", low=0)
    validate_every: int = _setting(0, "steps between validations; 0: twelve times in the budget", low=0)
    validate_minutes: float = _setting(0.0, "minutes between validations; 0: by steps", low=0)
    checkpoint_every: int = _setting(0, "steps between checkpoints; 0: at each validation", low=0)
    validation_sentences: int = _setting(
        2000, "maximum number of sentences translated per validation", low=0, part="search"
    )
    shortlist: int = _setting(
        0,
        "lexical shortlist: target tokens per source token, learnt from attention; 0: none",
        low=0,
        high=limits.LAYER_WIDTH,
        part="search",
    )
    samples: int = _setting(2, "translations or texts shown per validation", low=0, high=1000)
    sample_length: int = _setting(
        200, "characters per text shown at a validation", low=1, high=1_000_000, part="streams"
    )


@dataclass(frozen=True)
class DecodingConfig:
    """Defaults of `translate`."""

    beam_size: int = _setting(
        5, "beam size (hypotheses per sentence); 1 is greedy search", low=1, high=limits.BEAM, part="search"
    )
    length_penalty: float = _setting(
        1.0, "exponent of the length normalisation (Wu et al. 2016, section 7)", part="search"
    )
    coverage_penalty: float = _setting(
        0.0, "weight of the coverage penalty (Wu et al. 2016, section 7)", low=0, part="search"
    )
    batch_tokens: int = _setting(
        1024,
        "source tokens per batch, including padding",
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
    """Raise ConfigError, by name, for incompatible settings."""
    training = config.training
    _refuse_impossible_network(config.model, kind)
    _refuse_impossible_ranking(training, kind)
    _refuse_impossible_words(config.data)
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


def _refuse_impossible_words(data: DataConfig) -> None:
    """Languages are codes, a license is one word: the model card is read by machines."""
    for language in data.languages.replace(",", " ").split():
        if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]+)*", language):
            raise ConfigError(
                f"data.languages = {data.languages!r}: {language!r} is not the code of a language",
                where="data.languages",
                hint="two or three small letters each, as in 'en de' or 'zh-Hant'",
            )
    if not re.fullmatch(r"[A-Za-z0-9.+_-]*", data.license):
        raise ConfigError(
            f"data.license = {data.license!r} is not the name of a license",
            where="data.license",
            hint="one word, as in cc-by-4.0",
        )


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
            f"training.best_metric = {name} is not measured for {kind.model}",
            hint=f"one of {', '.join(kind.ranking_metrics)}: --set training.best_metric={LOSS.name}",
        )
    if "search" in kind.parts and name != LOSS.name and not training.validation_sentences:
        raise ConfigError(
            f"training.best_metric = {name} needs translations, but training.validation_sentences is 0",
            hint=f"--set training.best_metric={LOSS.name}",
        )
