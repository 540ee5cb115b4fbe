#!/usr/bin/env bash
# Train a character-level generator on tiny-shakespeare, score it, and let it write:
#
#   bash recipes/shakespeare/run.sh                     preset small: 3 minutes of training
#   PRESET=base bash recipes/shakespeare/run.sh         30 minutes
#   SHAKESPEARE=input.txt bash recipes/shakespeare/run.sh    with a copy of the text instead of a download
#
# What to expect stands in README.md beside it.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=/dev/null
. "$here/../setup.sh"
work="${WORK:-$here/work}"
preset="${PRESET:-small}"
seed="${SEED:-1}"
model="$preset-seed-$seed"
mkdir -p "$work"
work="$(cd "$work" && pwd)"

step "1. The text: all of Shakespeare's dialogue in one megabyte, verified"
python "$here/fetch.py" "$work/input.txt"
show cd "${work#"$PWD"/}"

step "2. prepare: characters; the last tenth is for validation, as nanoGPT has it"
if [ ! -f corpus/corpus.json ]; then
    show seqkit prepare corpus --text input.txt
else
    there_already
fi

step "3. train: preset $preset, seed $seed; interrupted, it continues"
# shellcheck disable=SC2086
show seqkit train corpus "$model" --preset "$preset" --seed "$seed" ${BUDGET:-}

step "4. evaluate: the validation text, static and dynamic, beside a 5-gram model"
tail -c 111540 input.txt >valid.txt
show seqkit evaluate --model "$model" --text valid.txt --dynamic --window 64 --ngram corpus

step "5. generate: a thousand characters, and how much of them is copied"
show seqkit generate "$model" --prompt "ROMEO:" --length 1000 --temperature 0.8 --seed 1 | tee sample.txt
show seqkit evaluate --novelty corpus sample.txt

go_on "$work" seqkit generate "$model"
