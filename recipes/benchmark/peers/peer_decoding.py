"""What the peers share once they run: the data they were prepared with, decoding jobs, and their figures."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from peer_commands import Measure
from peer_processes import Speed, largest_process, run

from seqkit.errors import RunFailed
from seqkit.files import write_atomic

HERE = Path(__file__).resolve().parent
INSIDE = HERE / "inside"
SOURCE, TARGET, TEST = "en", "de", "test_2016_flickr"
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")  # seqkit's; every peer adds its own
LATENCY_LINES = 100
PROCESS_RUNS = 5
PROCESS_BEAM = 5

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


@dataclass(frozen=True)
class Data:
    """The folder that prepare was given: the same pieces for everybody."""

    folder: Path

    def pieces(self, split: str, language: str) -> Path:
        """Lines of pieces with one space between them."""
        return self.folder / f"pieces.{split}.{language}"

    def text(self, split: str, language: str) -> Path:
        """Raw lines."""
        return self.folder / f"{split}.{language}"

    @property
    def vocabulary(self) -> Path:
        """One piece a line, special ones among them."""
        return self.folder / "vocabulary.txt"


def keep_data(folder: Path, data: Path) -> Data:
    """Check what prepare was given, and remember it in `folder`."""
    found = Data(data.resolve())
    needed = [found.vocabulary, found.text(TEST, TARGET)]
    needed += [
        found.pieces(split, language) for split in ("train", "val", TEST) for language in (SOURCE, TARGET)
    ]
    for path in needed:
        if not path.is_file():
            raise RunFailed(f"{path} is missing")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "data.json", json.dumps({"data": str(found.folder)}).encode())
    return found


def kept_data(folder: Path) -> Data:
    """What `keep_data` remembered. RunFailed before prepare."""
    path = folder / "data.json"
    if not path.is_file():
        raise RunFailed("not prepared; run prepare first")
    return Data(Path(json.loads(path.read_text(encoding="utf-8"))["data"]))


def write_vocabulary(data: Data, path: Path) -> int:
    """The pieces without seqkit's special ones, one a line; how many there are."""
    lines = data.vocabulary.read_bytes().decode().split("\n")
    pieces = [piece for piece in lines if piece and piece not in SPECIALS]
    write_atomic(path, "".join(piece + "\n" for piece in pieces).encode())
    return len(pieces)


def write_configuration(template: str, path: Path, values: Mapping[str, Path | int]) -> None:
    """Fill in a file of `configs`. A path is written as a JSON string, which YAML reads as the same."""
    text = (HERE / "configs" / template).read_text(encoding="utf-8")
    filled = {
        name: json.dumps(str(value)) if isinstance(value, Path) else str(value)
        for name, value in values.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, Template(text).substitute(filled).encode())


def lines_in(path: Path) -> int:
    """How many lines a file has."""
    return path.read_bytes().count(b"\n")


def speed_measure(speed: Speed, details: Mapping[str, Any]) -> Measure:
    """A training speed as the benchmark wants it."""
    return Measure(
        speed.rate,
        "target tokens/s",
        speed.seconds,
        {
            **details,
            "steps": speed.steps,
            "lowest": speed.lowest,
            "highest": speed.highest,
            "peak_rss_bytes": largest_process(),
        },
    )


