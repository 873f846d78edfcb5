"""A folder of small JPEGs through the command, and where its time goes: reading, coloring, writing."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from bench import Bench
from command import recolor, save
from measure import seconds
from record import Row

from recolor_torch.guide import Guide
from recolor_torch.methods import build_method
from recolor_torch.pictures import read_picture, write_picture
from recolor_torch.pipeline import recolor as color

# Different pictures; the others are copies of them.
DIFFERENT = 40


def folder(bench: Bench) -> Iterator[Row]:
    """Pictures of 0.15 megapixels by the network: the whole command, and each stage by itself on one thread."""
    count, (height, width) = bench.pick(2000, 4), bench.pick((320, 480), (64, 80))
    targets = _pictures(bench.folder / "jpegs", bench, count, height, width)
    files, batch = sorted(targets.iterdir()), bench.pick(16, 2)
    read = _each(files[:DIFFERENT], lambda file, _: read_picture(file))
    pictures = [read_picture(file) for file in files[:batch]]
    method = build_method("network").to(bench.device)
    images = torch.cat([p.image for p in pictures]).to(bench.device)
    with torch.inference_mode():
        compute = seconds(bench, lambda: color(images, method, Guide()), 5) / batch
        results = color(images, method, Guide()).cpu()
    out = bench.folder / "written.jpg"
    write = _each(files[:batch], lambda _, i: write_picture(out, results[i : i + 1], pictures[i]))
    row: Row = {"name": "stages, a picture, one thread", "read ms": 1e3 * read, "color ms": 1e3 * compute}
    cores, whole = os.cpu_count() or 1, read + compute + write
    row |= {"write ms": 1e3 * write, "share read": read / whole, "share color": compute / whole}
    yield {**row, "share write": write / whole, "cores": cores, "bound of files, a second": cores / (read + write)}
    output = bench.folder / f"{bench.device.type}_jpegs"
    arguments = ["colorize", str(targets), "-o", f"{output}/", "-m", "network", "--device", bench.device.type, "-q"]
    few = bench.folder / "one_jpeg"
    few.mkdir(exist_ok=True)
    shutil.copy(files[0], few / files[0].name)
    took, _, _ = recolor(bench, ["colorize", str(few), "-o", f"{few}_out/", *arguments[4:]], apart=True)
    yield {"name": "the command, one picture (start-up)", "seconds": took}
    for size in bench.pick((16, 64), (2,)):
        shutil.rmtree(output, ignore_errors=True)
        took, _, _ = recolor(bench, [*arguments, "--batch-size", str(size)], threads=1)
        done = len(list(output.rglob("*.jpg")))
        row = {"name": f"the command, batches of {size}", "pictures": done, "seconds": took, "a second": done / took}
        yield {**row, "ok": done == count}


def _pictures(root: Path, bench: Bench, count: int, height: int, width: int) -> Path:
    if root.is_dir():
        return root
    kinds = min(DIFFERENT, count)
    for i in range(kinds):
        save(bench.pictures.gray(bench.pictures.rgb(height, width, seed=500 + i))[:, :1], root / f"j{i:04}.jpg")
    for i in range(kinds, count):
        shutil.copy(root / f"j{i % kinds:04}.jpg", root / f"j{i:04}.jpg")
    return root


def _each(files: list[Path], run: Callable[[Path, int], object]) -> float:
    """Seconds of ``run`` for one of the files."""
    start = time.perf_counter()
    for i, file in enumerate(files):
        run(file, i)
    return (time.perf_counter() - start) / len(files)
