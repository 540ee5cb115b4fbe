#!/usr/bin/env bash
# Draw the terminal pictures of the pages again: bash recipes/pictures/run.sh [--only NAME,…]
# WORK=FOLDER keeps data and models elsewhere.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
arguments=("$@")
# shellcheck source=/dev/null
. "$here/../setup.sh" dev # it types into a terminal that the tests use, too
python "$here/pictures.py" "${WORK:-$here/work}" ${arguments[@]+"${arguments[@]}"}