@dataclass(frozen=True)
class Decoder:
    """How a peer decodes in one process: its interpreter, our driver for it, and the model."""

    folder: Path
    python: Path
    driver: str
    model: Path
    extra: Mapping[str, str]

    def decode(self, beam: int, batch: int, threads: int, repeat: int) -> Measure:
        """The whole test set `repeat` times in one call."""
        data = kept_data(self.folder)
        job = {"beam": beam, "batch": batch, "threads": threads, "repeat": repeat}
        found = self._result(data.pieces(TEST, SOURCE), job)
        seconds = sum(found["seconds"])
        references = repeat * sum(len(line.split(" ")) for line in _lines(data.pieces(TEST, TARGET)))
        return Measure(
            found["sentences"] / seconds,
            "sentences/s",
            seconds,
            {
                **job,
                "sentences": found["sentences"],
                "output_tokens": found["output_tokens"],
                "output_tokens_per_second": found["output_tokens"] / seconds,
                # Far from 1 the sentences a second are those of a model that has not learnt to write them.
                "length_ratio": found["output_tokens"] / references,
                "bleu": bleu(found["outputs"], data.text(TEST, TARGET)),
                "peak_rss_bytes": found["peak_rss_bytes"],
            },
        )

    def latency(self, beam: int, threads: int) -> Measure:
        """Lines from all over the test set, one after another."""
        lines = _lines(kept_data(self.folder).pieces(TEST, SOURCE))
        chosen = lines[:: max(1, len(lines) // LATENCY_LINES)][:LATENCY_LINES]
        source = self.folder / "latency.txt"
        write_atomic(source, "".join(line + "\n" for line in chosen).encode())
        job = {"beam": beam, "batch": 1, "threads": threads, "repeat": 1}
        found = self._result(source, job, "--one-by-one")
        taken = sorted(1000 * seconds for seconds in found["seconds"])
        return Measure(
            statistics.median(taken),
            "ms",
            sum(taken) / 1000,
            {
                "beam": beam,
                "threads": threads,
                "sentences": len(taken),
                "output_tokens": found["output_tokens"],
                "p95": taken[min(len(taken) - 1, int(0.95 * len(taken)))],
                "slowest": taken[-1],
                "peak_rss_bytes": found["peak_rss_bytes"],
            },
        )

    def _result(self, source: Path, job: Mapping[str, int], *flags: str) -> dict[str, Any]:
        if not self.model.exists():
            raise RunFailed("there is no trained model; run train first")
        result = self.folder / "result.json"
        result.unlink(missing_ok=True)
        command: list[str | Path] = [self.python, INSIDE / self.driver, *flags, "--model", self.model]
        command += ["--source", source, "--result", result]
        for name, value in job.items():
            command += [f"--{name}", str(value)]
        run(command, self.folder / "logs/decode.log", job["threads"], what="decoding", extra=self.extra)
        found: dict[str, Any] = json.loads(result.read_bytes())
        return found


def process_measure(folder: Path, once: Callable[[Path], float], details: Mapping[str, Any]) -> Measure:
    """Time `once(file with one line of pieces)`, which returns its wall seconds, several times."""
    line = folder / "line.txt"
    write_atomic(line, (_lines(kept_data(folder).pieces(TEST, SOURCE))[0] + "\n").encode())
    once(line)  # brings the files into memory, as for everybody
    taken = sorted(once(line) for _ in range(PROCESS_RUNS))
    return Measure(
        statistics.median(taken),
        "s",
        sum(taken),
        {
            **details,
            "beam": PROCESS_BEAM,
            "runs": PROCESS_RUNS,
            "fastest": taken[0],
            "slowest": taken[-1],
            "peak_rss_bytes": largest_process(),
        },
    )


def text_of(pieces: str) -> str:
    """Pieces with one space between them as text: ▁ is a space, <0xE4> a byte."""
    content = b"".join(
        bytes.fromhex(byte[1]) if (byte := _BYTE.fullmatch(piece)) else piece.encode()
        for piece in pieces.split(" ")
    )
    return content.decode(errors="replace").replace("▁", " ").strip()


def bleu(outputs: Sequence[str], references: Path) -> float:
    """Corpus BLEU (13a) of lines of pieces against raw text."""
    from seqkit.metrics.sacre import corpus_bleu

    return corpus_bleu([text_of(output) for output in outputs], [_lines(references)])


def _lines(path: Path) -> list[str]:
    return path.read_bytes().decode().split("\n")[:-1]
