#!/usr/bin/env bash
# The vanishing gradient seen, and what an LSTM can learn that a plain recurrent network cannot:
#
#   bash recipes/long-memory/run.sh            everything, in minutes on one core
#   bash recipes/long-memory/run.sh --quick    a small part of it, in some twenty seconds
#
# Prints tables and charts, and writes them as SVG with the numbers behind them. It can be interrupted at any
# point: what is finished is found again. SEED=2 takes another seed, WORK=FOLDER keeps its files elsewhere.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
seed="${SEED:-1}"
case "$#:${1:-}" in
    0:) part="seed-$seed" ;;
    1:--quick) part="quick-seed-$seed" ;;
    *)
        echo "run.sh: error: unknown argument: $*" >&2
        echo "  try:   bash recipes/long-memory/run.sh [--quick]" >&2
        exit 2
        ;;
esac
. "$here/../setup.sh"
folder="${WORK:-$here/work}/$part"

echo "== Networks that have to remember; results, charts and progress go to $folder" >&2
python "$here/long_memory.py" "$folder" --seed "$seed" "$@"
