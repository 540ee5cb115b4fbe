"""The set-up script: it takes a Python that runs and fits, and shows that pip is at work."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASH = shutil.which("bash") or "bash"

# A Python that knows what the set-up asks of one. VERSION is the file beside it.
PYTHON = """#!{bash}
here="$(dirname "$0")"
version="$(cat "$here/$(basename "$0").version")"
case "$*" in
    --version) echo "Python $version" ;;
    -c*) case $version in 3.11.*|3.12.*|3.13.*|3.14.*) exit 0 ;; *) exit 1 ;; esac ;;
    "-m venv "*)
        mkdir -p "$3/bin"
        cp "$0" "$3/bin/python"
        echo "$version" >"$3/bin/python.version"
        echo 'VIRTUAL_ENV="'"$3"'"; export VIRTUAL_ENV; PATH="'"$3"'/bin:$PATH"' >"$3/bin/activate" ;;
    "-m pip install "*)
        echo "$*" >>"$CALLS"
        {pip} ;;
    *) echo "not expected: $*" >&2; exit 99 ;;
esac
"""
QUICK = "echo 'Collecting numpy'"


@dataclass(frozen=True)
class Place:
    """A copy of the set-up script in a repository of its own, and programs to be found by it."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "repository"

    def python(self, name: str, version: str, pip: str = QUICK) -> None:
        """Put a fake Python on the path; `version` "broken" is a shim for one that is not there."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        broken = "#!/bin/sh\necho 'shim: not found' >&2\nexit 127\n"
        path.write_text(broken if version == "broken" else PYTHON.format(bash=BASH, pip=pip))
        path.chmod(0o755)
        path.with_name(f"{name}.version").write_text(version)

    def start(
        self, script: str = "set -euo pipefail\n. recipes/setup.sh dev\necho done"
    ) -> subprocess.Popen[str]:
        tools = self.folder / "tools"
        if not tools.exists():
            tools.mkdir()
            needed = "basename cat cksum cp dirname grep mkdir mv rm sed sleep tail"
            for tool in needed.split():
                (tools / tool).symlink_to(shutil.which(tool) or tool)
        return subprocess.Popen(
            [BASH, "-c", script],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Where the tests run in the background of a script, Ctrl-C is ignored: not by what is tested.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env={
                "PATH": f"{self.folder / 'bin'}:{tools}",
                "HOME": str(self.folder),
                "CALLS": str(self.folder / "calls"),
                "LC_ALL": "C",
            },
        )

    def run(self, script: str | None = None) -> tuple[int, str, str]:
        process = self.start() if script is None else self.start(script)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "bin").mkdir()
    (tmp_path / "repository" / "recipes").mkdir(parents=True)
    for name in ("recipes/setup.sh", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / "repository" / name)
    return Place(tmp_path)


class TestWhichPython:
    @pytest.mark.parametrize("version", ["3.11.0", "3.12.1", "3.13.0", "3.14.2"])
    def test_each_supported_version_will_do(self, place: Place, version: str) -> None:
        place.python("python3", version)
        code, out, err = place.run()
        assert (code, out) == (0, "done\n"), err
        assert f".venv with Python {version}" in err
        assert (place.root / ".venv/bin/python.version").read_text().strip() == version

    @pytest.mark.parametrize("usual", ["3.10.13", "3.15.0", "2.7.18", "broken"])
    def test_another_is_looked_for_where_the_usual_one_does_not_fit(self, place: Place, usual: str) -> None:
        place.python("python3", usual)
        place.python("python3.14", "broken")
        place.python("python3.12", "3.12.1")
        place.python("python3.11", "3.11.7")
        code, _, err = place.run()
        assert code == 0, err
        assert "with Python 3.12.1" in err
        assert "shim" not in err

    @pytest.mark.parametrize(
        ("versions", "found"),
        [
            ({"python3": "3.10.13", "python": "2.7.18"}, "Python 3.10.13"),
            ({"python3": "broken", "python": "2.7.18"}, "Python 2.7.18"),
            ({"python3": "3.15.0"}, "Python 3.15.0"),
            ({"python3": "broken"}, "no python3"),
            ({}, "no python3"),
        ],
    )
    def test_no_python_that_fits_is_said_in_one_line(
        self, place: Place, versions: dict[str, str], found: str
    ) -> None:
        for name, version in versions.items():
            place.python(name, version)
        code, out, err = place.run()
        assert (code, out) == (2, "")
        assert err == f"setup: error: {found} found; seqkit needs Python 3.11 to 3.14\n"
        assert place.calls() == []

    def test_the_active_environment_comes_first_and_is_checked(self, place: Place) -> None:
        place.python("python3", "3.13.0")
        active = "export VIRTUAL_ENV=$PWD/mine\nmkdir mine\nset -euo pipefail\n. recipes/setup.sh\necho done"
        place.python("python", "3.12.1")
        assert place.run(active)[:2] == (0, "done\n")
        assert not (place.root / ".venv").exists()
        place.python("python", "3.10.1")
        code, out, err = place.run(active.replace("mkdir mine\n", ""))
        assert (code, out) == (2, "")
        assert err == f"setup: error: {place.root}/mine has Python 3.10.1; seqkit needs Python 3.11 to 3.14\n"


SLOW = """
        echo "Obtaining file:///repository"
        for package in numpy torch rich; do
            echo "Collecting $package>=1 (from seqkit)"
            echo "  Downloading $package-1.0-py3-none-any.whl (1.6 MB)"
        done
        sleep {seconds}
        echo "Installing collected packages: numpy, rich, torch"
        echo "Successfully installed" """


class TestPip:
    def test_it_shows_that_it_works_and_says_nothing_else(self, place: Place) -> None:
        place.python("python3", "3.13.0", SLOW.format(seconds=11))
        code, out, err = place.run()
        assert (code, out) == (0, "done\n")
        making, installing, *lines = err.splitlines()
        assert making.startswith("setup: making ")
        assert installing.startswith("setup: installing ")
        assert lines == [
            "setup: 3 packages, 5 s: Downloading rich",
            "setup: 3 packages, 10 s: Downloading rich",
        ]
        assert [path.name for path in (place.root / ".venv").iterdir() if "installing" in path.name] == []
        (call,) = place.calls()
        assert f"-c {place.root}/constraints.txt -e {place.root}[dev]" in call
        assert place.run() == (0, "done\n", "")  # all is in place
        assert len(place.calls()) == 1

    def test_a_quick_one_adds_no_line(self, place: Place) -> None:
        place.python("python3", "3.13.0")
        assert len(place.run()[2].splitlines()) == 2

    def test_its_error_is_shown_and_nothing_counts_as_installed(self, place: Place) -> None:
        flood = 'for ((i = 0; i < 1000; i++)); do echo "Collecting p$i"; done; '
        failing = flood + 'echo "ERROR: No matching distribution found for torch" >&2; exit 3'
        place.python("python3", "3.13.0", failing)
        code, out, err = place.run()
        assert (code, out) == (3, "")
        assert "\nERROR: No matching distribution found for torch\n" in err
        log = place.root / ".venv/seqkit-setup.log"
        assert err.endswith(f"setup: error: pip failed (exit code 3); all that it said is in {log}\n")
        assert len(err.splitlines()) < 25
        assert "ERROR: No matching" in log.read_text()
        # Where errors do not end the script, a second call tries again.
        place.python("python3", "3.13.0")
        shutil.copy(place.folder / "bin/python3", place.root / ".venv/bin/python")
        assert place.run(". recipes/setup.sh dev && echo done")[:2] == (0, "done\n")
        assert len(place.calls()) == 2

    def test_ctrl_c_ends_it_at_once(self, place: Place) -> None:
        trap = "trap 'kill $!; echo cancelled; exit 1' INT"
        place.python("python3", "3.13.0", f'{trap}; sleep 60 & : >"$HOME/waiting"; wait $!')
        process = place.start()
        deadline = time.monotonic() + 120
        while not (place.folder / "waiting").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        before = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=50)  # also waits until the line's writer has closed its end
        assert process.returncode != 0
        assert out == ""
        assert time.monotonic() - before < 10


@pytest.mark.parametrize("others", [{}, {"python3.12": "broken", "python3.10": "3.10.13"}])
def test_without_a_second_python_its_tests_are_left_out_with_a_line(
    place: Place, others: dict[str, str]
) -> None:
    (place.root / "tests").mkdir()
    shutil.copy(ROOT / "tests/other_python.sh", place.root / "tests")
    for name, version in {"python3": "3.13.0", **others}.items():
        place.python(name, version)
    code, out, err = place.run(". tests/other_python.sh")
    assert (code, out) == (0, ""), err
    assert err.splitlines()[2:] == [
        "other_python.sh: no second Python from 3.11 to 3.14 is found: its tests are left out"
    ]


def test_the_scripts_ask_for_nothing_that_only_new_shells_and_gnu_tools_have() -> None:
    """macOS has bash 3.2 and the tools of BSD."""
    newer = re.compile(
        r"\$\{\w+(,,?|\^\^?|@[A-Z])|\b(mapfile|readarray|coproc)\b|declare -[Ag]|local -[nA]|\|&|&>>"
        r"|sed (-[a-z]* )*-(i|r)\b|readlink -f|date -d|date --|head -n -|cksum -a|stat -c|grep -P|xargs -r"
        r"|\bsort -V|\btac\b|\bnproc\b|\btimeout\b|\bseq\b|\brealpath\b|mktemp -p|cp --|\bwait -n\b"
    )
    scripts = [path for folder in ("recipes", "tests") for path in (ROOT / folder).rglob("*.sh")]
    scripts = [path for path in scripts if "work" not in path.relative_to(ROOT).parts]
    assert len(scripts) >= 9
    for script in scripts:
        for number, line in enumerate(script.read_text().splitlines(), 1):
            code = re.sub(r"(^|\s)#.*", "", line)
            assert not newer.search(code), f"{script.relative_to(ROOT)}:{number}: {line}"
