"""Linear systems on a grid: operators as stencils, Krylov solvers under multigrid, gradients through the answer."""

from recolor_torch.linalg.solve import estimate_memory, solve
from recolor_torch.linalg.system import GridSystem, NotConverged, Solution

__all__ = ["GridSystem", "NotConverged", "Solution", "estimate_memory", "solve"]
