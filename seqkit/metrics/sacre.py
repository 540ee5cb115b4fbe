"""Scores of lines: BLEU, chrF and TER through sacreBLEU, exact match and error rates through RapidFuzz.

Each comes with the signature that says how it was made (Post 2018, "A Call for Clarity in Reporting BLEU
Scores"). Both sides are put in the same Unicode normal form first: what looks the same is the same. sacreBLEU
and RapidFuzz are imported inside functions, as `seqkit --help` must answer at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import overload

from seqkit.data.tokenizers.cleaning import clean
from seqkit.data.tokenizers.vocabulary import (
    NORMALIZATIONS,
    Normalization,
    cleans,
    normal_form,
    normalize_lines,
)
from seqkit.errors import ConfigError, DataError, suggest
from seqkit.metrics import resampling
from seqkit.metrics.edits import ErrorRate, ExactMatch
from seqkit.metrics.measure import Counts, Measure, References
from seqkit.metrics.sacre_measures import Bleu, Chrf, Ter
from seqkit.metrics.tokenizers import NONE, script_of, suitable_tokenizer
from seqkit.scores import AUTO, BLEU, CER, CHRF, EXACT, PER, TER, TOKENIZERS, WER, Score

METRICS = tuple(metric.name for metric in (BLEU, CHRF, TER))  # sacreBLEU's
ALL_METRICS = (*METRICS, *(metric.name for metric in (EXACT, CER, WER, PER)))
CASED = "cased"
LOWERCASED_TOKENIZED = "lowercased-tokenized"
PROTOCOLS = (CASED, LOWERCASED_TOKENIZED)

LEVEL, SEED = resampling.LEVEL, resampling.SEED
_CHRF_WORD_ORDER_LIMIT = 6

Progress = Callable[[str, int, int], None]  # hears of a metric, lines done, all lines


@dataclass(frozen=True)
class MetricOptions:
    """What to measure, and by which protocol.

    `protocol` is `cased` (plain, detokenised text; BLEU tokenises it with 13a) or `lowercased-tokenized`
    (text that is tokenised already, compared in lower case: sacreBLEU's `-tok none -lc`). TER ignores case
    under both, which is sacreBLEU's and tercom's default. `tokenize` names the tokenizer of BLEU and TER;
    "auto" is what suits the script of the references. `normalization` is the form in which both sides are
    compared: that of corpora, by default, so that neither accents nor invisible characters are errors.
    `chrf_word_order` 2 makes chrF++. `confidence` asks for bootstrap intervals from `resamples` resamples of
    the test set, `line_scores` for the scores of single lines. Raises ConfigError.
    """

    metrics: tuple[str, ...] = ("bleu", "chrf")
    protocol: str = CASED
    tokenize: str = AUTO
    normalization: Normalization = "clean-nfc"
    chrf_word_order: int = 0
    confidence: bool = False
    resamples: int = 1000
    line_scores: bool = False

    def __post_init__(self) -> None:
        if not self.metrics:
            raise ConfigError("no metric is named", hint=f"choose among {', '.join(ALL_METRICS)}")
        for name in self.metrics:
            _check_known(name, ALL_METRICS, "metric")
            if self.metrics.count(name) > 1:
                raise ConfigError(f"metric {name} is named twice", hint="name it once")
        _check_known(self.protocol, PROTOCOLS, "protocol")
        _check_known(self.tokenize, (AUTO, *TOKENIZERS), "tokenizer")
        _check_known(self.normalization, NORMALIZATIONS, "normal form")
        if self.lowercase and self.tokenize not in {AUTO, NONE}:
            raise ConfigError(
                f"protocol {self.protocol} is for text that is tokenised already, so tokenizer "
                f"{self.tokenize} cannot be used",
                hint="leave one of them out",
            )
        if not 0 <= self.chrf_word_order <= _CHRF_WORD_ORDER_LIMIT:
            raise ConfigError(
                f"a chrF word order of {self.chrf_word_order} is outside 0 to {_CHRF_WORD_ORDER_LIMIT}",
                hint="0 is chrF, 2 is chrF++",
            )
        if self.chrf_word_order and "chrf" not in self.metrics:
            raise ConfigError(
                "a chrF word order needs chrf among the metrics", hint="add chrf, or leave it out"
            )
        if self.resamples < 2:
            raise ConfigError(f"{self.resamples} resamples are too few", hint="1000 is usual")

    @property
    def lowercase(self) -> bool:
        """Whether case is ignored."""
        return self.protocol == LOWERCASED_TOKENIZED

    def tokenizer_for(self, references: References) -> str:
        """The tokenizer by name, chosen by the script of the references unless one is given."""
        if self.lowercase:
            return NONE
        return suitable_tokenizer(script_of(_present(references))) if self.tokenize == AUTO else self.tokenize


def form_of_outputs(normalization: Normalization) -> Normalization:
    """The form in which to compare what a model writes whose tokenizer has this one."""
    return "clean-nfkc" if normalization in {"nfkc", "clean-nfkc"} else "clean-nfc"


def score_translations(
    hypotheses: Sequence[str],
    references: References,
    options: MetricOptions | None = None,
    *,
    baseline: Sequence[str] | None = None,
    progress: Progress = lambda _metric, _done, _total: None,
) -> list[Score]:
    """Score hypotheses against one or more reference sets, one list of lines each.

    A line that has fewer references than others has None in the last sets. One Score per metric, in the
    order of `options.metrics`. With the hypotheses of a `baseline` each has a paired test too. Raises
    DataError when line counts differ or there is nothing to score, ConfigError for a tokenizer whose package
    is missing.
    """
    options = options or MetricOptions()
    _check_lengths(hypotheses, references, baseline)
    texts = _Texts.of(hypotheses, references, baseline, options.normalization)
    tokenizer = options.tokenizer_for(references)
    return [
        _score(name, texts, build_measure(name, options, tokenizer, references), options, progress)
        for name in options.metrics
    ]


def build_measure(name: str, options: MetricOptions, tokenizer: str, references: References) -> Measure:
    """What measures a metric. Raises ConfigError for a tokenizer whose package is missing."""
    match name:
        case "bleu":
            return Bleu(tokenizer, lowercase=options.lowercase)
        case "chrf":
            return Chrf(lowercase=options.lowercase, word_order=options.chrf_word_order)
        case "ter":
            return Ter(tokenizer)
        case "exact":
            return ExactMatch(lowercase=options.lowercase)
        case _:
            spaced = script_of(_present(references)).spaced
            return ErrorRate(name, lowercase=options.lowercase, spaced=spaced)


def line_scores(hypotheses: Sequence[str], references: References, options: MetricOptions) -> list[float]:
    """The chrF of every line by itself, in percent."""
    _check_lengths(hypotheses, references, None)
    texts = _Texts.of(hypotheses, references, None, options.normalization)
    measure = Chrf(lowercase=options.lowercase, word_order=options.chrf_word_order)
    counts = measure.counts(texts.hypotheses, texts.references, lambda _done: None)
    return [measure.line_score(line) for line in counts]


def corpus_bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Cased, detokenised BLEU (13a) in percent; `references` as in `score_translations`."""
    return score_translations(hypotheses, references, MetricOptions(("bleu",), tokenize="13a"))[0].score


def corpus_chrf(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Cased chrF2 in percent; `references` as in `score_translations`."""
    return score_translations(hypotheses, references, MetricOptions(metrics=("chrf",)))[0].score


def perplexity(nats_per_token: float) -> float:
    """exp(cross-entropy in nats per token); infinite where that overflows."""
    try:
        return math.exp(nats_per_token)
    except OverflowError:
        return math.inf


def bits_per_character(nats_total: float, characters: int) -> float:
    """Cross-entropy in bits per character from a total in nats. Raises DataError without characters."""
    if characters < 1:
        raise DataError("there are no characters to score")
    return nats_total / math.log(2) / characters


def _check_known(name: str, known: Sequence[str], what: str) -> None:
    if name not in known:
        raise ConfigError(
            f"unknown {what} {name!r}",
            hint=suggest(name.lower(), known) or f"choose among {', '.join(known)}",
        )


def _check_lengths(hypotheses: Sequence[str], references: References, baseline: Sequence[str] | None) -> None:
    if references and isinstance(references[0], str):
        raise TypeError("references is a sequence of reference sets, each a sequence of lines")
    if not references:
        raise DataError("there is no reference to score against")
    if not hypotheses:
        raise DataError("there are no hypotheses to score")
    others: list[Sequence[str | None]] = [*references] if baseline is None else [*references, baseline]
    for lines in others:
        # sacreBLEU would cut the longer one in silence.
        if len(lines) != len(hypotheses):
            raise DataError(
                f"hypotheses have {len(hypotheses):,} lines, but references or baseline have {len(lines):,}"
            )


def _present(references: References) -> Iterable[str]:
    return (line for lines in references for line in lines if line is not None)


@dataclass(frozen=True)
class _Texts:
    """What is compared, in one normal form; `form` names it where it changed a line."""

    hypotheses: list[str]
    references: list[list[str | None]]
    baseline: list[str] | None
    form: str

    @classmethod
    def of(
        cls,
        hypotheses: Sequence[str],
        references: References,
        baseline: Sequence[str] | None,
        normalization: Normalization,
    ) -> _Texts:
        """Put all texts in a normal form."""
        given = [hypotheses, *references, *([] if baseline is None else [baseline])]
        form = _needed(normalization, [line for lines in given for line in lines if line])
        return cls(
            _normalized(hypotheses, normalization),
            [_normalized(lines, normalization) for lines in references],
            None if baseline is None else _normalized(baseline, normalization),
            form,
        )


def _needed(normalization: Normalization, lines: Sequence[str]) -> str:
    """What of a normalization changes any of the lines; empty for nothing."""
    if cleans(normalization) and not any(clean(line) != line for line in lines):
        normalization = "nfkc" if normalization == "clean-nfkc" else "nfc"
    return normalization if any(normal_form(line, normalization) != line for line in lines) else ""


@overload
def _normalized(lines: Sequence[str], normalization: Normalization) -> list[str]: ...
@overload
def _normalized(lines: Sequence[str | None], normalization: Normalization) -> list[str | None]: ...
def _normalized(lines: Sequence[str | None], normalization: Normalization) -> Sequence[str | None]:
    whole = normalize_lines([line or "" for line in lines], normalization) if lines else []
    return [None if line is None else text for line, text in zip(lines, whole, strict=True)]


def _score(name: str, texts: _Texts, measure: Measure, options: MetricOptions, progress: Progress) -> Score:
    lines = len(texts.hypotheses)

    def counted(hypotheses: Sequence[str]) -> list[Counts]:
        return measure.counts(hypotheses, texts.references, lambda done: progress(name, done, lines))

    counts = counted(texts.hypotheses)
    total = [sum(column) for column in zip(*counts, strict=True)]
    outcome, undefined, note = measure.outcome(total), measure.undefined(), measure.note(total)
    confidence = paired = None
    wanted = options.confidence or texts.baseline is not None
    if wanted and lines < 2:
        note = "one line cannot be resampled: there is no interval and no test"
    resampled = wanted and lines > 1 and not undefined
    if resampled:
        scores = resampling.resampled_scores(measure, counts, options.resamples)
        if options.confidence:
            confidence = resampling.interval(scores)
        if texts.baseline is not None:
            others = counted(texts.baseline)
            paired = resampling.compare(
                outcome.score,
                scores,
                measure.outcome([sum(column) for column in zip(*others, strict=True)]).score,
                resampling.resampled_scores(measure, others, options.resamples),
            )
    signature = measure.signature(resamples=options.resamples if resampled else 0, seed=SEED, form=texts.form)
    return Score(
        name,
        outcome.score,
        signature,
        confidence,
        paired,
        outcome.details,
        undefined,
        "" if undefined else note,
        tuple(map(measure.line_score, counts)) if options.line_scores else (),
    )
