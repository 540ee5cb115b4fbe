"""Measures seqkit and its peers on this machine, interleaved, and writes what came of it.

    python recipes/benchmark/benchmark.py FOLDER [--only GROUP,…] [--repeats N] [--plain] [--quick]

writes FOLDER/result.json (every repeat), table.md and chart.svg; the table goes to standard output, too. What
FOLDER holds of the same code and settings is not done again. `--record NAME` also puts the result beside this
program, in results, and the table into its README.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from cases import GROUPS, PEERS, PLAIN, SETUP, Case, Peer, Plan, all_cases, plan
from finished import Finished, fingerprint
from measure import Attempt, interleaved, run_case
from report import markdown, number, update_pages
from results import peaks, result, row

from seqkit.cli.terminal.console import duration
from seqkit.errors import ConfigError, ExitCode, SeqkitError, suggest
from seqkit.files import make_directory, to_json, write_atomic

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DRAWING = ("benchmark.py", "report.py", "results.py", "chart.py")  # they change no measurement
REPEATS, SEED = 5, 1


class Session:
    """A run: what is known of every case, and how to get what is not."""

    def __init__(self, folder: Path, plan: Plan, cases: Sequence[Case]) -> None:
        self.folder, self.plan = folder, plan
        self.cases = {case.name: case for case in cases}
        self.finished = Finished(folder / "finished.jsonl")
        self.attempts: dict[str, list[Attempt]] = {case.name: [] for case in cases}
        self.reasons: dict[str, str] = {}
        self.probes: list[Attempt] = []
        self.place = ""  # of the present run in its group
        peers = [path for path in (HERE / "peers").rglob("*") if path.is_file() and path.suffix != ".pyc"]
        others = [path for path in HERE.glob("*.py") if path.name not in DRAWING]
        self._of_peers = fingerprint(peers)
        self._of_all = fingerprint([*peers, *others, *(ROOT / "seqkit").rglob("*.py")])

    def run_group(self, group: str, repeats: int) -> None:
        """All cases of a group, interleaved, after what they need."""
        cases = [case for case in self.cases.values() if case.group == group]
        ready = [case for case in cases if self._ready(case)]
        counts = {case.name: case.repeats or repeats for case in ready}
        began, total = time.monotonic(), sum(counts.values())
        due = [
            (repeat, case)
            for repeat, case in interleaved(ready, max(counts.values(), default=0), SEED)
            if repeat < counts[case.name]
        ]
        for done, (repeat, case) in enumerate(due):
            # In words, not as a bar: one that moves would take time from what is measured.
            left = duration((time.monotonic() - began) / done * (total - done)) if done else "unknown"
            self.place = f"{done + 1}/{total}, left {left}"
            if case.name not in self.reasons:
                self._obtain(case, repeat)
        self.place = ""

    def probe(self) -> None:
        """The machine's limits at this moment."""
        quick = ("--seconds", "0.02", "--quick") if self.plan.quick else ()
        plain = ("--plain",) if self.plan.plain else ()
        command = (sys.executable, str(HERE / "machine.py"), *quick, *plain)
        probe = Case(
            *("machine", f"probe {len(self.probes)}", "limits", command),
            cores=self.plan.cores,
            forced=tuple(PLAIN.items()) if self.plan.plain else (),
        )
        attempt = self._attempt(probe, 0)
        if attempt.value is None:
            raise ConfigError(f"the machine's limits cannot be measured: {attempt.reason}")
        self.probes.append(attempt)

    def _ready(self, case: Case) -> bool:
        """Whether what a case needs is there, or can be made now."""
        for name in case.needs:
            needed = self.cases[name]
            if not self._ready(needed):
                self.reasons[case.name] = self.reasons[name]
                return False
            if not self.attempts[name] and name not in self.reasons:
                self._obtain(needed, 0)
            if name in self.reasons:
                self.reasons[case.name] = f"{needed.task}: {self.reasons[name]}"
                return False
        return True

    def _obtain(self, case: Case, repeat: int) -> None:
        if len(self.attempts[case.name]) > repeat:  # it was needed by another one
            return
        attempt = self._attempt(case, repeat)
        if attempt.value is None:
            self.reasons[case.name] = attempt.reason
        else:
            self.attempts[case.name].append(attempt)

    def _attempt(self, case: Case, repeat: int) -> Attempt:
        """A finished attempt, or a new one, which is written down."""
        of_peer = case.group == SETUP and case.system != "seqkit"
        forced = [f"{name}={value}" for name, value in case.forced]
        command = [_anywhere(part) for part in case.command]
        key = (self._of_peers if of_peer else self._of_all, *forced, *command)
        found = self.finished.find(case.name, key, repeat)
        if found is not None:
            return found
        place = f"   [{self.place}] {case.name}" if self.place else f"   {case.name}"
        if sys.stderr.isatty():  # it stands there until the result's line, which is longer, takes its place
            print(f"{place} …", end="\r", file=sys.stderr, flush=True)
        log = self.folder / "logs" / f"{_file_name(case.name)}.log"
        attempt = run_case(
            case.command,
            threads=case.cores,
            limit=case.limit,
            log=log,
            silent=case.silent,
            free=case.system.startswith("seqkit"),
            extra=dict(case.forced),
        )
        self.finished.add(case.name, key, repeat, attempt)
        said = attempt.reason if attempt.value is None else f"{number(attempt.value)} {attempt.unit}"
        print(f"{place}: {said} ({attempt.seconds:.0f} s)", file=sys.stderr, flush=True)
        return attempt


