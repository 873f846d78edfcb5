"""A studio that runs in a process of its own, and pictures and strokes for it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from recolor_torch.hints.shapes import Stroke

ROOT = Path(__file__).parents[1]
PATIENCE = 120

# Strokes on a picture of this size, some of them beside it.
SIZE = (60, 40)
numbers = st.floats(-20, 80, allow_nan=False).map(lambda x: round(x, 2))
strokes = st.builds(
    Stroke,
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5).map(tuple),
    st.floats(0, 9).map(lambda x: round(x, 2)),
    st.sampled_from(["#ff0000", "#00ff80", "#808080"]),
)


def gray_picture(width: int = 320, height: int = 240, seed: int = 0) -> Image.Image:
    """Two flat halves with a sharp edge at the middle, a disk in the right one, and a little grain."""
    y, x = np.mgrid[:height, :width]
    level = np.where(x < width / 2, 105.0, 180.0)
    level[(x - 0.75 * width) ** 2 + (y - 0.5 * height) ** 2 < (height / 6) ** 2] = 70
    level += np.random.default_rng(seed).normal(0, 0.6, level.shape)
    return Image.fromarray(level.round().clip(0, 255).astype(np.uint8))


class Running:
    """A studio in a process of its own."""

    def __init__(self, args: list[str], cwd: Path) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "recolor_torch", "studio", *args, "--no-browser"]
        self.log = (cwd / "studio.log").open("w+")
        self.process = subprocess.Popen(command, cwd=cwd, env=env, stdout=self.log, stderr=self.log)
        self.url = self._wait()

    def _wait(self) -> str:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(r"http://\S+/", self.output())
            if found:
                return found.group()
            time.sleep(0.1)
        raise AssertionError(f"The studio did not start: {self.output()}")

    def output(self) -> str:
        """What it has printed."""
        return Path(self.log.name).read_text()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return "/".join(self.url.split("/")[:3])

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.split("/")[2].rpartition(":")[2])

    def memory(self) -> int:
        """Resident bytes."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self, how: int = signal.SIGINT) -> int:
        """End it; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        return self.process.returncode
