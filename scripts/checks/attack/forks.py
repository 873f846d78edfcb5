"""Cases in forks of this process: many in one fork, and another fork for the rest where one case ends it."""

import contextlib
import ctypes
import io
import json
import os
import random
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 30
MEMORY = 3 << 30
"""Bytes beyond what the process has when it forks."""
WAITING = 10
"""A case may wait for so many times its computing time: the machine may be busy, or stop all of this for a while."""
HANGS = (signal.SIGPROF, signal.SIGALRM)
FAULTS = ("traceback", "hang", "partial file", "nonsense", "killed")

Case = dict[str, Any]
"""One input, as JSON has it: the same case is the same input."""


@dataclass(frozen=True)
class Attack:
    """One kind of input.

    Args:
        draw: makes a case.
        run: does it in an empty folder: raises one of ``refusals``, or returns; what it finds wrong with a result it
            raises as ``AssertionError``.
        refusals: errors that are one sentence for the user.
        keep: the bytes of a case that failed, with a name for them; without it the case is kept as JSON.
        seconds: of computing, after which a case hangs.
    """

    draw: Callable[[random.Random], Case]
    run: Callable[[Case, Path], None]
    refusals: tuple[type[BaseException], ...]
    keep: Callable[[Case], tuple[str, bytes]] | None = None
    seconds: float = SECONDS


def outcomes(attack: Attack, cases: list[Case], until: float) -> Iterator[tuple[Case, str, str]]:
    """What became of cases, and in which words; those that are not begun by ``until`` (monotonic) are left out."""
    left = list(cases)
    while left:
        root = Path(tempfile.mkdtemp(prefix="attack-"))
        try:
            done = 0
            end = ""
            for line in _fork(attack, left, root, until):
                if line.startswith("end"):  # its last line
                    end = line
                    continue
                outcome, words = json.loads(line)
                yield left[done], outcome, words
                done += 1
            left = left[done:]
            if end == "end":
                return
            if end != "end of cases":  # it died over a case
                number = int(end.split()[-1])
                yield (
                    left.pop(0),
                    *(("hang", f"over {attack.seconds} s") if number in HANGS else ("killed", f"signal {number}")),
                )
        finally:
            shutil.rmtree(root, ignore_errors=True)


def outcome_of(attack: Attack, case: Case) -> tuple[str, str]:
    """What becomes of a case by itself."""
    ((_, outcome, words),) = list(outcomes(attack, [case], float("inf")))
    return outcome, words


def smaller(case: Case) -> Iterator[Case]:
    """Cases with one thing less: lists without an item, smaller numbers."""
    for name, value in case.items():
        if isinstance(value, list):
            for i in range(len(value)) if len(value) > 1 else ():
                yield {**case, name: value[:i] + value[i + 1 :]}
        elif type(value) is int and value > 1:
            yield from ({**case, name: n} for n in dict.fromkeys((1, value // 2, value - 1)))


def shrink(attack: Attack, case: Case, outcome: str, seconds: float = 15) -> Case:
    """A case as small as it can be made with the same outcome in some time."""
    until, found = time.monotonic() + seconds, True
    while found:
        found = False
        for less in smaller(case):
            if time.monotonic() > until:
                return case
            if outcome_of(attack, less)[0] == outcome:
                case, found = less, True
                break
    return case


def _fork(attack: Attack, cases: Iterable[Case], root: Path, until: float) -> Iterator[str]:
    """The child's lines, then how it ended: "end" (the time is over), "end of cases" or "end by signal N"."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            die_with_parent()
            os.close(reader)
            with os.fdopen(writer, "w", encoding="ascii", buffering=1) as pipe:
                _child(attack, cases, root, until, pipe)
        finally:
            os._exit(0)
    os.close(writer)
    last = ""
    with os.fdopen(reader, encoding="ascii") as pipe:
        for line in pipe:  # ends with the child, which has a clock of its own
            last = line.strip()
            yield last
    _, status = os.waitpid(child, 0)
    if not last.startswith("end"):
        yield f"end by signal {os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}"


def die_with_parent() -> None:
    """Let this fork be killed when the process that made it ends, however that is."""
    with contextlib.suppress(OSError, AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def limit_time(seconds: float) -> None:
    """Let this fork be killed by one of ``HANGS`` when it has computed, or waited, for too long; 0 ends that."""
    for number in HANGS:
        signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, WAITING * seconds)


def _child(attack: Attack, cases: Iterable[Case], root: Path, until: float, pipe: Any) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    for number, case in enumerate(cases):
        if time.monotonic() > until:
            pipe.write("end\n")
            return
        folder = root / str(number)
        folder.mkdir()
        limit_time(attack.seconds)
        outcome = _one(attack, case, folder)
        limit_time(0)
        if outcome[0] in ("right", "refused") and list(folder.glob("**/.recolor-*")):
            outcome = "partial file", outcome[1]
        pipe.write(json.dumps(outcome)[:60_000] + "\n")
        shutil.rmtree(folder, ignore_errors=True)
    pipe.write("end of cases\n")


def _one(attack: Attack, case: Case, folder: Path) -> tuple[str, str]:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            attack.run(case, folder)
    except AssertionError as error:
        return "nonsense", str(error)[:2000]
    except attack.refusals as error:
        words = str(error)
        if "\n" in words or len(words) > 700 or "Traceback" in said.getvalue():
            return "traceback", f"not one sentence: {words[:300]}"
        return "refused", words
    except BaseException as error:  # noqa: BLE001 # a crash of any kind is what is looked for
        place = traceback.extract_tb(error.__traceback__)[-1]
        return "traceback", f"{type(error).__name__}: {str(error)[:200]} ({Path(place.filename).name}:{place.lineno})"
    return "right", ""
