#!/usr/bin/env bash
# What needs no PyTorch, on a second Python, where there is one: bash tests/other_python.sh
#
# Another Python than that of the environment which is active (or .venv) is looked for on the PATH and among those
# of pyenv and uv, the newest first; OTHER_PYTHON=PROGRAM names one. It gets an environment without PyTorch beside
# .venv, kept for the next time. Tests run on it, and then models that were trained on the first Python give the
# same on both. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
arguments=("$@")
set -- dev
. recipes/setup.sh

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

# The folders of tests that need no PyTorch, and the files in them that do.
TESTS=(tests/unit/data tests/unit/decoding tests/unit/metrics tests/unit/engines tests/unit/evaluation
    tests/unit/inference/test_workers.py tests/unit/test_config.py tests/unit/test_files.py
    tests/unit/test_captions.py tests/unit/test_captions_german.py tests/cli/test_output.py)
for file in data/test_batching data/test_stream_batches decoding/test_stepper engines/test_cells engines/test_choose engines/test_fixed_point \
    engines/test_language engines/test_network evaluation/test_cell_relations \
    evaluation/test_cells evaluation/test_dynamic evaluation/test_language evaluation/test_protocols \
    evaluation/test_stepwise; do
    TESTS+=("--ignore=tests/unit/$file.py")
done

# The newest Python that runs, fits and is of another version than the one in use.
find_other() {
    local minor name
    for minor in 14 13 12 11; do
        if [ "3.$minor" = "$(version_of python)" ]; then continue; fi
        for name in "python3.$minor" "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/3.$minor".*/bin/python \
            "${XDG_DATA_HOME:-${HOME:-}/.local/share}"/uv/python/*/bin/"python3.$minor"; do
            if [ "$(version_of "$name")" = "3.$minor" ]; then
                echo "$name"
                return 0
            fi
        done
    done
    return 1
}

other="${OTHER_PYTHON:-$(find_other)}" || {
    echo "other_python.sh: no second Python from 3.11 to 3.14 is found: its tests are left out" >&2
    exit 0
}
seqkit_python_fits "$other" || {
    echo "other_python.sh: error: $other is no Python from 3.11 to 3.14 that runs" >&2
    exit 2
}
version="$(version_of "$other")"
requirements="$(python - <<'END'
import re, tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
left_out = {"torch", "seqkit", "mypy", "ruff"}  # they look at the sources, whatever runs them
# Without spaces: the shell cuts the list at them.
print(*(one.replace(" ", "") for one in wanted if re.split(r"[^A-Za-z0-9_-]", one)[0] not in left_out))
END
)"
first_python="$(command -v python)"
VIRTUAL_ENV="$seqkit_root/.venv-$version"
PATH="$VIRTUAL_ENV/bin:$PATH"
export VIRTUAL_ENV PATH
wanted="$requirements $(cksum <constraints.txt) $seqkit_root"
if [ "$(cat "$VIRTUAL_ENV/.installed" 2>/dev/null)" != "$wanted" ]; then
    echo "setup: making $VIRTUAL_ENV, without PyTorch" >&2
    "$other" -m venv --clear "$VIRTUAL_ENV"
    hash -r
    # shellcheck disable=SC2086
    seqkit_pip_install $requirements
    seqkit_pip_install --no-deps -e .
    echo "$wanted" >"$VIRTUAL_ENV/.installed"
fi
if python -c 'import torch' 2>/dev/null; then
    echo "other_python.sh: error: $VIRTUAL_ENV has PyTorch; delete it, and it is made again" >&2
    exit 2
fi
echo "pytest on Python $version, without PyTorch" >&2
if [ ${#arguments[@]} -eq 0 ]; then arguments=(-m "not slow" --numprocesses 2 "${TESTS[@]}"); fi
python -m pytest "${arguments[@]}"

echo "the same results on both" >&2
work="$(mktemp -d "${TMPDIR:-/tmp}/seqkit-other.XXXXXX")"
trap 'rm -rf "$work"' EXIT
first() { "$first_python" -m seqkit "$@" --quiet; }
second() { python -m seqkit "$@" --quiet; }
same() { # NAME COMMAND …: the two outputs are compared
    first "${@:2}" >"$work/first-$1"
    second "${@:2}" >"$work/second-$1"
    cmp "$work/first-$1" "$work/second-$1"
}
python data/captions/make.py "$work" --train 600 --valid 20 --test 100 >/dev/null
for on in first second; do
    "$on" prepare "$work/pairs-$on" --source "$work/train.en" --target "$work/train.de" \
        --valid-source "$work/valid.en" --valid-target "$work/valid.de" --vocab-size 400 >/dev/null
    "$on" prepare "$work/text-$on" --text "$work/train.en" >/dev/null
done
diff -r "$work/pairs-first" "$work/pairs-second"
diff -r "$work/text-first" "$work/text-second"
first train "$work/pairs-first" "$work/translator" --preset tiny --steps 6 --threads 1 >/dev/null
first train "$work/text-first" "$work/generator" --preset tiny --steps 6 --threads 1 >/dev/null
same translation translate "$work/translator" "$work/test.en" --scores
same text generate "$work/generator" --prompt Two --samples 3 --seed 1
same scores evaluate --reference "$work/test.de" "$work/test.en" --metric bleu,chrf,ter
