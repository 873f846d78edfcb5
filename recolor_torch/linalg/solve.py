"""``solve``: an energy in, its minimiser out, with an error in units of the unknown."""

from typing import Literal

import torch
from torch import Tensor

from recolor_torch.linalg.direct import solve_direct
from recolor_torch.linalg.implicit import ImplicitStep
from recolor_torch.linalg.krylov import BiCGStab, ConjugateGradients
from recolor_torch.linalg.system import Energy, GridSystem, Solution

Method = Literal["auto", "geometric", "aggregation", "direct"]

# The error estimate has to be this much below the tolerance: it is an estimate, not a bound.
SAFETY = 2.0


def solve(
    energy: Energy,
    *,
    atol: float = 0.5 / 255,
    max_steps: int = 60,
    method: Method = "auto",
    fallback: bool = True,
) -> Solution:
    """Minimise ``energy``, to an estimated error of at most ``atol`` at every pixel.

    Differentiable with respect to the tensors of the energy, by one solve with the transposed operator.

    Args:
        energy: what to minimise.
        atol: largest error wanted, in units of the unknown (chroma: 0.5/255 is half an 8-bit level).
        max_steps: iterations after which the iteration counts as failed.
        method: "auto" takes what is fastest for the system at hand.
        fallback: solve directly (on the CPU, in float64) where the iteration fails. Without it the
            solution says ``converged=False``, with the error.

    Raises:
        ValueError: the system holds values that are not finite.
    """
    system = energy.system()
    with torch.no_grad():
        plain = system.detach()
        _check_finite(plain)
        solver = GridSolver(plain, max_steps, method, fallback)
        found = solver.solve(plain.residual(torch.zeros_like(plain.values)), atol)
    x = found.x
    if torch.is_grad_enabled() and any(t.requires_grad for t in system.tensors):

        def adjoint(grad: Tensor) -> Tensor:
            grad = grad.masked_fill(plain.fixed, 0)
            # The loss has any scale: the adjoint is solved as well, for its own size, as x for that of a chroma.
            scale = grad.abs().amax().clamp_min(torch.finfo(grad.dtype).tiny)
            return solver.solve(grad / scale, atol, transposed=True).x * scale

        x = ImplicitStep.apply(system.residual(x), x, adjoint)
    return Solution(energy.restore(system.insert(x)), found.converged, found.steps, found.error, found.method)


def _check_finite(system: GridSystem) -> None:
    total = sum((t.sum() for t in system.tensors), torch.zeros((), device=system.mass.device))
    if not bool(total.isfinite()):
        raise ValueError("The system holds values that are not finite: look for NaN in the picture or the hints.")


class GridSolver:
    """Solves with one system and its transpose, for one right-hand side after another."""

    def __init__(self, system: GridSystem, max_steps: int, method: Method, fallback: bool) -> None:
        self.system, self.max_steps, self.method, self.fallback = system, max_steps, method, fallback
        self.inverse_diagonal = 1 / system.diagonal()

    def solve(self, rhs: Tensor, atol: float, transposed: bool = False) -> Solution:
        """``x`` with A x = ``rhs`` (or Aᵀ x), 0 at fixed pixels."""
        method = "direct"  # until the hierarchies are there
        found = None
        if method != "direct":
            found = self._iterate(rhs, atol, transposed)
            if found.converged or not self.fallback:
                return found
        return solve_direct(self.system, rhs, atol=atol, transposed=transposed)

    def _iterate(self, rhs: Tensor, atol: float, transposed: bool) -> Solution:
        symmetric = self.system.symmetric or self.system.squared
        kind = ConjugateGradients if symmetric else BiCGStab
        krylov = kind(lambda x: self.system.multiply(x, transposed), lambda r: r * self.inverse_diagonal, rhs)
        error = float("inf")
        for step in range(1, self.max_steps + 1):
            krylov.step()
            if step % 5 == 0:
                error = float(krylov.error().amax())
                if error * SAFETY <= atol or error != error:
                    break
        return Solution(krylov.x, error * SAFETY <= atol, krylov.steps, error, "jacobi")
