"""What an iteration needs of a hierarchy: the layout that it works in, the operator and the cycle."""

from typing import Protocol

from torch import Tensor

from recolor_torch.linalg.geometric import GeometricHierarchy
from recolor_torch.linalg.hierarchy import AggregationHierarchy
from recolor_torch.linalg.linear_system import GridSystem
from recolor_torch.linalg.phases import PhaseOperator


class SolverEngine(Protocol):
    """An operator, an approximation of its inverse, and the way into their layout and back."""

    def enter(self, rhs: Tensor, transposed: bool) -> Tensor:
        """A right-hand side, (B, C, H, W), in the layout."""
        ...

    def leave(self, y: Tensor, transposed: bool) -> Tensor:
        """A solution, (B, C, H, W), from the layout."""
        ...

    def multiply(self, x: Tensor, transposed: bool) -> Tensor:
        """A x, or Aᵀ x."""
        ...

    def cycle(self, r: Tensor, transposed: bool) -> Tensor:
        """About A⁻¹ r, or A⁻ᵀ r."""
        ...


def build_engine(system: GridSystem, method: str) -> SolverEngine:
    """The engine of a system.

    Raises:
        torch.linalg.LinAlgError: the hierarchy meets a singular matrix.
    """
    if system.squared:
        return SquaredEngine(system)
    return GeometricEngine(system) if method == "geometric" else AggregationEngine(system)


class GeometricEngine:
    """Symmetric systems with mild weights."""

    def __init__(self, system: GridSystem) -> None:
        self.hierarchy = GeometricHierarchy(system)

    def enter(self, rhs: Tensor, transposed: bool) -> Tensor:
        return self.hierarchy.enter(rhs)

    def leave(self, y: Tensor, transposed: bool) -> Tensor:
        return self.hierarchy.leave(y)

    def multiply(self, x: Tensor, transposed: bool) -> Tensor:
        return self.hierarchy.op.multiply(x)

    def cycle(self, r: Tensor, transposed: bool) -> Tensor:
        return self.hierarchy.cycle(r)


class AggregationEngine:
    """All systems that are not squared."""

    def __init__(self, system: GridSystem) -> None:
        self.hierarchy = AggregationHierarchy(PhaseOperator(system))

    def enter(self, rhs: Tensor, transposed: bool) -> Tensor:
        return self.hierarchy.op.enter(rhs, transposed)

    def leave(self, y: Tensor, transposed: bool) -> Tensor:
        return self.hierarchy.op.leave(y, transposed)

    def multiply(self, x: Tensor, transposed: bool) -> Tensor:
        return self.hierarchy.op.multiply(x, transposed)

    def cycle(self, r: Tensor, transposed: bool) -> Tensor:
        return self.hierarchy.cycle(r, transposed)


class SquaredEngine:
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
        self.root = AggregationEngine(root)

    def enter(self, rhs: Tensor, transposed: bool) -> Tensor:
        return rhs.clone()

    def leave(self, y: Tensor, transposed: bool) -> Tensor:
        return y

    def multiply(self, x: Tensor, transposed: bool) -> Tensor:
        return self.system.multiply(x)

    def cycle(self, r: Tensor, transposed: bool) -> Tensor:
        y = self._root_cycle(r, True)
        return self._root_cycle(y, False).masked_fill(self.system.fixed, 0)

    def _root_cycle(self, r: Tensor, transposed: bool) -> Tensor:
        root = self.root
        return root.leave(root.cycle(root.enter(r, transposed), transposed), transposed)
