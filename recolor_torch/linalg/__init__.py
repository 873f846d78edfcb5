"""Linear systems on a grid: operators as stencils, Krylov solvers under multigrid, gradients through the answer."""

from recolor_torch.linalg.linear_system import GridSystem, NotConverged, Solution
from recolor_torch.linalg.solve import solve

__all__ = ["GridSystem", "NotConverged", "Solution", "solve"]
