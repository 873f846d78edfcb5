"""Damaged files, cut runs and full disks of every kind, and what became of each.

  python scripts/checks/attack --seed 1 --minutes 10 --what pictures,hints,kills

Everything is loaded once, and cases are done in forks of that process. Outcomes: ``right``, ``refused`` (one
sentence), and the faults ``traceback``, ``hang``, ``partial file``, ``nonsense`` (a result that is not the right one)
and ``killed``. Cases that fail are made smaller and kept, a file beside a line that says what was done to it. The exit
code is 1 where there are any.

Files: pictures, hints, links, pairs, weights, records, configs, shots, galleries, films, captions (what a file says of
its picture), text (what a person may type), studio (messages of the page and files of marks). Runs: kills (signals at
every step of a command, and the same command again), disk (full or broken at some step), memory (a limit that some step
meets), batches (the same pictures in other company).
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

from forks import FAULTS, outcome_of, outcomes, shrink
from readers import READERS
from runs import RUNS
from stores import STORES

KINDS = {**READERS, **STORES, **RUNS}
# Cases in one fork: forking costs as much as a few small cases.
TOGETHER = 24


def main() -> int:
    """Attack, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--what", default=",".join(KINDS))
    parser.add_argument("--keep", type=Path, default=Path("attack-failures"), help="folder for cases that fail")
    args = parser.parse_args()
    kinds = args.what.split(",")
    for kind in kinds:
        if kind not in KINDS:
            parser.error(f"unknown kind {kind!r}; known kinds: {', '.join(KINDS)}")
    print("| kind | tried | right | refused | failed |\n| --- | --- | --- | --- | --- |")
    failed = 0
    for kind in kinds:
        failed += attack(kind, args.seed, 60 * args.minutes / len(kinds), args.keep)
    return 1 if failed else 0


def attack(kind: str, seed: int, seconds: float, keep: Path) -> int:
    """Attack one kind for some time; returns how many cases failed."""
    target = KINDS[kind]()
    counts: Counter[str] = Counter()
    until = time.monotonic() + seconds  # what a kind prepares is not counted
    number = 0
    while not number or time.monotonic() < until:
        size = TOGETHER if number else 1  # one at least, whatever the time
        cases = [target.draw(random.Random(f"{seed}-{kind}-{number + i}")) for i in range(size)]
        for i, (case, outcome, words) in enumerate(outcomes(target, cases, until if number else float("inf"))):
            counts[outcome] += 1
            if outcome in FAULTS:
                told = f"{kind}-{seed}-{number + i}"
                alone, more = outcome_of(target, case)
                if alone != outcome:
                    told += f" (by itself it is {alone}: {more})"
                else:
                    case = shrink(target, case, outcome)  # noqa: PLW2901
                print(f"{told}: {outcome}: {words}", file=sys.stderr)
                _keep(keep, f"{kind}-{seed}-{number + i}", case, target)
        number += size
    failed = sum(counts[fault] for fault in FAULTS)
    print(f"| {kind} | {counts.total()} | {counts['right']} | {counts['refused']} | {failed} |", flush=True)
    return failed


def _keep(folder: Path, name: str, case: dict, target) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(case) + "\n")
    print(f"  {folder / name}.json: {json.dumps(case)[:600]}", file=sys.stderr, flush=True)
    if target.keep is not None:
        file, data = target.keep(case)
        (folder / f"{name}-{file}").write_bytes(data)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
