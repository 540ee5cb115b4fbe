"""The tokenizer follows the script, both sides have one normal form, and what is undefined says so."""

from __future__ import annotations

import unicodedata

import pytest
import sacrebleu

from seqkit.errors import ConfigError
from seqkit.metrics.sacre import MetricOptions, score_translations
from seqkit.metrics.tokenizers import load_tokenizer, script_of, suitable_tokenizer
from seqkit.scores import Score

CHINESE = ["我昨天在图书馆看了一本很有意思的书。", "他们明天要去北京开会，你去不去？"]
CHINESE_OUTPUT = ["我昨天在图书馆看了一本有意思的书。", "他们明天要去北京开会，你要去吗？"]
JAPANESE = ["私は昨日図書館で面白い本を読みました。", "彼らは明日東京へ行きます。"]
THAI = ["เมื่อวานฉันอ่านหนังสือที่ห้องสมุด", "พรุ่งนี้เขาจะไปกรุงเทพ"]
KOREAN = ["나는 어제 도서관에서 재미있는 책을 읽었다.", "그들은 내일 서울에 간다."]
VIETNAMESE = ["Tôi đã đọc một cuốn sách rất thú vị ở thư viện.", "Họ sẽ đi Hà Nội vào ngày mai."]
WITHOUT_SPACES = {"lo": "ຂ້ອຍອ່ານປຶ້ມ", "km": "ខ្ញុំអានសៀវភៅ", "my": "ကျွန်တော်စာဖတ်တယ်", "bo": "ང་དཔེ་ཆ་ཀློག"}


def scores_of(hypotheses: list[str], references: list[str], *metrics: str, **options: object) -> list[Score]:
    made = MetricOptions(metrics=metrics or ("bleu",), **options)  # type: ignore[arg-type]
    return score_translations(hypotheses, [references], made)


@pytest.mark.parametrize(
    ("lines", "tokenizer"),
    [
        (["A dog runs."], "13a"),
        (VIETNAMESE, "13a"),
        (["Собака бежит по траве."], "13a"),
        (["यह एक कुत्ता है।"], "13a"),
        (CHINESE, "zh"),
        (["我用 Python 写了一个程序 (version 3)。"], "zh"),
        ([*CHINESE * 5, "他说「ありがとう」。"], "zh"),
        (JAPANESE, "ja-mecab"),
        (KOREAN, "ko-mecab"),
        (THAI, "char"),
        *[([text], "char") for text in WITHOUT_SPACES.values()],
        ([], "13a"),
        (["The Chinese for dog is 狗, for cat 猫."], "13a"),
    ],
)
def test_the_script_decides(lines: list[str], tokenizer: str) -> None:
    assert script_of(lines).tokenizer == tokenizer


def test_chinese_is_scored_as_sacrebleu_does_with_its_tokenizer() -> None:
    (bleu,) = scores_of(CHINESE_OUTPUT, CHINESE)
    assert bleu.score == sacrebleu.corpus_bleu(CHINESE_OUTPUT, [CHINESE], tokenize="zh").score > 40
    assert "|tok:zh|" in bleu.signature


@pytest.mark.parametrize("name", ["13a", "zh", "char", "intl", "none"])
def test_a_tokenizer_by_name_is_sacrebleus(name: str) -> None:
    hypotheses, references = ["a (b) c-d, e f", "x y z w"], ["a (b) c-d e f", "x y z v"]
    (bleu,) = scores_of(hypotheses, references, tokenize=name)
    assert bleu.score == sacrebleu.corpus_bleu(hypotheses, [references], tokenize=name, force=True).score
    assert f"|tok:{name}|" in bleu.signature


def test_thai_has_no_words_to_miss() -> None:
    (bleu,) = scores_of(THAI, THAI)
    assert bleu.score == pytest.approx(100)
    assert "|tok:char|" in bleu.signature


