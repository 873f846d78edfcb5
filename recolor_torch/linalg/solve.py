"""``solve``: an energy in, its minimiser out, with an error in units of the unknown."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

import torch
from torch import Tensor

from recolor_torch.linalg.direct import solve_direct
from recolor_torch.linalg.geometric import GeometricHierarchy
from recolor_torch.linalg.hierarchy import AggregationHierarchy
from recolor_torch.linalg.implicit import ImplicitStep
from recolor_torch.linalg.krylov import GMRES, ConjugateGradients
from recolor_torch.linalg.phases import PhaseOperator
from recolor_torch.linalg.system import Energy, GridSystem, Solution

Method = Literal["auto", "geometric", "aggregation", "direct"]

# The error estimate has to be this much below the tolerance: it is an estimate, not a bound.
SAFETY = 3.0
# Pictures of at most this many pixels are solved directly on a CPU: a hierarchy costs more.
SMALL = 2500
# Peak memory of a float32 solve with eight neighbours, measured by scripts/benchmarks/bench_solvers.py --table memory.
BYTES_A_PIXEL = 250
BYTES_A_CHANNEL = 50
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


@full_precision()
def solve(
    energy: Energy,
    *,
    atol: float = 0.5 / 255,
    max_steps: int = 60,
    method: Method = "auto",
    fallback: bool = True,
    check_every: int = 1,
    start: Tensor | None = None,
) -> Solution:
    """Minimise ``energy``, to an estimated error of at most ``atol`` at every pixel.

    Differentiable with respect to the tensors of the energy, by one solve with the transposed operator.
    Nothing inside an iteration waits for the device; the look at the error every ``check_every`` does.

    Args:
        energy: what to minimise.
        atol: largest error wanted, in units of the unknown (chroma: 0.5/255 is half an 8-bit level).
        max_steps: iterations after which the iteration counts as failed.
        method: "geometric" (Poisson, mild weights; symmetric systems), "aggregation" (all others), "direct"
            (on the CPU, in float64), or "auto": the fastest for the system at hand, which for the
            squared systems of the report's form and of second-order Poisson is a direct solve.
        fallback: solve directly where the iteration fails. Without it the solution says
            ``converged=False``, with the error.
        check_every: iterations between two looks at the error; ``max_steps`` for one look at the end.
        start: where to start, (B, C, H, W) in units of the system's unknown (chroma for Levin, the
            difference to the target for Poisson): a solution of a smaller picture, or of the frame before.

    Raises:
        ValueError: the system holds values that are not finite, or ``method`` does not suit it.
    """
    system = energy.system()
    with torch.no_grad():
        plain = system.detach()
        _check_finite(plain)
        solver = GridSolver(plain, max_steps=max_steps, method=method, fallback=fallback, check_every=check_every)
        if start is None:
            found = solver.solve(plain.residual(torch.zeros_like(plain.values)), atol)
            x = found.x
        else:
            x = start.detach().masked_fill(plain.fixed, 0)
            found = solver.solve(plain.residual(x), atol)
            x = x.add_(found.x)
    if torch.is_grad_enabled() and any(t.requires_grad for t in system.tensors):

        def adjoint(grad: Tensor) -> Tensor:
            grad = grad.masked_fill(plain.fixed, 0)
            return solver.solve_adjoint(grad, atol)

        x = ImplicitStep.apply(system.residual(x), x, adjoint)
    return Solution(energy.restore(system.insert(x)), found.converged, found.steps, found.error, found.method)


def estimate_memory(height: int, width: int, *, batch: int = 1, channels: int = 2, itemsize: int = 4) -> int:
    """Bytes that an iterative solve takes at its peak, about, beside its inputs."""
    return batch * height * width * (BYTES_A_PIXEL + BYTES_A_CHANNEL * channels) * itemsize // 4


def _check_finite(system: GridSystem) -> None:
    total = sum((t.sum() for t in system.tensors), torch.zeros((), device=system.mass.device))
    if not bool(total.isfinite()):
        raise ValueError("The system holds values that are not finite: look for NaN in the picture or the hints.")


class GridSolver:
    """Solves with one system and its transpose, for one right-hand side after another.

    The hierarchy is built for the first of them and kept.
    """

    def __init__(
        self,
        system: GridSystem,
        *,
        max_steps: int = 60,
        method: Method = "auto",
        fallback: bool = True,
        check_every: int = 1,
    ) -> None:
        if method not in ("auto", "geometric", "aggregation", "direct"):
            raise ValueError(f"Unknown method {method!r}. Known: auto, geometric, aggregation, direct.")
        if method == "geometric" and not system.symmetric:
            method = "aggregation"
        self.system, self.max_steps, self.fallback, self.check_every = system, max_steps, fallback, check_every
        self.method = _choose(system) if method == "auto" else method
        self.engine: _Engine | None = None

    @full_precision()
    def solve(self, rhs: Tensor, atol: float, transposed: bool = False, relative: bool = False) -> Solution:
        """``x`` with A x = ``rhs`` (or Aᵀ x = rhs), 0 at fixed pixels.

        Args:
            rhs: (B, C, H, W), 0 at fixed pixels.
            atol: the error wanted, in units of x.
            transposed: solve with the transpose.
            relative: ``atol`` counts in units of the largest |x| instead.
        """
        if self.method != "direct":
            found = self._iterate(rhs, atol, transposed, relative)
            if found.converged or not self.fallback:
                return found
        found = solve_direct(self.system, rhs, atol=atol, transposed=transposed)
        if relative:
            ok = found.error <= atol * max(float(found.x.abs().amax()), 1e-30)
            found = Solution(found.x, ok, 0, found.error, "direct")
        return found

    def solve_adjoint(self, grad: Tensor, atol: float) -> Tensor:
        """λ with Aᵀ λ = ``grad``, to an error of ``atol`` of its largest value: a loss has any scale."""
        scale = grad.abs().amax().clamp_min(torch.finfo(grad.dtype).tiny)
        return self.solve(grad / scale, atol, transposed=True, relative=True).x * scale

    def _iterate(self, rhs: Tensor, atol: float, transposed: bool, relative: bool) -> Solution:
        if self.engine is None:
            self.engine = _Squared(self.system) if self.system.squared else _engine(self.system, self.method)
        engine = self.engine
        conjugate = self.system.symmetric or self.system.squared
        krylov = (ConjugateGradients if conjugate else GMRES)(
            lambda x: engine.multiply(x, transposed),
            lambda r: engine.cycle(r, transposed),
            engine.enter(rhs, transposed),
        )
        best = error = first = now = float("inf")
        since, converged = 0, False
        for step in range(1, self.max_steps + 1):
            krylov.step()
            if step % self.check_every and step < self.max_steps:
                continue
            # Progress is uneven, and one good look proves little: the worse of two counts.
            last, now = now, float(krylov.error().amax())
            error = max(now, last) if self.check_every < self.max_steps else now
            first = now if step <= self.check_every else first
            unit = float(krylov.x.abs().amax()) if relative else 1.0
            converged = error * SAFETY <= atol * unit
            best, since = (now, 0) if now < best else (best, since + self.check_every)
            # NaN compares as neither, and ends here too.
            if converged or not now <= DIVERGED * first or since > STALLED_STEPS:
                break
        x = engine.leave(krylov.x, transposed)
        if error != error:
            error = float("inf")
        return Solution(x, converged, krylov.steps, error, self.method)


def _choose(system: GridSystem) -> Method:
    height, width = system.fixed.shape[-2:]
    on_cpu = system.mass.device.type == "cpu"
    if on_cpu and (system.squared or height * width <= SMALL):
        return "direct"
    if system.mild and system.symmetric:
        return "geometric"
    return "aggregation"


class _Engine:
    """The layout that a hierarchy works in: how to get there and back, the operator and the cycle."""

    def __init__(self, hierarchy: AggregationHierarchy | GeometricHierarchy) -> None:
        self.hierarchy = hierarchy

    def enter(self, rhs: Tensor, transposed: bool) -> Tensor:
        if isinstance(self.hierarchy, GeometricHierarchy):
            return self.hierarchy.enter(rhs)
        return self.hierarchy.op.enter(rhs, transposed)

    def leave(self, y: Tensor, transposed: bool) -> Tensor:
        if isinstance(self.hierarchy, GeometricHierarchy):
            return self.hierarchy.leave(y)
        return self.hierarchy.op.leave(y, transposed)

    def multiply(self, x: Tensor, transposed: bool) -> Tensor:
        return self.hierarchy.op.multiply(x, transposed)

    def cycle(self, r: Tensor, transposed: bool) -> Tensor:
        if isinstance(self.hierarchy, GeometricHierarchy):
            return self.hierarchy.cycle(r)
        return self.hierarchy.cycle(r, transposed)


class _Squared(_Engine):
    """FᵀF + m, preconditioned by a cycle of F's unknown rows and one of their transpose.

    The rows of the fixed pixels are missing from the preconditioner, so that the number of iterations
    grows with their number: a direct solve is the better choice where there is memory for it.
    """

    def __init__(self, system: GridSystem) -> None:
        self.system = system
        root = GridSystem(
            system.weights,
            system.offsets,
            system.symmetric,
            False,
            system.mass.sqrt(),
            system.source,
            system.fixed,
            system.values,
        )
        super().__init__(_build_aggregation(root))

    def enter(self, rhs: Tensor, transposed: bool) -> Tensor:
        return rhs.clone()

    def leave(self, y: Tensor, transposed: bool) -> Tensor:
        return y

    def multiply(self, x: Tensor, transposed: bool) -> Tensor:
        return self.system.multiply(x)

    def cycle(self, r: Tensor, transposed: bool) -> Tensor:
        y = super().leave(super().cycle(super().enter(r, True), True), True)
        return super().leave(super().cycle(super().enter(y, False), False), False).masked_fill(self.system.fixed, 0)


def _engine(system: GridSystem, method: Method) -> _Engine:
    return _Engine(GeometricHierarchy(system) if method == "geometric" else _build_aggregation(system))


def _build_aggregation(system: GridSystem) -> AggregationHierarchy:
    return AggregationHierarchy(PhaseOperator(system))
