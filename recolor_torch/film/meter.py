"""How far a film is, and how long it will take."""

import time
from collections.abc import Callable
from dataclasses import dataclass

# Shares of the work of a frame: estimates and motion, joining, encoding.
STEPS = {"estimate": 0.6, "join": 0.25, "encode": 0.15}


@dataclass
class Progress:
    """How far a film is.

    Args:
        share: of the work that is done, 0 to 1.
        frames_per_second: since the start of this run.
        seconds_left: as it looks.
    """

    share: float = 0.0
    frames_per_second: float = 0.0
    seconds_left: float = 0.0


class Meter:
    """Measures progress and the time of each step.

    Args:
        frames: of the film.
        on_progress: called with each step of a frame.
    """

    def __init__(self, frames: int, on_progress: Callable[[Progress], None] | None) -> None:
        self.frames, self.on_progress = max(frames, 1), on_progress
        self.done = self.skipped = self.others = 0.0
        self.parts: set[int] = set()  # that this process has done
        self.start = self.last = time.perf_counter()
        self.seconds = dict.fromkeys(STEPS, 0.0)

    def skip(self, frames: int) -> None:
        """Frames that an earlier run has done."""
        self.skipped += frames

    def step(self, name: str) -> None:
        """A step of a frame is done."""
        now = time.perf_counter()
        self.seconds[name] += now - self.last
        self.last = now
        self.done += STEPS[name]
        if self.on_progress is not None:
            self._tell(self.on_progress)

    def look(self, others: float) -> None:
        """So many frames were done by other processes."""
        self.others = others
        if self.on_progress is not None:
            self._tell(self.on_progress)

    def _tell(self, on_progress: Callable[[Progress], None]) -> None:
        done = self.done + self.others
        rate = done / max(time.perf_counter() - self.start, 1e-6)
        left = (self.frames - self.skipped - done) / max(rate, 1e-6)
        on_progress(Progress((done + self.skipped) / self.frames, rate, max(left, 0.0)))
