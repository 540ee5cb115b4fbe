"""A model directory is a closed list: whatever else lies in it is not even opened, and nothing in it runs."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqkit import model_directory
from seqkit.kinds import KINDS
from seqkit.model_directory.names import FILES

# Opens a model and writes down every file that is opened below the model's folder meanwhile.
OBSERVER = """
import json, os, sys
model, opened = os.path.realpath(sys.argv[1]), []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if path.startswith(model):
            opened.append(os.path.relpath(path, model))
sys.addaudithook(watch)
import seqkit
if sys.argv[2] == "translation":
    seqkit.Translator.load(sys.argv[1], threads=1).translate(["ba di"])
elif sys.argv[2] == "classification":
    seqkit.Classifier.load(sys.argv[1], threads=1).classify(["ba di"])
else:
    seqkit.TextGenerator.load(sys.argv[1], threads=1).generate("b", length=5)
from seqkit.cli import run
print(json.dumps(opened))
"""


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("exploded"),))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_beyond_the_closed_list_is_opened(
    kind: str, toy_model: Path, toy_generator: Path, toy_classifier: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    models = {"translation": toy_model, "generation": toy_generator, "classification": toy_classifier}
    shutil.copytree(models[kind], model)
    bomb = pickle.dumps(Bomb())
    for name in (
        "pytorch_model.bin",
        "model.pt",
        "rng_state.pth",
        "optimizer.pkl",
        "weights.npy",
        "spm.model",
    ):
        (model / name).write_bytes(bomb)
        (model / "training" / name).write_bytes(bomb)
    for name in ("modeling.py", "__init__.py", "conftest.py", "seqkit.py", "sitecustomize.py"):
        (model / name).write_text("import pathlib; pathlib.Path('exploded').touch()")
    (model / "config.yaml").write_text("!!python/object/apply:pathlib.Path.touch [exploded]")
    process = subprocess.run(
        [sys.executable, "-c", OBSERVER, str(model), kind], capture_output=True, check=False, text=True
    )
    assert process.returncode == 0, process.stderr
    opened = set(json.loads(process.stdout.splitlines()[-1]))
    closed = {model_directory.MANIFEST, *FILES}
    assert {"manifest.json", "config.json", "weights.safetensors"} <= opened <= closed
    assert not (tmp_path / "exploded").exists()
    assert not Path("exploded").exists()
