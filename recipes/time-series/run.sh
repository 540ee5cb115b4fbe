#!/usr/bin/env bash
# Classify time series of the UEA & UCR archive, five seeds each, with one preset for all:
#
#   TIME_SERIES=FOLDER bash recipes/time-series/run.sh [SET …]
#
# FOLDER has a folder per set with SET_TRAIN.ts and SET_TEST.ts, compressed or not. README.md beside this says what
# to expect, and has the other variables.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
if [ $# -eq 0 ]; then set -- BasicMotions GunPoint ItalyPowerDemand OSULeaf; fi
sets=("$@")
set -- # a sourced file would see our arguments
# shellcheck source=/dev/null
. "$here/../setup.sh"
seeds="${SEEDS:-1 2 3 4 5}"
settings="${SETTINGS:---steps 2000}"
work="${WORK:-$here/work}"
data="${TIME_SERIES:-$work/data}"
if [ -d "$data" ]; then data="$(cd "$data" && pwd)"; fi
mkdir -p "$work"
work="$(cd "$work" && pwd)"

# The file of a set, compressed or not: file_of SET TRAIN|TEST
file_of() {
    local file
    for file in "$data/$1/$1_$2.ts" "$data/$1/$1_$2.ts.gz"; do
        if [ -f "$file" ]; then
            printf '%s\n' "$file"
            return 0
        fi
    done
    printf 'run.sh: error: no %s_%s.ts or %s_%s.ts.gz in %s\n' "$1" "$2" "$1" "$2" "$data/$1" >&2
    printf '  try:   TIME_SERIES=FOLDER, where the archive of timeseriesclassification.com is unpacked\n' >&2
    return 66
}

# Train and score a classifier of a set per seed: classify SET
classify() {
    local train test seed
    train="$(file_of "$1" TRAIN)" || return
    test="$(file_of "$1" TEST)" || return
    step "$1: prepare; all of the training series are trained on"
    if [ ! -f "$1/corpus/corpus.json" ]; then
        show seqkit prepare "$1/corpus" --overwrite --table "$train" --train-on-all || return
    else
        there_already
    fi
    for seed in $seeds; do
        step "$1: train and evaluate, seed $seed; interrupted, it continues"
        # shellcheck disable=SC2086 # the settings are words
        show seqkit train "$1/corpus" "$1/seed-$seed" --threads 1 --seed "$seed" --quiet $settings || return
        show seqkit evaluate --model "$1/seed-$seed" --table "$test" --threads 1 --quiet --format json \
            >"$1/seed-$seed.jsonl" || return
        scores+=("$1/seed-$seed.jsonl")
        python "$here/summary.py" "$1/seed-$seed.jsonl" >&2 || return
    done
}

show cd "${work#"$PWD"/}"
scores=()
for name in "${sets[@]}"; do classify "$name" || exit; done

step "All seeds: accuracy in percent on the archive's test series, and errors"
python "$here/summary.py" "${scores[@]}"

go_on "$work" seqkit translate "${sets[0]}/seed-${seeds%% *}" --table FILE