def test_ter_counts_the_words_of_the_tokenizer() -> None:
    """At spaces a line of Chinese is one word, and TER 100 for a single wrong character."""
    (ter,) = scores_of(CHINESE_OUTPUT, CHINESE, "ter")
    cut = [[" ".join(line) for line in lines] for lines in (CHINESE_OUTPUT, CHINESE)]
    assert ter.score == sacrebleu.corpus_ter(cut[0], [cut[1]]).score < 30
    assert "|tok:zh|" in ter.signature
    (english,) = scores_of(["a, b c"], ["a, b d"], "ter")
    assert english.score == sacrebleu.corpus_ter(["a, b c"], [["a, b d"]]).score
    assert "|tok:tercom|" in english.signature


def without_dictionaries(monkeypatch: pytest.MonkeyPatch) -> None:
    """As sacreBLEU is without its optional packages, whatever this machine has."""
    from sacrebleu.tokenizers import tokenizer_ja_mecab, tokenizer_ko_mecab

    monkeypatch.setattr(tokenizer_ja_mecab, "MeCab", None)
    monkeypatch.setattr(tokenizer_ko_mecab, "MeCab", None)


@pytest.mark.parametrize(
    ("name", "package", "instead", "lines"),
    [
        ("ja-mecab", "sacrebleu[ja]", "char", JAPANESE),
        ("ko-mecab", "sacrebleu[ko]", "13a", KOREAN),
    ],
)
def test_a_missing_package_is_named(
    name: str,
    package: str,
    instead: str,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
    warnings: list[str],
) -> None:
    without_dictionaries(monkeypatch)
    with pytest.raises(ConfigError, match="needs a package that is not installed") as caught:
        load_tokenizer(name)
    assert caught.value.hint is not None
    assert f'pip install "{package}"' in caught.value.hint
    assert suitable_tokenizer(script_of(lines)) == instead
    assert len(warnings) == 1
    assert f'pip install "{package}"' in warnings[0]
    (bleu,) = scores_of(lines, lines)
    assert bleu.score == pytest.approx(100)
    assert f"|tok:{instead}|" in bleu.signature


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr("sacrebleu.utils.SACREBLEU_DIR", str(tmp_path))
    with pytest.raises(
        ConfigError, match="tokenizer flores200 needs its vocabulary, which sacreBLEU downloads"
    ) as caught:
        scores_of(["a b c d"], ["a b c d"], tokenize="flores200")
    assert str(tmp_path) in (caught.value.where or "")


def test_a_tokenizer_and_text_that_is_tokenised_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="tokenised already"):
        MetricOptions(protocol="lowercased-tokenized", tokenize="zh")
    (bleu,) = scores_of(CHINESE, CHINESE, protocol="lowercased-tokenized")
    assert "|tok:none|" in bleu.signature


@pytest.mark.parametrize("sides", ["hypotheses", "references", "both"])
def test_both_sides_have_one_normal_form(sides: str) -> None:
    """What looks the same is the same: composed and decomposed accents."""
    apart = [unicodedata.normalize("NFD", line) for line in VIETNAMESE]
    hypotheses = VIETNAMESE if sides == "references" else apart
    references = VIETNAMESE if sides == "hypotheses" else apart
    metrics = ("bleu", "chrf", "ter", "exact", "cer", "wer", "per")
    found = {score.metric: score for score in scores_of(hypotheses, references, *metrics)}
    assert {name: round(score.score, 6) for name, score in found.items()} == {
        **{"bleu": 100, "chrf": 100, "exact": 100},
        **{"ter": 0, "cer": 0, "wer": 0, "per": 0},
    }
    assert all("|form:nfc|" in score.signature for score in found.values())
    raw = scores_of(VIETNAMESE, apart, "bleu", normalization="identity")[0]
    assert raw.score < 50
    assert "form:" not in raw.signature


def test_a_form_that_changes_nothing_is_not_in_the_signature() -> None:
    """sacreBLEU's command line gives the same score of the same files, under the same signature."""
    (bleu,) = scores_of(VIETNAMESE, VIETNAMESE)
    assert bleu.signature == (f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}")


