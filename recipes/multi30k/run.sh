#!/usr/bin/env bash
# Train a Multi30k translator and score it on every test set: bash recipes/multi30k/run.sh en de
# What it does, its settings and what it needs are in README.md beside it.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

usage_error() {
    printf 'run.sh: error: %s\n  try:   bash recipes/multi30k/run.sh en de (languages: en de fr cs)\n' "$1" >&2
    exit 2
}

[ $# -eq 2 ] || usage_error "two languages are needed, $# given"
source_language=$1
target_language=$2
for language in "$source_language" "$target_language"; do
    case $language in
        en | de | fr | cs) ;;
        *) usage_error "Multi30k has no language '$language'" ;;
    esac
done
[ "$source_language" != "$target_language" ] || usage_error "source and target are both $source_language"

minutes=${MINUTES:-20}
seed=${SEED:-1}
preset=${PRESET:-small}
vocabulary=${VOCABULARY:-4000}
work=${WORK:-$here/work}
pair=$source_language-$target_language
corpus=$pair/corpus-$vocabulary
run=$pair/$preset-$minutes-minutes-seed-$seed

set -- # a sourced file would see our arguments
# shellcheck source=/dev/null
source "$here/../setup.sh"
mkdir -p -- "$work"
work=$(cd -- "$work" && pwd)

step "1. The data: $pair, verified (MULTI30K=FOLDER takes it from a folder)"
python3 "$here/download.py" "$source_language" "$target_language" --output "$work/data"
show cd "${work#"$PWD"/}"
mkdir -p -- "$run"

step "2. prepare: raw text to a tokenizer and token arrays"
if [ ! -f "$corpus/corpus.json" ]; then
    show seqkit prepare "$corpus" --overwrite --vocab-size "$vocabulary" \
        --source "data/train.$source_language" --target "data/train.$target_language" \
        --valid-source "data/val.$source_language" --valid-target "data/val.$target_language"
else
    there_already
fi

step "3. train: preset $preset, $minutes minutes, seed $seed; interrupted, it continues"
show seqkit train "$corpus" "$run/model" --preset "$preset" --minutes "$minutes" --seed "$seed"

step "4. translate and score every test set: beam 5, cased, detokenised"
for reference in data/test_*."$target_language"; do
    name=$(basename -- "$reference" ".$target_language")
    text=data/$name.$source_language
    [ -f "$text" ] || continue
    hypotheses=$run/$name.$target_language
    show seqkit translate "$run/model" "$text" --beam-size 5 --output "$hypotheses" --quiet
    printf '%s\n' "$name"
    show seqkit evaluate "$hypotheses" --reference "$reference" --metric bleu,chrf,ter --protocol cased --quiet
done | tee "$run/scores.txt"

go_on "$work" seqkit translate "$run/model"