def _anywhere(part: str) -> str:
    """A word of a command without where this program and its Python lie: another copy finds its work done."""
    return "python" if part == sys.executable else part.replace(str(HERE), "benchmark")


def _file_name(name: str) -> str:
    return "".join(character if character.isalnum() else "-" for character in name)


def main() -> int:
    """Run what is missing, and write and print the results."""
    options = _options()
    groups = _groups(options.only)
    chosen = plan(
        quick=options.quick,
        plain=options.plain,
        cores=options.cores,
        model_minutes=options.model_minutes,
        peer_minutes=options.peer_minutes,
        peer_threads=options.peer_threads,
    )
    repeats = options.repeats or (1 if options.quick else REPEATS)
    make_directory(options.folder)
    peers = () if options.without_peers else _peers(options.peers)
    cases = all_cases(options.folder, chosen, peers=peers)
    session = Session(options.folder, chosen, cases)
    session.probe()
    for group in groups:
        began = time.monotonic()
        print(f"== {group}: {GROUPS[group]}", file=sys.stderr, flush=True)
        session.run_group(group, repeats)
        session.probe()
        print(f"   {(time.monotonic() - began) / 60:.1f} minutes", file=sys.stderr, flush=True)
    shown = [case for case in cases if case.group in groups]
    if SETUP not in groups:
        shown += [case for case in cases if case.group == SETUP and case.name in session.reasons]
    _write(options, _result(session, shown, repeats, peers))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The benchmark of seqkit and its peers.")
    parser.add_argument("folder", type=Path, help="where everything is written")
    parser.add_argument("--only", default="", metavar="GROUP,…", help=f"some of {', '.join(GROUPS)}")
    parser.add_argument("--repeats", type=int, default=0, help=f"of every case (default {REPEATS})")
    parser.add_argument("--quick", action="store_true", help="tiny models on captions, seconds: a test")
    parser.add_argument("--plain", action="store_true", help="as on a processor with AVX2 alone")
    parser.add_argument("--peers", default="", metavar="NAME,…", help="some of them")
    parser.add_argument("--without-peers", action="store_true", help="without the translation peers")
    parser.add_argument("--model-minutes", type=float, default=6.0, help="of training for seqkit's models")
    parser.add_argument("--peer-minutes", type=float, default=3.0, help="of training for a peer's model")
    parser.add_argument("--peer-threads", type=int, default=0, help="of that training (default: all cores)")
    parser.add_argument("--cores", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--record", default="", metavar="NAME", help="keep it as results/NAME.json")
    return parser.parse_args()


def _measured() -> list[str]:
    return [group for group in GROUPS if group != SETUP]


def _groups(only: str) -> list[str]:
    """The groups of `--only`, in the order of the run; without it all that measure something."""
    return _some(only, list(GROUPS), "group") if only else _measured()


def _peers(names: str) -> list[Peer]:
    """The peers of `--peers`; all of them without it."""
    wanted = _some(names, [peer.system for peer in PEERS], "peer")
    return [peer for peer in PEERS if peer.system in wanted]


def _some(names: str, known: Sequence[str], what: str) -> list[str]:
    """The known ones among names with commas between them, in their order; all of them when there is none."""
    wanted = [name.strip() for name in names.split(",") if name.strip()] or list(known)
    for name in wanted:
        if name not in known:
            raise ConfigError(
                f"there is no {what} {name!r}",
                hint=suggest(name, known) or f"{what}s: {', '.join(known)}",
            )
    return [name for name in known if name in wanted]


def _result(session: Session, cases: Sequence[Case], repeats: int, peers: Sequence[Peer]) -> dict[str, Any]:
    probes = [attempt.details["limits"] for attempt in session.probes]
    limits, mflop = peaks(probes), _mflop_of_peers(session.folder)
    rows = [
        row(
            case,
            session.attempts[case.name],
            session.reasons.get(case.name, ""),
            limits,
            mflop if case.network == "luong" else 0.0,
        )
        for case in cases
    ]
    facts = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "machine": session.probes[0].details["machine"],
        "plan": asdict(session.plan),
        "forced": dict(PLAIN) if session.plan.plain else {},
        "repeats": repeats,
        "peers": {peer.system: _limits_of(peer.module) for peer in peers},
    }
    return result(rows, probes, facts)


