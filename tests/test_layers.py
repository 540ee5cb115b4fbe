"""The layers of the package: a file imports only from layers below its own, and some things nowhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import seqkit

PACKAGE = Path(seqkit.__file__).parent

# From the top to the bottom; modules on one line do not import each other.
LAYERS = [
    ["cli"],
    ["pages"],
    ["training", "inspection"],
    ["evaluation"],
    ["inference", "machine"],
    ["engines", "model_directory", "metrics"],
    ["nn", "decoding"],
    ["network"],
    ["data"],
    ["config", "device"],
    ["files", "kinds"],
    ["errors", "html", "limits", "printable", "processors", "randomness", "scores", "version"],
    ["signals"],
]
RANK = {name: len(LAYERS) - number for number, names in enumerate(LAYERS) for name in names}
# What loads torch when it is imported; everything else does without until a function needs it.
WITH_TORCH = {
    *("seqkit.data.batch", "seqkit.data.batching", "seqkit.nn"),
    "seqkit.engines.network",
    *("seqkit.evaluation.dynamic", "seqkit.evaluation.language"),
    *("seqkit.training", "seqkit.cli.train.display", "seqkit.cli.train.panel"),
}
FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "runpy"),
    "click",  # Typer has its own
}
FORBIDDEN_CALLS = {
    *("torch.load", "torch.save", "torch.jit.load", "torch.hub.load", "torch.export.load"),
    *("numpy.load", "np.load", "eval", "exec", "compile", "__import__", "importlib.import_module"),
    *("os.system", "os.popen", "subprocess.run", "subprocess.Popen"),
    *("os.posix_spawn", "os.posix_spawnp", "os.execv", "os.execve", "os.execvp", "os.spawnv", "os.spawnve"),
}
# It starts this very interpreter on a module of ours; a test of its own holds that.
ALLOWED_CALLS = {"inference/fresh_workers.py": ["os.posix_spawn"]}
FORBIDDEN_ARGUMENTS = {"allow_pickle", "weights_only", "trust_remote_code"}


def sources() -> Iterator[Path]:
    yield from sorted(PACKAGE.rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of every import, also of those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def foreign_code(tree: ast.AST) -> Iterator[str]:
    """What in a module could run what it reads."""
    for name in imported(tree):
        if name.split(".")[0] in FORBIDDEN_MODULES or name in FORBIDDEN_CALLS:
            yield name
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from {ast.unparse(node.func)} & FORBIDDEN_CALLS
            yield from {keyword.arg for keyword in node.keywords if keyword.arg} & FORBIDDEN_ARGUMENTS


def layer_of(dotted: str) -> str | None:
    """The layer that a dotted name of the package belongs to."""
    parts = dotted.split(".")
    return parts[1] if parts[0] == "seqkit" and len(parts) > 1 and parts[1] in RANK else None


def test_every_module_has_a_layer() -> None:
    found = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in sources()}
    assert found - {"__init__", "__main__"} == set(RANK)


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own in {"__init__", "__main__"}:
        return  # the package's face: it names what is above
    for name in imported(ast.parse(path.read_text())):
        layer = layer_of(name)
        if layer is not None and layer != own:
            assert RANK[layer] < RANK[own], f"{own} imports {name}, which is not below it"


def dotted_name(path: Path) -> str:
    """seqkit/data/corpus.py -> seqkit.data.corpus, seqkit/data/__init__.py -> seqkit.data"""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_files_import_each_other_in_a_circle() -> None:
    """Not for types alone either: a name that two files need stands in one of them, or below both."""
    files = {dotted_name(path): path for path in sources()}
    needs: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:  # of a package either a file or a name
                    inner = f"{node.module}.{alias.name}"
                    needs[name] |= {inner if inner in files else str(node.module)} & files.keys()
    while True:
        free = {name for name, found in needs.items() if not found & needs.keys()}
        if not free:
            break
        needs = {name: found for name, found in needs.items() if name not in free}
    assert needs == {}


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_imports_the_packages_face(path: Path) -> None:
    """What is public is above all layers: whoever needs the version takes it from seqkit.version."""
    tree = ast.parse(path.read_text())
    plain = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    taken = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "seqkit"
        for alias in node.names
    ]
    assert "seqkit" not in plain
    assert not [name for name in taken if name not in RANK]


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_can_run_foreign_code(path: Path) -> None:
    allowed = ALLOWED_CALLS.get(path.relative_to(PACKAGE).as_posix(), [])
    assert list(foreign_code(ast.parse(path.read_text()))) == allowed


@pytest.mark.parametrize(
    "code",
    [
        *("import pickle", "from pickle import loads", "import yaml.loader", "torch.load('x')"),
        *("from torch import load", "eval('1')", "f(weights_only=True)", "np.load(f, allow_pickle=False)"),
        *("os.system('ls')", "__import__('x')", "from importlib import import_module"),
        *("os.posix_spawn('ls', ['ls'], {})", "os.execv('ls', ['ls'])"),
    ],
)
def test_foreign_code_is_seen(code: str) -> None:
    assert list(foreign_code(ast.parse(code)))


def test_fresh_workers_start_this_interpreter_alone() -> None:
    (call,) = [
        node
        for node in ast.walk(ast.parse((PACKAGE / "inference/fresh_workers.py").read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.posix_spawn"
    ]
    program, words = (ast.unparse(argument) for argument in call.args[:2])
    assert program == "sys.executable"
    assert words == "[sys.executable, '-P', '-m', 'seqkit.inference.fresh_worker', *role]"


def test_decoding_knows_no_torch() -> None:
    for path in (PACKAGE / "decoding").rglob("*.py"):
        assert not [name for name in imported(ast.parse(path.read_text())) if name.startswith("torch")]


def imported_at_once(path: Path) -> set[str]:
    """What importing a module imports: no function's imports, and none for types alone."""
    statements = [
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return set(imported(ast.Module(list(statements), [])))


def test_torch_is_loaded_where_it_is_needed_alone() -> None:
    """So a small install, without torch, decodes; see tests/reliability/test_without_torch.py."""
    modules = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sources()
    }
    imports = {name: imported_at_once(path) for name, path in modules.items()}
    loading: set[str] = set()
    while True:
        more = {
            name
            for name, names in imports.items()
            if names & loading
            or any(each.split(".")[0] == "torch" or "safetensors.torch" in each for each in names)
        }
        if more == loading:
            break
        loading = more
    places = {
        next((place for place in WITH_TORCH if f"{name}.".startswith(f"{place}.")), name) for name in loading
    }
    assert places == WITH_TORCH


def test_private_names_of_libraries_are_imported_in_one_place() -> None:
    """A release that lacks them must not end every command: `completion.prepare_shells` does without."""
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in sources()
        for name in imported(ast.parse(path.read_text()))
        if name.split(".")[0] not in {"seqkit", "__future__"}
        and any(part.startswith("_") for part in name.split("."))
    }
    assert found == {"cli/terminal/shells.py"}


def test_templates_are_read_in_one_place() -> None:
    """A template is run as code: all are files of the package, and none is made of text from elsewhere."""
    found = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in sources()
        for name in imported(ast.parse(path.read_text()))
        if name.split(".")[0] == "jinja2"
    }
    names = ("jinja2", "jinja2.Environment", "jinja2.PackageLoader", "jinja2.StrictUndefined")
    assert found == {("pages/page.py", name) for name in names}
    assert "from_string" not in (PACKAGE / "pages/page.py").read_text()
