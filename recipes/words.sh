# Sourced by the recipes of words and symbols: a table of pairs becomes a model and its scores.
#
#   recipe=dates folder=$DATES minutes=5
#   . recipes/words.sh
#   words TASK "--source 1 --target 2" [OPTIONS OF PREPARE …]
#
# reads $folder/TASK.{train,dev,test}.tsv[.gz], writes $work/TASK, and says what it does. For everybody who runs a
# recipe: WORK is where things are written, SEEDS the seeds of the models (with several an ensemble is scored, too),
# MINUTES the training time of each, BUDGET other options of `seqkit train` in place of it.

words_root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=/dev/null
. "$words_root/setup.sh"
work="${WORK:-$words_root/${recipe:?}/work}"
seeds="${SEEDS:-1}"
budget="${BUDGET:---minutes ${MINUTES:-${minutes:?}}}"

# The folder of the data, which is not part of the repository.
words_data() {
    if [ -z "${folder:-}" ]; then
        echo "run.sh: error: where is the data? $1=FOLDER bash recipes/$recipe/run.sh" >&2
        echo "  try:   recipes/$recipe/README.md says which files it has and where they are from" >&2
        exit 2
    fi
    folder="$(cd "$folder" && pwd)"
    mkdir -p "$work"
    work="$(cd "$work" && pwd)"
    step "The data are in $folder, everything is written to:"
    show cd "$work"
}

words() {
    local task="$1" columns="$2" seed outputs=""
    shift 2
    step "$task, 1: the columns of the table"
    # shellcheck disable=SC2086
    show python "$words_root/words.py" "$folder/$task" "$task" $columns
    step "$task, 2: prepare"
    if [ ! -f "$task/corpus/corpus.json" ]; then
        show seqkit prepare "$task/corpus" --overwrite --source "$task/train.source" --target "$task/train.target" \
            --valid-source "$task/valid.source" --valid-target "$task/valid.target" "$@"
    else
        there_already
    fi
    for seed in $seeds; do
        step "$task, 3: train with seed $seed; interrupted, it continues"
        # shellcheck disable=SC2086
        show seqkit train "$task/corpus" "$task/model-$seed" --seed "$seed" --set training.best_metric=exact $budget
        show seqkit translate "$task/model-$seed" "$task/test.source" --output "$task/test-$seed.output" --quiet
        outputs+=" $task/test-$seed.output"
    done
    if [ "$seeds" != "${seeds%% *}" ]; then
        step "$task, 4: all of them together"
        # shellcheck disable=SC2046,SC2086
        show seqkit translate "$task/model-${seeds%% *}" "$task/test.source" --output "$task/test-ensemble.output" \
            --quiet --ensemble $(printf " $task/model-%s" ${seeds#* })
        outputs+=" $task/test-ensemble.output"
    fi
    step "$task, 5: score"
    # shellcheck disable=SC2086
    words_score "$task" $outputs | tee "$task/scores.txt"
}

# The scores of outputs: words_score TASK OUTPUT …. A recipe with another protocol has a function of this name.
words_score() {
    local task="$1" output
    shift
    for output; do
        printf '%s\n' "$output"
        show seqkit evaluate "$output" --reference "$task/test.target" --metric exact,cer,wer --quiet
    done
}
