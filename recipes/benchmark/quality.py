"""What a user gets for minutes: `seqkit train` as a whole command, then its score on the test set.

    python recipes/benchmark/quality.py CORPUS MODEL --minutes 6 --text FILE --reference FILE

The value is BLEU (beam 5, cased, 13a); the minutes are the command's wall time, start-up, validations and
checkpoints included. The model stays, for the other cases. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from texts import lines_of


def main() -> None:
    """Train, translate, score and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="table.key=value")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--text", type=Path, help="score its translation; without it the value is minutes")
    parser.add_argument("--reference", type=Path)
    options = parser.parse_args()
    command = [sys.executable, "-m", "seqkit", "train", str(options.corpus), str(options.model)]
    command += ["--preset", options.preset, "--minutes", str(options.minutes), "--restart", "--json"]
    command += [part for setting in options.settings for part in ("--set", setting)]
    began = time.monotonic()
    try:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        minutes = (time.monotonic() - began) / 60
        summary = json.loads(done.stdout.splitlines()[-1])
        details = {"minutes": minutes, "steps": summary.get("step"), "epochs": summary.get("epoch")}
        result = {"value": minutes, "unit": "minutes", "seconds": 60 * minutes, "details": details}
        if options.text:
            translate = [sys.executable, "-m", "seqkit", "translate", str(options.model), str(options.text)]
            translated = subprocess.run([*translate, "--beam-size", "5"], check=True, stdout=subprocess.PIPE)
            from seqkit.metrics.sacre import corpus_bleu

            texts = translated.stdout.decode().removesuffix("\n").split("\n")
            result |= {"value": corpus_bleu(texts, [lines_of(options.reference)]), "unit": "BLEU"}
    except subprocess.CalledProcessError as error:
        sys.exit(f"quality.py: error: {error.cmd[3]} ended with exit code {error.returncode}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
