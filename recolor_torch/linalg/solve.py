"""``solve``: an energy in, its minimiser out, with an error in units of the unknown."""

from collections.abc import Sequence

import torch
from torch import Tensor

from recolor_torch.linalg.grid_solver import Effort, GridSolver, Method, full_precision
from recolor_torch.linalg.implicit import ImplicitSolution
from recolor_torch.linalg.linear_system import Energy, GridSystem, Solution

__all__ = ["GridSolver", "Method", "full_precision", "solve"]


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

    Differentiable with respect to the tensors of the energy, to any order: each derivative is one more solve, with the
    transposed operator. Nothing inside an iteration waits for the device; the look at the error every ``check_every``
    does. On a CPU the pictures of a batch are solved one by one, so that a system has the same solution in any company,
    to the last bit; elsewhere each stops on its own error.

    Systems with a region that float32 cannot tell the value of, and squared ones, are solved in float64, with unknowns
    of known value beside (``probes.py``): where these come out wrong, the solution does not count as converged.

    Args:
        energy: what to minimise.
        atol: largest error wanted, in units of the unknown (chroma: 0.5/255 is half an 8-bit level).
        max_steps: iterations after which the iteration counts as failed.
        method: "geometric" (Poisson; other systems take the next), "aggregation" (all), "sweeps" (systems that a
            prior holds at every pixel, see ``held.py``; others take "aggregation"), "direct" (on the CPU, in
            float64), or "auto": the fastest for the system at hand, which for the squared systems of the report's
            form and of second-order Poisson is a direct solve.
        fallback: solve directly where the iteration fails. Without it the solution says
            ``converged=False``, with the error.
        check_every: iterations between two looks at the error; ``max_steps`` for one look at the end.
        start: where to start, (B, C, H, W) in units of the system's unknown (chroma for Levin, the
            difference to the target for Poisson): a solution of a smaller picture, or of the frame before.

    Raises:
        ValueError: the system holds values that are not finite, or ``method`` does not suit it.
        NotConverged: in backward, where the solve with the transposed operator does not get there.
    """
    system = energy.system()
    effort = Effort(max_steps, fallback, check_every)
    differentiable = torch.is_grad_enabled() and any(t.requires_grad for t in system.tensors)
    with torch.no_grad():
        plain = system.detach()
        _check_finite(plain)
        nothing = plain.values.new_zeros(1, 1, 1, 1).expand(plain.values.shape)  # one number, seen as a picture
        x = nothing if start is None else start.detach().masked_fill(plain.fixed, 0)
        batch = x.shape[0]
        one_by_one = x.device.type == "cpu" and batch > 1
        solvers, found = [], []
        for i in range(batch if one_by_one else 1):
            solver = GridSolver(plain.select(i) if one_by_one else plain, method, effort)
            found.append(solver.improve(x[i : i + 1] if one_by_one else x, atol))
            if differentiable:  # hierarchies are kept for the adjoint alone
                solvers.append(solver)
        x = found[0].x if len(found) == 1 else torch.cat([part.x for part in found])
    if differentiable:
        x = _with_history(system, x, solvers, atol)
    return Solution(
        energy.restore(system.insert(x)),
        all(part.converged for part in found),
        max(part.steps for part in found),
        max(part.error for part in found),
        "direct" if any(part.method == "direct" for part in found) else found[0].method,
    )


def _with_history(system: GridSystem, x: Tensor, solvers: Sequence[GridSolver], atol: float) -> Tensor:
    """``x`` as a differentiable function of the tensors of the system."""
    structure = system.detach()

    def residual(y: Tensor, *p: Tensor) -> Tensor:
        return structure.with_tensors(p).residual(y)

    def multiply(y: Tensor, transposed: bool, p: tuple[Tensor, ...]) -> Tensor:
        return structure.with_tensors(p).multiply(y.masked_fill(structure.fixed, 0), transposed)

    def adjoint(rhs: Tensor, transposed: bool) -> Tensor:
        rhs = rhs.masked_fill(structure.fixed, 0)
        if len(solvers) == 1:
            return solvers[0].solve_adjoint(rhs, atol, transposed)
        return torch.cat([s.solve_adjoint(rhs[i : i + 1], atol, transposed) for i, s in enumerate(solvers)])

    return ImplicitSolution.apply(x, residual, multiply, adjoint, False, *system.tensors)


def _check_finite(system: GridSystem) -> None:
    total = sum((t.sum() for t in system.tensors), torch.zeros((), device=system.mass.device))
    if not bool(total.isfinite()):
        raise ValueError(
            "The system holds values that are not finite: look for NaN in the picture or the hints, and for settings "
            "that are far too large."
        )
