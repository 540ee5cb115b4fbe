#!/usr/bin/env bash
# Train a pronouncer, English words to phonemes, and score it as the literature does:
#
#   CMUDICT=FOLDER bash recipes/pronunciation/run.sh
#   CMUDICT=FOLDER SEEDS="1 2 3 4 5" bash recipes/pronunciation/run.sh      five models, and all of them together
#
# What to expect stands in README.md beside it.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
recipe=pronunciation minutes=60 folder="${CMUDICT:-}"
# shellcheck source=/dev/null
. "$here/../words.sh"

# A word has several pronunciations, and one of them is enough.
words_score() {
    local task="$1"
    shift
    show python "$here/score.py" "$task/test.target" "$@"
}

words_data CMUDICT
mkdir -p cmudict
for split in train dev test; do # the files have no name before the split
    for ending in tsv tsv.gz; do
        if [ -f "$folder/$split.$ending" ]; then ln -sf "$folder/$split.$ending" "cmudict/cmudict.$split.$ending"; fi
    done
done
folder="$work/cmudict"
words cmudict "--source 1 --target 2 --unseen --references" --source-tokenizer char --target-tokenizer word
go_on "$work" seqkit translate "cmudict/model-${seeds%% *}"
