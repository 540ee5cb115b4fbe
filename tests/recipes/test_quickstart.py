"""The quickstart runs from start to end, twice, in a folder with spaces; slow: it reaches its score."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def quickstart(work: Path, typed: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the recipe in the environment that runs the tests."""
    return subprocess.run(
        ["bash", str(ROOT / "recipes/quickstart/run.sh")],
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "VIRTUAL_ENV": sys.prefix,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "WORK": str(work),
            **environment,
        },
    )


def test_the_quickstart_runs_and_runs_again(tmp_path: Path) -> None:
    work = tmp_path / "a folder with spaces"
    first = quickstart(work, "A dog runs.\n\nTwo women wait.", EPOCHS="0.05", TEXT_EPOCHS="0.01")
    assert first.returncode == 0, first.stderr
    assert "tok:13a" in first.stdout
    assert len(first.stdout.split("\n")) - 1 >= 3 + 5  # the table, five captions, a line for each typed one
    weights = (work / "model/weights.safetensors").read_bytes()
    second = quickstart(work, "A dog runs.\n", EPOCHS="0.05", TEXT_EPOCHS="0.01")
    assert second.returncode == 0, second.stderr
    assert "finished already" in second.stderr
    assert (work / "model/weights.safetensors").read_bytes() == weights
    by_hand = [
        ". " + f"{sys.prefix}/bin/activate",
        "cd " + str(work).replace(" ", "\\ "),
        "seqkit translate model",
    ]
    assert second.stderr.endswith("".join(f"   $ {line}\n" for line in by_hand))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_quickstart_gives_what_the_front_page_shows(tmp_path: Path) -> None:
    """The same words; scores may differ a little on another machine, and so does how long it takes."""
    first = re.search(r'\$ echo "([^"]+)" \\\n +\| seqkit translate model\n(.+)\n', README)
    second = re.search(r'echo "([^"]+)" .*\n```\n\nThe quickstart\'s model answers `([^`]+)`', README)
    assert first is not None
    assert second is not None
    result = quickstart(tmp_path, f"{first[1]}\n{second[1]}\n")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-2:] == [first[2], second[2]]
    table = re.compile(r"^(bleu|chrf) +([\d.]+)  (\S+)$", re.MULTILINE)
    found, page = (
        {name: (float(score), signature) for name, score, signature in table.findall(text)}
        for text in (result.stdout, README)
    )
    assert found["bleu"][0] >= 95
    for name in ("bleu", "chrf"):
        assert found[name][0] == pytest.approx(page[name][0], abs=1)
        assert found[name][1] == page[name][1]
    # The generator is readable: nearly all of its words are words of captions.
    captions = (tmp_path / "captions/train.en").read_text().split()
    written = " ".join(result.stdout.splitlines()[-7:-2]).split()
    assert len(written) > 20
    assert sum(word in set(captions) for word in written) / len(written) > 0.9
