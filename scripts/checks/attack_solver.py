"""Attack the solvers: does a solve ever return a wrong solution and say that it converged?

    python scripts/checks/attack_solver.py --count 2000              # all kinds, a table of what became of them
    python scripts/checks/attack_solver.py --only 1234 --count 1 -v  # one system again

Every number is a seed: it draws a picture (islands, islands in islands, bottlenecks of one pixel, checkerboards,
corridors, noise, photograph-like, 1 x N), hints (none, one, some, a crowd), an energy with extreme settings, a type,
a batch of easy and hard pictures and a method. The solution is compared with a reference for the very same system:
SuperLU in float64 (of the augmented system where it is squared), refined by residuals in extended precision. What
becomes of it:

    right          converged, and every pixel within half an 8-bit level of the reference
    refused        converged=False, or a sentence
    WRONG          said to have converged, and off by more than half a level. There must be none.
    not unique     the system has no unique solution: refused, or counted as wrong

The reference itself is trusted where its last refinement moved it by less than a thousandth of a level.
"""

import argparse
import collections
import sys
import time
import warnings
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import splu
from torch import Tensor

from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.energies.poisson import PoissonEnergy
from recolor_torch.linalg.linear_system import GridSystem, Solution
from recolor_torch.linalg.solve import solve
from recolor_torch.linalg.stencil import windows

LEVEL = 1 / 255
# What the iteration may be off by where it says that it is within half a level.
ALLOWED = 0.5 * LEVEL


@dataclass(frozen=True)
class Attack:
    """One system and how it is solved.

    Args:
        name: what it is, for people.
        kind: the kind of picture, for the table.
        energy: what is solved.
        method: of ``solve``.
    """

    name: str
    kind: str
    energy: LevinEnergy | PoissonEnergy
    method: str


# --- pictures ---------------------------------------------------------------------------------------------------------


