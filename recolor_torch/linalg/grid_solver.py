"""One system, solved for one right-hand side after another: which solver, how long, and whether it got there."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from recolor_torch.linalg.direct import solve_direct
from recolor_torch.linalg.engines import SolverEngine, build_engine
from recolor_torch.linalg.held import HeldSolver, is_held
from recolor_torch.linalg.islands import loosely_held
from recolor_torch.linalg.krylov import GMRES, ConjugateGradients
from recolor_torch.linalg.linear_system import GridSystem, NotConverged, Solution
from recolor_torch.linalg.probes import Probes
from recolor_torch.linalg.recording import recordable

Method = Literal["auto", "geometric", "aggregation", "sweeps", "direct"]

# The error estimate has to be this much below the tolerance: it is an estimate, not a bound.
SAFETY = 3.0
# Pictures of at most this many pixels are solved directly on a CPU: below 100 x 100 a hierarchy costs more.
SMALL = 10_000
# The same for systems that take float64 and probes, on any device: a direct solve is the surest.
SMALL_AND_HARD = 100_000
# An estimate this many times the first one, or growing so long, counts as divergence.
DIVERGED = 1e3
STALLED_STEPS = 12


@contextmanager
def full_precision() -> Iterator[None]:
    """The tensors' own precision, whatever surrounds this: half a level is less than the bits that autocast leaves."""
    with ExitStack() as stack:
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@dataclass(frozen=True)
class Effort:
    """How a solve goes about it.

    Args:
        max_steps: iterations after which the iteration counts as failed.
        fallback: solve directly where the iteration fails.
        check_every: iterations between two looks at the error.
    """

    max_steps: int = 60
    fallback: bool = True
    check_every: int = 1