def test_invisible_characters_are_no_errors() -> None:
    """A corpus is prepared without them, so a model never writes them."""
    hidden = ["a soft\u00adhyphen, a zero\u200bwidth space, a mark\ufeff"]
    plain = ["a softhyphen, a zerowidth space, a mark"]
    (exact,) = scores_of(plain, hidden, "exact")
    assert exact.score == 100
    assert "|form:clean-nfc|" in exact.signature
    assert scores_of(plain, hidden, "exact", normalization="nfc")[0].score == 0


def test_compatibility_characters_are_equal_in_nfkc_alone() -> None:
    wide, plain = ["ＡＢＣ １２３ ｘｙｚ ！"], ["ABC 123 xyz !"]
    assert scores_of(plain, wide, "exact")[0].score == 0
    (exact,) = scores_of(plain, wide, "exact", normalization="nfkc")
    assert exact.score == 100
    assert "|form:nfkc|" in exact.signature


@pytest.mark.parametrize("lines", [["yes", "no"], ["one two three"], ["", ""]])
def test_bleu_without_four_tokens_is_undefined(lines: list[str]) -> None:
    (bleu,) = scores_of(lines, lines)
    assert "tokenizer 13a" in bleu.undefined
    assert bleu.confidence is None


def test_bleu_is_defined_by_one_line_of_four_tokens() -> None:
    (bleu,) = scores_of(["no", "a b c d"], ["no", "a b c d"])
    assert (bleu.undefined, round(bleu.score, 6)) == ("", 100)


def test_hypotheses_too_short_for_bleu_are_said() -> None:
    (bleu,) = scores_of(["a b", "c"], ["a b c d", "c d e f"])
    assert (bleu.score, bleu.undefined) == (0, "")
    assert bleu.note == "no hypothesis has four tokens, so BLEU is 0 whatever the words"


def test_one_line_is_not_resampled() -> None:
    """Its resamples are all the same: no interval has a width, and every difference is significant."""
    options = MetricOptions(metrics=("bleu", "chrf"), confidence=True)
    for score in score_translations(["a b c d e"], [["a b c d f"]], options, baseline=["a b c x y"]):
        assert (score.confidence, score.paired) == (None, None)
        assert score.note == "one line cannot be resampled: there is no interval and no test"
        assert "bs:" not in score.signature
    (bleu,) = scores_of(["a b c d e"], ["a b c d f"])
    assert bleu.note == "BLEU of one line says little: chrF is made for it"


def test_empty_references_allow_no_score() -> None:
    for score in scores_of(["a b", "c"], ["", ""], "bleu", "chrf", "ter"):
        assert score.undefined, score.metric


def test_progress_of_each_line_is_told() -> None:
    heard: list[tuple[str, int, int]] = []
    options = MetricOptions(metrics=("ter", "exact"))
    score_translations(
        ["a", "b"],
        [["a", "c"]],
        options,
        progress=lambda *told: heard.append(told),  # type: ignore[arg-type]
    )
    assert heard == [("ter", 1, 2), ("ter", 2, 2), ("exact", 1, 2), ("exact", 2, 2)]


def test_lines_may_have_different_numbers_of_references() -> None:
    """None is no reference: TER is over the mean length of those that are there."""
    (ter,) = score_translations(
        ["a b", "c d"], [["a x", "c d"], ["a b y y y y", None]], MetricOptions(metrics=("ter",))
    )
    assert ter.signature.startswith("nrefs:var|")
    assert ter.details == {"edits": 1, "reference_length": 6.0}


def test_line_scores_of_bleu_are_of_the_orders_that_a_line_has() -> None:
    (bleu,) = scores_of(["yes", "a b c d", "no"], ["yes", "a b c d", ""], line_scores=True)
    assert bleu.line_scores[:2] == pytest.approx((100, 100))
    assert bleu.line_scores[2] != bleu.line_scores[2]  # NaN: there is nothing to match
