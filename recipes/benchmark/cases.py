"""What is measured: every case with its command, what it needs, and what it is compared with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
SETUP = "set-up"  # the group of cases that others need: texts, models, the peers' environments
TEST = "test_2016_flickr"

# A run "as on a processor with AVX2 alone", on one that has more: what each library may use. The bytes of
# seqkit's decoding are those of unsigned kernels, as where there is no VNNI. ONNX Runtime has no such switch.
PLAIN = {
    "SEQKIT_KERNEL": "u8u8",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "CT2_FORCE_CPU_ISA": "AVX2",
}
PLAIN_TRAINING = {"training.precision": "fp32"}  # of seqkit; its peers train in fp32 anyway

# The network that OpenNMT-py and JoeyNMT can have, too: a bidirectional layer of 2 x 256, a decoder of 512,
# embeddings of 256 in two tables and an output layer of its own, dropout 0.3, one head; Adam, clipped at 5.
EQUAL = {
    "model.embedding_size": 256,
    "model.hidden_size": 512,
    "model.encoder_layers": 1,
    "model.decoder_layers": 1,
    "model.attention_heads": 1,
    "model.tied_embeddings": "none",
    "model.dropout": 0.3,
    "model.word_dropout": 0.0,
    "training.optimizer": "adam",
    "training.learning_rate": 1e-3,
    "training.weight_decay": 0.0,
    "training.clip_norm": 5.0,
    "training.label_smoothing": 0.0,
    "training.ema": 0.0,
}
EQUAL_SENTENCES = 64  # a batch
TINY = {"model.embedding_size": 16, "model.hidden_size": 32}  # of a quick run, over everything else
GENERATORS = {"2 x 512": (512, 64, 128), "2 x 192": (192, 16, 96)}  # hidden size, streams, slice


@dataclass(frozen=True)
class Promise:
    """What seqkit promises of a row: its value, or the ratio of a peer's to seqkit's, at least or at most."""

    bound: float
    at_most: bool = False
    of_ratio: bool = False

    def kept(self, figure: float) -> bool:
        """Whether a figure is within the bound."""
        return figure <= self.bound if self.at_most else figure >= self.bound


@dataclass(frozen=True)
class Case:
    """One thing to measure. Cases with the same group and task are compared with one another.

    `needs` are the names of cases that must have succeeded. `repeats` 0 means as often as the run says.
    `against` is the system whose value is divided by this one's. `silent` commands print no value: their time
    is it. `network` says whose operations a peer's tokens stand for. `forced` are environment variables, as
    (name, value), that hold its libraries back.
    """

    group: str
    task: str
    system: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    cores: int = 2
    repeats: int = 0
    limit: float = 300.0
    against: str = ""
    silent: bool = False
    network: str = ""
    promise: Promise | None = None
    forced: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What it is called in files and messages."""
        return f"{self.group}: {self.task}: {self.system}"


@dataclass(frozen=True)
class Plan:
    """How long everything takes; times in seconds unless they are called minutes."""

    quick: bool
    plain: bool  # as on a processor with AVX2 alone
    cores: int
    warm_up: float
    seconds: float
    quality_minutes: float
    equal_minutes: float
    generator_minutes: float
    peer_minutes: float
    peer_threads: int  # of training the model that a peer translates with; its speed is taken on all cores
    repeat: int  # the test set so many times over, for seqkit's default model
    lines: int  # one at a time
    characters: int  # for each thousand a second that is wanted
    turn: float  # seconds of training, quiet or beside busy neighbours
    pairs: int  # of such turns

    @property
    def precision(self) -> dict[str, object]:
        """The settings of seqkit's training that a plain run adds."""
        return dict(PLAIN_TRAINING) if self.plain else {}

    @property
    def default_model(self) -> str:
        """The folder of the default model, which a plain run trains anew, in fp32."""
        return "models/default-plain" if self.plain else "models/default"


