r"""Systems that are held at every pixel: conjugate gradients with Gauss-Seidel sweeps, without a hierarchy.

Where the mass of each pixel is a fair share of the ties that it has, nothing travels far: an error dies out over a few
pixels, and sweeps over the finest level are all that it takes. To set up a hierarchy would cost three times as much as
the whole solve. A prior with a confidence makes such systems: estimates that are brought to the edges of a picture.

The matrix is A = D + L + U in the order of the sweep. A forward and a backward sweep, (D + L) w = r and
(D + U) z = D w, are the preconditioner; with them :math:`A z = r - L (w - z)`, so that a step takes each tie three
times in place of seven (the idea of Eisenstat 1981, "Efficient implementation of a class of preconditioned conjugate
gradient methods").

The error is bounded, not estimated: A is an M-matrix whose rows sum to the leak (mass and ties to fixed pixels), so
:math:`\max |x - x^*| \le \max |r| / \mathrm{leak}`.
"""

import torch
from torch import Tensor

from recolor_torch.linalg.krylov import divide, dot
from recolor_torch.linalg.linear_system import GridSystem
from recolor_torch.linalg.phases import ORDER, PhaseOperator, gather

# Least share of its diagonal that the mass of a pixel has. Steps grow with the root of its inverse: at 1/250 they are
# about 20, at 1/2000 about 45, and a hierarchy costs about as much as 100 of them.
HELD = 1 / 2500
# Sweeps for each step of an iteration with a hierarchy that the caller allows.
FOR_A_STEP = 2


def is_held(system: GridSystem) -> bool:
    """Whether every free pixel of a symmetric system is held by its own mass."""
    if not system.symmetric or system.squared:
        return False
    return bool((system.fixed | (system.mass >= HELD * system.diagonal())).all())


class HeldSolver:
    """Solves with the system of one picture for one right-hand side after another.

    Args:
        system: symmetric, not squared, of one picture.
    """

    def __init__(self, system: GridSystem) -> None:
        self.op = PhaseOperator(system)
        # The taps of each phase from those before it in the sweep, and from those after it.
        place = {phase: i for i, phase in enumerate(ORDER)}
        taps = self.op.forward_taps
        self.lower = [[t for t in taps[i] if place[t[2]] < place[i]] for i in range(4)]
        self.upper = [[t for t in taps[i] if place[t[2]] > place[i]] for i in range(4)]

    def solve(self, rhs: Tensor, atol: float, max_steps: int, relative: bool = False) -> tuple[Tensor, float, int]:
        """``x`` with A x = ``rhs``, the bound of its error, in units of x, and the steps.

        Args:
            rhs: (1, C, H, W), 0 at fixed pixels.
            atol: the error wanted.
            max_steps: after ``FOR_A_STEP`` times as many the best so far is returned.
            relative: ``atol`` counts in units of the largest |x|.
        """
        op, max_steps = self.op, FOR_A_STEP * max_steps
        b = op.enter(rhs)
        x, r = torch.zeros_like(b), b.clone()
        # The direction, A times it, and r·z of the step before; a new start has none.
        direction, ahead, before = torch.zeros_like(b), torch.zeros_like(b), torch.zeros_like(dot(b, b))
        bound, steps, limit = self._bound(r), 0, 0.0 if relative else atol
        while steps < max_steps and not bound <= limit:
            z, image = self.precondition(r)
            power = dot(r, z)
            share = divide(power, before)
            direction, ahead = torch.addcmul(z, share, direction), torch.addcmul(image, share, ahead)
            alpha = divide(power, dot(direction, ahead))
            x.addcmul_(alpha, direction)
            r.addcmul_(alpha, ahead, value=-1)
            before, steps = power, steps + 1
            bound = self._bound(r)
            limit = atol * float(x.abs().amax()) if relative else atol
            if bound <= limit or steps == max_steps:  # rounding: what was carried along is not quite the residual
                r = b - op.multiply(x)
                bound, before = self._bound(r), torch.zeros_like(power)
        return op.leave(x, False), bound, steps

    def precondition(self, r: Tensor) -> tuple[Tensor, Tensor]:
        """z, about A⁻¹ r, and A z, on the phases."""
        inverse = self.op.inverse_diagonal
        w = torch.empty_like(r)
        for i in ORDER:
            target = w[:, :, i].copy_(r[:, :, i])
            for tap in self.lower[i]:
                gather(target, w, tap)
            target *= inverse[:, :, i]
        z = w.clone()
        for i in ORDER[-2::-1]:
            target = torch.zeros_like(w[:, :, i])
            for tap in self.upper[i]:
                gather(target, z, tap)
            z[:, :, i].addcmul_(inverse[:, :, i], target)
        image = r.clone()
        w -= z
        for i in ORDER[1:]:
            for tap in self.lower[i]:
                gather(image[:, :, i], w, tap)
        return z, image

    def _bound(self, r: Tensor) -> float:
        return float((r / self.op.leak).abs_().amax())