class GridSolver:
    """Solves with one system and its transpose, for one right-hand side after another.

    The hierarchy is built for the first of them and kept. Each image of a batch stops on its own estimate, and is left
    alone from then on.

    Args:
        system: the system, without history.
        method: see ``solve``.
        effort: steps, looks and fallback.
    """

    def __init__(self, system: GridSystem, method: Method = "auto", effort: Effort = Effort()) -> None:
        if method not in get_args(Method):
            raise ValueError(f"Unknown method {method!r}. Known: {', '.join(get_args(Method))}.")
        height, width = system.fixed.shape[-2:]
        small = height * width <= SMALL and system.mass.device.type == "cpu"
        # Float32 cannot tell what a loosely held region is worth, and a squared operator is one of twice its digits.
        self.hard = (
            method != "direct" and not (method == "auto" and small) and (system.squared or any(loosely_held(system)))
        )
        # A coarser pixel grid loses small clusters of like pixels, and the estimate of the error loses them with it.
        if method == "geometric" and not (system.symmetric and system.mild and not self.hard):
            method = "aggregation"
        if method == "sweeps" and (self.hard or not is_held(system)):
            method = "aggregation"
        self.method = _choose(system, small, self.hard) if method == "auto" else method
        if self.hard and system.mass.device.type == "mps":  # it has no float64
            self.method = "direct"
        self.hard = self.hard and self.method != "direct"
        self.like = system.mass
        if self.method == "direct":
            system = system.to(torch.device("cpu"))
        self.system = system.to(torch.float64) if self.hard or self.method == "direct" else system
        self.effort = effort
        self.engine: SolverEngine | None = None
        self.held: list[HeldSolver] = []
        self.iterations: dict[tuple[bool, torch.Size], ConjugateGradients | GMRES] = {}

    def improve(self, x: Tensor, atol: float) -> Solution:
        """The solution of the system, in its type, from a first guess that is 0 at fixed pixels.

        Args:
            x: (B, C, H, W).
            atol: the error wanted, in units of x.
        """
        # In the type of the solve: a squared operator suffers from rounding the right-hand side too.
        found = self.solve(self.system.residual(x.to(self.system.mass)), atol)
        return replace(found, x=(x + found.x.to(x)).to(self.like))

    @full_precision()
    def solve(self, rhs: Tensor, atol: float, transposed: bool = False, relative: bool = False) -> Solution:
        """``x`` with A x = ``rhs`` (or Aᵀ x = rhs), 0 at fixed pixels.

        Args:
            rhs: (B, C, H, W), 0 at fixed pixels.
            atol: the error wanted, in units of x.
            transposed: solve with the transpose.
            relative: ``atol`` counts in units of the largest |x| of each image instead.
        """
        if self.method == "sweeps":
            found = self._sweep(rhs, atol, relative)
            if found.converged:
                return found
            self.method, self.held = "aggregation", []  # the slow modes are slower than their share says
        steps, method = 0, self.method
        errors, left = [float("inf")] * rhs.shape[0], list(range(rhs.shape[0]))
        if self.method == "direct":
            x = torch.zeros_like(rhs)
        else:
            x, errors, steps, left = self._iterate(rhs, atol, transposed, relative)
        if left and (self.method == "direct" or self.effort.fallback):
            method, failed = "direct", []
            for image in left:
                x[image], errors[image] = solve_direct(self.system, rhs[image], image, atol, transposed, relative)
                unit = float(x[image].abs().amax()) if relative else 1.0
                if not errors[image] <= atol * unit:
                    failed.append(image)
            left = failed
        return Solution(x, not left, steps, max(errors), method)

    def _sweep(self, rhs: Tensor, atol: float, relative: bool) -> Solution:
        """The solution of a system that is held at every pixel."""
        if not self.held:
            self.held = [HeldSolver(self.system.select(i)) for i in range(rhs.shape[0])]
        parts, errors, steps = zip(
            *(s.solve(rhs[i : i + 1], atol, self.effort.max_steps, relative) for i, s in enumerate(self.held))
        )
        x = torch.cat(parts)
        limits = [atol * (float(part.abs().amax()) if relative else 1.0) for part in parts]
        near = all(error <= limit for error, limit in zip(errors, limits))
        return Solution(x, near, max(steps), max(errors), "sweeps")

    def solve_adjoint(self, grad: Tensor, atol: float, transposed: bool = True) -> Tensor:
        """λ with Aᵀ λ = ``grad``, to an error of ``atol`` of its largest value: a loss has any scale.

        Raises:
            NotConverged: it did not get there.
        """
        scale = grad.abs().flatten(1).amax(1).clamp_min(torch.finfo(grad.dtype).tiny).view(-1, 1, 1, 1)
        found = self.solve((grad / scale).to(self.system.mass), atol, transposed=transposed, relative=True)
        if not found.converged:
            raise NotConverged(
                f"The adjoint solve did not converge: after {found.steps} steps ({found.method}) its error is about "
                f"{found.error:.3g}, and {atol:.3g} of its largest value was allowed."
            )
        return found.x.to(grad) * scale

    def _iterate(
        self, rhs: Tensor, atol: float, transposed: bool, relative: bool
    ) -> tuple[Tensor, list[float], int, list[int]]:
        """The solution, the error of each image, the steps, and the images that failed."""
        batch, channels = rhs.shape[:2]
        try:
            self.engine = self.engine or build_engine(self.system, self.method)
        except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
            return torch.zeros_like(rhs), [float("inf")] * batch, 0, list(range(batch))
        engine, effort = self.engine, self.effort
        probes = Probes(self.system, transposed) if self.hard else None
        b = rhs if probes is None else torch.cat((rhs.to(torch.float64), probes.rhs), 1)
        krylov = self._iteration(engine, engine.enter(b, transposed), transposed)
        progress = [_Progress(effort) for _ in range(batch)]
        open_images, failed = list(range(batch)), []
        out: Tensor | None = None  # made when there is something for it: the first steps need the room
        for step in range(1, effort.max_steps + 1):
            krylov.step()
            if step % effort.check_every and step < effort.max_steps:
                continue
            errors = krylov.error().amax(1).tolist()
            units = krylov.x[:, :channels].abs().flatten(1).amax(1).tolist() if relative else [1.0] * batch
            for i in open_images:
                progress[i].look(errors[i])
            near = [i for i in open_images if progress[i].error * SAFETY <= atol * units[i]]
            ended = [i for i in open_images if progress[i].hopeless or step == effort.max_steps]
            if not near and not ended:
                continue
            x = engine.leave(krylov.x, transposed)
            if probes is not None:
                missed = probes.missed(x[:, channels:], x[:, :channels], relative).tolist()
                near = [i for i in near if missed[i] <= atol * units[i]]
            ended = [i for i in ended if i not in near]
            out = torch.zeros_like(rhs) if out is None else out
            for i in (*near, *ended):
                out[i].copy_(x[i, :channels])
            failed += ended
            open_images = [i for i in open_images if i not in near and i not in ended]
            if not open_images:
                break
        out = torch.zeros_like(rhs) if out is None else out
        return out, [p.reported for p in progress], krylov.steps, sorted(failed)

    def _iteration(self, engine: SolverEngine, rhs: Tensor, transposed: bool) -> ConjugateGradients | GMRES:
        """The iteration at its start; where it is recorded, that of the last right-hand side of this shape."""
        key = (transposed, rhs.shape)
        if (kept := self.iterations.get(key)) is not None:
            kept.start(rhs)
            return kept
        conjugate = self.system.symmetric or self.system.squared
        made = (ConjugateGradients if conjugate else GMRES)(
            lambda x: engine.multiply(x, transposed),
            lambda r: engine.cycle(r, transposed),
            rhs,
            f"{type(engine).__name__} {transposed} {tuple(rhs.shape)}",
        )
        if recordable(rhs.device):
            self.iterations[key] = made
        return made


class _Progress:
    """The looks at the error of one image."""

    def __init__(self, effort: Effort) -> None:
        self.once = effort.check_every >= effort.max_steps
        self.every = effort.check_every
        self.first: float | None = None
        self.best = self.error = self.now = float("inf")
        self.since = 0

    def look(self, now: float) -> None:
        """Take the error in. Progress is uneven, and one good look proves little: the worse of two counts."""
        last, self.now = self.now, now
        self.first = now if self.first is None else self.first
        self.error = now if self.once else max(now, last)
        self.best, self.since = (now, 0) if now < self.best else (self.best, self.since + self.every)

    @property
    def hopeless(self) -> bool:
        """Whether the error grows, stands still or is NaN, which compares as neither."""
        assert self.first is not None
        return not self.now <= DIVERGED * self.first or self.since > STALLED_STEPS

    @property
    def reported(self) -> float:
        """The error, infinite where it is NaN."""
        return self.error if self.error == self.error else float("inf")


def _choose(system: GridSystem, small: bool, hard: bool) -> Method:
    height, width = system.fixed.shape[-2:]
    on_cpu = system.mass.device.type == "cpu"
    if small or (on_cpu and system.squared) or (hard and height * width <= SMALL_AND_HARD):
        return "direct"
    if system.mild and system.symmetric and not hard:
        return "geometric"
    if on_cpu and not hard and is_held(system):
        return "sweeps"
    return "aggregation"
