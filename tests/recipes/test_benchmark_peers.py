"""The benchmark's peers without peers: command line, environments, configurations."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from seqkit.errors import RunFailed

PEERS = Path(__file__).resolve().parents[2] / "recipes" / "benchmark" / "peers"
NAMES = ("opennmt", "joeynmt", "ctranslate2_int8")
SPLITS = ("train", "val", "test_2016_flickr")


def load_module(name: str, folder: Path = PEERS) -> ModuleType:
    """A module of the recipe, which is no package: its folder is on the path for the import only."""
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


commands, environments = load_module("peer_commands"), load_module("peer_environment")
opennmt, joeynmt, ctranslate2 = map(load_module, NAMES)
Measure = commands.Measure


class Recorder:
    """A peer that writes down what it is asked for."""

    name = "recorder"
    limits = "\nIt does nothing.\n"

    def __init__(self, failure: Exception | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.failure = failure

    def _note(self, *call: Any) -> Any:
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure
        return Measure(1.5, "s", 3.0, {"name": "Müller"})

    def install(self, work: Path) -> None:
        self._note("install", work)

    def prepare(self, work: Path, data: Path) -> None:
        self._note("prepare", work, data)

    def train_speed(self, work: Path, seconds: float, threads: int) -> Any:
        return self._note("train-speed", work, seconds, threads)

    def train(self, work: Path, minutes: float, threads: int) -> Any:
        return self._note("train", work, minutes, threads)

    def decode(self, work: Path, beam: int, threads: int, repeat: int) -> Any:
        return self._note("decode", work, beam, threads, repeat)

    def latency(self, work: Path, beam: int, threads: int) -> Any:
        return self._note("latency", work, beam, threads)

    def process(self, work: Path, threads: int) -> Any:
        return self._note("process", work, threads)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder as the benchmark makes it, at a place that is hard to write in YAML."""
    folder = tmp_path / 'it\'s a "test": $HOME #1'
    folder.mkdir()
    for split in SPLITS:
        for language in ("en", "de"):
            (folder / f"{split}.{language}").write_text("A dog.\nTwo dogs and A dog.\nÄpfel.\n")
            (folder / f"pieces.{split}.{language}").write_text(
                "▁A ▁dog .\n▁Two ▁dog s ▁and ▁A ▁dog .\n<0xC3> <0x84> pfel .\n"
            )
    (folder / "vocabulary.txt").write_text(
        "<pad>\n<unk>\n<s>\n</s>\n<0xC3>\n<0x84>\n▁A\n▁dog\ns\n.\npfel\n▁Two\n"
    )
    return folder


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PEERS / f"{name}.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


# The command line


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        ("install --work w", ("install", Path("w"))),
        ("train-speed --work w --seconds 2.5", ("train-speed", Path("w"), 2.5, 2)),
        ("train --work w --minutes 3 --threads 1", ("train", Path("w"), 3.0, 1)),
        ("decode --work w --beam 5 --threads 1 --repeat 20", ("decode", Path("w"), 5, 1, 20)),
        ("decode --beam 1 --work w", ("decode", Path("w"), 1, 2, 1)),
        ("latency --work w --beam 5", ("latency", Path("w"), 5, 2)),
        ("process --work w --threads 4", ("process", Path("w"), 4)),
    ],
)
def test_a_command_becomes_one_call(arguments: str, call: tuple[Any, ...]) -> None:
    peer = Recorder()
    assert commands.run(peer, arguments.split()) == 0
    assert peer.calls == [call]