def islands(h: int, w: int, rng: np.random.Generator) -> np.ndarray:
    """Bright rectangles on black, some of them in one another."""
    t = np.zeros((h, w))
    for _ in range(rng.integers(1, 5)):
        y, x = rng.integers(0, h), rng.integers(0, w)
        t[y : y + rng.integers(1, max(2, h // 2)), x : x + rng.integers(1, max(2, w // 2))] = rng.random()
    return t


def square(h: int, w: int, _rng: np.random.Generator) -> np.ndarray:
    """A bright square of a quarter of the side on black."""
    t = np.zeros((h, w))
    y, x = h // 3, w // 3
    t[y : y + max(1, h // 4), x : x + max(1, w // 4)] = 1
    return t


def nested(h: int, w: int, rng: np.random.Generator) -> np.ndarray:
    """Frames in frames."""
    t = np.zeros((h, w))
    step = int(rng.integers(1, 6))
    for k in range(0, min(h, w) // 2, step):
        t[k : h - k, k : w - k] = (k // step) % 2 * rng.choice([0.05, 0.3, 1.0])
    return t


def bottleneck(h: int, w: int, rng: np.random.Generator) -> np.ndarray:
    """Two rooms, a wall, and a door of one pixel."""
    t = np.zeros((h, w))
    t[:, w // 2] = rng.choice([0.05, 0.2, 1.0])
    t[rng.integers(0, h), w // 2] = 0
    return t


def corridor(h: int, w: int, rng: np.random.Generator) -> np.ndarray:
    """A path of one pixel that goes to and fro."""
    t = np.zeros((h, w))
    t[1::2] = 1
    for k, y in enumerate(range(1, h, 2)):
        t[y, -1 if k % 2 else 0] = 0
    return t * rng.choice([0.03, 0.2, 1.0])


def checkerboard(h: int, w: int, rng: np.random.Generator) -> np.ndarray:
    size = int(rng.choice([1, 1, 2, 3, 7]))
    y, x = np.mgrid[:h, :w] // size
    return (y + x) % 2 * rng.choice([0.01, 0.1, 1.0])


def noise(h: int, w: int, rng: np.random.Generator) -> np.ndarray:
    return rng.random((h, w)) * rng.choice([0.01, 0.1, 1.0])


def salt(h: int, w: int, rng: np.random.Generator) -> np.ndarray:
    """Single bright pixels on black."""
    return (rng.random((h, w)) < rng.choice([0.01, 0.1, 0.4])).astype(float)


def photograph(h: int, w: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth parts, edges and texture."""
    coarse = torch.from_numpy(rng.random((1, 1, 6, 6)))
    smooth = torch.nn.functional.interpolate(coarse, size=(h, w), mode="bilinear")[0, 0].numpy()
    blocks = torch.nn.functional.interpolate(coarse, size=(h, w), mode="nearest")[0, 0].numpy()
    return 0.5 * smooth + 0.4 * blocks + 0.1 * rng.random((h, w)) * (blocks > 0.5)


def flat(h: int, w: int, rng: np.random.Generator) -> np.ndarray:
    return np.full((h, w), rng.random())


PICTURES = {
    f.__name__: f for f in (islands, square, nested, bottleneck, corridor, checkerboard, noise, salt, photograph, flat)
}


def size_of(rng: np.random.Generator) -> tuple[int, int]:
    draw = rng.random()
    if draw < 0.15:
        n = int(rng.choice([2, 5, 30, 100, 300, 1000, 3000]))
        return (1, n) if rng.random() < 0.7 else (n, 1)
    if draw < 0.22:
        return int(rng.integers(2, 5)), int(rng.choice([40, 200, 900]))
    side = int(rng.choice([12, 33, 52, 70, 101, 128], p=[0.1, 0.2, 0.3, 0.2, 0.1, 0.1]))
    return side, int(max(2, side + rng.integers(-9, 10)))


def hints_of(t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where colors are given."""
    h, w = t.shape
    mask = np.zeros((h, w), bool)
    rule = rng.choice(["one", "eight dark", "some", "crowd", "corner", "none", "stroke"])
    if rule == "one":
        mask[rng.integers(h), rng.integers(w)] = True
    elif rule == "eight dark":
        where = np.argwhere(t <= t.min())
        for y, x in where[rng.integers(0, len(where), 8)]:
            mask[y, x] = True
    elif rule == "some":
        mask = rng.random((h, w)) < 0.01
    elif rule == "crowd":
        mask = rng.random((h, w)) < 0.3
    elif rule == "corner":
        mask[0, 0] = True
    elif rule == "stroke":
        mask[h // 2, w // 5 : 1 + 4 * w // 5] = True
    return mask


def draw(seed: int) -> Attack:
    """The attack of a seed."""
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(list(PICTURES)))
    h, w = size_of(rng)
    batch = int(rng.choice([1, 1, 2, 3])) if h * w < 5000 else 1
    kinds = [kind] + [str(rng.choice([kind, "photograph", "flat"])) for _ in range(batch - 1)]
    pictures = np.stack([PICTURES[k](h, w, rng) for k in kinds])[:, None]
    masks = np.stack([hints_of(t[0], rng) for t in pictures])[:, None]
    dtype = torch.float32 if rng.random() < 0.75 else torch.float64
    y, mask = (torch.from_numpy(np.ascontiguousarray(x)).to(dtype) for x in (pictures, masks.astype(float)))
    colors = torch.from_numpy(rng.random((batch, 2, h, w)) - 0.5).to(dtype)
    method = str(rng.choice(["auto", "aggregation", "geometric", "direct"], p=[0.35, 0.45, 0.1, 0.1]))
    if rng.random() < 0.25:
        lam = float(rng.choice([0, 1e-6, 1e-3, 1, 1e3, 1e6, 1e10, 1e14]))
        order = int(rng.choice([1, 2]))
        values = torch.cat([colors, colors[:, :1]], 1) + 0.5
        energy: LevinEnergy | PoissonEnergy = PoissonEnergy(y.expand(-1, 3, -1, -1), values, mask, lam=lam, order=order)
        said = f"poisson order {order} lam {lam:g}"
    else:
        settings = {
            "form": str(rng.choice(["laplacian", "laplacian", "levin", "report"])),
            "weights": str(rng.choice(["global", "global", "local", "report"])),
            "neighbours": int(rng.choice([4, 8])),
            "sigma": float(rng.choice([0.0005, 0.005, 0.005, 0.02, 0.2])),
            "kernel": str(rng.choice(["laplace", "gauss"])),
            "smoothing": float(rng.choice([0.0, 1.4])),
            "kappa": float(rng.choice([0.05, 0.3, 0.6, 1.0, 2.0])),
            "floor": float(rng.choice([0, 1e-12, 1e-8, 1e-6, 1e-5, 1e-4, 1e-2])),
            "pull": float(rng.choice([0, 1e-15, 1e-12, 1e-9, 1e-6, 1e-6, 1e-3])),
        }
        said = " ".join(f"{k} {v}" for k, v in settings.items())
        if rng.random() < 0.3:
            trust = float(rng.choice([1e-12, 1e-8, 1e-4, 1.0, 1e6]))
            spots = (rng.random((batch, 1, h, w)) < rng.choice([0.01, 0.5, 1.0])).astype(float)
            settings["confidence"] = torch.from_numpy(trust * spots).to(dtype)
            settings["prior"] = torch.from_numpy(rng.random((batch, 2, h, w)) - 0.5).to(dtype)
            said += f" confidence {trust:g}"
        energy = LevinEnergy(y, colors, mask, **settings)
    name = f"{seed}: {'+'.join(kinds)} {h} x {w} {str(dtype)[6:]} {method} | {said}"
    return Attack(name, f"1 x N, {said.split()[0]}" if min(h, w) < 5 else kind, energy, method)


# --- the reference ----------------------------------------------------------------------------------------------------


def numpy_of(x: Tensor, image: int) -> np.ndarray:
    return x[min(image, x.shape[0] - 1)].detach().double().numpy()


def precise_rows(u: np.ndarray, system: GridSystem, image: int, transposed: bool = False) -> np.ndarray:
    """The weighted differences (or their transpose) of u, (C, H, W), in extended precision."""
    out = np.zeros_like(u)
    for weight, offset in zip(system.weights, system.offsets):
        here, there = (index[1:] for index in windows(offset, torch.Size(u.shape)))
        here, there = (slice(None), *here), (slice(None), *there)
        w = numpy_of(weight, image).astype(np.longdouble)
        if transposed and not system.symmetric:
            flow = w[here] * u[here]
            out[here] += flow
            out[there] -= flow
        else:
            flow = w[here] * (u[here] - u[there])
            out[here] += flow
            if system.symmetric:
                out[there] -= flow
    return out


def precise_residual(u: np.ndarray, system: GridSystem, image: int) -> np.ndarray:
    rows = precise_rows(u, system, image)
    if system.squared:
        rows = precise_rows(rows, system, image, transposed=True)
    mass, source = (numpy_of(x, image).astype(np.longdouble) for x in (system.mass, system.source))
    return np.where(numpy_of(system.fixed, image) > 0, 0, source - rows - mass * u)


def factors(system: GridSystem, image: int):
    """A function b -> A^-1 b on the free pixels, (n, C), from one LU factorisation in float64, and their positions."""
    if not system.squared:
        matrix, free = system.matrix(image)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return splu(matrix).solve, free.numpy()
    # L'L + m as [[-I, L], [L', m]]: its condition is that of L, not the square of it.
    plain = replace(system, squared=False, mass=torch.zeros_like(system.mass), fixed=torch.zeros_like(system.fixed))
    rows, _ = plain.matrix(image)
    free = np.flatnonzero(numpy_of(system.fixed, image).ravel() == 0)
    part = rows[:, free]
    mass = numpy_of(system.mass, image).ravel()[free]
    both = sp.bmat([[-sp.identity(rows.shape[0]), part], [part.T, sp.diags(mass)]]).tocsc()
    lu, n = splu(both), rows.shape[0]
    return (lambda b: lu.solve(np.concatenate([np.zeros((n, b.shape[1])), b]))[n:]), free


def reference(system: GridSystem, image: int) -> np.ndarray | None:
    """The solution of one image, (C, H, W), or None where there is no unique one that float64 factors can find."""
    u = np.where(numpy_of(system.fixed, image) > 0, numpy_of(system.values, image), 0).astype(np.longdouble)
    if bool(system.fixed[min(image, system.fixed.shape[0] - 1)].all()):
        return u.astype(float)
    try:
        solver, free = factors(system, image)
    except RuntimeError:
        return None
    moved = np.inf
    for _ in range(12):
        r = precise_residual(u, system, image).reshape(u.shape[0], -1)[:, free]
        step = solver(np.ascontiguousarray(r.T.astype(float))).T
        if not np.isfinite(step).all():
            return None
        u.reshape(u.shape[0], -1)[:, free] += step
        moved = float(np.abs(step).max(initial=0))
        if moved < 1e-5 * LEVEL:
            return u.astype(float)
    return u.astype(float) if moved < 1e-3 * LEVEL else None


# --- what becomes of them ---------------------------------------------------------------------------------------------


def unknown(energy: LevinEnergy | PoissonEnergy, x: Tensor) -> Tensor:
    return x - energy.target if isinstance(energy, PoissonEnergy) else x


def outcome(attack: Attack) -> tuple[str, float, Solution | None]:
    """What became of it, and the largest error in levels."""
    try:
        found = solve(attack.energy, method=attack.method)  # type: ignore[arg-type]
    except (ValueError, ArithmeticError) as error:
        return f"refused: {type(error).__name__}", 0.0, None
    except (RuntimeError, AssertionError, TypeError, IndexError) as error:
        return f"TRACEBACK {type(error).__name__}", float("nan"), None
    if not found.converged:
        return "refused", 0.0, found
    system, x = attack.energy.system().detach(), unknown(attack.energy, found.x)
    worst = 0.0
    for image in range(x.shape[0]):
        exact = reference(system, image)
        if exact is None:
            return "not unique, said to have converged", float("inf"), found
        gap = np.abs(numpy_of(x, image) - exact)
        # Float32 cannot hold more than its own digits of values that are far from 0.
        room = ALLOWED + 4 * torch.finfo(x.dtype).eps * np.abs(exact).max()
        worst = max(worst, float((gap * ALLOWED / room).max()) / LEVEL)
    return ("right" if worst <= 0.5 else "WRONG"), worst, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="the first number")
    parser.add_argument("--only", type=int, nargs="*", help="these numbers")
    parser.add_argument("-v", action="store_true", help="a line for each")
    args = parser.parse_args()
    torch.set_num_threads(1)
    table: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    methods: collections.Counter = collections.Counter()
    wrong, start, worst_right = [], time.perf_counter(), 0.0
    for seed in args.only or range(args.seed, args.seed + args.count):
        attack = draw(seed)
        became, error, found = outcome(attack)
        table[attack.kind][became] += 1
        if found is not None:
            methods[f"{attack.method} -> {found.method}{'' if found.converged else ', refused'}"] += 1
        if became == "right":
            worst_right = max(worst_right, error)
        if args.v or not became.startswith(("right", "refused")):
            said = "" if found is None else f"{found.method}, {found.steps} steps, estimate {255 * found.error:.2g}"
            print(f"{became} {error:.3g} levels ({said}) {attack.name}", flush=True)
        if became != "right" and not became.startswith("refused"):
            wrong.append(seed)
    classes = sorted({c for row in table.values() for c in row})
    print(f"\n| picture | {' | '.join(classes)} |\n|---|{'---|' * len(classes)}")
    for kind in sorted(table):
        print(f"| {kind} | {' | '.join(str(table[kind][c]) for c in classes)} |")
    totals = [sum(row[c] for row in table.values()) for c in classes]
    print(f"| **all** | {' | '.join(f'**{n}**' for n in totals)} |\n")
    print("; ".join(f"{name}: {n}" for name, n in sorted(methods.items())))
    print(f"largest error of those that are right {worst_right:.3g} levels; {time.perf_counter() - start:.0f} s")
    if wrong:
        print(f"wrong: {wrong}")
        sys.exit(1)


if __name__ == "__main__":
    main()
