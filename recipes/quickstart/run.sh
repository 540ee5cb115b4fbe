#!/usr/bin/env bash
# From nothing to a translator and a generator of your own, in a few minutes on two cores:
#
#   bash recipes/quickstart/run.sh                               everything; at the end it translates what you type
#   echo "A dog is running." | bash recipes/quickstart/run.sh    … or what is piped in
#
# It makes a corpus of English–German captions, trains a small translator on it, scores it on sentences that it
# has never seen, trains a character-level generator on the English side, lets it write, and translates. A second
# run finds all that done. WORK=FOLDER keeps its files elsewhere.
#
# Both budgets are passes over the data (EPOCHS=5, TEXT_EPOCHS=3): every machine gets the same models, a slow one
# later. Each training says how long it will take as soon as it knows.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=/dev/null
. "$here/../setup.sh"
work="${WORK:-$here/work}"
mkdir -p "$work"
work="$(cd "$work" && pwd)"

step "1. A corpus: 20,000 English–German captions, and 1,000 others to test on"
show cd "${work#"$PWD"/}"
if [ ! -f captions/test.de ]; then
    show python "$seqkit_root/data/captions/make.py" captions
else
    there_already
fi
head -n 2 captions/train.en | sed 's/^/     /' >&2
head -n 2 captions/train.de | sed 's/^/     /' >&2

step "2. prepare: a vocabulary of subwords, and the text as arrays of their numbers"
if [ ! -f corpus/corpus.json ]; then
    show seqkit prepare corpus --source captions/train.en --target captions/train.de \
        --valid-source captions/valid.en --valid-target captions/valid.de --vocab-size 1000
else
    there_already
fi

step "3. train: an encoder–decoder LSTM with attention; Ctrl-C and again: it goes on"
show seqkit train corpus model --preset tiny --epochs "${EPOCHS:-5}"

step "4. evaluate: BLEU on the 1,000 other captions, whose combinations are new"
show seqkit evaluate --model model --source captions/test.en --reference captions/test.de --metric bleu,chrf

step "5. a generator: the English captions, character by character"
if [ ! -f text/corpus.json ]; then
    show seqkit prepare text --text captions/train.en --documents line
else
    there_already
fi
show seqkit train text generator --preset tiny --epochs "${TEXT_EPOCHS:-3}"
show seqkit generate generator --prompt "Two " --samples 5 --temperature 0.8 --seed 1

step "6. translate: your turn"
if [ -t 0 ]; then
    echo "   Type an English caption: Two young women are waiting in front of the station." >&2
    echo "   (Ctrl-D ends. Words that the grammar does not know are guessed.)" >&2
fi
show seqkit translate model

go_on "$work" seqkit translate model
