"""Pictures a second and CPU seconds a picture of ``recolor colorize``, against decoding and encoding with Pillow alone.

    python -m scripts.benchmarks.bench_throughput PHOTOS [--megapixels 0.15 2] [--kinds jpg png tif16] [--count 40]
                                                  [--methods histogram network] [--workers -1 0 1] [--rounds 5]

PHOTOS is a folder of pictures. Copies of each size and kind are made in a temporary folder. Every figure is of a
command for all of them less one for the first alone, so without start-up. The floor is a loop that opens and saves the
same files with Pillow; where a channel has 16 bits with tifffile, deflated as ours are (level 3, differences). The
clock depends on what else the machine does; CPU seconds do so less. The last columns say where they go: decoding and
encoding the targets, the method with all that its colors need, and the rest (planning, hashes, the record). They
count the threads that Python knows: of a method that computes on several, set OMP_NUM_THREADS=1.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from recolor_torch.cli import main as recolor
from recolor_torch.system import let_threads_sleep

STAGES = ("decode", "color", "encode")
SUFFIXES = {"jpg": ".jpg", "png": ".png", "tif16": ".tif"}


def make_inputs(photos: list[Path], folder: Path, kind: str, megapixels: float, count: int) -> None:
    """So many pictures of one size and kind."""
    folder.mkdir(parents=True)
    width = round((megapixels * 1e6 * 1.5) ** 0.5)
    for i in range(count):
        image = Image.open(photos[i % len(photos)]).convert("RGB").resize((width, round(width / 1.5)))
        path = folder / f"{i:04d}{SUFFIXES[kind]}"
        if kind == "tif16":
            tifffile.imwrite(path, np.asarray(image).astype(np.uint16) * 257, photometric="rgb")
        else:
            image.save(path, quality=92)


def floor(folder: Path, out: Path) -> None:
    """Open and save every file, and nothing else."""
    out.mkdir(exist_ok=True)
    for path in sorted(folder.iterdir()):
        if path.suffix == ".tif":
            deflated = {"compression": "zlib", "compressionargs": {"level": 3}, "predictor": True}
            tifffile.imwrite(out / path.name, tifffile.imread(path), photometric="rgb", **deflated)
        else:
            Image.open(path).convert("RGB").save(out / path.name, quality=95, subsampling=0)


class Stages:
    """CPU seconds by stage, of all threads; a stage that is called by another counts by itself."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._lock, self._thread = threading.Lock(), threading.local()

    @contextmanager
    def count(self, stage: str) -> Iterator[None]:
        """What is done in the block is of this stage."""
        outer = getattr(self._thread, "stage", None)
        self._turn(outer, stage)
        try:
            yield
        finally:
            self._turn(stage, outer)

    def _turn(self, before: str | None, after: str | None) -> None:
        now = time.thread_time()
        if before is not None:
            with self._lock:
                self.seconds[before] += now - self._thread.since
        self._thread.stage, self._thread.since = after, now

    def watch(self, place: Any, name: str, stage: str) -> None:
        """Count the calls of a function of a module."""
        function = getattr(place, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            with self.count(stage):
                return function(*args, **kwargs)

        setattr(place, name, counted)

    def watch_items(self, place: Any, name: str, stage: str) -> None:
        """Count what a generator's items take."""
        function = getattr(place, name)

        def counted(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with self.count(stage):
                items, end = iter(function(*args, **kwargs)), object()
            while True:
                with self.count(stage):
                    item = next(items, end)
                if item is end:
                    return
                yield item

        setattr(place, name, counted)


def watched() -> Stages:
    """The stages of the command from now on."""
    from recolor_torch.pictures import write
    from recolor_torch.run import batches, engine, large

    stages = Stages()
    stages.watch(batches, "read_picture", "decode")
    stages.watch(large, "read_scan", "decode")
    stages.watch(engine, "color_batch", "color")
    stages.watch_items(large.LargeResult, "bands", "color")
    stages.watch(write, "_write", "encode")
    return stages


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds and seconds of the clock of a call."""
    cpu, clock = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.15, 2, 12])
    parser.add_argument("--kinds", nargs="+", choices=SUFFIXES, default=list(SUFFIXES))
    parser.add_argument("--count", type=int, default=40, help="pictures of 0.15 megapixels; fewer of larger ones")
    parser.add_argument("--methods", nargs="+", default=["histogram", "network"])
    parser.add_argument("--workers", type=int, nargs="+", default=[-1, 0])
    parser.add_argument("--rounds", type=int, default=1, help="medians of so many, the settings in turns")
    args = parser.parse_args()
    let_threads_sleep()  # before torch comes, as the command does
    from recolor_torch.run.targets import find_targets

    photos = [target.path for target in find_targets([args.photos])]
    stages = watched()
    head = "| kind | megapixels | what | readers | pictures/s | CPU s a picture | of the floor | more, s |"
    print(f"{head} {' | '.join(f'{stage}, %' for stage in (*STAGES, 'rest'))} |")
    print("| --- | --: | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |")
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        make_inputs(photos[-1:], top / "reference", "jpg", 0.15, 1)
        for kind in args.kinds:
            for megapixels in args.megapixels:
                count = max(3, round(args.count * min(1, 0.15 / megapixels)))
                folder = top / f"{kind}_{megapixels:g}"
                make_inputs(photos, folder, kind, megapixels, count)
                work = partial(floor, folder, top / "floor")
                work()
                least, clock = (seconds / count for seconds in timed(work))
                row = f"| {kind} | {megapixels:g} |"
                print(f"{row} Pillow | | {1 / clock:.1f} | {least:.4f} | 1.0 | 0 | | | | |", flush=True)
                for method in args.methods:
                    command = ["colorize", "-m", method, "-o", str(top / f"out_{method}"), "--overwrite", "-q"]
                    command += ["--device", "cpu"]
                    if method != "network":
                        command += ["-r", str(top / "reference/0000.jpg")]
                    first = [*command, str(next(iter(sorted(folder.iterdir()))))]
                    recolor(first)
                    stages.seconds.clear()
                    once, of_first = timed(partial(recolor, first)), Counter(stages.seconds)
                    found: dict[int, list[list[float]]] = {workers: [] for workers in args.workers}
                    for workers in args.workers * args.rounds:
                        stages.seconds.clear()
                        all_of_them = timed(partial(recolor, [*command, str(folder), "--workers", str(workers)]))
                        cpu, clock = ((whole - one) / (count - 1) for whole, one in zip(all_of_them, once))
                        shares = [(stages.seconds[s] - of_first[s]) / (count - 1) / cpu for s in STAGES]
                        found[workers].append([cpu, clock, *shares])
                    for workers, rows in found.items():
                        cpu, clock, *shares = map(statistics.median, zip(*rows))
                        figures = f"{1 / clock:.1f} | {cpu:.4f} | {cpu / least:.1f} | {cpu - least:.3f}"
                        parts = " | ".join(f"{100 * share:.0f}" for share in (*shares, 1 - sum(shares)))
                        print(f"{row} {method} | {workers} | {figures} | {parts} |", flush=True)


if __name__ == "__main__":
    main()
