"""The metric that ranks checkpoints where the command of `seqkit train` leaves it open: it suits the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from seqkit.cli.train.settings import Settings
from seqkit.config import Config, Layer, config_from_dict
from seqkit.errors import SeqkitError
from seqkit.evaluation.suitability import Suitable, ranking_metric
from seqkit.files import JSON_LIMIT, parse_json, read_regular
from seqkit.kinds import Kind

SETTING = "training.best_metric"


def suited(settings: Settings, corpus: Path | None, model: Path | None) -> tuple[Settings, Suitable | None]:
    """The settings with a metric for the corpus, and why; as they are where something names one.

    A run that `model` holds keeps its own, so that the same command continues it; None starts over.
    """
    resolved = settings.resolved()
    if resolved.origins[SETTING] != "default" or "search" not in settings.kind.parts or corpus is None:
        return settings, None
    try:
        recorded = None if model is None else _recorded(model, settings.kind)
        found = recorded or _by_text(corpus, resolved.config)
    except SeqkitError:
        return settings, None  # whoever trains says what is wrong with the corpus or the model
    if found is None or found.metric == resolved.config.training.best_metric:
        return settings, None
    layer = Layer("the validation text" if recorded is None else "the run so far", {SETTING: found.metric})
    return replace(settings, suited=layer), found


def _recorded(model: Path, kind: Kind) -> Suitable | None:
    from seqkit.model_directory import CONFIG

    path = model / CONFIG
    if not path.exists():
        return None
    content = parse_json(read_regular(path, limit=JSON_LIMIT), str(path))
    metric = config_from_dict(content, str(path), kind).training.best_metric
    return Suitable(metric, "the run began with it")


def _by_text(corpus: Path, config: Config) -> Suitable | None:
    from seqkit.data.corpus import Corpus
    from seqkit.metrics.sacre import MetricOptions

    count = config.training.validation_sentences
    opened = Corpus.open(corpus)
    sources, targets = (opened.valid_text(role)[:count] for role in ("source", "target"))
    if not targets:
        return None
    tokenizer = MetricOptions(tokenize=config.training.tokenize).tokenizer_for([targets])
    return ranking_metric(sources, targets, tokenizer)
