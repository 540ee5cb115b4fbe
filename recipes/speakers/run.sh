#!/usr/bin/env bash
# Tell nine speakers apart by how they say two vowels (Japanese Vowels), with five seeds:
#
#   TIME_SERIES=FOLDER bash recipes/speakers/run.sh
#
# FOLDER/JapaneseVowels has JapaneseVowels_TRAIN.ts and JapaneseVowels_TEST.ts, compressed or not. README.md beside
# this says what to expect, and has the other variables.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export WORK="${WORK:-$here/work}"
exec bash "$here/../time-series/run.sh" JapaneseVowels
