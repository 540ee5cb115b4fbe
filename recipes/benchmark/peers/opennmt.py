"""OpenNMT-py 3.5.1 in the benchmark: its LSTM encoder–decoder, trained and decoded. See peer_commands."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from peer_commands import Measure, run
from peer_decoding import (
    INSIDE,
    PROCESS_BEAM,
    SOURCE,
    TARGET,
    Data,
    Decoder,
    keep_data,
    kept_data,
    lines_in,
    process_measure,
    speed_measure,
    write_configuration,
    write_vocabulary,
)
from peer_environment import Environment
from peer_processes import Report, Speed, watch
from peer_processes import run as run_process

from seqkit.errors import RunFailed

VERSION = "OpenNMT-py 3.5.1"
BATCH = 64  # sentences, in training
# Sentences in decoding, the fastest of those tried: 1, 30 (its default), 64 with beam 5; 1, 30, 128 greedy.
BEAM_BATCH, GREEDY_BATCH = 64, 128
# PyTorch 2.6 changed what it reads by default; checkpoints of OpenNMT-py hold an argparse.Namespace.
UNPICKLE = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}

LIMITS = """
OpenNMT-py 3.5.1 pins torch<2.3. On 2.13 it runs when installed without its dependencies and with empty
  modules in the place of spacy and fasttext, which it imports, even for --help, for transforms that nobody
  here uses.
Its checkpoints are pickles that PyTorch 2.6 and later refuse unless told otherwise.
It decodes in fp32: `-precision int8` changes nothing, its loader compares the word with a torch.dtype.
Its decoder is one call a target step, in training too (input feeding, its default).
It reads and writes pieces here: cutting text into pieces and joining them is not in its figures.
It cannot stop by the clock: the benchmark ends its supply of batches when the time is over.
It has no translation from stdin to stdout: a process reads a file and writes a file.
"""

_STEP = re.compile(r"\bStep\s+(\d+)/\s*\d+;.*?(\d+)/\s*(\d+) tok/s;")


def parse(line: str) -> Report | None:
    """`Step 50/1000; …; 1142/1200 tok/s; 9 sec;`: the second rate is that of target tokens."""
    found = _STEP.search(line)
    return Report(int(found[1]), float(found[3])) if found else None


def environment(work: Path) -> Environment:
    """Also CTranslate2's: its converter reads OpenNMT-py's checkpoints with torch."""
    return Environment(
        work.resolve() / "peers" / "opennmt",
        packages=("OpenNMT-py==3.5.1", "ctranslate2==4.8.5"),
        needs=(
            "ConfigArgParse==1.9.0",
            "PyYAML==6.0.3",
            "RapidFuzz==3.14.6",
            "numpy==2.4.6",
            "pyahocorasick==2.3.1",
            "pyonmttok==1.38.1",
            "sacrebleu==2.6.0",
        ),
    )


def configure(data: Data, template: str, folder: Path, model: str) -> None:
    """Write a training configuration whose checkpoints are `folder/MODEL_step_N.pt`."""
    train = data.pieces("train", SOURCE)
    write_configuration(
        template,
        folder / f"{model}.yaml",
        {
            "train_source": train,
            "train_target": data.pieces("train", TARGET),
            "vocabulary": folder / "vocabulary.txt",
            "model": folder / "models" / model,
            "lines": lines_in(train),
        },
    )


def checkpoints(folder: Path, model: str) -> list[Path]:
    """What training left, the last one at the end."""
    found = (folder / "models").glob(f"{model}_step_*.pt")
    return sorted(found, key=lambda path: int(path.stem.rpartition("_")[2]))


def last_checkpoint(folder: Path, model: str) -> Path:
    """RunFailed before train."""
    found = checkpoints(folder, model)
    if not found:
        raise RunFailed("there is no trained model; run train first")
    return found[-1]


def train_for(python: Path, folder: Path, model: str, minutes: float, threads: int) -> Speed:
    """Train for so many minutes; an older model gives way to the new one."""
    for older in checkpoints(folder, model):
        older.unlink()
    command: list[str | Path] = [python, INSIDE / "opennmt_run.py", "--minutes", str(minutes), "train"]
    return watch(
        [*command, "-config", folder / f"{model}.yaml"],
        folder / "logs/train.log",
        threads,
        parse,
        what="training",
        extra=UNPICKLE,
    )


class OpenNMT:
    """OpenNMT-py's LSTM."""

    name = "opennmt"
    limits = LIMITS

    def install(self, work: Path) -> None:
        """See Peer."""
        environment(work).install()

    def prepare(self, work: Path, data: Path) -> None:
        """See Peer."""
        folder = environment(work).folder
        kept = keep_data(folder, data)
        write_vocabulary(kept, folder / "vocabulary.txt")
        for model in ("lstm", "speed"):
            configure(kept, "opennmt-lstm.yaml", folder, model)

    def train_speed(self, work: Path, seconds: float, threads: int) -> Measure:
        """See Peer."""
        place = self._ready(work)
        speed = watch(
            [place.python, INSIDE / "opennmt_run.py", "train", "-config", place.folder / "speed.yaml"],
            place.folder / "logs/speed.log",
            threads,
            parse,
            what="training",
            seconds=seconds,
            extra=UNPICKLE,
        )
        return speed_measure(speed, self._details(threads))

    def train(self, work: Path, minutes: float, threads: int) -> Measure:
        """See Peer."""
        place = self._ready(work)
        speed = train_for(place.python, place.folder, "lstm", minutes, threads)
        return speed_measure(speed, {**self._details(threads), "minutes": minutes})

    def decode(self, work: Path, beam: int, threads: int, repeat: int) -> Measure:
        """See Peer."""
        return self._decoder(work).decode(beam, GREEDY_BATCH if beam == 1 else BEAM_BATCH, threads, repeat)

    def latency(self, work: Path, beam: int, threads: int) -> Measure:
        """See Peer."""
        return self._decoder(work).latency(beam, threads)

    def process(self, work: Path, threads: int) -> Measure:
        """See Peer."""
        place = self._ready(work)
        model = last_checkpoint(place.folder, "lstm")

        def once(line: Path) -> float:
            command: list[str | Path] = [place.python, INSIDE / "opennmt_run.py", "translate"]
            command += ["-model", model, "-src", line, "-output", os.devnull]
            return run_process(
                [*command, "-beam_size", str(PROCESS_BEAM)],
                place.folder / "logs/process.log",
                threads,
                what="onmt_translate",
                extra=UNPICKLE,
            )

        return process_measure(place.folder, once, {"version": VERSION, "threads": threads})

    def _ready(self, work: Path) -> Environment:
        place = environment(work)
        place.require()
        kept_data(place.folder)
        return place

    def _decoder(self, work: Path) -> Decoder:
        place = self._ready(work)
        model = last_checkpoint(place.folder, "lstm")
        return Decoder(place.folder, place.python, "opennmt_decode.py", model, UNPICKLE)

    def _details(self, threads: int) -> dict[str, object]:
        return {"version": VERSION, "batch": BATCH, "threads": threads}


if __name__ == "__main__":
    sys.exit(run(OpenNMT()))