def _mflop_of_peers(folder: Path) -> float:
    """Operations of training a target token in the peers' network, in millions; 0 without the corpus."""
    if not (folder / "data/equal/corpus.json").exists():
        return 0.0
    from cases import EQUAL
    from flops import luong_flops
    from training_speed import corpus_work

    from seqkit.data.corpus import Corpus

    corpus = Corpus.open(folder / "data/equal")
    work = corpus_work(corpus)
    sizes = (int(str(EQUAL["model.embedding_size"])), int(str(EQUAL["model.hidden_size"])))
    return luong_flops(*sizes, corpus.target_tokenizer.size, work).training / work.target_tokens / 1e6


def _limits_of(module: str) -> str:
    """What a peer says that it cannot do."""
    command = [sys.executable, str(HERE / f"peers/{module}.py"), "limits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return " ".join(done.stdout.split())


def _commit() -> str:
    """The commit that was measured, and whether files differ from it; empty where git knows none."""
    try:
        head, changed = (
            subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
            for arguments in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "seqkit"))
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + (" with changes" if changed.stdout.strip() else "")


def _write(options: argparse.Namespace, found: dict[str, Any]) -> None:
    """The result, its table and its chart, in the folder and, with `--record`, beside this program."""
    from chart import chart

    tables, drawn = markdown(found), chart(found)
    print(tables, end="")
    files = {"result.json": to_json(found), "table.md": tables.encode(), "chart.svg": drawn}
    for name, content in files.items():
        write_atomic(options.folder / name, content)
        print(f"   {options.folder / name}", file=sys.stderr)
    if options.record:
        make_directory(HERE / "results")
        write_atomic(HERE / f"results/{options.record}.json", files["result.json"])
        write_atomic(HERE / f"results/{options.record}.svg", drawn)
        update_pages(options.record, found)


def _terminated(_number: int, _frame: FrameType | None) -> None:
    """End like any program does, so that the case that runs is ended, too."""
    sys.exit(int(ExitCode.TERMINATED))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminated)
    try:
        sys.exit(main())
    except SeqkitError as error:
        print(f"benchmark.py: error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  try:   {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("\nbenchmark.py: interrupted; the same command continues", file=sys.stderr)
        sys.exit(int(ExitCode.INTERRUPTED))
