"""Linear systems on a grid: operators as stencils, Krylov solvers under multigrid, gradients through the answer."""

from recolor_torch.linalg.linear_system import GridSystem, NotConverged, Solution
from recolor_torch.linalg.solve import estimate_memory, solve

__all__ = ["GridSystem", "NotConverged", "Solution", "estimate_memory", "solve"]
