"""Right on the device: solves and methods, batches, mixed precision, and waits for the device."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from bench import Bench, in_8_bits
from measure import difference, gradients, waits
from record import Row
from torch import Tensor

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.energies.poisson import PoissonEnergy
from recolor_torch.guide import Guide, Reference
from recolor_torch.linalg import recording
from recolor_torch.linalg.grid_solver import Effort, GridSolver
from recolor_torch.linalg.solve import solve
from recolor_torch.methods import METHODS, build_method
from recolor_torch.pipeline import recolor

HALF_LEVEL = 0.5
LEVIN: dict[str, dict[str, Any]] = {
    "laplacian, global": {},
    "laplacian, global, 4 neighbours": {"neighbours": 4},
    "laplacian, local": {"weights": "local"},
    "laplacian, local, kappa 0.6": {"weights": "local", "kappa": 0.6},
    "levin, local": {"form": "levin", "weights": "local"},
    "levin, local, kappa 0.6": {"form": "levin", "weights": "local", "kappa": 0.6},
    "levin, global": {"form": "levin"},
    "report, local": {"form": "report", "weights": "local"},
    "report, report, 4 neighbours": {"form": "report", "weights": "report", "neighbours": 4},
}
POISSON: dict[str, dict[str, Any]] = {
    f"poisson, order {order}, lambda {lam:g}": {"order": order, "lam": lam}
    for order, lam in ((1, 0.0), (1, 1.0), (1, 1e3), (1, 1e10), (2, 1.0), (2, 1e3))
}
# Settings that keep the optimisation short.
SHORT: dict[str, dict[str, Any]] = {"gram": {"steps": 8, "coarse_steps": 4, "precision": "float32"}}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "histogram": [{}, {"mode": "rgb"}, {"mode": "yuv"}, {"mode": "lab"}, {"mode": "soft"}, {"rank": True}],
    "wavelet": [{}, {"transform": "dwt"}],
    "gram": [SHORT["gram"], {**SHORT["gram"], "precision": "auto"}, {**SHORT["gram"], "optimize": "rgb"}],
    "network": [{}, {"head": "distribution"}],
    "semi_interactive": [{}, {"transfer": "histogram"}],
}


def scene(bench: Bench, count: int = 2, size: tuple[int, int] | None = None) -> tuple[Tensor, Tensor]:
    """Pictures in color and their hint mask, float64."""
    height, width = size or bench.pick((96, 128), (32, 48))
    rgb = in_8_bits(bench.pictures.batch(count, height, width).double())
    return rgb, bench.pictures.hint_mask(height, width).double()


def all_guidance(bench: Bench, rgb: Tensor, mask: Tensor) -> Guide:
    """A reference and hints: more than any one method needs."""
    reference = in_8_bits(bench.pictures.rgb(rgb.shape[-2] + 8, rgb.shape[-1] - 8, seed=7).to(rgb))
    return Guide(references=(Reference(reference),), hints=rgb * mask, hint_mask=mask.expand(len(rgb), -1, -1, -1))


def methods(bench: Bench) -> Iterator[Row]:
    """Each method in float32 on the device against float64 on the CPU, and against itself."""
    rgb, mask = scene(bench, bench.pick(2, 1))
    target, guide = bench.pictures.gray(rgb), all_guidance(bench, rgb, mask)
    single = target.float().to(bench.device)
    # Gram transfer last: its float64 on the CPU takes longer than all others together.
    for name in bench.chosen(sorted(METHODS, key=lambda name: (name == "gram", name))):
        for settings in VARIANTS.get(name, [{}])[: bench.pick(9, 2)]:
            label = ", ".join([name, *(f"{k} {v}" for k, v in settings.items() if k in VARIED)])
            wanted = recolor(target, build_method(name, **settings), guide)
            found = recolor(single, build_method(name, **settings), guide)
            again = recolor(single, build_method(name, **settings), guide)
            levels = 255 * difference(found, wanted)
            mean = 255 * float((found.double().cpu() - wanted).abs().mean())
            row = {"name": label, "levels": levels, "mean": mean, "repeat": 255 * difference(again, found)}
            # Steps of an optimization amplify the least difference: that is right which repeats and is near on average.
            close = levels <= HALF_LEVEL if name != "gram" else row["repeat"] == 0 and mean <= HALF_LEVEL
            yield row if "auto" in label else {**row, "ok": close}


VARIED = ("mode", "rank", "transform", "precision", "optimize", "head", "transfer")


def energy_of(name: str, rgb: Tensor, mask: Tensor) -> LevinEnergy | PoissonEnergy:
    """The energy called ``name`` for pictures and their hint mask."""
    gray, yuv = rgb_to_luminance(rgb), rgb_to_yuv(rgb)
    if name in POISSON:
        return PoissonEnergy(gray.expand(-1, 3, -1, -1).contiguous(), rgb, mask, **POISSON[name])
    return LevinEnergy(gray, yuv[:, 1:], mask, **LEVIN[name])


def energies(bench: Bench) -> Iterator[Row]:
    """Each form solved by iterations on the device, against a direct solve in float64 on the CPU."""
    rgb, mask = scene(bench, 2, bench.pick((128, 128), (56, 56)))
    single, single_mask = (t.float().to(bench.device) for t in (rgb, mask))
    for name in [*LEVIN, *POISSON]:
        exact = energy_of(name, rgb, mask)
        wanted = solve(exact, method="direct", atol=1e-6)
        found = solve(energy_of(name, single, single_mask))
        levels = 255 * difference(found.x, wanted.x)
        value = energy_of(name, single, single_mask).value(wanted.x.to(single)).double().cpu()
        truth = exact.value(wanted.x)
        row: Row = {"name": name, "levels": levels, "estimate": 255 * found.error, "steps": found.steps}
        row |= {"by": found.method, "value share": float(((value - truth) / truth.abs().clamp_min(1e-12)).abs().max())}
        yield {**row, "ok": levels <= HALF_LEVEL and found.converged}


# Steps after which iterates are compared where a form does not converge without its direct solve.
FEW_STEPS = 8


def recordings(bench: Bench) -> Iterator[Row]:
    """Iterations that are recorded (CUDA graphs) against the same ones launched one by one, twice a hierarchy.

    Iterates after a few steps have to be the same but for rounding; solutions have to be where both say that they
    converged. What did not converge is no solution, and says so.
    """
    rgb, mask = scene(bench, 2, bench.pick((256, 320), (56, 56)))
    rgb, mask = (t.float().to(bench.device) for t in (rgb, mask))
    names = ("laplacian, global", "levin, local", "report, local", "poisson, order 1, lambda 1e+10")
    for name in bench.pick(names, (names[0], names[3])):
        system = energy_of(name, rgb, mask).system().detach()
        rhs = system.residual(torch.zeros_like(system.values))
        method = "geometric" if name.startswith("poisson") else "aggregation"
        few, whole, took, made = [], [], [], 0
        for recorders in ({}, recording.RECORDERS):
            kept, recording.RECORDERS = recording.RECORDERS, recorders
            try:
                for _ in range(2):  # the second time all kinds are warm
                    solver = GridSolver(system, method, Effort(fallback=False))
                    whole.append(solver.solve(rhs, 0.5 / 255))
                bench.wait()
                start = time.perf_counter()
                whole.append(solver.solve(0.5 * rhs, 0.5 / 255))
                bench.wait()
                took.append(1e3 * (time.perf_counter() - start) / max(whole[-1].steps, 1))
                made = sum(k.advance.replay is not None for k in solver.iterations.values())
                solver.effort = Effort(max_steps=FEW_STEPS, fallback=False)
                few.append(solver.solve(rhs, 1e-30))
            finally:
                recording.RECORDERS = kept
        early = 255 * difference(few[0].x, few[1].x)
        levels = [255 * difference(a.x, b.x) for a, b in zip(whole[:3], whole[3:]) if a.converged and b.converged]
        row: Row = {"name": name, "recordings": made, f"levels after {FEW_STEPS} steps": early}
        row |= {"levels": max(levels, default=float("nan")), "converged": whole[0].converged, "steps": whole[0].steps}
        row |= {"a step one by one ms": took[0], "a step recorded ms": took[1]}
        right = early <= HALF_LEVEL and max(levels, default=0.0) <= HALF_LEVEL
        right = right and all(a.converged == b.converged for a, b in zip(whole[:3], whole[3:]))
        yield {**row, "ok": right and (made > 0 or bench.device.type != "cuda")}


def solve_gradients(bench: Bench) -> Iterator[Row]:
    """Gradients through a solve to luminance and hints, against a direct one in float64."""
    rgb, mask = scene(bench, 1, bench.pick((96, 96), (56, 56)))
    for name in ("laplacian, global", "laplacian, local", "levin, local", "poisson, order 1, lambda 1000"):
        parts = []
        for x, m, settings in (
            (rgb.float().to(bench.device), mask.float().to(bench.device), {"atol": 1e-5}),
            (rgb, mask, {"method": "direct", "atol": 1e-7}),
        ):
            given = x.clone().requires_grad_()
            found = solve(energy_of(name, given, m), **settings)  # type: ignore[arg-type]
            parts.append(gradients(found.x, [given])[0].double().cpu())
        share = float((parts[0] - parts[1]).norm() / parts[1].norm())
        yield {"name": name, "gradient share": share, "ok": share <= 0.01}


def batches(bench: Bench) -> Iterator[Row]:
    """A batch of different pictures on the device, against its pictures one by one."""
    rgb, mask = scene(bench, bench.pick(3, 2))
    rgb, mask = (t.float().to(bench.device) for t in (rgb, mask))
    target, guide = bench.pictures.gray(rgb), all_guidance(bench, rgb, mask)
    assert guide.hints is not None
    assert guide.hint_mask is not None
    for name in bench.chosen(bench.pick(sorted(METHODS), ["gram", "levin", "network"])):
        make = partial(build_method, name, **SHORT.get(name, {}))
        together = recolor(target, make(), guide)
        alone = []
        for i in range(len(target)):
            own = Guide(guide.references, hints=guide.hints[i : i + 1], hint_mask=guide.hint_mask[i : i + 1])
            alone.append(recolor(target[i : i + 1], make(), own))
        levels = 255 * difference(together, torch.cat(alone))
        yield {"name": name, "levels": levels, "ok": levels <= HALF_LEVEL}


def mixed(bench: Bench) -> Iterator[Row]:
    """Each method under autocast, as the command's 16-mixed and bf16-mixed, against float32 on the device."""
    rgb, mask = scene(bench, bench.pick(2, 1))
    rgb, mask = (t.float().to(bench.device) for t in (rgb, mask))
    target, guide = bench.pictures.gray(rgb), all_guidance(bench, rgb, mask)
    for name in bench.chosen(bench.pick(sorted(METHODS), ["gram", "levin"])):
        wanted = recolor(target, build_method(name, **SHORT.get(name, {})), guide)
        for dtype, label in ((torch.float16, "16-mixed"), (torch.bfloat16, "bf16-mixed")):
            try:
                with torch.autocast(bench.device.type, dtype=dtype):
                    found = recolor(target, build_method(name, **SHORT.get(name, {})), guide)
            except (RuntimeError, TypeError, ValueError, ArithmeticError) as error:
                yield {"name": f"{name}, {label}", "ok": False, "said": str(error).splitlines()[0][:200]}
                continue
            gap = (found.float() - wanted).abs()
            row = {"name": f"{name}, {label}", "levels": 255 * float(gap.amax()), "mean": 255 * float(gap.mean())}
            yield {**row, "finite": bool(found.isfinite().all())}


