"""Solves on the device: set-up and iterations apart, a cycle against the bandwidth, peers on the same device."""

import inspect
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from bench import Bench
from measure import copy_bandwidth, difference, launches, peak_memory, profile, seconds
from record import Row
from right_methods import energy_of
from torch import Tensor

from recolor_torch.linalg.engines import build_engine
from recolor_torch.linalg.recording import Recording
from recolor_torch.linalg.solve import GridSolver, solve

LEVEL = 1 / 255
DEFAULT, POISSON = "laplacian, global", "poisson, order 1, lambda 1e+10"


def problem(bench: Bench, side: int, count: int = 1) -> tuple[Tensor, Tensor]:
    """Pictures in color and their hint mask, on the device; a large one is four mirror images of a part."""
    part = min(side, 2048)
    rgb, mask = bench.to(bench.pictures.batch(count, part, part), bench.pictures.hint_mask(side, side))
    while rgb.shape[-1] < side:
        rgb = torch.cat((rgb, rgb.flip(-1)), -1)
        rgb = torch.cat((rgb, rgb.flip(-2)), -2)
    return rgb, mask


def sides(bench: Bench) -> tuple[int, ...]:
    return bench.pick((1024, 2048, 4096), (64, 96))


def solves(bench: Bench) -> Iterator[Row]:
    """All of a solve, and a second one with the hierarchy that is there: the iterations alone."""
    for side in sides(bench):
        rgb, mask = problem(bench, side)
        for name in (DEFAULT, POISSON, *(("levin, local",) if side < 4096 else ())):
            made = energy_of(name, rgb, mask)
            found = solve(made, fallback=False)
            repeats = 5 if side < 4096 else 3
            whole = seconds(bench, partial(solve, made, fallback=False), repeats, warm=0)
            system = made.system().detach()
            solver = GridSolver(system)
            rhs = system.residual(torch.zeros_like(system.values))
            iterate = partial(solver.solve, rhs, 0.5 * LEVEL)
            again = seconds(bench, iterate, repeats, warm=1)
            row: Row = {"name": f"{name}, {side**2 / 2**20:.3g} MP", "ms": 1e3 * whole, "steps": found.steps}
            row |= {"set-up ms": 1e3 * (whole - again), "a step ms": 1e3 * again / max(found.steps, 1)}
            row |= {"estimate": found.error / LEVEL, "converged": found.converged}
            yield {**row, "bytes a pixel": 1e6 * peak_memory(bench, partial(solve, made, fallback=False)) / side**2}


def _engine(name: str, made: Any) -> tuple[Any, Tensor]:
    """The hierarchy of a system, which a solve would not make for a small one, and a residual in its layout."""
    system = made.system().detach()
    engine = build_engine(system, "geometric" if name == POISSON else "aggregation")
    return engine, engine.enter(system.residual(torch.zeros_like(system.values)), False)


def cycles(bench: Bench) -> Iterator[Row]:
    """A V-cycle and the operator, against the time that a copy of the bytes takes that they have to move."""
    speed = copy_bandwidth(bench)
    for side in sides(bench)[:2]:
        rgb, mask = problem(bench, side)
        for name in (DEFAULT, POISSON):
            engine, r = _engine(name, energy_of(name, rgb, mask))
            floor = _least_bytes(engine, r) / speed
            took, single, product = (
                _recorded(bench, partial(engine.cycle, r, False)),
                seconds(bench, partial(engine.cycle, r, False), 9),
                _recorded(bench, partial(engine.multiply, r, False)),
            )
            row: Row = {"name": f"{name}, {side**2 / 2**20:.3g} MP", "cycle ms": 1e3 * took, "floor ms": 1e3 * floor}
            row |= {"over floor": took / floor, "launched one by one ms": 1e3 * single, "operator ms": 1e3 * product}
            yield {**row, "unknowns": _unknowns(engine)}


def _recorded(bench: Bench, run: Callable[[], Tensor]) -> float:
    """Seconds of ``run`` as a solve runs it: as a CUDA graph on a GPU."""
    out = run()
    recording = Recording(out, f"check {tuple(out.shape)}")

    def procedure() -> None:
        out.copy_(run())

    return seconds(bench, partial(recording, procedure), 9, warm=3)


def _least_bytes(engine: Any, r: Tensor) -> float:
    """Bytes of a cycle whose passes read and write each field once: three passes over the pixels, five over graphs."""
    hierarchy, channels = engine.hierarchy, r.shape[1]
    total = 0.0
    for op in getattr(hierarchy, "operators", [hierarchy.op]):
        stencil = sum(t.numel() * t.element_size() for t in op.ties) + op.leak.numel() * op.leak.element_size()
        fields = 3 * channels * op.leak.numel() * r.element_size()
        total += 3 * (stencil + fields)
    for level in getattr(hierarchy, "levels", []):
        matrix = 8 * level.matrix.values().numel() + 4 * level.matrix.shape[0]
        total += 5 * (matrix + 3 * channels * 4 * level.matrix.shape[0])
        for transfer in (level.prolongation, level.restriction):
            total += 8 * transfer.values().numel()
    return total


