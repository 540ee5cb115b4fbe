#!/usr/bin/env bash
# Train a generator on Python's own standard library, which every Python brings along, and look inside it:
#
#   bash recipes/python-source/run.sh                    5 minutes of training on 4 MB
#   MINUTES=3 MEGABYTES=1 bash recipes/python-source/run.sh
#
# What to expect stands in README.md beside it.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=/dev/null
. "$here/../setup.sh"
work="${WORK:-$here/work}"
minutes="${MINUTES:-5}"
seed="${SEED:-1}"
model="model-$minutes-minutes-seed-$seed"
mkdir -p "$work"
work="$(cd "$work" && pwd)"

step "1. The text: sources of the standard library of $(python --version)"
show cd "${work#"$PWD"/}"
if [ ! -f train.txt ]; then
    show python "$here/collect.py" . --megabytes "${MEGABYTES:-4}"
else
    there_already
fi

step "2. prepare: characters; those that occur fewer than ten times are encoded as bytes"
if [ ! -f corpus/corpus.json ]; then
    show seqkit prepare corpus --text train.txt --valid-text valid.txt --min-count 10
else
    there_already
fi

step "3. train: $minutes minutes, seed $seed; interrupted, it continues"
show seqkit train corpus "$model" --preset small --minutes "$minutes" --seed "$seed" \
    --config "$here/config.toml"

step "4. evaluate: bits per character on files that it never saw"
show seqkit evaluate --model "$model" --text valid.txt --ngram corpus

step "5. generate: what it takes for Python"
show seqkit generate "$model" --prompt "def " --length 800 --temperature 0.7 --seed 1

step "6. look inside: the cells that follow brackets, quotes, the place in a line"
head -c 8000 valid.txt >look.txt
show seqkit generate "$model" --cells-text look.txt --show-cells auto --cells-html cells.html --quiet \
    >cells.txt
sed '/^$/q' cells.txt
printf '\nThe text coloured by each cell: %s and %s\n' "$work/cells.txt" "$work/cells.html" >&2

go_on "$work" seqkit generate "$model"
