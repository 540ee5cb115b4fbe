"""CTranslate2 4.8.5 in the benchmark: the int8 decoder of a small Transformer. See peer_commands.

It decodes what others train. OpenNMT-py trains the Transformer, in the environment that both share.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import opennmt
from peer_commands import Measure, run
from peer_decoding import (
    INSIDE,
    PROCESS_BEAM,
    Decoder,
    keep_data,
    kept_data,
    process_measure,
    speed_measure,
    write_vocabulary,
)
from peer_processes import run as run_process

from seqkit.errors import RunFailed

VERSION = "CTranslate2 4.8.5, int8"
TRAINER_BATCH = 32  # sentences
# Sentences in decoding; 128 gains nothing. One single-threaded worker a core is twice as fast as one worker
# with two threads, and a single line takes ten times as long with two threads as with one.
BATCH, LATENCY_THREADS = 32, 1

LIMITS = """
CTranslate2 4.8.5 does not train, and decodes Transformers only: its converter refuses LSTMs. Its model here
  is a Transformer (4 + 4 layers, 256 wide) that OpenNMT-py trains for a short time: take its speed, not its
  BLEU.
Its speed depends on how long the outputs of that model are: output tokens a second stand beside sentences.
It decodes in int8, with as many single-threaded workers as there are threads; a single line with one thread.
Its converter refuses OpenNMT-py's default attention (scaled-dot-flash) and, without a flag that its error
  does not name (--unsafe_deserialization), OpenNMT-py's checkpoints.
It has no command that translates: a process is ten lines of Python.
It reads and writes pieces: cutting text into pieces and joining them is not in its figures.
"""


class CTranslate2:
    """CTranslate2 with a Transformer."""

    name = "ctranslate2_int8"
    limits = LIMITS

    def install(self, work: Path) -> None:
        """See Peer."""
        opennmt.environment(work).install()

    def prepare(self, work: Path, data: Path) -> None:
        """See Peer."""
        folder = self._folder(work)
        kept = keep_data(folder, data)
        write_vocabulary(kept, folder / "vocabulary.txt")
        opennmt.configure(kept, "opennmt-transformer.yaml", folder, "transformer")

    def train_speed(self, work: Path, seconds: float, threads: int) -> Measure:  # noqa: ARG002
        """It has none."""
        raise RunFailed("CTranslate2 does not train; it decodes what other toolkits trained")

    def train(self, work: Path, minutes: float, threads: int) -> Measure:
        """OpenNMT-py trains; what comes of it is converted to int8. The figure is OpenNMT-py's."""
        folder, place = self._ready(work), opennmt.environment(work)
        speed = opennmt.train_for(place.python, folder, "transformer", minutes, threads)
        made = folder / "converting"
        shutil.rmtree(made, ignore_errors=True)
        converter: list[str | Path] = [place.program("ct2-opennmt-py-converter"), "--unsafe_deserialization"]
        converter += ["--model_path", opennmt.last_checkpoint(folder, "transformer"), "--output_dir", made]
        run_process(
            [*converter, "--quantization", "int8"],
            folder / "logs/convert.log",
            threads,
            what="conversion",
        )
        shutil.rmtree(folder / "model", ignore_errors=True)
        made.rename(folder / "model")
        details = {"version": f"{opennmt.VERSION}, Transformer", "batch": TRAINER_BATCH}
        return speed_measure(speed, {**details, "threads": threads, "minutes": minutes})

    def decode(self, work: Path, beam: int, threads: int, repeat: int) -> Measure:
        """See Peer."""
        return self._decoder(work).decode(beam, BATCH, threads, repeat)

    def latency(self, work: Path, beam: int, threads: int) -> Measure:
        """See Peer. With one thread, which is its fastest, whatever is allowed."""
        return self._decoder(work).latency(beam, min(threads, LATENCY_THREADS))

    def process(self, work: Path, threads: int) -> Measure:
        """See Peer."""
        folder, place = self._ready(work), opennmt.environment(work)
        model = self._model(folder)

        def once(line: Path) -> float:
            return run_process(
                [place.python, INSIDE / "ctranslate2_line.py", model, str(PROCESS_BEAM)],
                folder / "logs/process.log",
                threads,
                what="translating a line",
                standard_input=line,
            )

        return process_measure(folder, once, {"version": VERSION, "threads": LATENCY_THREADS})

    def _folder(self, work: Path) -> Path:
        return work.resolve() / "peers" / self.name

    def _ready(self, work: Path) -> Path:
        opennmt.environment(work).require()
        folder = self._folder(work)
        kept_data(folder)
        return folder

    def _model(self, folder: Path) -> Path:
        if not (folder / "model/model.bin").is_file():
            raise RunFailed("there is no trained model; run train first")
        return folder / "model"

    def _decoder(self, work: Path) -> Decoder:
        folder = self._ready(work)
        python = opennmt.environment(work).python
        return Decoder(folder, python, "ctranslate2_decode.py", self._model(folder), {})


if __name__ == "__main__":
    sys.exit(run(CTranslate2()))
