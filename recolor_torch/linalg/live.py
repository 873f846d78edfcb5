"""A solver that is kept while pixels are fixed and freed: for hints that a person is still painting.

The ties between pixels never change while a picture is painted; what changes is which pixels are fixed. The hierarchy
of the system without any fixed pixel is built once. Where pixels are fixed, their rows leave the transfers, and the
coarse matrices change by the difference that this makes, which involves those few rows alone. The preconditioner stays
the exact variational one for its transfers; the answer is that of the system at hand, whatever the preconditioner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from recolor_torch.lazy import LazyModule
from recolor_torch.linalg.graph import compressed
from recolor_torch.linalg.hierarchy import AggregationHierarchy, GraphLevel
from recolor_torch.linalg.islands import loosely_held
from recolor_torch.linalg.krylov import ConjugateGradients
from recolor_torch.linalg.linear_system import GridSystem, Solution
from recolor_torch.linalg.phases import PhaseOperator

if TYPE_CHECKING:
    import scipy.sparse as sp
else:
    sp = LazyModule("scipy.sparse")


# The error estimate has to be this much below the tolerance: it is an estimate, not a bound.
SAFETY = 3.0
# The coarsest matrix is inverted at every change: it has to be small.
DENSE = 150
# A diagonal that has fallen to this share of what it was belongs to a node whose pixels are all fixed.
GONE = 1e-5


class LiveSolver:
    """Solves symmetric systems that differ in fixed pixels, masses, sources and values, but not in their ties.

    Args:
        system: symmetric, not squared, of one picture; its ties and its mass shape the hierarchy.
    """

    def __init__(self, system: GridSystem) -> None:
        if not system.symmetric or system.squared or system.fixed.shape[0] != 1:
            raise ValueError("LiveSolver takes a symmetric system of one picture that is not squared.")
        self.base = replace(system.detach(), fixed=torch.zeros_like(system.fixed))
        op = PhaseOperator(self.base)
        self.hierarchy = AggregationHierarchy(op, null_sweeps=0, dense=DENSE)
        self.fixed = np.zeros(tuple(system.fixed.shape[-2:]), bool)
        cells = self.hierarchy.cells
        first = torch.zeros(op.free.numel(), dtype=torch.int64)
        first[cells.roots] = torch.arange(cells.n)
        node = torch.gather(first.view(op.free.shape), 2, cells.part.long())
        self.node = op.join(node)[0, 0].numpy()
        self.mass = self.base.mass.expand(self.base.fixed.shape)[0, 0].double().numpy()
        self.ties = [w.expand(self.base.fixed.shape)[0, 0].double().numpy() for w in self.base.weights]
        self.levels = [_Level(level) for level in self.hierarchy.levels]
        self.coarsest = self._coarsest()

    def solve(
        self,
        system: GridSystem,
        atol: float,
        start: Tensor | None = None,
        max_steps: int = 60,
        cancelled: Callable[[], bool] | None = None,
    ) -> Solution:
        """Solve ``system``, whose ties have to be those of the solver.

        Args:
            system: one picture; ``fixed``, ``values``, ``mass`` and ``source`` may be new.
            atol: the error wanted, in units of the unknown.
            start: where to start, (1, C, H, W): the last solution.
            max_steps: after so many steps the best so far is returned, with ``converged=False``.
            cancelled: asked before each step; when it says true the best so far is returned.

        Returns:
            The solution; ``converged=False`` without a step where float32 cannot tell the value of a region.
        """
        with torch.no_grad():
            if system.mass.dtype == torch.float32 and any(loosely_held(system)):
                x = system.insert(torch.zeros_like(system.values) if start is None else start)
                return Solution(x, False, 0, float("inf"), "live")
            op = self._fix(system)
            x = torch.zeros_like(system.values) if start is None else start
            x = system.insert(x).masked_fill(system.fixed, 0)
            krylov = ConjugateGradients(op.multiply, self.hierarchy.cycle, op.enter(system.residual(x)))
            now = last = error = float(krylov.error().amax())
            while not error * SAFETY <= atol and krylov.steps < max_steps and not (cancelled and cancelled()):
                krylov.step()
                last, now = now, float(krylov.error().amax())
                error = max(now, last)
                if not np.isfinite(now):
                    break
            x = system.insert(x + op.leave(krylov.x))
        return Solution(x, error * SAFETY <= atol, krylov.steps, error, "live")

    def _fix(self, system: GridSystem) -> PhaseOperator:
        """Bring the hierarchy to the fixed pixels of ``system``; its operator."""
        fixed = system.fixed[0, 0].cpu().numpy()
        op = PhaseOperator(system)
        self.hierarchy.op = op
        changed = np.flatnonzero(fixed != self.fixed)
        if changed.size:
            self._update(changed, fixed)
            self.hierarchy.cells.refree(op.free)
            self.fixed = fixed.copy()
        return op

    def _update(self, changed: np.ndarray, fixed: np.ndarray) -> None:
        """Add to each matrix what the change of some pixels makes."""
        delta = self._difference(changed, fixed)
        for level in self.levels:
            delta = level.add(delta)
        self.coarsest += delta.toarray()
        diagonal = self.coarsest.diagonal().copy()
        gone = diagonal <= GONE * self.whole
        matrix = self.coarsest + np.diag(np.where(gone, self.whole - diagonal, 0))
        self.hierarchy.inverse = torch.from_numpy(np.linalg.inv(matrix)).to(self.base.mass.dtype)

    def _difference(self, changed: np.ndarray, fixed: np.ndarray) -> sp.csr_matrix:
        """What the first coarse matrix gains where the pixels of ``changed`` are fixed or freed."""
        height, width = fixed.shape
        node, before, after = self.node.ravel(), ~self.fixed.ravel(), ~fixed.ravel()
        mass = self.mass.ravel()[changed] * (after[changed].astype(float) - before[changed])
        rows, cols, values = [node[changed]], [node[changed]], [mass]
        y, x = np.divmod(changed, width)
        for (dy, dx), tie in zip(self.base.offsets, self.ties):
            # Pairs (r, r + offset) with a changed pixel at either end, each once.
            ys, xs = np.concatenate((y, y - dy)), np.concatenate((x, x - dx))
            inside = (ys >= 0) & (ys < height) & (ys + dy >= 0) & (ys + dy < height)
            inside &= (xs >= 0) & (xs < width) & (xs + dx >= 0) & (xs + dx < width)
            r = np.unique(ys[inside] * width + xs[inside])
            s = r + dy * width + dx
            weight, u, v = tie.ravel()[r], node[r], node[s]
            apart = u != v
            both = (after[r] & after[s]).astype(float) - (before[r] & before[s])
            # A free pixel keeps a tie in its diagonal, unless it lies within a node.
            here = weight * (after[r].astype(float) - before[r] - both * ~apart)
            there = weight * (after[s].astype(float) - before[s] - both * ~apart)
            across = weight * both * apart
            rows += [u, v, u, v]
            cols += [u, v, v, u]
            values += [here, there, -across, -across]
        n = self.hierarchy.cells.n
        return sp.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(cols))), (n, n))

    def _coarsest(self) -> np.ndarray:
        """The matrix that is solved densely."""
        inverse = self.hierarchy.inverse
        if inverse is None:
            raise ValueError("The hierarchy has no dense end.")
        matrix = self.hierarchy.coarsest.to_dense().double().numpy().copy()
        self.whole = matrix.diagonal().copy()
        return matrix


@dataclass
class _Level:
    """A graph level and what it takes to change some entries of its matrix."""

    level: GraphLevel

    def __post_init__(self) -> None:
        matrix = self.level.matrix
        arrays = (matrix.values().numpy(), matrix.col_indices().numpy(), matrix.crow_indices().numpy())
        own = sp.csr_matrix(arrays, shape=tuple(matrix.shape))
        own.sort_indices()
        n = own.shape[0]
        rows = np.repeat(np.arange(n, dtype=np.int64), np.diff(own.indptr))
        self.keys = rows * n + own.indices
        self.values = own.data
        starts, cols, values = map(torch.from_numpy, (own.indptr, own.indices, own.data))
        self.level.matrix = compressed(starts, cols, values, (n, n))
        self.diagonal_at = np.searchsorted(self.keys, np.arange(n, dtype=np.int64) * (n + 1))
        self.whole = self.values[self.diagonal_at].copy()
        p = self.level.prolongation
        assert p is not None
        parts = (p.values().numpy(), p.col_indices().numpy(), p.crow_indices().numpy())
        self.prolongation = sp.csr_matrix(parts, shape=tuple(p.shape))

    def add(self, delta: sp.csr_matrix) -> sp.csr_matrix:
        """Add to the matrix, in place; returns what the next one gains."""
        n = delta.shape[0]
        touched = np.flatnonzero(np.diff(delta.indptr))
        part = delta[touched]
        rows = np.repeat(touched.astype(np.int64), np.diff(part.indptr))
        at = np.searchsorted(self.keys, rows * n + part.indices)
        self.values[at] += part.data
        diagonal = self.values[self.diagonal_at[touched]]
        there = diagonal > GONE * self.whole[touched]
        inverse = np.where(there, 1 / np.where(there, diagonal, 1), 0)
        self.level.inverse_diagonal[torch.from_numpy(touched), 0] = torch.from_numpy(inverse).to(
            self.level.inverse_diagonal
        )
        return (self.prolongation[touched].T @ (part @ self.prolongation)).tocsr()
