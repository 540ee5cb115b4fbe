"""`seqkit translate` and `seqkit generate` with a person at the terminal."""

from __future__ import annotations

import os
import pty
import readline
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from seqkit.cli.terminal import interactive
from seqkit.cli.terminal.line_reader import LineReader
from seqkit.inference.generator import TextGenerator
from seqkit.inference.translator import Translator
from tests.cli.conversation import CTRL_C, CTRL_D, TAB, UP, Conversation, conversation
from tests.generators import small_generator, write_generator
from tests.reliability.pseudo_terminal import everything_sent_to

HISTORY = Path(".local/state/seqkit")


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_generator(small_generator(), tmp_path_factory.mktemp("generator") / "gen")


@pytest.fixture(scope="module")
def rude(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator that writes control characters."""
    loaded = small_generator(characters="\n\t ab\x1b\x07\r\x85\u202e\x9b")
    return write_generator(loaded, tmp_path_factory.mktemp("rude") / "rude")


@pytest.fixture(scope="module")
def translator(toy_model: Path) -> Translator:
    return Translator.load(toy_model)


@pytest.fixture
def translating(toy_model: Path) -> Iterator[Conversation]:
    with conversation("translate", toy_model) as one:
        yield one


def test_sentences_and_commands(translating: Conversation, translator: Translator) -> None:
    ask, own = translating.ask, translator.options
    facts = translator.members[0].facts
    assert translating.greeting.startswith(f"a translator, vocabulary of {300 - 2}, step {facts.step}")
    assert "BLEU " in translating.greeting
    (best,) = translator.translate(["ba di fu"])
    assert ask("ba di fu") == f"{best.text}"
    assert ask("") == ""
    assert ask("   ") == ""

    assert ask(":scores") == "scores are shown"
    assert ask("ba di fu") == f"{best.score:.4f}  {best.text}"
    assert ask(":scores") == "scores are hidden"

    assert ask(":n-best 3") == "n-best is 3"
    (three,) = translator.translate(["ba di fu"], replace(own, n_best=3))
    assert ask("ba di fu").split("\n") == [
        f"{rank}  {one.score:.4f}  {one.text}" for rank, one in enumerate(three.alternatives, 1)
    ]
    assert ask(":n-best 9") == (
        ":n-best 9 needs a beam at least as large, but :beam-size is 5; try :beam-size 9"
    )
    assert ask(":n-best") == "n-best is 3"
    assert ask(":n-best 1") == "n-best is 1"
    assert ask(":beam-size 1") == "beam-size is 1"
    assert ask("ba di fu") == f"{translator.translate(['ba di fu'], replace(own, beam_size=1))[0].text}"
    assert ask(":beam-size many") == ":beam-size takes a whole number, not many"
    assert ask(":beam-size 0") == ":beam-size 0 must be from 1 to 1,000"
    assert ask(":beam-size 5") == "beam-size is 5"

    assert ask(":nbest 3") == "there is no :nbest; did you mean :n-best?"
    assert ask(":zzz") == "there is no :zzz; :help lists the commands"
    assert ask(":" + "x" * 90).startswith(f"there is no :{'x' * 40}...; ")
    assert ask(":help me") == ":help stands alone; a line that begins with a colon is typed with two"
    assert ask("::ba") == f"{translator.translate([':ba'])[0].text}"
    assert ask("ba\x16\ndi").split("\n")[-2:] == [one.text for one in translator.translate(["ba", "di"])]
    listed = ask(":help")
    for name in (":n-best N", ":beam-size N", ":attention", ":scores", ":help", ":quit", "::text", "Ctrl-C"):
        assert f"  {name} " in listed
    translating.press(b":quit\r")
    assert translating.end() == 0


def test_tab_completes_commands(translating: Conversation) -> None:
    translating.press(b":n" + TAB)
    translating.until(":n-best")
    assert translating.ask(b" 2") == "n-best is 2"
    assert translating.ask(b":sc" + TAB) == "scores are shown"
    translating.press(b"ba :s" + TAB + b"x")
    assert translating.until("x") == "ba :s\x07"  # a bell: no line begins there
    assert translating.interrupt() == "\r\n"


def test_attention_fits_the_window(translating: Conversation, translator: Translator) -> None:
    ask = translating.ask
    sentence = "ba 東京 " * 12 + "di"
    plain = ask(sentence)
    for columns in (60, 80, 200):
        translating.widen(columns)
        drawn = ask(":attention").split("\n")
        assert drawn[0] == "attention is drawn: ░ from 0.05   ▒ from 0.25   ▓ from 0.50   █ from 0.75"
        assert max(map(cell_len, drawn[1:])) <= columns
        assert all(sum(line[0] == letter for line in drawn if line) for letter in " ▁")
        assert set("".join(drawn[1:])) & set("░▒▓█")
        heads = "".join("".join(line.split()) for line in drawn[1:] if line.startswith(" "))
        assert "東" in heads or "0xE6" in heads or "E" in heads
        assert ask(":attention") == "attention is not drawn"
    assert ask(":attention").startswith("attention is drawn: ")
    (short,) = translator.translate(["ba di"], replace(translator.options, attention=True))
    answer, head, *rows = ask("ba di").split("\n")
    assert answer == short.text != plain
    assert head.split() == list(short.alternatives[0].source_tokens)
    assert [row.split()[0] for row in rows] == list(short.alternatives[0].tokens)


def test_interrupts(translating: Conversation) -> None:
    """Of a line, of an answer, and twice of nothing."""
    translating.press(b"ba di")
    translating.until("ba di")
    assert translating.interrupt() == "\r\n"
    translating.press(b"ba di " * 17_000 + b"\r")  # 100 kB: many pieces, seconds of work
    translating.until("translated in segments")
    assert translating.interrupt().endswith("^C\r\n")
    for _ in range(2):
        assert translating.interrupt() == "\r\nCtrl-D or :quit exits\r\n"
        assert translating.ask("ba")  # and the next is the first of a row again
    translating.interrupt()
    assert translating.end_by(lambda: translating.press(CTRL_C)) == 130
    assert translating.seen == "\r\n"


def test_the_end_of_the_input_ends_it(generator: Path) -> None:
    with conversation("generate", generator) as one:
        one.press(CTRL_D)
        assert (one.end(), one.seen) == (0, "\r\n")
    with conversation("generate", generator) as one:
        assert one.end_by(one.process.terminate) == 143


def session(model: Path, *lines: bytes, **environment: str | None) -> list[str]:
    """What is shown after each line of a whole session, in which all texts are empty."""
    with conversation("generate", model, "--length", 0, **environment) as one:
        answers = [one.ask(line) for line in lines]
        one.press(CTRL_D)
        assert one.end() == 0
    return answers


def test_what_was_typed_is_recalled_in_the_next_session(generator: Path) -> None:
    HISTORY.mkdir(parents=True)
    file = HISTORY / "generate_history"
    file.write_text("".join(f"old {number}\n" for number in range(1100)))
    assert session(generator, b"ab", b"cd", b"cd", b":seed", b"a\x16\x07", b"a" * 10_001)[:2] == ["ab", "cd"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = file.read_text().splitlines()
    assert (len(lines), lines[-4:]) == (1000, ["old 1099", "ab", "cd", ":seed"])
    assert session(generator, UP + UP, 4 * UP) == ["cd", "ab"]
    assert session(generator, UP + UP, XDG_STATE_HOME=str(Path.cwd() / "state")) == [""]
    assert stat.S_IMODE(Path("state/seqkit").stat().st_mode) == 0o700
    assert [path.name for path in HISTORY.iterdir()] == ["generate_history"]


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": None},
        {"HOME": "/proc"},  # nothing can be made there, whoever asks
        {"HOME": "/dev/null"},
        {"XDG_STATE_HOME": "/dev/full"},
    ],
    ids=str,
)
def test_it_works_without_a_place_for_the_history(
    generator: Path, environment: dict[str, str | None]
) -> None:
    assert session(generator, b"ab", b"cd", UP + UP, **environment) == ["ab", "cd", "ab"]
    assert not list(Path().rglob("*_history"))


def test_a_history_that_is_linked_away_is_left_alone(generator: Path) -> None:
    HISTORY.mkdir(parents=True)
    (HISTORY / "generate_history").symlink_to("/dev/full")
    before = Path("/dev/full").stat().st_mode
    assert session(generator, b"ab", UP) == ["ab", "ab"]
    assert Path("/dev/full").stat().st_mode == before


def test_texts_and_commands(generator: Path) -> None:
    made = TextGenerator.load(generator)

    def text(prompt: str, **options: float) -> str:
        return prompt + made.generate(prompt, length=40, **options)[0].text.removesuffix("\n")

    with conversation("generate", generator, "--length", 40) as one:
        ask = one.ask
        assert one.greeting == "a generator, vocabulary of 269\r\n:help lists the commands, Ctrl-D exits\r\n"
        assert ask(":again") == "no previous prompt"
        assert ask(":seed") == "seed is none: every text has its own"
        first = ask("ab 東")
        _, _, seed = ask(":seed").partition("seed is none: every text has its own, the last one's was ")
        assert ask(f":seed {seed}") == f"seed is {seed}"
        assert ask(":again") == first
        assert ask(":seed 3") == "seed is 3"
        assert ask("ab 東") == ask(":again") == text("ab 東", seed=3) != first
        assert ask("") == text("", seed=3)
        assert ask("::a") == text(":a", seed=3)
        assert ask(":temperature 0.2") == "temperature is 0.2"
        assert ask(":top-p 0.9") == "top-p is 0.9"
        assert ask("ab") == text("ab", seed=3, temperature=0.2, top_p=0.9)
        assert ask(":seed none") == "seed is none: every text has its own, the last one's was 3"
        assert ask(":temperature -1") == ":temperature -1.0 must be from 0 to 100"
        assert ask(":temperature hot") == ":temperature takes a number, not hot"
        assert ask(":seed x") == ":seed takes a whole number or none, not x"
        assert ask(":length 1.5") == ":length takes a whole number, not 1.5"
        assert ask(":length 100000000") == "length is 100000000"
        one.press(b"ab\r")
        one.until("ab\r\nab")  # the second is the text's
        assert one.interrupt().endswith("^C\r\n")
        assert ask(":length 0") == "length is 0"
        assert ask("ab") == "ab"


def test_nothing_that_is_typed_or_made_commands_the_terminal(rude: Path, toy_model: Path) -> None:
    with conversation("generate", rude, "--length", 300, TERM="dumb") as one:
        shown = one.ask("ab") + one.ask(b"a\xff\xfe\xf0b") + one.ask(b"\x16\x1b]0;OWNED\x16\x07")
        assert "\ufffd" in shown
        assert r"\x1b]0;OWNED\x07" in shown
        assert not set(one.greeting + shown) & set("\x1b\x07\x85\u202e\x9b")
        assert set(shown) >= set("ab\n\t")
    with conversation("translate", toy_model, TERM="dumb", LC_ALL="C") as one:
        answers = [one.ask("ba 東京"), one.ask(b"\xff\xc3"), one.ask(":\x16\x07")]
        assert answers[0]
        assert answers[2] == "there is no :\\x07; :help lists the commands"
        assert not set("".join(answers)) & set("\x1b\x07")


def test_quiet_is_a_bare_prompt(generator: Path) -> None:
    with conversation("generate", generator, "--quiet", "--length", 0) as one:
        assert (one.greeting, one.prompt) == ("", "> ")
        assert one.ask("ab") == "ab"


@pytest.mark.parametrize("words", [["--prompt", ""], ["--json"], ["--samples", "2"], ["--output", "out"]])
def test_what_is_asked_for_in_whole_is_no_conversation(generator: Path, words: list[str]) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "seqkit", "generate", str(generator), "--length", "9", "--seed", "1"]
    process = subprocess.Popen(
        [*command, *words], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    seen = everything_sent_to(ours).decode()
    assert process.wait() == 0
    assert ":help" not in seen
    assert seen or "--output" in words


def test_lines_are_read_as_from_a_pipe_where_that_is_asked_for(
    toy_model: Path, translator: Translator
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "seqkit", "translate", str(toy_model), "-", "--threads", "1"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    os.write(ours, b"ba\n\x04")
    seen = everything_sent_to(ours).decode()
    assert process.wait() == 0
    assert "reading sentences from the terminal" in seen
    assert translator.translate(["ba"])[0].text in seen.splitlines()
    assert ":help" not in seen


def test_a_terminal_that_lacks_the_characters_of_a_name() -> None:
    with open("latin", "w", encoding="latin-1") as terminal, redirect_stdout(terminal):
        assert interactive.prompt(Path("ä"), quiet=False) == "ä> "
        assert interactive.prompt(Path("モデル"), quiet=True) == "> "
        assert interactive.prompt(Path("モデル"), quiet=False) == "\\u30e2\\u30c7\\u30eb> "


def test_a_line_editor_that_cannot_append_keeps_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path.cwd()))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delattr(readline, "append_history_file")
    monkeypatch.setattr("builtins.input", lambda _prompt: "ba di")
    readline.clear_history()
    assert LineReader("> ", "some_history", []).read() == "ba di"
    assert (HISTORY / "some_history").read_text() == "ba di\n"
    readline.clear_history()


def test_a_python_without_a_line_editor_is_a_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    _, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(sys, "stdout", terminal)
        assert interactive.on_terminals()
        monkeypatch.setitem(sys.modules, "readline", None)
        assert not interactive.on_terminals()