def plan(
    *,
    quick: bool,
    cores: int,
    plain: bool = False,
    model_minutes: float = 6.0,
    peer_minutes: float = 3.0,
    peer_threads: int = 0,
) -> Plan:
    """The full plan, or one of seconds for tests; 0 threads are as many as cores."""
    threads = peer_threads or cores
    if quick:
        return Plan(True, plain, cores, 0.1, 0.3, 0.06, 0.06, 0.06, 0.1, threads, 1, 5, 40, 0.3, 1)
    minutes, repeat = (model_minutes, model_minutes, 0.4, peer_minutes), 4 if plain else 20
    return Plan(False, plain, cores, 8.0, 10.0, *minutes, threads, repeat, 200, 1000, 5.0, 3)


@dataclass(frozen=True)
class Peer:
    """A translation peer: peers/MODULE.py. `lstm` says whether its network is the one of equal sizes."""

    system: str
    module: str
    lstm: bool
    repeat: int  # the test set so many times over: about ten seconds of beam search
    bulk: float = 0.0  # seqkit translates at least so many times as fast; 0: it does not say
    latency: float = 0.0  # the same of a line
    training: float = 0.0  # and of training at equal sizes

    @staticmethod
    def promise(times: float) -> Promise | None:
        """What seqkit promises beside this peer."""
        return Promise(times, of_ratio=True) if times else None


PEERS = (
    Peer("OpenNMT-py", "opennmt", True, 1, bulk=5.0, training=2.2),
    Peer("JoeyNMT", "joeynmt", True, 1),
    Peer("CTranslate2", "ctranslate2_int8", False, 3, bulk=1.3, latency=1.0),
)


def all_cases(work: Path, plan: Plan, *, peers: Sequence[Peer] = PEERS) -> list[Case]:
    """Everything, set-up first, in the order of the report."""
    found = [*_texts(work, plan), *_seqkit_training(work, plan), *_seqkit_decoding(work, plan)]
    found += [*_generators(work, plan), *_contention(work, plan), *_profiles(work, plan)]
    for peer in peers:
        found += _peer(peer, work, plan)
    if plan.plain:  # what is only set up is the same for every run
        forced = tuple(PLAIN.items())
        found = [case if case.group == SETUP else replace(case, forced=forced) for case in found]
    order = list(GROUPS)
    # Within a task the peers come behind seqkit, as they were made; sorting is stable.
    tasks = list(dict.fromkeys((case.group, case.task) for case in found))
    return sorted(found, key=lambda case: (order.index(case.group), tasks.index((case.group, case.task))))


# Groups by name, with what they measure; the order is that of the report and of the run.
GROUPS = {
    SETUP: "texts, models and environments that the others need",
    "quality": "BLEU on the test set after minutes of training, start-up and validation included",
    "training": "training at equal sizes: steady state, validation excluded, padding not counted",
    "presets": "training of seqkit's presets",
    "decoding": "translating the test set: start-up excluded, each system at its best batch size",
    "latency": "one line at a time, after start-up: half of all lines need at most",
    "process": "one line, or one text, as a whole process",
    "generator-training": "training of character-level generators on tiny-shakespeare",
    "generating": "characters a second from a generator, start-up excluded",
    "contention": "the seqkit command beside a busy loop per core, in turns with quiet; a fair share is 50 %",
    "profile": "where a training step's time goes",
}


def _script(name: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, str(HERE / name), *map(str, arguments))


def _settings(*tables: dict[str, object]) -> list[str]:
    merged = {key: value for table in tables for key, value in table.items()}
    return [part for key, value in merged.items() for part in ("--set", f"{key}={value}")]


def _setup(what: str) -> str:
    """The name of one of seqkit's set-up cases."""
    return f"{SETUP}: {what}: seqkit"


def _tiny(plan: Plan) -> dict[str, object]:
    return dict(TINY) if plan.quick else {}


