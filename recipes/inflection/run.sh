#!/usr/bin/env bash
# Train an inflector, lemma and tags to a form, for each language, and score it:
#
#   INFLECTION=FOLDER bash recipes/inflection/run.sh german finnish turkish
#   INFLECTION=FOLDER YEAR=2023 bash recipes/inflection/run.sh deu fin tur spa eng
#
# What to expect stands in README.md beside it.
set -euo pipefail
year="${YEAR:-2017}"
case $year in
    2017) columns="--source 1,3 --target 2" all="german finnish turkish" ;; # lemma, form, tags
    2023) columns="--source 1,2 --target 3" all="deu fin tur spa eng" ;;    # lemma, tags, form
    *)
        echo "run.sh: error: YEAR is $year; the data are of 2017 or 2023" >&2
        exit 2
        ;;
esac
# shellcheck disable=SC2206
languages=(${*:-$all})
set -- # a sourced file would see our arguments
recipe=inflection minutes=20 folder="${INFLECTION:-}"
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/../words.sh"
words_data INFLECTION
for language in "${languages[@]}"; do
    words "$language" "$columns" --source-tokenizer char,tags --target-tokenizer char
done
go_on "$work" seqkit translate "${languages[0]}/model-${seeds%% *}"
