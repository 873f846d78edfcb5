r"""Steps, time, error and memory of the colorization solvers, against direct and algebraic multigrid solvers.

    python -m scripts.benchmarks.bench_solvers --pictures PHOTOS --sizes 1024  # times against peers, one thread
    python -m scripts.benchmarks.bench_solvers --pictures PHOTOS --sizes 1024 --threads 2       # the same with two
    python -m scripts.benchmarks.bench_solvers --pictures PHOTOS --sizes 1024 --forms lambda --peers spsolve cholmod
    python -m scripts.benchmarks.bench_solvers --pictures PHOTOS --sizes 256 512 --forms report \
        --method aggregation  # iterated
    python -m scripts.benchmarks.bench_solvers --pictures PHOTOS --table steps --sizes 256 512 1024 2048
    python -m scripts.benchmarks.bench_solvers --pictures PHOTOS --table memory --sizes 1024 2048 \
        # each in its own process
    python -m scripts.benchmarks.bench_solvers --table scribbles  # of RECOLOR_TEST_DATA

The pictures are mosaics of different photographs at native resolution, with 6 x 6 patches of their true chroma as
hints, 100 a quarter of a megapixel; or real scribbles at their own size. Every solver gets the same system, its time
includes setup, runs alternate, and the figures are medians. Peers are timed without the assembly of their matrix. On
one thread times are CPU seconds, because a shared machine disturbs the clock; on more they are seconds of the clock.
Errors are the largest difference to a solution in float64, in 8-bit levels: a direct one, and in the table of steps
the same iteration carried on to a 500th of a level.
"""

import argparse
import importlib.util
import itertools
import json
import multiprocessing
import os
import re
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from PIL import Image

from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.energies.poisson import PoissonEnergy
from recolor_torch.linalg.direct import factor_cholmod
from recolor_torch.linalg.linear_system import GridSystem
from recolor_torch.linalg.solve import Method, solve

LEVEL = 1 / 255
FORMS: dict[str, dict] = {
    "laplacian, one sigma (default)": {},
    "levin, kappa 2": {"form": "levin", "weights": "local", "kappa": 2.0},
    "levin, kappa 1": {"form": "levin", "weights": "local", "kappa": 1.0},
    "levin, kappa 0.6": {"form": "levin", "weights": "local", "kappa": 0.6},
    "laplacian, kappa 1": {"weights": "local", "kappa": 1.0},
    "laplacian, kappa 0.6": {"weights": "local", "kappa": 0.6},
    "laplacian, kappa 2": {"weights": "local", "kappa": 2.0},
    "report, kappa 2": {"form": "report", "weights": "local", "kappa": 2.0},
    "poisson, lambda 0": {"lam": 0.0},
    "poisson, lambda 1": {"lam": 1.0},
    "poisson, lambda 1e3": {"lam": 1e3},
    "poisson, lambda 1e10": {"lam": 1e10},
}
PEERS = ("spsolve", "pyamg", "splu", "cholmod")


def mosaic(folder: Path, side: int, seed: int = 0) -> np.ndarray:
    """(side, side, 3) in [0, 1]: photographs beside and below each other, none scaled."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
    np.random.default_rng(seed).shuffle(files)
    if not files:
        sys.exit(f"No pictures in {folder}.")
    out, top, source = np.zeros((side, side, 3), np.float32), 0, itertools.cycle(files)
    while top < side:
        left, tall = 0, 320
        while left < side:
            with Image.open(next(source)) as picture:
                tile = np.asarray(picture.convert("RGB"), np.float32)[: side - top, : side - left][:tall] / 255
            out[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
            left += tile.shape[1]
        top += tall
    return out


def problem(folder: Path, side: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Luminance, chroma, mask and picture in float64."""
    rgb = torch.from_numpy(mosaic(folder, side)).double().permute(2, 0, 1)[None]
    red, green, blue = rgb.split(1, 1)
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = torch.cat([0.5 * (blue - luminance) / (1 - 0.114), 0.5 * (red - luminance) / (1 - 0.299)], 1)
    rng, mask = np.random.default_rng(0), torch.zeros_like(luminance)
    for _ in range(max(20, round(100 * side**2 / 512**2))):
        y, x = rng.integers(0, side - 6, 2)
        mask[..., y : y + 6, x : x + 6] = 1
    return luminance, chroma, mask, rgb


def energy(name: str, data, dtype: torch.dtype):
    luminance, chroma, mask, rgb = (t.to(dtype) for t in data)
    constants = FORMS[name]
    if "lam" in constants:
        return PoissonEnergy(luminance.expand(-1, 3, -1, -1).contiguous(), rgb, mask, **constants)
    return LevinEnergy(luminance, chroma, mask, **constants)


