"""Draws the terminal pictures of the pages: real sessions, as SVG by rich.

    python recipes/pictures/pictures.py FOLDER [--output FOLDER] [--only NAME,…] [--epochs N]

FOLDER gets the captions, a corpus and the models that the sessions show; what is there already is used again.
Pictures go to this program's folder, or to --output.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from terminal import Terminal

HERE = Path(__file__).resolve().parent
CAPTIONS = HERE.parents[1] / "data" / "captions" / "make.py"
NEXT = "Two young women are singing because the train is late."
_FONTS = re.compile(
    r"\s*@font-face \{.*?\}", re.DOTALL
)  # rich names fonts to be fetched; a reader's own will do


@dataclass(frozen=True)
class Scene:
    """A picture: its name, its size, whether it needs trained models, and what is typed."""

    name: str
    columns: int
    rows: int
    play: Callable[[Terminal, float], None]  # with the epochs of a training that is shown
    models: bool = True


def _help(terminal: Terminal, _epochs: float) -> None:
    terminal.run("seqkit --help")


def _errors(terminal: Terminal, _epochs: float) -> None:
    terminal.run("head -n 19990 train.de > cut.de")
    terminal.run("clear")
    terminal.run("seqkit prepare new --source train.en --target cut.de", 60)
    terminal.run("seqkit train corpsu new")
    terminal.run("seqkit train corpus new --presett tiny")
    terminal.run("seqkit train corpus new --set training.learnin_rate=0.01")


def _train(terminal: Terminal, epochs: float) -> None:
    terminal.run("rm -rf fresh")
    terminal.run("clear")
    terminal.type(f"seqkit train corpus fresh --preset tiny --epochs {epochs:g} --threads 1\n")
    terminal.wait(lambda lines: any(re.match(r" *(6\d|7\d|8\d)% ", line) for line in lines), 300)


def _translate(terminal: Terminal, _epochs: float) -> None:
    terminal.type("seqkit translate model\n")
    terminal.wait(lambda lines: lines[-1].startswith("model>"))
    for line in (
        "The old woman is waiting in front of the station.",
        ":attention",
        ":n-best 3",
        NEXT,
        ":quit",
    ):
        terminal.type(line + "\n")
        terminal.wait(partial(_answered, line))


def _answered(typed: str, lines: list[str]) -> bool:
    """Whether a line has been taken in, and the next one is waited for."""
    taken = any(line.startswith(f"model> {typed[:40]}") for line in lines)
    return taken and lines[-1] in {"model>", "$"}


def _evaluate(terminal: Terminal, _epochs: float) -> None:
    terminal.run("seqkit translate model test.en --beam-size 1 --output greedy.de --quiet")
    terminal.run("seqkit translate model test.en --output beam.de --quiet")
    terminal.run("clear")
    terminal.run("seqkit evaluate --reference test.de greedy.de beam.de --metric bleu,chrf")
    terminal.run("seqkit evaluate --reference test.de --source test.en beam.de --metric bleu --show-worst 2")


def _generate(terminal: Terminal, _epochs: float) -> None:
    terminal.run('seqkit generate generator --prompt "Two " --samples 4 --temperature 0.8 --seed 1')
    terminal.run("seqkit generate generator --cells-text some.en --show-cells auto")


SCENES = (
    Scene("help", 80, 40, _help, models=False),
    Scene("errors", 112, 24, _errors, models=False),
    Scene("train", 90, 30, _train),
    Scene("translate", 90, 50, _translate),
    Scene("evaluate", 100, 44, _evaluate),
    Scene("generate", 90, 50, _generate),
)


def main() -> int:
    """Make what is missing, play the scenes and draw them."""
    parser = argparse.ArgumentParser(description="Draw the terminal pictures of the pages.")
    parser.add_argument("folder", type=Path, help="where data and models are")
    parser.add_argument("--output", type=Path, default=HERE, help="where pictures go")
    parser.add_argument(
        "--only", default="", metavar="NAME,…", help=", ".join(scene.name for scene in SCENES)
    )
    parser.add_argument("--epochs", type=float, default=5, help="of the translator's training")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    if unknown := only - {scene.name for scene in SCENES}:
        parser.error(f"there is no picture {', '.join(sorted(unknown))}")
    scenes = [scene for scene in SCENES if not only or scene.name in only]
    # The sessions find the seqkit that belongs to this Python.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    _prepare(options.folder, models=any(scene.models for scene in scenes), epochs=options.epochs)
    options.output.mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        with Terminal(options.folder, scene.columns, scene.rows) as terminal:
            scene.play(terminal, options.epochs)
            path = options.output / f"{scene.name}.svg"
            path.write_text(_svg(terminal, scene), encoding="utf-8")
            print(path, file=sys.stderr)
    return 0


def _prepare(folder: Path, *, models: bool, epochs: float) -> None:
    """The captions, a corpus of them and, where `models` are needed, a translator and a generator."""
    folder.mkdir(parents=True, exist_ok=True)
    commands: dict[str, list[str]] = {
        "test.de": [sys.executable, str(CAPTIONS), "."],
        "corpus/corpus.json": [
            *(
                "seqkit",
                "prepare",
                "corpus",
                "--vocab-size",
                "1000",
                "--source",
                "train.en",
                "--target",
                "train.de",
            ),
            *("--valid-source", "valid.en", "--valid-target", "valid.de"),
        ],
    }
    if models:
        commands |= {
            "model/weights.safetensors": [
                *("seqkit", "train", "corpus", "model", "--preset", "tiny", "--epochs", str(epochs)),
            ],
            "text/corpus.json": [
                *("seqkit", "prepare", "text", "--text", "train.en", "--documents", "line"),
            ],
            "generator/weights.safetensors": [
                *("seqkit", "train", "text", "generator", "--preset", "tiny", "--minutes", str(epochs / 5)),
            ],
        }
    for made, command in commands.items():
        if not (folder / made).exists():
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    lines = (folder / "test.en").read_text(encoding="utf-8").splitlines()[:6]
    (folder / "some.en").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _svg(terminal: Terminal, scene: Scene) -> str:
    console = Console(record=True, width=scene.columns, file=io.StringIO(), color_system="truecolor")
    console.print(terminal.text(), end="", no_wrap=True, crop=True, highlight=False)
    svg = console.export_svg(title="seqkit", unique_id=scene.name)
    return _FONTS.sub("", svg)


if __name__ == "__main__":
    sys.exit(main())