def _texts(work: Path, plan: Plan) -> list[Case]:
    quick = ["--quick"] if plan.quick else []
    return [
        Case(SETUP, part, "seqkit", _script("texts.py", part, work / "data", *quick), repeats=1, limit=1800)
        for part in ("pairs", "text")
    ]


def _seqkit_training(work: Path, plan: Plan) -> list[Case]:
    data, models = work / "data", work / "models"
    window = ("--warm-up", plan.warm_up, "--seconds", plan.seconds)
    pairs, cores = (_setup("pairs"),), plan.cores
    test = ("--text", data / f"{TEST}.en", "--reference", data / f"{TEST}.de")
    equal = _settings(dict(EQUAL), _tiny(plan))
    speed = _settings(dict(EQUAL), _tiny(plan), plan.precision)
    found = [
        Case(
            *("quality", f"{plan.quality_minutes:g} minutes", "seqkit"),
            _script(
                *("quality.py", data / "default", work / plan.default_model),
                *("--minutes", plan.quality_minutes, *test, *_settings(_tiny(plan), plan.precision)),
            ),
            **{"needs": pairs, "cores": cores, "repeats": 1, "limit": 60 * plan.quality_minutes + 300},
        ),
        Case(
            *(SETUP, "model of equal sizes", "seqkit"),
            _script(
                *("quality.py", data / "equal", models / "equal", "--minutes", plan.equal_minutes, *equal),
            ),
            **{"needs": pairs, "cores": cores, "repeats": 1, "limit": 60 * plan.equal_minutes + 300},
        ),
        Case(
            *("training", "equal sizes", "seqkit"),
            _script("training_speed.py", data / "equal", "--sentences", EQUAL_SENTENCES, *window, *speed),
            **{"needs": pairs, "cores": cores},
        ),
    ]
    for preset in ("small",) if plan.quick else ("small", "base", "large"):
        command = _script(
            *("training_speed.py", data / "default", "--preset", preset, *window),
            *_settings(_tiny(plan), plan.precision),
        )
        found.append(Case("presets", preset, "seqkit", command, needs=pairs, cores=cores))
    return found


DEFAULT, EQUAL_SIZES = "seqkit, default model", "seqkit, equal sizes"