def processor_waits(bench: Bench) -> Iterator[Row]:
    """How often the processor waits for the device: in all, and an iteration where there are some."""
    rgb, mask = scene(bench, 1, bench.pick((256, 256), (64, 64)))
    rgb, mask = (t.float().to(bench.device) for t in (rgb, mask))
    target, guide = bench.pictures.gray(rgb), all_guidance(bench, rgb, mask)
    few, many = 2, 8
    for name in ("laplacian, global", "levin, local", "poisson, order 1, lambda 1e+10"):
        for every in (1, 60):
            run = partial(solve, atol=0.0, fallback=False, check_every=every)
            counts = _counts(
                bench, lambda n, run=run, name=name: run(energy_of(name, rgb, mask), max_steps=n), few, many
            )
            yield {"name": f"{name}, a look every {every}", **counts}

    def gram(steps: int) -> object:
        made = build_method("gram", steps=steps, levels=1, tolerance=0.0)
        return recolor(target, made, guide)

    yield {"name": "gram", **_counts(bench, gram, few, many)}
    for name in bench.pick(sorted(set(METHODS) - {"gram"}), ["levin", "network"]):
        made = build_method(name)
        recolor(target, made, guide)  # weights are loaded
        count, places = waits(bench, lambda made=made: recolor(target, made, guide))
        yield {"name": name, "in all": count, "places": places}


def _counts(bench: Bench, run: Callable[[int], object], few: int, many: int) -> Row:
    run(few)
    (least, _), (most, places) = (waits(bench, lambda n=n: run(n)) for n in (few, many))
    return {"in all": most, "a step": (most - least) / (many - few), "places": places}
