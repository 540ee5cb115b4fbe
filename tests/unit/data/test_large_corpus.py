"""A corpus of any size is opened at once: nothing of it is read but what describes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

SIZE = 1 << 40  # bytes of every large file; they are sparse, and reading one would take minutes
SEQUENCES = 1 << 36

OPEN = """
import sys, time
from seqkit.data.corpus import Corpus

def resident():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) // 1024  # MB

Corpus.open(sys.argv[1])  # what is imported, and the tokenizer's memory
before, began = resident(), time.process_time()
corpus = Corpus.open(sys.argv[1])
seconds = time.process_time() - began
assert len(corpus.train) == int(sys.argv[2]), len(corpus.train)
assert corpus.train.target[0].tolist() == [] and len(corpus.train.target[len(corpus.train) - 1]) > 2**38
print(seconds, resident() - before)
"""


def test_opening_reads_no_data(toy_corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for path in toy_corpus.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((folder / "corpus.json").read_text())
    for side in ("source", "target"):
        values, offsets = (folder / f"train.{side}.{part}.bin" for part in ("values", "offsets"))
        array = manifest["arrays"][f"train.{side}"]
        array["total"], array["count"] = SIZE // np.dtype(array["dtype"]).itemsize, SEQUENCES
        for path, size in ((values, SIZE), (offsets, 8 * (SEQUENCES + 1))):
            with open(path, "wb") as file:
                file.truncate(size)
            manifest["files"][path.name]["size"] = size
        with open(offsets, "r+b") as file:
            file.seek(-8, 2)
            file.write(np.array(array["total"], "<u8").tobytes())
    del manifest["checksum"]
    (folder / "corpus.json").write_text(json.dumps(manifest))
    finished = subprocess.run(
        [sys.executable, "-c", OPEN, str(folder), str(SEQUENCES)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.stderr == ""
    seconds, megabytes = map(float, finished.stdout.split())
    assert seconds < 0.1  # of the processor, so that a busy machine does not matter
    assert megabytes < 10
