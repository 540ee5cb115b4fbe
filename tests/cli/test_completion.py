"""What the Tab key offers in bash, zsh and fish, by the protocol of their scripts and in a real bash."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from seqkit import cli
from seqkit.cli.terminal import completion
from seqkit.config import describe
from seqkit.errors import ExitCode, nearby
from seqkit.kinds import TRANSLATION
from tests.conftest import Finished

SHELLS = ("bash", "zsh", "fish")
COMMANDS = ["prepare", "train", "translate", "generate", "evaluate"]
# What is typed, and all that is offered.
VALUES: dict[str, list[str]] = {
    "seqkit tr": ["train", "translate"],
    "seqkit ": COMMANDS,
    "seqkit translate --be": ["--beam-size"],
    "seqkit train --preset ": list(TRANSLATION.presets),
    "seqkit train --preset s": ["small"],
    "seqkit train --bogus x --steps many --preset s": ["small"],
    "seqkit prepare c --source one two three --tokenizer b": ["bpe", "byte"],
    "seqkit train --precision ": ["auto", "fp32", "bf16", "fp16"],
    "seqkit train --on-nonfinite ": ["stop", "rollback"],
    "seqkit train --device ": ["auto", "cpu", "cuda"],
    "seqkit translate --precision ": ["auto", "int8", "fp32"],
    "seqkit generate --precision ": ["auto", "fp32", "bf16", "int8"],
    "seqkit prepare c --tokenizer ": ["bpe", "unigram", "char", "byte", "word", "tags"],
    "seqkit prepare c --normalization ": ["identity", "nfc", "nfkc", "clean-nfc", "clean-nfkc"],
    "seqkit prepare c --documents ": ["none", "line", "blank-line", "file"],
    "seqkit evaluate --metric ": ["bleu", "chrf", "ter", "exact", "cer", "wer", "per"],
    "seqkit evaluate --metric bleu,": [
        *("bleu,chrf", "bleu,ter", "bleu,exact", "bleu,cer", "bleu,wer", "bleu,per")
    ],
    "seqkit evaluate --format ": ["text", "json", "markdown", "latex"],
    "seqkit evaluate --protocol ": ["cased", "lowercased-tokenized"],
    "seqkit train --set training.learning_r": ["training.learning_rate=", "training.learning_rate=0.0025"],
    "seqkit train --set training.nest": [
        "training.nesterov=",
        "training.nesterov=true",
        "training.nesterov=false",
    ],
    "seqkit train --set model.enc": ["model.encoder_layers=", "model.encoder_layers=1"],
    "seqkit train --set training.on_nonfinite=": [
        "training.on_nonfinite=stop",
        "training.on_nonfinite=rollback",
    ],
    "seqkit train --set training.on_nonfinite=r": ["training.on_nonfinite=rollback"],
    "seqkit train ": ["a corpus", "data:1/", "empty/", "run:s/"],
    "seqkit train dat": ["data:1/en/corpus"],
    "seqkit train 'a corpus' ": ["data:1/", "empty/", "model", "run:s/"],
    "seqkit translate mo": ["model"],
    "seqkit translate ./mo": ["./model"],
    "seqkit translate ~/mo": ["~/model"],
    "seqkit translate run": ["run:s/de/one", "run:s/de/two"],
    "seqkit translate model --ensemble m": ["model"],
    "seqkit train --init-from m": ["model"],
    "seqkit evaluate --model m": ["model"],
    "seqkit evaluate --ngram a": ["a corpus"],
    "seqkit evaluate --novelty a": ["a corpus"],
}
NOTHING = [
    "seqkit zebra",
    "seqkit train --preset huge",
    "seqkit train --set no.such",
    "seqkit train --set no.such=",
    "seqkit translate zebra",
    "seqkit translate none/such/folder/",
    "seqkit translate ~nobody-of-this-name/",
    "seqkit translate text",
    "seqkit translate em",
    "seqkit translate model te",
    "seqkit train --config ",
    "seqkit evaluate --reference ",
    "seqkit train --device tpu",
]


# What bash makes of a line, which it cuts at = and : too, and all of COMPREPLY.
IN_BASH: dict[tuple[str, ...], list[str]] = {
    ("train", "--preset", "s"): ["small"],
    ("train", "--set", "training.learning_r"): ["training.learning_rate=", "training.learning_rate=0.0025"],
    ("train", "--set", "training.on_nonfinite", "="): ["stop", "rollback"],
    ("train", "--set", "training.on_nonfinite", "=", "r"): ["rollback"],
    ("train", "--set", "=", "training.on_nonfinite", "=", "r"): ["rollback"],
    ("train", "--preset", "=", "b"): ["base"],
    ("train", ""): ["a\\ corpus", "data:1/", "empty/", "run:s/"],
    ("train", "a\\ co"): ["a\\ corpus"],
    ("train", "'a co"): ["a corpus"],
    ("train", "a\\ corpus", "mo"): ["model"],
    ("train", "dat"): ["data:1/en/corpus"],
    ("train", "data", ":"): ["1/en/corpus"],
    ("train", "data", ":", "1/e"): ["1/en/corpus"],
    ("translate", "zebra"): [],
}


def lines(typed: Iterable[str]) -> list[tuple[str, str]]:
    """Each for every shell; bash has only those in which it sees the same words as the others."""
    return [
        (shell, line) for line in typed for shell in SHELLS if shell != "bash" or not set(line) & set("=:'")
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models, corpora, folders on the way to them, and what is neither."""
    for model in ("model", "run:s/de/one", "run:s/de/two"):
        touch(tmp_path / model / "manifest.json", tmp_path / model / "config.json")
        touch(tmp_path / model / "training" / "checkpoint-1" / "manifest.json")
    touch(tmp_path / "a corpus" / "corpus.json", tmp_path / "data:1/en/corpus/corpus.json")
    touch(tmp_path / "text", tmp_path / ".hidden" / "corpus.json", tmp_path / "empty" / "nothing")
    (tmp_path / "two\nlines").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def asked(shell: str, typed: str) -> dict[str, str]:
    """The environment in which a shell's script calls the command."""
    if shell == "bash":
        words = typed.split(" ")
        more = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    else:
        more = {"_TYPER_COMPLETE_ARGS": typed, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    return {"_SEQKIT_COMPLETE": f"complete_{shell}", **more}


def offered(shell: str, answer: str) -> list[str]:
    """The values in what a shell's script is told."""
    lines = answer.removesuffix("\n").split("\n") if answer.strip() else []
    if shell == "fish":
        return [line.split("\t")[0] for line in lines]
    if shell == "bash":
        return lines
    if answer == "_files\n":
        return []
    inside = answer.removeprefix("_arguments '*: :((").removesuffix("))'\n")
    return [line.split('"')[1].replace("\\\\:", ":") for line in inside.split("\n")]


Ask = Callable[[str, str], tuple[int | str | None, list[str], str]]


@pytest.fixture
def ask(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ask:
    """What a shell gets: the exit code, the values, and what would stand on the screen."""

    def answer(shell: str, typed: str) -> tuple[int | str | None, list[str], str]:
        assert folder == Path.cwd()
        for name, value in asked(shell, typed).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            cli.run([])
        captured = capfd.readouterr()
        return ended.value.code, offered(shell, captured.out), captured.err

    return answer


@pytest.mark.parametrize(("shell", "typed"), lines(VALUES))
def test_values_are_offered(ask: Ask, shell: str, typed: str) -> None:
    escaped = [value.replace(" ", "\\ ") for value in VALUES[typed]]
    assert ask(shell, typed) == (0, escaped if shell == "bash" else VALUES[typed], "")


@pytest.mark.parametrize(("shell", "typed"), lines(NOTHING))
def test_nothing_where_nothing_fits(ask: Ask, shell: str, typed: str) -> None:
    """The shells offer files then."""
    assert ask(shell, typed) == (0, [], "")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_folder_that_cannot_be_read_is_silent(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    assert ask(shell, "seqkit translate mo")[1] == ["model"]

    def refused(_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    assert ask(shell, "seqkit translate mo") == (0, [], "")


@pytest.mark.usefixtures("folder")
def test_a_neighbour_that_may_not_be_searched_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("lost+found").mkdir()
    look = os.stat

    def refused(path: Any, **options: Any) -> os.stat_result:
        if "lost+found/" in os.fspath(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return look(path, **options)

    monkeypatch.setattr(os, "stat", refused)
    assert "model" in completion.models("")
    assert nearby(Path("modle"), "manifest.json") == "did you mean model?"


@pytest.mark.usefixtures("folder")
def test_a_real_bash(seqkit: Callable[..., Finished], tmp_path: Path) -> None:
    """Its function, as --show-completion prints it, fills COMPREPLY."""
    command = tmp_path / ".bin" / "seqkit"
    touch(command)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seqkit "$@"\n')
    command.chmod(0o755)
    script = [seqkit(_SEQKIT_COMPLETE="source_bash").out.decode(), f"PATH={command.parent}:$PATH"]
    for words in IN_BASH:
        quoted = " ".join(
            "$'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'" for word in ("seqkit", *words)
        )
        script += [
            f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; COMPREPLY=()",
            "_seqkit_completion seqkit",
            "printf '%s\\n' \"${COMPREPLY[@]}\" --",
        ]
    done = subprocess.run(["bash", "--norc", "-c", "\n".join(script)], capture_output=True, check=True)
    assert done.stderr == b""
    found = [answer.splitlines() for answer in done.stdout.decode().split("--\n")[:-1]]
    assert dict(zip(IN_BASH, found, strict=True)) == IN_BASH


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(seqkit: Callable[..., Finished], shell: str) -> None:
    result = seqkit(_SEQKIT_COMPLETE=f"source_{shell}")
    assert result.code == 0
    assert f"_SEQKIT_COMPLETE=complete_{shell}" in result.out.decode()


def test_trouble_is_silent(seqkit: Callable[..., Finished]) -> None:
    """Even a bug must not write into the line that a person types."""
    result = seqkit(_SEQKIT_COMPLETE="complete_bash", COMP_WORDS="seqkit", COMP_CWORD="many")
    assert (result.code, result.out, result.err) == (ExitCode.BUG, b"", "")


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys; from seqkit.cli import run\n"
        "try:\n    run([])\nexcept SystemExit:\n"
        "    heavy = {'torch', 'numpy', 'sentencepiece', 'sacrebleu', 'rich'}\n"
        "    print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    environment = {**os.environ, **asked("fish", "seqkit train --set model.")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert "model.hidden_size=" in done.stdout
    assert done.stderr.strip() == "[]"


@pytest.mark.usefixtures("folder")
def test_settings_and_commands_say_what_they_are(seqkit: Callable[..., Finished]) -> None:
    assert seqkit(**asked("fish", "seqkit train --set model.hidden")).out.decode() == (
        f"model.hidden_size=\t{describe()['model.hidden_size']}\nmodel.hidden_size=512\n"
    )
    answer = seqkit(**asked("fish", "seqkit tran")).out.decode()
    assert answer == "translate\tTranslate text line by line: N lines in, N lines out, in order.\n"
