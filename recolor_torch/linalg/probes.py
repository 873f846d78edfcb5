"""Unknowns that are known: what a solve makes of them tells what it misses.

The error of a solve is estimated from its residual, and a region that hardly anything holds has next to none, whatever
its value is. A *probe* is solved along with the right-hand sides, by the same operator, preconditioner or factors: its
solution is known, so its error is seen. The constant 1 has a part in every region, and its right-hand side, the ties
that leave a region, is known without rounding. Squared operators have slow modes without a share of the constant; all
have a share of random signs.
"""

import torch
from torch import Tensor

from recolor_torch.linalg.linear_system import GridSystem

# The largest error of a probe, as a share of the tolerance, for unknowns of about 1.
SHARE = 0.5
# Unknowns count as at least so large: where all of a solution is 0, a region that nothing holds still has no value.
LEAST_UNIT = 0.1


class Probes:
    """Known unknowns of a system, and their right-hand sides.

    Args:
        system: the system, in the type of the solve.
        transposed: for the transpose of its operator.
    """

    def __init__(self, system: GridSystem, transposed: bool = False) -> None:
        free = (~system.fixed).to(system.mass.dtype)
        known = [free]
        if system.squared:
            signs = torch.randint(0, 2, free.shape[-2:], generator=torch.Generator().manual_seed(0))
            known.append(free * (2 * signs - 1).to(free))
        self.known = torch.cat(known, 1)
        self.rhs = system.multiply(self.known, transposed)

    def error(self, x: Tensor) -> Tensor:
        """The largest error of the solved probes, (B,)."""
        return (x - self.known).abs().flatten(1).amax(1)

    def missed(self, solved: Tensor, x: Tensor, relative: bool) -> Tensor:
        """The error that the solved probes give reason to expect of ``x``, (B, C, H, W): one number an image, (B,).

        Args:
            solved: the probes.
            x: the solution that was asked for.
            relative: x has any scale.
        """
        unit = x.abs().flatten(1).amax(1)
        return self.error(solved) / SHARE * (unit if relative else unit.clamp_min(LEAST_UNIT))