def counts(bench: Bench) -> Iterator[Row]:
    """Operations that need a kernel, of set-up, a cycle and the operator: they can be counted on any device."""
    for side in bench.pick((256, 1024), (64,)):
        rgb, mask = problem(bench, side)
        for name in (DEFAULT, "levin, local", POISSON):
            made = energy_of(name, rgb, mask)
            system = made.system().detach()
            method = "geometric" if name == POISSON else "aggregation"
            setup, engine = launches(partial(build_engine, system, method))
            r = engine.enter(system.residual(torch.zeros_like(system.values)), False)
            row: Row = {"name": f"{name}, {side} x {side}", "set-up": setup.total()}
            row["cycle"] = launches(partial(engine.cycle, r, False))[0].total()
            row["operator"] = launches(partial(engine.multiply, r, False))[0].total()
            most = ", ".join(f"{n} {k}" for n, k in setup.most_common(4))
            yield {**row, "most of set-up": most, "unknowns": _unknowns(engine)}


def _unknowns(engine: Any) -> str:
    sizes = getattr(engine.hierarchy, "sizes", None) or [op.leak.numel() for op in engine.hierarchy.operators]
    return " ".join(map(str, sizes))


def solver_profile(bench: Bench) -> Iterator[Row]:
    """Kernels, launches and waits of a whole solve and of the iterations alone."""
    side = bench.pick(1024, 64)
    rgb, mask = problem(bench, side)
    for name in bench.pick((DEFAULT, POISSON, "levin, local"), (DEFAULT,)):
        made = energy_of(name, rgb, mask)
        yield {"name": f"{name}, whole", **profile(bench, partial(solve, made, fallback=False), 25)}
        system = made.system().detach()
        solver = GridSolver(system)
        rhs = system.residual(torch.zeros_like(system.values))
        yield {"name": f"{name}, iterations", **profile(bench, partial(solver.solve, rhs, 0.5 * LEVEL), 20)}


def batch_of_solves(bench: Bench) -> Iterator[Row]:
    """Many pictures at once."""
    side, count = bench.pick((1024, 16), (64, 2))
    rgb, mask = problem(bench, side, 2)
    rgb = rgb.repeat(count // 2, 1, 1, 1)
    made = energy_of(DEFAULT, rgb, mask)
    took = seconds(bench, partial(solve, made, fallback=False), 3)
    yield {"name": f"{count} x {side**2 / 2**20:.3g} MP", "ms": 1e3 * took, "ms a picture": 1e3 * took / count}


def solver_peers(bench: Bench) -> Iterator[Row]:
    """CuPy's sparse solvers on the same device and SciPy's on the processor, with the same matrix; small sizes."""
    for side in bench.pick((128, 256, 512), (48,)):
        rgb, mask = problem(bench, side)
        made = energy_of(DEFAULT, rgb, mask)
        ours = solve(made, fallback=False)
        took = seconds(bench, partial(solve, made, fallback=False), 3)
        exact = solve(energy_of(DEFAULT, rgb.cpu().double(), mask.cpu().double()), method="direct", atol=1e-6)
        error = difference(ours.x, exact.x) / LEVEL
        yield {"name": f"ours, {side} x {side}", "ms": 1e3 * took, "steps": ours.steps, "error (levels)": error}
        system = energy_of(DEFAULT, rgb.cpu().double(), mask.cpu().double()).system()
        matrix, free = system.matrix(0)
        rhs = system.residual(torch.zeros_like(system.values))[0].flatten(1).numpy().T[free.numpy()]
        wanted = exact.x[0].flatten(1).numpy().T[free.numpy()]
        if side <= 256:
            yield from _scipy(matrix, rhs, wanted, side)
        if bench.device.type == "cuda":
            yield from _cupy(matrix, rhs, wanted, side)


def _scipy(matrix: Any, rhs: Any, wanted: Any, side: int) -> Iterator[Row]:
    import scipy.sparse.linalg as spla

    start = time.perf_counter()
    found = spla.spsolve(matrix, rhs)
    took = time.perf_counter() - start
    yield {
        "name": f"SciPy spsolve, {side} x {side}",
        "ms": 1e3 * took,
        "error (levels)": float(abs(found - wanted).max()) / LEVEL,
    }


def _cupy(matrix: Any, rhs: Any, wanted: Any, side: int) -> Iterator[Row]:
    import cupy
    import cupyx.scipy.sparse as sparse
    import cupyx.scipy.sparse.linalg as linalg

    a = sparse.csr_matrix(matrix.tocsr().astype("float64"))
    inverse = 1 / a.diagonal()
    tolerance = {"rtol" if "rtol" in inspect.signature(linalg.cg).parameters else "tol": 1e-6}
    jacobi = linalg.LinearOperator(a.shape, matvec=lambda x: inverse * x, dtype=a.dtype)
    for name, limit in (("CuPy cg with Jacobi", 4000), ("CuPy spsolve", 0)):
        if not limit and side > 128:  # a QR factorisation that nothing can interrupt
            continue
        cupy.cuda.Device().synchronize()
        start, columns = time.perf_counter(), []
        for column in rhs.T:
            b = cupy.asarray(column)
            if limit:
                columns.append(linalg.cg(a, b, maxiter=limit, M=jacobi, **tolerance)[0])
            else:
                columns.append(linalg.spsolve(a, b))
        cupy.cuda.Device().synchronize()
        took = time.perf_counter() - start
        error = float(abs(cupy.asnumpy(cupy.stack(columns, 1)) - wanted).max()) / LEVEL
        yield {"name": f"{name}, {side} x {side}", "ms": 1e3 * took, "error (levels)": error}
