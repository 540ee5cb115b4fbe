"""What cuts lines into words for BLEU and TER: sacreBLEU's tokenizers, chosen by the script of a text.

Chinese, Japanese, Thai and others write no spaces between words: cut at spaces, a line of theirs is one word,
and a score of words is 0 whatever was written.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from seqkit.errors import ConfigError

Tokenize = Callable[[str], str]  # a line to the same line with spaces between words

DEFAULT, CHARACTERS, NONE = "13a", "char", "none"
_SAMPLE = 200_000  # characters by which a script is judged
_KANA_SHARE = 0.1  # of kana and ideographs; a Chinese text may quote a few kana
_LETTERS_OF_A_SYLLABLE = 3  # what an ideograph or a syllable weighs beside foreign names and words

_LOG = logging.getLogger("seqkit")


@dataclass(frozen=True)
class Script:
    """How a text is written, in words, and which tokenizer suits it; `spaced`: with spaces between words."""

    name: str
    tokenizer: str
    spaced: bool


SPACED = Script("an alphabet with spaces between words", DEFAULT, spaced=True)
CHINESE = Script("Chinese", "zh", spaced=False)
JAPANESE = Script("Japanese", "ja-mecab", spaced=False)
KOREAN = Script("Korean", "ko-mecab", spaced=True)
SPACELESS = Script("a script without spaces between words", CHARACTERS, spaced=False)

_IDEOGRAPHS = re.compile("[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile("[\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff]")
# Thai, Lao, Tibetan, Burmese, Khmer, Tai Le, New Tai Lue, Tai Tham, Javanese, Tai Viet, Burmese again.
_SPACELESS = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aad\ua980-\ua9ff\uaa60-\uaadf]"
)

# What is used where a tokenizer that suits a script needs a package that is not installed.
_INSTEAD = {"ja-mecab": CHARACTERS, "ko-mecab": DEFAULT}
_PACKAGES = {"ja-mecab": "sacrebleu[ja]", "ko-mecab": "sacrebleu[ko]"}


def script_of(lines: Iterable[str]) -> Script:
    """How most of a text is written."""
    sample, size = [], 0
    for line in lines:
        sample.append(line)
        size += len(line)
        if size > _SAMPLE:
            break
    text = "\n".join(sample)
    if text.isascii():
        return SPACED
    kana, ideographs, hangul, spaceless = (
        len(pattern.findall(text)) for pattern in (_KANA, _IDEOGRAPHS, _HANGUL, _SPACELESS)
    )
    letters = sum(map(str.isalpha, text))
    east = kana + ideographs
    for script, count, weight in (
        (JAPANESE if kana > _KANA_SHARE * east else CHINESE, east, _LETTERS_OF_A_SYLLABLE),
        (KOREAN, hangul, _LETTERS_OF_A_SYLLABLE),
        (SPACELESS, spaceless, 1),
    ):
        if weight * count > letters - count:
            return script
    return SPACED


def suitable_tokenizer(script: Script) -> str:
    """The tokenizer for a script, or what stands in for one whose package is missing, with a warning."""
    name = script.tokenizer
    if name not in _INSTEAD or _is_installed(name):
        return name
    instead = _INSTEAD[name]
    _LOG.warning(
        '%s suits references in %s, but is not installed (pip install "%s"): tokenizer %s is used instead',
        name,
        script.name,
        _PACKAGES[name],
        instead,
    )
    return instead


def load_tokenizer(name: str) -> tuple[Tokenize, str]:
    """A tokenizer of sacreBLEU by name, and what a signature calls it.

    Raises ConfigError, with the way to mend it, for one whose package or file is missing.
    """
    from sacrebleu import BLEU

    if name == "flores200":
        _check_flores200()
    try:
        tokenizer = BLEU(tokenize=name).tokenizer
    except (RuntimeError, ImportError) as error:  # sacreBLEU says so where its optional packages are absent
        package = _PACKAGES.get(name, "sacrebleu")
        raise ConfigError(
            f"tokenizer {name} needs a package that is not installed",
            where="--tokenize",
            hint=f'pip install "{package}"; --tokenize {CHARACTERS} needs none',
        ) from error
    return tokenizer, str(tokenizer.signature())


def _is_installed(name: str) -> bool:
    try:
        load_tokenizer(name)
    except ConfigError:
        return False
    return True


def _check_flores200() -> None:
    """Its vocabulary is a file that sacreBLEU would download without a word: that is left to the user."""
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    path = Path(SACREBLEU_DIR, "models", Path(SPM_MODELS["flores200"]["url"]).name)
    if not path.is_file() or not path.stat().st_size:
        raise ConfigError(
            "tokenizer flores200 needs its vocabulary, which sacreBLEU downloads",
            where=str(path),
            hint="""python -c 'import sacrebleu; sacrebleu.BLEU(tokenize="flores200")'""",
        )
