"""Start-up: from the command to the file, against the bare import of torch, in one run with alternating rounds.

    python -m scripts.benchmarks.bench_startup [--rounds 5] [--methods histogram levin] [--threads 1]

A picture of 400 x 300 is colored by each method in a process of its own; without ``--threads`` with as many threads as
torch chooses. Printed are medians: seconds of the clock, CPU seconds, and peak memory, each also as a multiple of
``python -c "import torch"``. The clock depends on what else the machine does; CPU seconds do so less. A first round is
not counted: it leaves the bytecode that ``pip install`` leaves.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (400, 300)
METHODS = ("histogram", "wavelet", "poisson", "levin", "network", "correspondence", "semi_interactive")
REFERENCE = ("histogram", "wavelet", "correspondence", "semi_interactive")
HINTS = ("poisson", "levin", "semi_interactive")


def make_inputs(folder: Path) -> None:
    """A gray picture, a picture in color and two hints."""
    rng = np.random.default_rng(0)
    width, height = SIZE
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    color = np.stack([across, 0.5 + 0.5 * np.sin(9 * down), 1 - across * down], -1) + rng.normal(
        0, 0.03, (height, width, 3)
    )
    pixels = (255 * color.clip(0, 1)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "color.jpg", quality=92)
    Image.fromarray(pixels[..., 1]).save(folder / "gray.jpg", quality=92)
    points = [
        {"x": 90, "y": 60, "radius": 6, "color": "#c03020"},
        {"x": 300, "y": 220, "radius": 6, "color": "#2050c0"},
    ]
    (folder / "hints.json").write_text(json.dumps({"size": SIZE, "points": points}))


def measure(command: list[str], folder: Path, threads: int | None) -> tuple[float, float, float]:
    """Seconds of the clock, CPU seconds and peak memory in MB of a process."""
    environment = {**os.environ, "PYTHONPATH": os.getcwd()} | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    pid = os.posix_spawn(sys.executable, command, environment, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, str(folder / "err"), 577, 0o644),
    ])  # fmt: skip
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)}: {(folder / 'err').read_text()}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder)
        commands = {"import torch": [sys.executable, "-c", "import torch"]}
        for method in args.methods:
            command = [sys.executable, "-m", "recolor_torch", "colorize", str(folder / "gray.jpg"), "-m", method]
            command += ["-r", str(folder / "color.jpg")] if method in REFERENCE else []
            command += ["--hints", str(folder / "hints.json")] if method in HINTS else []
            commands[method] = [*command, "-o", str(folder / f"{method}.png"), "--overwrite", "--device", "cpu"]
        for number in range(args.rounds + 1):
            for what, command in commands.items():
                figures = measure(command, folder, args.threads)
                if number:
                    found.setdefault(what, []).append(figures)
    medians = {what: [statistics.median(column) for column in zip(*rows)] for what, rows in found.items()}
    bare = medians["import torch"]
    print("| what | clock, s | | CPU, s | | memory, MB | |\n| --- | --: | --: | --: | --: | --: | --: |")
    for what, (seconds, cpu, memory) in medians.items():
        ratios = [f"{a / b:.2f}" for a, b in zip((seconds, cpu, memory), bare)]
        print(f"| {what} | {seconds:.2f} | {ratios[0]} | {cpu:.2f} | {ratios[1]} | {memory:.0f} | {ratios[2]} |")


if __name__ == "__main__":
    main()
