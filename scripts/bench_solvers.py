"""Time and error of the colorization solvers, against direct and algebraic multigrid solvers.

    python scripts/bench_solvers.py --pictures PHOTOS [--sizes 256 512 1024] [--quick] [--threads 1]

The pictures are mosaics of different photographs at native resolution, with 6 x 6 patches of their true
chroma as hints, 100 a quarter of a megapixel. Every solver gets the same system, its time includes setup,
runs alternate, and the figures are medians. CPU seconds are given with wall seconds, because a shared
machine disturbs the latter. Errors are the largest difference to a float64 direct solution, in 8-bit levels.
"""

import argparse
import itertools
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.energies.poisson import PoissonEnergy
from recolor_torch.linalg.solve import GridSolver, solve
from recolor_torch.linalg.system import GridSystem

LEVEL = 1 / 255
FORMS: dict[str, dict] = {
    "laplacian, one sigma (default)": {},
    "levin, kappa 2": {"form": "levin", "weights": "local", "kappa": 2.0},
    "levin, kappa 1": {"form": "levin", "weights": "local", "kappa": 1.0},
    "levin, kappa 0.6": {"form": "levin", "weights": "local", "kappa": 0.6},
    "laplacian, kappa 1": {"weights": "local", "kappa": 1.0},
    "laplacian, kappa 0.6": {"weights": "local", "kappa": 0.6},
    "report, kappa 2": {"form": "report", "weights": "local", "kappa": 2.0},
    "poisson, lambda 0": {"lam": 0.0},
    "poisson, lambda 1": {"lam": 1.0},
    "poisson, lambda 1e3": {"lam": 1e3},
    "poisson, lambda 1e10": {"lam": 1e10},
}
# Peers whose time grows beyond patience are left out above this many pixels.
PEER_LIMIT = {"spsolve": 512**2, "pyamg": 1024**2, "splu": 2048**2, "cholmod": 2048**2}


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


def timed(run: Callable[[], object]) -> tuple[object, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    out = run()
    return out, time.process_time() - cpu, time.perf_counter() - wall


def peers(system: GridSystem) -> dict[str, Callable[[], np.ndarray]]:
    """Solvers of the same matrix; assembly is not counted for them. Each returns (free pixels, channels)."""
    import scipy.sparse.linalg as spla

    matrix, free = system.matrix(0)
    rhs = system.residual(torch.zeros_like(system.values))[0].flatten(1).double().numpy().T[free.numpy()]
    symmetric = system.symmetric or system.squared

    def splu() -> np.ndarray:
        options = {"SymmetricMode": True}
        return spla.splu(matrix, "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options).solve(rhs)

    def spsolve() -> np.ndarray:
        return spla.spsolve(matrix, rhs)

    out: dict[str, Callable[[], np.ndarray]] = {"splu": splu, "spsolve": spsolve}
    try:
        import pyamg

        def amg() -> np.ndarray:
            options = {} if symmetric else {"symmetry": "nonsymmetric"}
            strength = ("symmetric", {"theta": 0.08})
            levels = pyamg.smoothed_aggregation_solver(matrix.tocsr(), strength=strength, **options)
            accel = "cg" if symmetric else "bicgstab"
            return np.stack([levels.solve(b, tol=1e-5, accel=accel, maxiter=40) for b in rhs.T], 1)

        if not system.squared:
            out["pyamg"] = amg
    except ImportError:
        pass
    try:
        from sksparse.cholmod import cholesky

        if symmetric:
            out["cholmod"] = lambda: cholesky(matrix)(rhs)
    except ImportError:
        pass
    return out


def row(name: str, data, repeats: int, with_peers: bool, gradient: bool) -> str:
    """One line of the table."""
    single, double = energy(name, data, torch.float32), energy(name, data, torch.float64)
    exact_system = double.system()
    reference = solve(double, method="direct", atol=1e-6)
    pixels = data[0].numel()
    others = peers(exact_system) if with_peers else {}
    others = {k: f for k, f in others.items() if pixels <= PEER_LIMIT[k]}
    ours, times = [], {k: [] for k in others}
    found = solve(single)
    for _ in range(repeats):
        found, cpu, wall = timed(lambda: solve(single))
        ours.append((cpu, wall))
        for k, f in others.items():
            times[k].append(timed(f)[1])
    error = float((found.x - reference.x).abs().max()) / LEVEL
    cpu, wall = (statistics.median(t[i] for t in ours) for i in (0, 1))
    cells = [name, found.method, str(found.steps), f"{cpu:.2f}", f"{wall:.2f}"]
    cells += [f"{error:.2f}", f"{found.error / LEVEL:.2f}"]
    for k in PEER_LIMIT:
        cells.append(
            f"{statistics.median(times[k]):.2f} ({statistics.median(times[k]) / cpu:.1f}x)" if k in times else "-"
        )
    cells.append(f"{backward_ratio(name, data):.1f}" if gradient else "-")
    return "| " + " | ".join(cells) + " |"


def backward_ratio(name: str, data) -> float:
    """CPU time of backward over that of forward."""
    luminance, chroma, mask, rgb = (t.float() for t in data)
    luminance.requires_grad_()
    if "lam" in FORMS[name]:
        make = PoissonEnergy(luminance.expand(-1, 3, -1, -1), rgb, mask, **FORMS[name])
    else:
        make = LevinEnergy(luminance, chroma, mask, **FORMS[name])
    found, forward, _ = timed(lambda: solve(make))
    weight = torch.randn(found.x.shape, generator=torch.Generator().manual_seed(0))
    _, backward, _ = timed(lambda: (found.x * weight).sum().backward())
    return backward / forward


def memory(name: str, data) -> float:
    """Bytes a pixel that a solve adds to the process; run it in a process of its own to trust it."""
    made = energy(name, data, torch.float32)
    del data
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    system = made.system()
    GridSolver(system).solve(system.residual(torch.zeros_like(system.values)), 0.5 * LEVEL)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (after - before) * 1024 / system.mass.numel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--forms", nargs="+", default=None, help="only the forms whose name contains one of these")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one repeat, sizes up to 512")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--memory", action="store_true", help="only the memory of the first form and size")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sizes = [s for s in args.sizes if s <= 512] if args.quick else args.sizes
    names = [n for n in FORMS if args.forms is None or any(part in n for part in args.forms)]
    if args.memory:
        print(f"{names[0]}, {sizes[0]}²: {memory(names[0], problem(args.pictures, sizes[0])):.0f} bytes a pixel")
        return
    head = ["form", "method", "steps", "cpu s", "wall s", "error", "estimate", *PEER_LIMIT, "backward/forward"]
    for size in sizes:
        data = problem(args.pictures, size)
        print(f"\n{size}² pixels, {args.threads} thread(s); errors in 8-bit levels, peers in CPU seconds\n")
        print("| " + " | ".join(head) + " |\n|" + "---|" * len(head), flush=True)
        for name in names:
            repeats = 1 if args.quick else args.repeats
            print(row(name, data, repeats, not args.no_peers, gradient="report" not in name), flush=True)


if __name__ == "__main__":
    main()
