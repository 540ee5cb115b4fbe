#!/usr/bin/env bash
# How fast is seqkit on this machine, beside others and beside what the machine can do?
#
#   MULTI30K=FOLDER bash recipes/benchmark/run.sh            everything, in about 45 minutes on two cores
#   bash recipes/benchmark/run.sh --only decoding,latency    some groups of it
#   bash recipes/benchmark/run.sh --without-peers            without OpenNMT-py, JoeyNMT and CTranslate2
#   bash recipes/benchmark/run.sh --plain                    as on a processor with AVX2 alone
#   bash recipes/benchmark/run.sh --quick --without-peers    tiny models on made-up captions: does it run?
#
# Without MULTI30K and SHAKESPEARE (files that are there already) the texts are downloaded. It can be
# interrupted at any point: what is finished is found again. WORK=FOLDER keeps its files elsewhere. What is
# measured and how stands in README.md beside it.
set -euo pipefail
if [ "$(uname -s)" != Linux ]; then
    echo "run.sh: error: the benchmark pins processes to cores and reads /proc, as only Linux lets it" >&2
    exit 2
fi
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
arguments=("$@")
part=full
for argument in "$@"; do
    if [ "$argument" = --quick ]; then part=quick; fi
done
# shellcheck source=/dev/null
. "$here/../setup.sh"
folder="${WORK:-$here/work}/$part"

echo "== The benchmark; results, models and logs go to $folder" >&2
python "$here/benchmark.py" "$folder" ${arguments[@]+"${arguments[@]}"}
