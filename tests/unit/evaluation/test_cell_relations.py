"""Which cells follow what: found on one half of a text, judged on the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from seqkit.errors import DataError
from seqkit.inspection.cell_relations import Relations, relate_cells
from seqkit.inspection.cells import CellActivations
from seqkit.inspection.text_features import text_features

PARAGRAPH = 'he said "good day to you" and went (home) on a long road\n    to the "old town" there\n\n'
TEXT = PARAGRAPH * 20
HIDDEN = 40


def feature(name: str, text: str = TEXT) -> NDArray[np.float32]:
    (found,) = [one.values for one in text_features(text) if one.name == name]
    return found


def activations(cells: dict[tuple[int, int], Any], text: str = TEXT, layers: int = 2) -> CellActivations:
    """Noise, but for some cells, by layer and cell from one on."""
    random = np.random.default_rng(1)
    values = tuple(random.normal(0, 0.3, (len(text), HIDDEN)).astype(np.float32) for _ in range(layers))
    for (layer, cell), wanted in cells.items():
        values[layer - 1][:, cell - 1] = wanted
    nothing = np.zeros(len(text), np.float32)
    next_pieces = (("a",) * 5,) * (len(text) + 1)
    return CellActivations(
        tuple(text), values, nothing, next_pieces, np.zeros((len(text) + 1, 5), np.float32), "tanh(c)", False
    )


def found(relations: Relations, name: str) -> Any:
    (relation,) = [one for one in relations.strongest() if one.feature == name]
    return relation


def noisy(values: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    return values - values.mean() + np.random.default_rng(seed).normal(0, 0.3 * values.std(), len(values))


def test_planted_cells_are_found() -> None:
    relations = relate_cells(
        activations(
            {
                (2, 7): noisy(feature("double_quotes"), 2),
                (1, 40): -noisy(feature("line_position"), 3),
                (1, 1): noisy(feature("indentation"), 4),
            }
        )
    )
    quotes, line, indentation = (
        found(relations, name) for name in ("double_quotes", "line_position", "indentation")
    )
    assert (quotes.layer, quotes.cell) == (2, 7)
    assert (line.layer, line.cell) == (1, 40)
    assert (indentation.layer, indentation.cell) == (1, 1)
    for relation, sign in ((quotes, 1), (line, -1), (indentation, 1)):
        # The noise has 0.3 of the feature's deviation.
        assert relation.first_half * sign == pytest.approx(1.09**-0.5, abs=0.02)
        assert relation.second_half * sign == pytest.approx(1.09**-0.5, abs=0.02)
        assert relation.remembers
    strengths = [abs(relation.second_half) for relation in relations.strongest()]
    assert strengths == sorted(strengths, reverse=True)


def test_correlations_are_pearsons_of_each_half() -> None:
    seen = activations({})
    relations = relate_cells(seen)
    row = [one.name for one in relations.features].index("word")
    middle = len(TEXT) // 2
    for half, part in ((relations.first, slice(0, middle)), (relations.second, slice(middle, None))):
        for layer in (0, 1):
            expected = np.corrcoef(feature("word")[part], seen.layers[layer][part, 11])[0, 1]
            assert half[layer][row, 11] == pytest.approx(expected, abs=1e-5)


def test_what_holds_on_the_first_half_only_is_not_believed() -> None:
    values = feature("double_quotes").copy()
    middle = len(values) // 2
    values[middle:] = np.random.default_rng(5).permutation(values[middle:])
    relation = found(relate_cells(activations({(1, 5): values})), "double_quotes")
    assert (relation.layer, relation.cell) == (1, 5)
    assert relation.first_half > 0.99
    assert abs(relation.second_half) < 0.2
    assert not relation.remembers


def test_a_cell_that_only_reads_the_character_remembers_nothing() -> None:
    relation = found(relate_cells(activations({(1, 5): feature("word")})), "word")
    assert relation.second_half == pytest.approx(1, abs=1e-5)
    assert relation.character_alone == pytest.approx(1, abs=1e-5)  # letters are in words, others are not
    assert not relation.remembers


def test_what_the_character_tells_is_learnt_from_the_first_half() -> None:
    relations = relate_cells(activations({}))
    quotes = found(relations, "double_quotes")
    middle = len(TEXT) // 2
    values = feature("double_quotes")
    means = {
        c: np.mean([v for d, v in zip(TEXT[:middle], values, strict=False) if d == c]) for c in set(TEXT)
    }
    guess = [means[c] for c in TEXT[middle:]]
    expected = np.corrcoef(guess, values[middle:])[0, 1]
    assert quotes.character_alone == pytest.approx(expected, abs=1e-4)
    assert 0 < quotes.character_alone < 0.8


def test_features_that_do_not_vary_are_left_out_and_named() -> None:
    relations = relate_cells(activations({}))
    names = {one.name for one in relations.features}
    assert {"double_quotes", "brackets", "indentation", "line_position", "word"} <= names
    assert names.isdisjoint({"single_quotes", "comment", "capitals", "speaker"})
    assert relations.left_out == (
        "inside single quotes",
        "inside a comment",
        "speaker's name (NAME:)",
        "run of capitals",
    )
    one_half = TEXT + "plain words without any of it\n" * 60
    assert "inside double quotes" in relate_cells(activations({}, one_half)).left_out


def test_a_text_in_which_nothing_varies_has_no_relations() -> None:
    relations = relate_cells(activations({}, "." * 500))
    # Only the line's length counts, from the text's beginning to its end.
    assert {one.name for one in relations.features} == {"line_position", "line_rest"}
    nothing = relate_cells(activations({}, "\n" * 500))
    assert nothing.strongest() == nothing.telling(3) == []
    assert nothing.of(1, 1) is None
    assert len(nothing.left_out) == 12


def test_the_most_telling_cells_come_first_and_once() -> None:
    planted = {(2, 3): noisy(feature("indentation"), 6), (1, 9): feature("double_quotes")}
    relations = relate_cells(activations({**planted, (1, 8): feature("word")}))
    telling = relations.telling(5)
    cells = [(one.layer, one.cell) for one in telling]
    assert set(cells) >= {(1, 9), (2, 3)}
    assert (1, 8) not in cells
    assert len(set(cells)) == len(cells)
    gains = [abs(one.second_half) - abs(one.character_alone) for one in telling]
    assert gains == sorted(gains, reverse=True)
    assert relations.telling(1) == telling[:1]
    assert all(one.remembers for one in telling)


def test_a_cell_is_described_by_what_it_follows_best() -> None:
    relations = relate_cells(activations({(2, 3): noisy(feature("indentation"), 6)}))
    described = relations.of(2, 3)
    assert described is not None
    assert (described.feature, described.layer, described.cell) == ("indentation", 2, 3)


def test_a_cell_that_never_changes_follows_nothing() -> None:
    seen = activations({(layer, cell): 0.5 for layer in (1, 2) for cell in range(1, HIDDEN + 1)})
    for relation in relate_cells(seen).strongest():
        assert relation.first_half == relation.second_half == 0


def test_tokens_of_several_characters_stand_at_their_last_one() -> None:
    pieces = [part for word in TEXT.split(" ") for part in (word, " ")][:-1]
    ends = np.cumsum([len(piece) for piece in pieces]) - 1
    values = np.random.default_rng(1).normal(size=(len(pieces), 3)).astype(np.float32)
    values[:, 1] = feature("line_position")[ends]
    few = CellActivations(tuple(pieces), (values,), values[:, 0], (), values, "h", False)
    relation = found(relate_cells(few), "line_position")
    assert relation.cell == 2
    assert relation.second_half == pytest.approx(1, abs=1e-5)


def test_a_short_text_is_refused() -> None:
    with pytest.raises(DataError, match="the text has 399 characters, too few") as caught:
        relate_cells(activations({}, TEXT[:399]))
    assert caught.value.hint is not None
    assert "at least 400" in caught.value.hint
    relate_cells(activations({}, TEXT[:400]))
