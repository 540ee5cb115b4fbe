"""JoeyNMT 2.3.0 in the benchmark: its LSTM encoder–decoder, trained and decoded. See peer_commands."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from peer_commands import Measure, run
from peer_decoding import (
    INSIDE,
    Decoder,
    keep_data,
    kept_data,
    process_measure,
    speed_measure,
    write_configuration,
    write_vocabulary,
)
from peer_environment import Environment
from peer_processes import Report, watch
from peer_processes import run as run_process

from seqkit.errors import RunFailed

VERSION = "JoeyNMT 2.3.0"
BATCH = 64  # sentences, in training
DECODING_BATCH = 128  # sentences; at 32 beam 5 is a third slower
UNPICKLE = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}  # its checkpoints hold more than tensors

LIMITS = """
JoeyNMT 2.3.0 pins protobuf<3.21 and asks for 23 packages beside torch. Training and translating on torch
  2.13 needs seven, and empty modules in the place of plotly, matplotlib and subword_nmt.
Its learning rate cannot be constant, and its plateau schedule fails on torch 2.13: an exponential schedule
  with factor 1 stands in.
Its batches are not made of sentences of like length, in training and in decoding: padding takes time.
Its checkpoints are pickles that PyTorch 2.6 and later refuse unless told otherwise.
It decodes in fp32. It reads all of standard input before it answers, and drops empty lines.
It reads and writes pieces here: cutting text into pieces and joining them is not in its figures.
It cannot stop by the clock: the benchmark interrupts it, upon which it saves.
"""

_STEP = re.compile(r"\bEpoch\s+\d+, Step:\s+(\d+),.*?Tokens per Sec:\s+(\d+),")


def parse(line: str) -> Report | None:
    """`Epoch 1, Step: 10, …, Tokens per Sec: 745, Lr: 0.001`: target tokens, without padding."""
    found = _STEP.search(line)
    return Report(int(found[1]), float(found[2])) if found else None


def environment(work: Path) -> Environment:
    """Its own."""
    return Environment(
        work.resolve() / "peers" / "joeynmt",
        packages=("joeynmt==2.3.0",),
        needs=(
            "PyYAML==6.0.3",
            "numpy==2.4.6",
            "packaging==26.3",
            "sacrebleu==2.6.0",
            "sentencepiece==0.2.3",
            "tensorboard==2.21.0",
            "tqdm==4.70.1",
        ),
    )


class JoeyNMT:
    """JoeyNMT's LSTM."""

    name = "joeynmt"
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
            write_configuration(
                "joeynmt-lstm.yaml",
                folder / f"{model}.yaml",
                {
                    # It adds the language to these two itself.
                    "train": kept.folder / "pieces.train",
                    "valid": kept.folder / "pieces.val",
                    "vocabulary": folder / "vocabulary.txt",
                    "model": folder / "models" / model,
                    "checkpoint": folder / "models" / model / "latest.ckpt",
                },
            )

    def train_speed(self, work: Path, seconds: float, threads: int) -> Measure:
        """See Peer."""
        place = self._ready(work)
        speed = watch(
            [place.python, INSIDE / "joeynmt_run.py", "train", place.folder / "speed.yaml", "--skip-test"],
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
        command: list[str | Path] = [place.python, INSIDE / "joeynmt_run.py", "--minutes", str(minutes)]
        speed = watch(
            [*command, "train", place.folder / "lstm.yaml", "--skip-test"],
            place.folder / "logs/train.log",
            threads,
            parse,
            what="training",
            extra=UNPICKLE,
        )
        return speed_measure(speed, {**self._details(threads), "minutes": minutes})

    def decode(self, work: Path, beam: int, threads: int, repeat: int) -> Measure:
        """See Peer."""
        return self._decoder(work).decode(beam, DECODING_BATCH, threads, repeat)

    def latency(self, work: Path, beam: int, threads: int) -> Measure:
        """See Peer."""
        return self._decoder(work).latency(beam, threads)

    def process(self, work: Path, threads: int) -> Measure:
        """See Peer. The beam is that of the configuration."""
        place = self._trained(work)

        def once(line: Path) -> float:
            return run_process(
                [place.python, INSIDE / "joeynmt_run.py", "translate", place.folder / "lstm.yaml"],
                place.folder / "logs/process.log",
                threads,
                what="joeynmt translate",
                standard_input=line,
                extra=UNPICKLE,
            )

        return process_measure(place.folder, once, {"version": VERSION, "threads": threads})

    def _ready(self, work: Path) -> Environment:
        place = environment(work)
        place.require()
        kept_data(place.folder)
        return place

    def _trained(self, work: Path) -> Environment:
        place = self._ready(work)
        if not (place.folder / "models/lstm/latest.ckpt").exists():
            raise RunFailed("there is no trained model; run train first")
        return place

    def _decoder(self, work: Path) -> Decoder:
        place = self._trained(work)
        return Decoder(place.folder, place.python, "joeynmt_decode.py", place.folder / "lstm.yaml", UNPICKLE)

    def _details(self, threads: int) -> dict[str, object]:
        return {"version": VERSION, "batch": BATCH, "threads": threads}


if __name__ == "__main__":
    sys.exit(run(JoeyNMT()))
