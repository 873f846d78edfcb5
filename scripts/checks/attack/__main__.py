"""Damaged files of every kind, each read in a process of its own, and what became of it.

  python scripts/checks/attack --seed 1 --minutes 10 --what pictures,hints,pairs,weights,records,configs,shots

Everything is loaded once, and each input is read in a fork of that process. Outcomes: ``right``, ``refused`` (one
sentence), and the faults ``traceback``, ``hang``, ``partial file``, ``nonsense`` (a result that is not what was read)
and ``killed``. Inputs that fail are kept and made simpler. The exit code is 1 where there are any.
"""

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from mutate import Operation, damage, draw
from targets import KINDS, Attacked, attacked

SECONDS = 30
MEMORY = 3 << 30
"""Bytes beyond what the process has when it forks."""
FAULTS = ("traceback", "hang", "partial file", "nonsense", "killed")


def main() -> int:
    """Attack, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--what", default=",".join(KINDS))
    parser.add_argument("--keep", type=Path, default=Path("attack-failures"), help="folder for inputs that fail")
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
    """Attack one kind for some time; returns how many inputs failed."""
    target = attacked(kind)
    counts: Counter[str] = Counter()
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        rng = random.Random(f"{seed}-{kind}-{number}")
        name = rng.choice(sorted(target.files))
        operations = draw(rng, Path(name).suffix)
        outcome, words = run(target, name, operations)
        counts[outcome] += 1
        if outcome in FAULTS:
            fewer = simpler(target, name, operations, outcome)
            keep.mkdir(parents=True, exist_ok=True)
            file = keep / f"{kind}-{seed}-{number}-{name}"
            file.write_bytes(damage(target.files[name], fewer))
            print(f"{file}: {outcome}: {words} (of {name} by {json.dumps(fewer)})", file=sys.stderr, flush=True)
        number += 1
    failed = sum(counts[fault] for fault in FAULTS)
    print(f"| {kind} | {number} | {counts['right']} | {counts['refused']} | {failed} |", flush=True)
    return failed


def simpler(target: Attacked, name: str, operations: list[Operation], outcome: str) -> list[Operation]:
    """As few of the operations as give the outcome."""
    for operation in list(operations):
        fewer = [o for o in operations if o != operation]
        if fewer and run(target, name, fewer)[0] == outcome:
            operations = fewer
    return operations


def run(target: Attacked, name: str, operations: list[Operation]) -> tuple[str, str]:
    """What became of a damaged file, and in which words."""
    folder = Path(tempfile.mkdtemp(prefix="attack-"))
    (folder / name).write_bytes(damage(target.files[name], operations))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        outcome = _child(target, folder, name)
        os.write(writer, json.dumps(outcome).encode("utf-8", "replace")[:60_000])
        os._exit(0)
    os.close(writer)
    try:
        found = _wait(child, reader)
        if found[0] in ("right", "refused") and list(folder.glob("**/.recolor-*")):
            return "partial file", found[1]
        return found
    finally:
        os.close(reader)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(child: int, reader: int) -> tuple[str, str]:
    with os.fdopen(os.dup(reader), "rb") as pipe:
        data = pipe.read()  # ends with the child, which has a clock of its own
    _, status = os.waitpid(child, 0)
    if data:
        outcome, words = json.loads(data)
        return outcome, words
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return ("hang", f"over {SECONDS} s") if number == signal.SIGALRM else ("killed", f"signal {number}")


def _child(target: Attacked, folder: Path, name: str) -> tuple[str, str]:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            target.read(folder / name, folder)
    except AssertionError as error:
        return "nonsense", str(error)
    except target.refusals as error:
        words = str(error)
        if "\n" in words or len(words) > 700 or "Traceback" in said.getvalue():
            return "traceback", f"not one sentence: {words[:300]}"
        return "refused", words
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return "traceback", f"{type(error).__name__}: {str(error)[:200]} ({Path(place.filename).name}:{place.lineno})"
    return "right", ""


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
