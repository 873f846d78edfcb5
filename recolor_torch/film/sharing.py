"""The shots of a film, shared among processes: each takes the next shot that nobody has taken."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import torch

# Seconds between two looks at what the others have done.
_LOOK = 0.2

DoShot = Callable[[Sequence[int]], None]
"""Does the parts of a shot, by their numbers."""


class Share:
    """Which shots are taken: a file beside the parts says so of each.

    Args:
        folder: of the parts.
        shots: the numbers of the parts of each shot.
    """

    def __init__(self, folder: Path, shots: list[list[int]]) -> None:
        self.folder, self.shots = folder, shots

    def begin(self) -> None:
        """Forget what the processes of an earlier run had taken."""
        for claim in self.folder.glob("shot-*.taken"):
            claim.unlink()

    def take(self) -> Iterator[list[int]]:
        """One shot after the other that nobody has taken."""
        for number, shot in enumerate(self.shots):
            try:
                os.close(os.open(self.folder / f"shot-{number:05d}.taken", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            except FileExistsError:
                continue
            yield shot


class Helpers:
    """Processes that do shots beside this one; whatever ends the ``with`` ends them.

    Args:
        count: how many.
        make: called in each with its number, from 1 on; it gives what does a shot there. It can be pickled.
        share: which shots are taken.
    """

    def __init__(self, count: int, make: Callable[[int], DoShot], share: Share) -> None:
        context = multiprocessing.get_context("spawn")
        threads = max(1, torch.get_num_threads() // (count + 1))
        numbers = range(1, count + 1)
        self._all = [context.Process(target=_help, args=(n, make, share, threads), daemon=True) for n in numbers]

    def __enter__(self) -> "Helpers":
        for process in self._all:
            process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._all:
            if kind is not None:
                process.terminate()
            process.join()

    def wait(self) -> Iterator[None]:
        """Gives a moment to look around until all have ended. What one that failed has left is for the caller."""
        while any(process.is_alive() for process in self._all):
            yield
            time.sleep(_LOOK)


@contextmanager
def fewer_threads(processes: int) -> Iterator[None]:
    """This process's part of the threads, inside."""
    threads = torch.get_num_threads()
    if processes > 1:
        torch.set_num_threads(max(1, threads // processes))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def place_of(device: torch.device, number: int) -> torch.device:
    """The device of a process: of several GPUs the next one, where none was named."""
    if device.type != "cuda" or device.index is not None:
        return device
    return torch.device("cuda", number % max(1, torch.cuda.device_count()))


def end_with_the_first() -> None:
    """End this process where the one that started it has ended: another run may be at its files."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)


def _help(number: int, make: Callable[[int], DoShot], share: Share, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is interrupted, and ends this one
    torch.set_num_threads(threads)
    try:
        do = make(number)
        for shot in share.take():
            do(shot)
    except Exception:  # noqa: BLE001 # the first process does it again, and says what is wrong
        sys.exit(1)
