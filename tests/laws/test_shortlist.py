"""Translation with a shortlist: the same in any company, normalised over what a sentence may use."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqkit import model_directory
from seqkit.data.tokenizers import END, PAD, START, UNKNOWN
from seqkit.engines.fixed import candidates as candidates_module
from seqkit.engines.fixed.candidates import CandidateLayer, ShortlistRows
from seqkit.engines.fixed.decoder import FixedPointDecoder
from seqkit.engines.fixed.ensemble import FixedPointEnsemble
from seqkit.engines.fixed.selection import exact_log_normalizers
from seqkit.inference.translator import TranslateOptions, Translator
from seqkit.network.shortlist import Shortlist
from tests.kernels import EXACT_KERNELS, take
from tests.laws.test_fixed_point_translation import (
    SIZE,
    assert_equal_to_the_bit,
    both,
    name_of,
    search,
    sentences,
    step,
)

NETWORKS: list[dict[str, Any]] = [
    {"cell": "lstm", "encoder_layers": 1, "decoder_layers": 2},
    {"cell": "gru", "decoder_layers": 1, "tied_embeddings": "none"},
]
NEVER = (PAD, UNKNOWN, START)  # what a search does not choose
OWN, WHOLE = 0, 1 << 20  # what `_OWN_COLUMN` is where columns are always, or never, a sentence's own


def some_candidates(count: int, seed: int = 5) -> list[np.ndarray]:
    """Few for some sentences and all but everything for others; what is never chosen for a few."""
    generator = np.random.default_rng(seed)
    return [
        np.union1d(generator.choice(SIZE, generator.integers(3, SIZE), replace=False), [END])
        for _ in range(count)
    ]


@dataclass
class Given:
    """An engine whose sentences have the given candidates."""

    models: list[FixedPointDecoder]
    candidates: list[np.ndarray]

    def start(self, sources: Sequence[np.ndarray], rows: int, **more: Any) -> Any:
        layers = [CandidateLayer(model.output, model.grid) for model in self.models]
        whole = FixedPointEnsemble(self.models).start(sources, rows, **more)
        return ShortlistRows(whole, layers, self.candidates)

    def complete_tables(self) -> None:
        """All are made when they are needed."""


@pytest.mark.parametrize("settings", NETWORKS, ids=name_of)
@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("members", [1, 2])
def test_a_sentence_is_translated_the_same_in_any_company(
    settings: dict[str, Any], beam_size: int, members: int
) -> None:
    models = [both(settings, seed)[1] for seed in range(1, members + 1)]
    sources, candidates = sentences(20), some_candidates(20)
    together = search(Given(models, candidates), sources, beam_size)
    alone = [
        search(Given(models, [some]), [source], beam_size)[0]
        for source, some in zip(sources, candidates, strict=True)
    ]
    assert_equal_to_the_bit(alone, together)
    wide = [*candidates[:7], np.arange(SIZE)]  # more columns for all
    assert_equal_to_the_bit(search(Given(models, wide), sources[:8], beam_size)[:7], together[:7])
    for found, some in zip(together, candidates, strict=True):
        assert np.isin(np.concatenate([one.tokens for one in found]), np.setdiff1d(some, NEVER)).all()


@pytest.mark.parametrize("settings", NETWORKS, ids=name_of)
def test_however_it_is_computed_it_is_the_same(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, candidates = sentences(90), some_candidates(90)
    found = []
    for kernel in EXACT_KERNELS:
        take(kernel, monkeypatch)
        model = both(settings)[1]
        for threshold in (OWN, WHOLE):
            monkeypatch.setattr(candidates_module, "_OWN_COLUMN", threshold)
            found.append(search(Given([model], candidates), sources, 2))  # of more rows than a block
    for other in found[1:]:
        assert_equal_to_the_bit(found[0], other)


@pytest.mark.parametrize("settings", NETWORKS, ids=name_of)
@pytest.mark.parametrize("threshold", [OWN, WHOLE])
def test_a_shortlist_of_everything_changes_nothing(
    settings: dict[str, Any], threshold: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates_module, "_OWN_COLUMN", threshold)
    model, sources = both(settings)[1], sentences(12)
    everything = search(Given([model], [np.arange(SIZE)] * 12), sources, 3)
    without = search(FixedPointEnsemble([model]), sources, 3)
    for some, more in zip(everything, without, strict=True):
        for a, b in zip(some, more, strict=True):
            assert a.tokens.tolist() == b.tokens.tolist()
            assert a.log_probabilities == pytest.approx(b.log_probabilities, abs=2e-5)
            assert np.array_equal(a.attention, b.attention)  # type: ignore[arg-type]


@pytest.mark.parametrize("spread", [1, 12])  # sums that fp32 rounds; sums that fp64 would, too
def test_normalizers_do_not_depend_on_the_columns_that_are_missing(spread: float) -> None:
    logits = np.random.default_rng(1).normal(0, spread, (2000, 400)).astype(np.float32)
    expected = np.logaddexp.reduce(logits.astype(np.float64), axis=1, keepdims=True)
    alone = exact_log_normalizers(logits)
    assert alone == pytest.approx(expected, abs=1e-6)
    for more in (1, 48, 640):
        wider = np.pad(logits, ((0, 3), (0, more)), constant_values=-np.inf)
        wider[2000:] = 1
        assert np.array_equal(exact_log_normalizers(wider)[:2000], alone)


@pytest.mark.parametrize("may_end", [True, False])
def test_probabilities_of_the_candidates_add_up_to_one(may_end: bool) -> None:
    model, sources, candidates = both(NETWORKS[0])[1], sentences(6), some_candidates(6)
    engine = Given([model], candidates)
    found = step(engine.start(sources, 1), np.full(6, START), may_end=may_end)
    for row, some in enumerate(candidates):
        scores = dict(zip(found.tokens[row].tolist(), found.log_probabilities[row].tolist(), strict=True))
        usable = {token: score for token, score in scores.items() if np.isfinite(score)}
        banned = set(NEVER) if may_end else {*NEVER, END}
        assert usable.keys() == set(some.tolist()) - banned
        # What is never chosen, and an end that comes too early, keep their share of the probability.
        forced = [
            step(
                engine.start(sources, 1),
                np.full(6, START),
                width=1,
                may_end=may_end,
                forced=np.where(np.arange(6) == row, token, -1),
            )
            for token in sorted(banned & set(some.tolist()))
        ]
        left_out = sum(np.exp(one.log_probabilities[row, 0]) for one in forced)
        assert sum(np.exp(list(usable.values()))) + left_out == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("members", [1, 2])
def test_logits_are_what_a_search_chooses_from(members: int) -> None:
    models = [both(NETWORKS[0], seed)[1] for seed in range(1, members + 1)]
    engine = Given(models, some_candidates(6))
    first = engine.start(sentences(6), 2)
    first.step(np.full(12, START))
    logits = first.logits()
    found = step(engine.start(sentences(6), 2), np.full(12, START))
    for row in range(12):
        usable = np.isfinite(found.log_probabilities[row])
        tokens = found.tokens[row, usable]
        assert logits[row, tokens] == pytest.approx(found.log_probabilities[row, usable], abs=1e-5)
        assert np.setdiff1d(np.flatnonzero(np.isfinite(logits[row])), NEVER).tolist() == sorted(tokens)


def test_a_forced_token_alone_is_left() -> None:
    engine = Given([both(NETWORKS[0])[1]], [np.array([END, 9, 11]), np.array([UNKNOWN, END, 9, 30])])
    forced = np.array([11, -1, UNKNOWN, -1])
    found = step(engine.start(sentences(2), 2), np.full(4, START), width=3, forced=forced)
    assert (found.tokens[0, 0], found.tokens[2, 0]) == (11, UNKNOWN)
    assert np.isfinite(found.log_probabilities[[0, 2], 0]).all()
    assert np.isneginf(found.log_probabilities[[0, 2], 1:]).all()
    assert UNKNOWN not in found.tokens[3, np.isfinite(found.log_probabilities[3])]


LINES = ["ba di fu", "go go", "", "lo mi nu ba ke ke", "fu", "never ☃ seen"]


@pytest.fixture(scope="module")
def shortlisted(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Translator:
    """The toy model with a random shortlist, to which few of the words it likes belong."""
    model = tmp_path_factory.mktemp("shortlisted") / "model"
    shutil.copytree(toy_model, model)
    loaded = model_directory.load(model)
    generator = np.random.default_rng(1)
    sizes = loaded.source_tokenizer.size, loaded.target_tokenizer.size
    partners = generator.integers(4, sizes[1], (sizes[0], 2)).astype(np.int32)
    random = Shortlist(partners, np.array([END, 20], np.int32))
    model_directory.add_files(model, {model_directory.SHORTLIST: random.to_bytes()})
    return Translator.load(model, threads=1, shortlist=True)


@pytest.mark.parametrize("beam_size", [1, 5, 70])
def test_the_forced_score_is_the_beams(shortlisted: Translator, beam_size: int) -> None:
    options = TranslateOptions(beam_size=beam_size, length_penalty=0.0)
    lines = [line for line in LINES if line and "☃" not in line]  # that one is translated in pieces
    tokenizer = shortlisted.target_tokenizer
    ids = {piece: token for token, piece in enumerate(tokenizer.pieces(np.arange(tokenizer.size)))}
    found = [one.alternatives[0] for one in shortlisted.translate(lines, options)]
    forced = shortlisted.score_tokens(
        shortlisted.source_tokenizer.encode(lines),
        [np.array([ids[piece] for piece in one.tokens], np.int64) for one in found],
    )
    for one, scores in zip(found, forced, strict=True):
        assert scores.tolist() == pytest.approx(list(one.token_scores), abs=1e-12)
        assert scores.sum() == pytest.approx(one.score, abs=1e-12)


def test_whatever_is_forced_can_be_scored_and_begun_with(shortlisted: Translator) -> None:
    targets = ["nu lo", "ke ☃", "fu", "ba", "", "mi mi mi"]
    together = shortlisted.score(LINES, targets)
    assert np.isfinite(together).all()
    assert together == [shortlisted.score([s], [t])[0] for s, t in zip(LINES, targets, strict=True)]
    begun = shortlisted.translate(["ba di fu"] * 2, prefixes=["lo mi", None])
    assert begun[0].text.startswith("lo mi")
    assert begun[1] == shortlisted.translate(["ba di fu"])[0]


def test_the_shortlist_is_used(shortlisted: Translator, toy_model: Path) -> None:
    free = Translator.load(toy_model, threads=1).translate(LINES)
    ours = shortlisted.translate(LINES)
    assert [one.text for one in ours] != [one.text for one in free]
    assert shortlisted.shortlist is not None
    for one in ours:
        (source,) = shortlisted.source_tokenizer.encode([one.source])
        allowed = shortlisted.shortlist.candidates(source, np.array([END]))
        assert set(one.alternatives[0].tokens) <= set(shortlisted.target_tokenizer.pieces(allowed))
