#!/usr/bin/env bash
# Train a transliterator of names for each pair of scripts, and score it:
#
#   NAMES=FOLDER bash recipes/transliteration/run.sh en-arabic en-hebrew en-katakana google-ar-en
#
# What to expect stands in README.md beside it.
set -euo pipefail
# shellcheck disable=SC2206
scripts=(${*:-en-arabic en-hebrew en-katakana google-ar-en})
set -- # a sourced file would see our arguments
recipe=transliteration minutes=20 folder="${NAMES:-}"
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/../words.sh"
words_data NAMES
for pair in "${scripts[@]}"; do
    words "$pair" "--source 1 --target 2"
done
go_on "$work" seqkit translate "${scripts[0]}/model-${seeds%% *}"
