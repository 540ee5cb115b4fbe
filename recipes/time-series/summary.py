"""Print errors of total, and the mean and spread of the accuracy over seeds, of scores in JSON Lines.

    python summary.py SET/seed-1.jsonl SET/seed-2.jsonl …

Each file is what `seqkit evaluate --format json` wrote of a set; the set is the name of its folder.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path


def errors(path: Path) -> tuple[int, int]:
    """The wrongly classified rows of a file of scores, and all rows."""
    scores = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    accuracy = next(score for score in scores if score["metric"] == "accuracy")
    return int(accuracy["errors"]), int(accuracy["rows"])


def line(name: str, counts: Sequence[tuple[int, int]]) -> str:
    """A row of the table: the set, its errors per seed, mean, standard deviation and best accuracy."""
    accuracies = [100 * (1 - wrong / rows) for wrong, rows in counts]
    spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
    wrongs = " ".join(str(wrong) for wrong, _ in counts)
    told = f"{statistics.mean(accuracies):6.2f}  {spread:5.2f}  {max(accuracies):6.2f}"
    return f"{name:18}  {told}  {wrongs} of {counts[0][1]:,}"


def main(paths: Sequence[str]) -> None:
    """Print the table of the files."""
    counts: dict[str, list[tuple[int, int]]] = {}
    for path in map(Path, paths):
        counts.setdefault(path.parent.name, []).append(errors(path))
    print(f"{'set':18}  {'mean':>6}  {'sd':>5}  {'best':>6}  errors per seed")
    for name, found in counts.items():
        print(line(name, found))


if __name__ == "__main__":
    main(sys.argv[1:])
