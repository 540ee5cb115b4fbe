#!/usr/bin/env bash
# Set everything up, then lint, type-check and test. Arguments go to pytest:
#
#   bash tests/run.sh                 what CI runs (without the tests marked slow)
#   bash tests/run.sh -m "not slow" --ignore=tests/recipes -n 2     the fast part: no whole recipes
#   bash tests/run.sh -m slow         the tests that train to a score, and the long attacks
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. recipes/setup.sh dev

echo "ruff: format and lint" >&2
ruff format --check --quiet . || { echo "run.sh: error: not formatted; try: ruff format ." >&2; exit 1; }
ruff check --quiet .
echo "mypy --strict seqkit" >&2
mypy
echo "pytest" >&2
if [ $# -eq 0 ]; then set -- -m "not slow" --numprocesses auto --maxprocesses 8 --dist worksteal; fi
python -m pytest "$@"