def _seqkit_decoding(work: Path, plan: Plan) -> list[Case]:
    models = {
        DEFAULT: (
            work / plan.default_model,
            f"quality: {plan.quality_minutes:g} minutes: seqkit",
            plan.repeat,
        ),
        EQUAL_SIZES: (
            work / "models/equal",
            _setup("model of equal sizes"),
            max(1, plan.repeat // 5),
        ),
    }
    text, reference = work / f"data/{TEST}.en", work / f"data/{TEST}.de"
    found = []
    for system, (model, needed, repeat) in models.items():
        common = {"needs": (needed,), "cores": plan.cores}
        for beam, name in ((5, "beam 5"), (1, "greedy")):
            command = _script(
                *("translating.py", "decode", model, text, "--beam", beam, "--repeat", repeat),
                *("--reference", reference),
            )
            found.append(Case("decoding", name, system, command, **common))
        command = _script("translating.py", "latency", model, text, "--beam", 5, "--lines", plan.lines)
        found.append(Case("latency", "beam 5", system, command, **common))
    model, needed, _ = models[DEFAULT]
    command = _script("translating.py", "process", model, text)
    whole = {"needs": (needed,), "cores": plan.cores, "promise": Promise(0.7, at_most=True)}
    found.append(Case("process", "one line", DEFAULT, command, **whole))
    return found


def _generators(work: Path, plan: Plan) -> list[Case]:
    data, text = work / "data", (_setup("text"),)
    window = ("--warm-up", plan.warm_up / 2, "--seconds", plan.seconds * 2 / 3)
    file, found = data / "input.txt", []
    for name, (hidden, streams, slice_length) in GENERATORS.items():
        sizes = {"model.hidden_size": hidden, "data.streams": streams, "data.slice_length": slice_length}
        settings = _settings(dict(sizes), _tiny(plan))
        model, task = work / f"models/generator-{hidden}", f"model {name}"
        training = f"{name}, batch {streams}, slice {slice_length}"
        found += [
            Case(
                *(SETUP, task, "seqkit"),
                _script("quality.py", data / "text", model, "--minutes", plan.generator_minutes, *settings),
                **{"needs": text, "cores": plan.cores, "repeats": 1},
            ),
            Case(
                *("generator-training", training, "seqkit"),
                _script("training_speed.py", data / "text", *window, *settings, *_settings(plan.precision)),
                **{"needs": text, "cores": plan.cores},
            ),
            Case(
                *("generator-training", training, "plain PyTorch LSTM"),
                _script(
                    *("char_lstm.py", "train", file, "--hidden", TINY["model.hidden_size"])
                    if plan.quick
                    else ("char_lstm.py", "train", file, "--hidden", hidden),
                    *("--streams", streams, "--slice", slice_length, *window),
                ),
                **{"needs": text, "cores": plan.cores, "against": "seqkit"},
            ),
            *_writing(name, model, file, plan, 10 if hidden == 512 else 20),
        ]
    training = "{}, batch {}, slice {}".format("2 x 192", *GENERATORS["2 x 192"][1:])
    for group, what, more, cores in (
        ("generator-training", "train", window, plan.cores),
        ("generating", "write", ("--length", plan.characters), 1),
    ):
        task = training if what == "train" else "2 x 192, one stream"
        command = _script("small_transformer.py", what, file, *more)
        found.append(
            Case(
                *(group, task, "Transformer of nanoGPT's sizes"),
                command,
                **{"needs": text, "cores": cores, "against": "seqkit"},
            )
        )
    return found


def _writing(name: str, model: Path, file: Path, plan: Plan, thousands: int) -> list[Case]:
    """A generator at work: one stream on one core, 64 on all, and a whole process."""
    needs = (_setup(f"model {name}"),)
    one, many = thousands * plan.characters, max(3 * plan.characters, 40)
    hidden = TINY["model.hidden_size"] if plan.quick else GENERATORS[name][0]
    plain = _script("char_lstm.py", "write", file, "--hidden", hidden, "--length", 2 * plan.characters)
    return [
        Case(
            *("generating", f"{name}, one stream", "seqkit"),
            _script("generating.py", "write", model, "--length", one),
            **{"needs": needs, "cores": 1},
        ),
        Case(
            *("generating", f"{name}, one stream", "plain PyTorch LSTM"),
            plain,
            **{"needs": (_setup("text"),), "cores": 1, "against": "seqkit"},
        ),
        Case(
            *("generating", f"{name}, 64 streams", "seqkit"),
            _script("generating.py", "write", model, "--samples", 64, "--length", many),
            **{"needs": needs, "cores": plan.cores},
        ),
        Case(
            *("process", f"200 characters, {name}", "seqkit"),
            _script("generating.py", "process", model, "--length", 200),
            **{"needs": needs, "cores": plan.cores},
        ),
    ]


def _contention(work: Path, plan: Plan) -> list[Case]:
    """The `seqkit` command beside busy neighbours."""
    data, model = work / "data", work / plan.default_model
    text = data / f"{TEST}.en"
    default = f"quality: {plan.quality_minutes:g} minutes: seqkit"
    pairs, turn = ("--pairs", plan.pairs), ("--seconds", plan.turn)
    hidden, streams, slice_length = GENERATORS["2 x 192"]
    sizes = {"model.hidden_size": hidden, "data.streams": streams, "data.slice_length": slice_length}
    generator = _settings(dict(sizes), _tiny(plan), plan.precision)
    translator = _settings(_tiny(plan), plan.precision)
    found = [
        ("training a generator, 2 x 192", "text", Promise(40), ("train", data / "brief-text", *generator)),
        ("training a translator, small", "pairs", Promise(40), ("train", data / "brief", *translator)),
        (
            "SIGTERM to the saved end, small",
            "pairs",
            Promise(10, True),
            ("stop", data / "brief", *translator),
        ),
        ("one line, beam 5", "", Promise(2.5, True), ("line", model, text, "--lines", plan.lines // 5)),
        ("translating the test set, beam 5", "", None, ("bulk", model, text)),
    ]
    return [
        Case(
            *("contention", task, "seqkit"),
            _script("contention.py", *arguments, *pairs, *(turn if needed else ())),
            **{"needs": (_setup(needed) if needed else default,), "cores": plan.cores, "promise": promise},
            limit=600,
        )
        for task, needed, promise, arguments in found
    ]


def _profiles(work: Path, plan: Plan) -> list[Case]:
    presets: Sequence[str] = ("small",) if plan.quick else ("small", "base", "large")
    found = []
    for preset in presets:
        epochs = ["--epochs"] if preset == "small" else []
        command = _script(
            *("step_profile.py", work / "data/default", "--preset", preset, *epochs),
            *("--warm-up", plan.warm_up, "--seconds", plan.seconds),
            *_settings(_tiny(plan), plan.precision),
        )
        found.append(
            Case(
                *("profile", preset, "seqkit", command),
                **{"needs": (_setup("pairs"),), "cores": plan.cores, "repeats": 1},
            )
        )
    return found


def _peer(peer: Peer, work: Path, plan: Plan) -> list[Case]:
    """A peer's cases; what it cannot do in a fair way is not among them."""
    home = ("--work", work)  # its files lie in work/peers
    threads = ("--threads", plan.cores)

    def script(what: str, *arguments: object) -> tuple[str, ...]:
        return _script(f"peers/{peer.module}.py", what, *home, *arguments)

    def needed(what: str) -> tuple[str, ...]:
        return (f"{SETUP}: {what}: {peer.system}",)

    against = EQUAL_SIZES if peer.lstm else DEFAULT
    minutes = plan.peer_minutes
    install, prepare = script("install"), script("prepare", "--data", work / "data")
    train = script("train", "--minutes", minutes, "--threads", plan.peer_threads)
    once = {"system": peer.system, "cores": plan.cores, "repeats": 1}
    often = {"system": peer.system, "cores": plan.cores, "needs": needed("model")}
    found = [
        Case(SETUP, "environment", command=install, silent=True, limit=1800, **once),
        Case(
            *(SETUP, "its texts"),
            command=prepare,
            silent=True,
            needs=(_setup("pairs"), *needed("environment")),
            **once,
        ),
        Case(
            SETUP,
            "model",
            command=train,
            limit=60 * minutes + 600,
            needs=needed("its texts"),
            **{**once, "cores": plan.peer_threads},
        ),
    ]
    if peer.lstm:
        speed = script("train-speed", "--seconds", plan.seconds, *threads)
        often_texts = {**often, "needs": needed("its texts")}
        found.append(
            Case(
                *("training", "equal sizes"),
                command=speed,
                against="seqkit",
                network="luong",
                promise=peer.promise(peer.training),
                **often_texts,
            )
        )
    for beam, name in ((5, "beam 5"), (1, "greedy")):
        command = script("decode", "--beam", beam, *threads, "--repeat", peer.repeat)
        promise = peer.promise(peer.bulk)
        found.append(
            Case("decoding", name, command=command, against=against, promise=promise, **often),
        )
    latency, process = script("latency", "--beam", 5, *threads), script("process", *threads)
    promise = peer.promise(peer.latency)
    found.append(Case("latency", "beam 5", command=latency, against=against, promise=promise, **often))
    found.append(Case("process", "one line", command=process, against=DEFAULT, **often))
    return found