def seconds(run: Callable[[], object]) -> float:
    """Of the processor on one thread, of the clock on more."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    run()
    return clock() - start


def peers(system: GridSystem, wanted: list[str]) -> dict[str, Callable[[], np.ndarray] | str]:
    """Solvers of the same matrix, or why there is none. Each returns (free pixels, channels)."""
    import scipy.sparse.linalg as spla

    matrix, free = system.matrix(0)
    rhs = system.residual(torch.zeros_like(system.values))[0].flatten(1).double().numpy().T[free.numpy()]
    symmetric = system.symmetric or system.squared

    def splu() -> np.ndarray:
        options = {"SymmetricMode": True}
        return spla.splu(matrix, "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options).solve(rhs)

    def pyamg() -> np.ndarray:
        options = {} if symmetric else {"symmetry": "nonsymmetric"}
        strength = ("symmetric", {"theta": 0.08})
        levels = smoothed_aggregation_solver(matrix.tocsr(), strength=strength, **options)
        accel = "cg" if symmetric else "bicgstab"
        return np.stack([levels.solve(b, tol=1e-5, accel=accel, maxiter=40) for b in rhs.T], 1)

    out: dict[str, Callable[[], np.ndarray] | str] = {"splu": splu, "spsolve": lambda: spla.spsolve(matrix, rhs)}
    try:
        from pyamg import smoothed_aggregation_solver

        out["pyamg"] = "no squares" if system.squared else pyamg
    except ImportError:
        out["pyamg"] = "not installed"

    def cholmod() -> np.ndarray:
        factors = factor_cholmod(matrix)
        assert factors is not None
        return factors(rhs)

    installed = importlib.util.find_spec("sksparse") is not None
    out["cholmod"] = "not installed" if not installed else cholmod if symmetric else "symmetric only"
    return {name: out[name] for name in wanted}


def times_row(name: str, data, repeats: int, wanted: list[str], method: Method = "auto") -> list[str]:
    """Steps, seconds, errors; seconds of the peers over ours; backward over forward."""
    single, double = energy(name, data, torch.float32), energy(name, data, torch.float64)
    reference = solve(double, method="direct", atol=1e-6)
    others = peers(double.system(), wanted)
    ours: list[float] = []
    theirs: dict[str, list[float]] = {k: [] for k, run in others.items() if callable(run)}
    found = solve(single, method=method)
    for _ in range(repeats):
        ours.append(seconds(lambda: solve(single, method=method)))
        for k, run in others.items():
            if callable(run):
                theirs[k].append(seconds(run))
    own = statistics.median(ours)
    cells = [name, found.method, str(found.steps), f"{own:.2f}"]
    cells += [f"{float((found.x - reference.x).abs().max()) / LEVEL:.2f}", f"{found.error / LEVEL:.2f}"]
    for k, run in others.items():
        median = statistics.median(theirs[k]) if callable(run) else 0.0
        cells.append(f"{median:.2f} ({median / own:.1f}x)" if callable(run) else str(run))
    ratios = [backward_ratio(name, data) for _ in range(repeats)]
    return [*cells, f"{statistics.median(ratios):.1f}"]


def backward_ratio(name: str, data) -> float:
    """Time of backward over that of forward, for a random gradient of the result, to luminance and through weights."""
    luminance, chroma, mask, rgb = (t.float() for t in data)
    luminance.requires_grad_()
    if "lam" in FORMS[name]:
        made = PoissonEnergy(luminance.expand(-1, 3, -1, -1), rgb, mask, **FORMS[name])
    else:
        made = LevinEnergy(luminance, chroma, mask, **FORMS[name])
    results = []
    forward = seconds(lambda: results.append(solve(made)))
    weight = torch.randn(results[0].x.shape, generator=torch.Generator().manual_seed(0))
    return seconds(lambda: (results[0].x * weight).sum().backward()) / forward


def steps_cell(name: str, data) -> str:
    """Steps and error of a solve without fallback."""
    found = solve(energy(name, data, torch.float32), fallback=False)
    best = solve(energy(name, data, torch.float64), fallback=False, atol=0.002 * LEVEL, max_steps=100)
    return f"{found.steps} ({float((found.x - best.x).abs().max()) / LEVEL:.2f})"


def memory(name: str, pictures: Path, side: int, peer: str | None) -> float:
    """Bytes a pixel that a solve adds to the process at its peak; to be run in a process of its own (Linux)."""
    torch.set_num_threads(1)
    solve(energy(name, problem(pictures, 128), torch.float32))  # libraries are loaded, caches are made
    made = energy(name, problem(pictures, side), torch.float32)
    run: Callable[[], object] = lambda: solve(made)  # noqa: E731
    if peer is not None:
        found = peers(made.system(), [peer])[peer]
        if not callable(found):
            return float("nan")
        run = found
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    before = status("VmRSS")
    run()
    return (status("VmHWM") - before) / side**2


def status(field: str) -> int:
    """A field of /proc/self/status in bytes."""
    found = re.search(field + r":\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def memory_row(name: str, pictures: Path, sizes: list[int], wanted: list[str]) -> list[str]:
    """Bytes a pixel of our solve and of the peers, by size; each in a process of its own."""
    cells = [name]
    # glibc keeps freed blocks below a threshold that it moves as it likes: runs differ by up to 100 bytes a pixel.
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "1000000"
    for side, peer in itertools.product(sizes, [None, *wanted]):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            cells.append(f"{pool.apply(memory, (name, pictures, side, peer)):.0f}")
    return cells


def scribbles(folder: Path):
    """Name and problem of each case of real scribbles."""
    for case in json.loads((folder / "manifest.json").read_text())["cases"]:
        name = case["name"]

        def read(kind: str, mode: str, name: str = name) -> torch.Tensor:
            with Image.open(folder / f"{name}_{kind}.png") as picture:
                array = np.asarray(picture.convert(mode), np.float64) / 255
            return torch.from_numpy(np.atleast_3d(array)).permute(2, 0, 1)[None]

        luminance, rgb, mask = read("gray", "L"), read("marked", "RGB"), read("mask", "L")
        red, green, blue = rgb.split(1, 1)
        y = 0.299 * red + 0.587 * green + 0.114 * blue
        yield (
            name,
            (luminance, torch.cat([0.5 * (blue - y) / (1 - 0.114), 0.5 * (red - y) / (1 - 0.299)], 1), mask, rgb),
        )


def scribble_row(name: str, data, names: list[str], repeats: int) -> list[str]:
    """For each form: steps, error, and how many times faster than splu it is."""
    height, width = data[0].shape[-2:]
    cells = [name, f"{width}x{height}"]
    for form in names:
        single, double = energy(form, data, torch.float32), energy(form, data, torch.float64)
        found, best = solve(single), solve(double, method="direct", atol=1e-6)
        splu = peers(double.system(), ["splu"])["splu"]
        assert callable(splu)
        ours = partial(solve, single)
        pairs = [(seconds(ours), seconds(splu)) for _ in range(repeats)]
        own, other = (statistics.median(t) for t in zip(*pairs))
        error = float((found.x - best.x).abs().max()) / LEVEL
        cells.append(f"{found.steps or found.method}, {error:.2f}, {other / own:.1f}x")
    return cells


def table(head: list[str], rows) -> None:
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head), flush=True)
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder of photographs; not for scribbles")
    parser.add_argument("--table", choices=["times", "steps", "memory", "scribbles"], default="times")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--forms", nargs="+", default=None, help="only the forms whose name contains one of these")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=["pyamg", "splu", "cholmod"])
    parser.add_argument("--method", choices=get_args(Method), default="auto", help="of the table of times")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    names = [n for n in FORMS if args.forms is None or any(part in n for part in args.forms)]
    if args.table != "scribbles" and args.pictures is None:
        parser.error("--pictures is needed for this table")
    if args.table == "times":
        for size in args.sizes:
            data = problem(args.pictures, size)
            print(f"\n{size} x {size} pixels, {args.threads} thread(s), medians of {args.repeats}\n")
            head = ["form", "method", "steps", "seconds", "error", "estimate", *args.peers, "backward / forward"]
            table(head, (times_row(name, data, args.repeats, args.peers, args.method) for name in names))
    elif args.table == "steps":
        problems = [problem(args.pictures, size) for size in args.sizes]
        print("\nSteps, and in brackets the error.\n")
        table(
            ["form", *(f"{n} x {n}" for n in args.sizes)],
            ([name, *(steps_cell(name, data) for data in problems)] for name in names if "report" not in name),
        )
    elif args.table == "memory":
        print("\nBytes a pixel at the peak, float32, one thread, beside the inputs.\n")
        columns = [f"{peer or 'ours'}, {n} x {n}" for n in args.sizes for peer in (None, *args.peers)]
        table(["form", *columns], (memory_row(name, args.pictures, args.sizes, args.peers) for name in names))
    else:
        folder = os.environ.get("RECOLOR_TEST_DATA")
        if folder is None:
            sys.exit("RECOLOR_TEST_DATA does not say where the scribbles are.")
        print("\nSteps (or direct), error, and time of splu over ours, at native size.\n")
        names = [n for n in names if "poisson" not in n]
        rows = (
            scribble_row(name, data, names, args.repeats)
            for name, data in scribbles(Path(folder) / "data" / "scribbles")
        )
        table(["case", "size", *names], rows)


if __name__ == "__main__":
    main()