def test_what_is_measured_is_printed_as_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(Recorder(), ["process", "--work", "w"]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1
    assert json.loads(printed.out) == {
        "value": 1.5,
        "unit": "s",
        "seconds": 3.0,
        "details": {"name": "Müller"},
    }
    assert printed.err == ""


def test_what_makes_no_figure_prints_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    peer = Recorder()
    assert commands.run(peer, ["install", "--work", "w"]) == 0
    assert commands.run(peer, ["prepare", "--work", "w", "--data", str(data)]) == 0
    assert peer.calls[1] == ("prepare", Path("w"), data)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "translate --work w",
        "install",
        "prepare --work w",
        "prepare --work w --data /nowhere",
        "train-speed --work w",
        "train-speed --work w --seconds 0",
        "train-speed --work w --seconds inf",
        "train --work w --minutes nan",
        "train --work w --minutes -1",
        "decode --work w",
        "decode --work w --beam 0",
        "decode --work w --beam 5 --repeat two",
        "latency --work w --beam 5 --threads -1",
        "process --work w --beam 5",
    ],
)
def test_a_wrong_command_line_is_refused(arguments: str) -> None:
    peer = Recorder()
    with pytest.raises(SystemExit) as ended:
        commands.run(peer, arguments.split())
    assert ended.value.code == 2
    assert peer.calls == []


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (
            RunFailed("pip install x\nended\x1b[2J with exit code 1"),
            r"pip install x ended\x1b[2J with exit code 1",
        ),
        (FileNotFoundError(2, "No such file", "a"), "[Errno 2] No such file: 'a'"),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(
    failure: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.run(Recorder(failure), ["install", "--work", "w"]) == 1
    assert capsys.readouterr() == ("", f"recorder: error: {said}\n")


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        commands.run(Recorder(ZeroDivisionError()), ["install", "--work", "w"])


@pytest.mark.parametrize("name", NAMES)
def test_every_peer_says_what_it_cannot_do(name: str) -> None:
    done = script(name, "limits")
    assert done.returncode == 0
    assert re.search(r"\d+\.\d+\.\d+", done.stdout.split("\n")[0])
    assert "pieces" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_peer_that_is_not_installed_says_so(name: str, tmp_path: Path) -> None:
    done = script(name, "decode", "--work", tmp_path, "--beam", "5")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{name}: error: not installed in this form; run install first\n"


def test_ctranslate2_cannot_train_from_scratch(tmp_path: Path) -> None:
    done = script("ctranslate2_int8", "train-speed", "--work", tmp_path, "--seconds", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "does not train" in done.stderr


# Environments


class Pip:
    """Takes the place of running pip; makes the interpreter, and fails where it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.steps, self.fails = folder, [], ""

    def __call__(self, command: Sequence[object], log: Path, threads: int, *, what: str) -> float:
        words = [str(part) for part in command]
        if "venv" in words:
            (self.folder / "venv/bin").mkdir(parents=True, exist_ok=True)
            (self.folder / "venv/bin/python").touch()
            self.steps.append(["venv"])
        else:
            self.steps.append([word for word in words if "==" in word or word == "--no-deps"])
        if self.fails and self.fails in words:
            raise RunFailed(f"{what} ended with exit code 1: no matching distribution (see {log}, {threads})")
        return 0.0


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    stand_in = Pip(tmp_path / "peer")
    monkeypatch.setattr(environments, "run", stand_in)
    return stand_in


def test_torch_comes_first_and_the_peer_without_dependencies(pip: Pip) -> None:
    place = environments.Environment(pip.folder, ("peer==1.0",), ("numpy==2.0",))
    with pytest.raises(RunFailed, match="run install first"):
        place.require()
    place.install()
    place.require()
    assert pip.steps == [
        ["venv"],
        ["torch==2.13.0"],
        ["--no-deps", "peer==1.0"],
        ["torch==2.13.0", "numpy==2.0"],
    ]


def test_what_is_installed_is_not_installed_again(pip: Pip) -> None:
    environments.Environment(pip.folder, ("peer==1.0",), ()).install()
    pip.steps.clear()
    environments.Environment(pip.folder, ("peer==1.0",), ()).install()
    assert pip.steps == []
    changed = environments.Environment(pip.folder, ("peer==1.1",), ())
    with pytest.raises(RunFailed):
        changed.require()
    changed.install()
    assert pip.steps[0] == ["venv"]


def test_an_installation_that_failed_begins_again(pip: Pip) -> None:
    place = environments.Environment(pip.folder, ("peer==1.0",), ("numpy==2.0",))
    pip.fails = "numpy==2.0"
    with pytest.raises(RunFailed, match="no matching distribution"):
        place.install()
    with pytest.raises(RunFailed, match="run install first"):
        place.require()
    pip.fails = ""
    place.install()
    place.require()


def test_ctranslate2_lives_with_opennmt(tmp_path: Path) -> None:
    place = opennmt.environment(tmp_path)
    assert "ctranslate2==4.8.5" in place.packages
    for found in (place, joeynmt.environment(tmp_path)):
        assert all(re.fullmatch(r"[\w.-]+==[\d.]+", one) for one in (*found.packages, *found.needs))
        assert found.folder.parent == tmp_path / "peers"


# Configurations


def settings_of(path: Path) -> dict[str, list[str]]:
    """`key: value` lines of a YAML file by key, comments dropped, quoted values read."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().split("\n"):
        if match := re.fullmatch(r'\s*(\w+):\s+("(?:[^"\\]|\\.)*"|[^#]+?)\s*', line):
            value = match[2]
            found.setdefault(match[1], []).append(json.loads(value) if value.startswith('"') else value)
    return found


@pytest.fixture
def prepared(tmp_path: Path, data: Path) -> Path:
    for module in (opennmt.OpenNMT, joeynmt.JoeyNMT, ctranslate2.CTranslate2):
        module().prepare(tmp_path / "work", data)
    return tmp_path / "work" / "peers"


def test_the_same_vocabulary_goes_to_everybody(prepared: Path) -> None:
    for name in NAMES:
        lines = (prepared / name / "vocabulary.txt").read_text().split("\n")
        assert lines == ["<0xC3>", "<0x84>", "▁A", "▁dog", "s", ".", "pfel", "▁Two", ""]


def test_opennmt_gets_the_sizes_and_the_whole_set_as_a_bucket(prepared: Path, data: Path) -> None:
    found = settings_of(prepared / "opennmt/lstm.yaml")
    expected = {
        "path_src": str(data / "pieces.train.en"),
        "path_tgt": str(data / "pieces.train.de"),
        "src_vocab": str(prepared / "opennmt/vocabulary.txt"),
        "save_model": str(prepared / "opennmt/models/lstm"),
        "encoder_type": "brnn",
        "hidden_size": "512",
        "word_vec_size": "256",
        "enc_layers": "1",
        "dec_layers": "1",
        "input_feed": "1",
        "share_embeddings": "false",
        "share_decoder_embeddings": "false",
        "dropout": "[0.3]",
        "batch_size": "64",
        "bucket_size": "3",
        "learning_rate": "0.001",
        "max_grad_norm": "5",
    }
    assert {key: found[key] for key in expected} == {key: [value] for key, value in expected.items()}


def test_joeynmt_gets_the_same_sizes(prepared: Path, data: Path) -> None:
    found = settings_of(prepared / "joeynmt/lstm.yaml")
    expected = {
        "train": [str(data / "pieces.train")],
        "dev": [str(data / "pieces.val")],
        "voc_file": [str(prepared / "joeynmt/vocabulary.txt")] * 2,
        "load_model": [str(prepared / "joeynmt/models/lstm/latest.ckpt")],
        "hidden_size": ["256", "512"],
        "embedding_dim": ["256", "256"],
        "num_layers": ["1", "1"],
        "bidirectional": ["true"],
        "input_feeding": ["true"],
        "dropout": ["0.3", "0.3"],
        "hidden_dropout": ["0.3"],
        "batch_size": ["128", "64"],
        "learning_rate": ["0.001"],
        "clip_grad_norm": ["5.0"],
        "tied_embeddings": ["false"],
    }
    assert {key: found[key] for key in expected} == expected


def test_the_transformer_is_one_that_ctranslate2_can_read(prepared: Path) -> None:
    found = settings_of(prepared / "ctranslate2_int8/transformer.yaml")
    expected = {
        "enc_layers": "4",
        "dec_layers": "4",
        "heads": "4",
        "hidden_size": "256",
        "transformer_ff": "1024",
    }
    expected["self_attn_type"] = "scaled-dot"
    assert {key: found[key][0] for key in expected} == expected


def test_measuring_speed_does_not_overwrite_the_trained_model(prepared: Path) -> None:
    for name, key in (("opennmt", "save_model"), ("joeynmt", "model_dir")):
        trained = settings_of(prepared / name / "lstm.yaml")[key]
        assert settings_of(prepared / name / "speed.yaml")[key] != trained


def test_data_that_lacks_a_file_is_refused_by_name(tmp_path: Path, data: Path) -> None:
    (data / "pieces.val.de").unlink()
    done = script("joeynmt", "prepare", "--work", tmp_path, "--data", data)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "pieces.val.de is missing" in done.stderr
