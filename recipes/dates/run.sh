#!/usr/bin/env bash
# Train a reader of dates (or of numbers in words) and score it:
#
#   DATES=FOLDER bash recipes/dates/run.sh [dates|numbers …]
#
# What to expect stands in README.md beside it.
set -euo pipefail
tasks=("${@:-dates}")
set -- # a sourced file would see our arguments
recipe=dates minutes=5 folder="${DATES:-}"
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/../words.sh"
words_data DATES
for task in "${tasks[@]}"; do
    words "$task" "--source 1 --target 2"
done
go_on "$work" seqkit translate "${tasks[0]}/model-${seeds%% *}"
