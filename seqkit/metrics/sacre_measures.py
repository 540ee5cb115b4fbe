"""BLEU, chrF and TER, as sacreBLEU counts them.

Its own corpus scores are made of the same counts, but only of a whole corpus at once: here a line at a time,
so that progress can be told (TER takes seconds for a long line), and kept for resampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from seqkit.metrics.measure import Counts, Outcome, Progress, References
from seqkit.metrics.tokenizers import DEFAULT, NONE, Tokenize, load_tokenizer

if TYPE_CHECKING:
    from sacrebleu import BLEU, CHRF, TER

_ORDER = 4  # of BLEU: n-grams of up to four tokens


class _SacreMeasure:
    """What the three share: counts by a metric of sacreBLEU."""

    metric: BLEU | CHRF | TER

    def counts(self, hypotheses: Sequence[str], references: References, progress: Progress) -> list[Counts]:
        """What sacreBLEU counts in each line."""
        prepared = self.metric._cache_references(cast("Sequence[Sequence[str]]", references))
        self._look_at(prepared)
        counts: list[Counts] = []
        for number, (hypothesis, wanted) in enumerate(zip(hypotheses, prepared, strict=True), 1):
            segment = self.metric._preprocess_segment(hypothesis)
            counts.append(self.metric._compute_segment_statistics(segment, wanted))
            progress(number)
        return counts

    def _look_at(self, prepared: Sequence[dict[str, Any]]) -> None:
        """What the references allow, by what sacreBLEU made of them."""
        raise NotImplementedError

    def signature(self, *, resamples: int, seed: int, form: str) -> str:
        """sacreBLEU's, with the normal form where it changed the text."""
        signature = self.metric.get_signature()
        if resamples:
            signature.update("bs", resamples)
            signature.update("seed", seed)
        if form:
            signature.update("form", form)
        return str(signature)


class Bleu(_SacreMeasure):
    """BLEU (Papineni et al. 2002) with sacreBLEU's exponential smoothing."""

    def __init__(self, tokenizer: str, *, lowercase: bool) -> None:
        from sacrebleu import BLEU

        load_tokenizer(tokenizer)  # it says in our words what is missing
        # force: whether text looks tokenised is judged in `seqkit.evaluation`, in words that say what to do.
        self.metric: BLEU = BLEU(lowercase=lowercase, tokenize=tokenizer, force=True)
        self._tokenizer = tokenizer
        self._longest = 0  # tokens of the longest reference
        self._lines = 0

    def _look_at(self, prepared: Sequence[dict[str, Any]]) -> None:
        self._lines = len(prepared)
        self._longest = max((max(wanted["ref_lens"]) for wanted in prepared), default=0)

    def outcome(self, total: Counts) -> Outcome:
        """See `Measure`."""
        result = self.metric._compute_score_from_stats([int(count) for count in total])
        return Outcome(
            float(result.score),
            {
                "precisions": [float(precision) for precision in result.precisions],
                "brevity_penalty": float(result.bp),
                "length_ratio": float(result.ratio),
                "hypothesis_length": int(result.sys_len),
                "reference_length": int(result.ref_len),
            },
        )

    def line_score(self, counts: Counts) -> float:
        """BLEU of the orders that a line has: one of three words has no n-gram of four."""
        from sacrebleu import BLEU

        hypothesis, reference, *ngrams = (int(count) for count in counts)
        if not reference:
            return float("nan")
        score = BLEU.compute_bleu(
            ngrams[:_ORDER], ngrams[_ORDER:], hypothesis, reference, "exp", effective_order=True
        )
        return float(score.score)

    def undefined(self) -> str:
        """See `Measure`."""
        if self._longest >= _ORDER:
            return ""
        lines = "the reference has" if self._lines == 1 else "no reference line has"
        amount = "fewer than four tokens" if self._lines == 1 else "four tokens"
        return f"{lines} {amount} (tokenizer {self._tokenizer}), and BLEU counts n-grams of four"

    def note(self, total: Counts) -> str:
        """See `Measure`."""
        if not total[-1]:
            return "no hypothesis has four tokens, so BLEU is 0 whatever the words"
        return "BLEU of one line says little: chrF is made for it" if self._lines == 1 else ""


class Chrf(_SacreMeasure):
    """chrF (Popović 2015), or chrF++ with words (Popović 2017)."""

    def __init__(self, *, lowercase: bool, word_order: int) -> None:
        from sacrebleu import CHRF

        self.metric: CHRF = CHRF(lowercase=lowercase, word_order=word_order)
        self._characters = False

    def _look_at(self, prepared: Sequence[dict[str, Any]]) -> None:
        self._characters = any(ngrams[0] for wanted in prepared for ngrams in wanted["ref_ngrams"])

    def outcome(self, total: Counts) -> Outcome:
        """See `Measure`."""
        result = self.metric._compute_score_from_stats([int(count) for count in total])
        details = {
            "character_order": result.char_order,
            "word_order": result.word_order,
            "beta": result.beta,
        }
        return Outcome(float(result.score), details)

    def line_score(self, counts: Counts) -> float:
        """See `Measure`."""
        return self.outcome(counts).score

    def undefined(self) -> str:
        """See `Measure`."""
        return "" if self._characters else "all references are empty"

    def note(self, total: Counts) -> str:  # noqa: ARG002 - as every measure has it
        """See `Measure`."""
        return ""


@dataclass
class Ter(_SacreMeasure):
    """TER (Snover et al. 2006) of the words that spaces separate, as tercom's, or that a tokenizer finds."""

    tokenizer: str
    metric: TER = field(init=False)

    def __post_init__(self) -> None:
        from sacrebleu import TER

        self.metric = TER()
        self._words = False
        # 13a is BLEU's: tercom's own rule, which everybody's TER has, is to cut at spaces.
        self._tokenize: Tokenize | None = None
        self._name = ""
        if self.tokenizer not in {DEFAULT, NONE}:
            self._tokenize, self._name = load_tokenizer(self.tokenizer)

    def counts(self, hypotheses: Sequence[str], references: References, progress: Progress) -> list[Counts]:
        """Edits and mean reference length of each line."""
        if self._tokenize is not None:
            cut = self._tokenize
            hypotheses = [cut(line) for line in hypotheses]
            references = [[None if line is None else cut(line) for line in lines] for lines in references]
        return super().counts(hypotheses, references, progress)

    def _look_at(self, prepared: Sequence[dict[str, Any]]) -> None:
        self._words = any(words for wanted in prepared for words in wanted["ref_words"])

    def outcome(self, total: Counts) -> Outcome:
        """See `Measure`."""
        result = self.metric._compute_score_from_stats(list(total))
        details = {"edits": int(result.num_edits), "reference_length": float(result.ref_length)}
        return Outcome(float(result.score), details)

    def line_score(self, counts: Counts) -> float:
        """See `Measure`."""
        return self.outcome(counts).score if counts[1] or not counts[0] else float("nan")

    def undefined(self) -> str:
        """See `Measure`."""
        return "" if self._words else "all references are empty"

    def note(self, total: Counts) -> str:  # noqa: ARG002 - as every measure has it
        """See `Measure`."""
        return ""

    def signature(self, *, resamples: int, seed: int, form: str) -> str:
        """sacreBLEU's, with the tokenizer where it is not tercom's."""
        whole = super().signature(resamples=resamples, seed=seed, form=form)
        return whole.replace("|tok:tercom|", f"|tok:{self._name}|") if self._name else whole
