r"""Multigrid by aggregation along strong ties: one cycle approximates the inverse of an operator.

The finest level works on pixels with shifted slices (``phases.py``). Its unknowns are grouped into the
strongly tied parts of 2 x 2 cells (``cells.py``), and the graph of these parts is coarsened further by
smoothed aggregation (Vanek, Mandel, Brezina 1996) over compressed rows. Aggregates that follow strong
ties keep the small clusters of like pixels that a geometric coarsening loses.

For a nonsymmetric operator each row is first scaled by the *importance* of its pixel, an approximate
left null vector (the stationary distribution of the random walk with the weights as probabilities).
Rows *and* columns then nearly sum to zero, as those of a Laplacian do, and the same coarsening holds;
without it the cycle diverges on sharp weights.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from recolor_torch.linalg import fused
from recolor_torch.linalg.cells import Cells
from recolor_torch.linalg.graph import (
    aggregate,
    csr_sorted,
    multiply_sparse,
    row_numbers,
    strong_entries,
    strong_ties,
    transpose,
)
from recolor_torch.linalg.phases import PhaseOperator
from recolor_torch.linalg.recording import Recording

# Strength of connection, for the cells of pixels and for the first graph, of symmetric operators and of others:
# tried from .05 to .25 on all forms. From graph to graph it falls, as in Vanek, Mandel and Brezina. With .12 for both,
# symmetric ones take up to a third fewer steps, but the estimate of the error was once 3.5 times too small.
CELL_THETA, CELL_THETA_ONE_WAY = 0.12, 0.16
GRAPH_THETA, GRAPH_THETA_ONE_WAY = 0.08, 0.12
THETA_DECAY = 0.7
# How far a correction from the parts goes, where symmetry does not bound it. Piecewise constant corrections fall short
# (Braess 1995, "Towards algebraic multigrid for elliptic problems of second order"); conjugate gradients make up for
# that by themselves. On a mosaic of 2.4 megapixels at kappa 0.6: 15, 12 and 13 steps with 1, 1.3 and 1.6.
OVERCORRECTION_ONE_WAY = 1.25
# Cycles of the second graph for each of the first: sharp weights without symmetry want it solved well.
VISITS_ONE_WAY = 2
# Forward and backward Gauss-Seidel sweeps for the near-null vectors.
NULL_SWEEPS = 8
LEFT_NULL_SWEEPS = 20
GRAPH_NULL_STEPS = 20
# Below this a graph is solved densely.
DENSE = 500
# ... and below this on a GPU, where a level takes as long as the product with so large a matrix.
DENSE_ON_A_GPU = 1500
# ... and this many nodes are still solved densely where coarsening has come to its end.
MOST_DENSE = 4000
# A Chebyshev smoother of degree 2 covers [SPAN * bound, bound].
SPAN = 0.25
# Laplacians are bounded by 2; the rows of a coarse matrix may say more, but its spectrum rarely does.
MOST_BOUND = 2.0
# Ties weaker than this share of a strong one are left out of the prolongation.
FILTER = 0.2
# Damping of the smoothed prolongation.
OMEGA = 2 / 3


@dataclass
class GraphLevel:
    """A graph, its smoother and the way to the next: x += P e, with restriction R.

    Rows of a nonsymmetric graph are scaled by ``row_scale``.
    """

    matrix: Tensor
    inverse_diagonal: Tensor
    weights: tuple[float, float]
    row_scale: Tensor | None = None
    prolongation: Tensor | None = None
    restriction: Tensor | None = None

    @cached_property
    def transposed(self) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Matrix, prolongation and restriction of the transposed graph, made when the first adjoint asks."""
        if self.row_scale is None:
            return self.matrix, self.prolongation, self.restriction
        if self.prolongation is None or self.restriction is None:
            return transpose(self.matrix), None, None
        return transpose(self.matrix), transpose(self.restriction), transpose(self.prolongation)

    def residual(self, b: Tensor, x: Tensor, transposed: bool) -> Tensor:
        """b - A x, or b - Aᵀ x, of the graph before its rows were scaled."""
        if self.row_scale is None:
            return fused.defect(self.matrix, x, b)
        if transposed:
            return fused.defect(self.transposed[0], x / self.row_scale, b)
        return b - fused.product(self.matrix, x) / self.row_scale


class AggregationHierarchy:
    """One V-cycle for the operator of ``op``: ``cycle(b)`` approximates the inverse applied to b.

    The rows of a nonsymmetric operator are scaled, in ``op`` itself.

    Args:
        op: the operator on the phases of the pixel grid.
        null_sweeps: sweeps for the near-null vector; without any it is 1, as for a system that fixes no pixel.
        dense: a graph of at most so many nodes is solved densely. ``None``: ``DENSE``, more on a GPU.
    """

    def __init__(self, op: PhaseOperator, null_sweeps: int = NULL_SWEEPS, dense: int | None = None) -> None:
        self.op = op
        self.visits = 1 if op.symmetric else VISITS_ONE_WAY
        if not op.symmetric:
            op.scale_rows(_near_null(op, LEFT_NULL_SWEEPS, transposed=True))
        null = _near_null(op, null_sweeps, transposed=False)
        self.cells = Cells(op, CELL_THETA if op.symmetric else CELL_THETA_ONE_WAY, null)
        self.levels: list[GraphLevel] = []
        self.inverse: Tensor | None = None
        matrix, diagonal = self.cells.galerkin(op, null)
        del null
        self.sizes = [self.cells.n]
        theta = GRAPH_THETA if op.symmetric else GRAPH_THETA_ONE_WAY
        if dense is None:
            dense = DENSE_ON_A_GPU if matrix.device.type == "cuda" else DENSE
        while matrix.shape[0] > dense:
            level, matrix, diagonal = _coarsen(matrix, diagonal, theta, op.symmetric)
            theta *= THETA_DECAY
            self.levels.append(level)
            if level.prolongation is None:
                break
            self.sizes.append(matrix.shape[0])
        self.coarsest = matrix
        if matrix.shape[0] <= MOST_DENSE:
            whole = matrix.to_dense().double() if matrix.shape[0] else matrix.to_dense()
            self.inverse = torch.linalg.inv(whole).to(op.leak.dtype)
            if self.levels and self.levels[-1].prolongation is None:
                self.levels.pop()

    def cycle(self, b: Tensor, transposed: bool = False) -> Tensor:
        """An approximation of A⁻¹ b (or A⁻ᵀ b), on the phases; symmetric if A is."""
        op = self.op
        x = op.sweep(torch.empty_like(b), b, transposed=transposed, zero=True)
        if self.cells.n:
            coarse = self.cells.restrict(op.residual(x, b, transposed, last=2))
            e = self._descend(coarse, 0, transposed)
            self.cells.prolong_add(x, e if op.symmetric else e.mul_(OVERCORRECTION_ONE_WAY))
        return op.sweep(x, b, reverse=True, transposed=transposed)

    def _visit(self, b: Tensor, depth: int, transposed: bool) -> Tensor:
        """The correction from a level below the first graph, ``visits`` cycles of it."""
        e = self._descend(b, depth, transposed)
        if depth < len(self.levels):
            for _ in range(1, self.visits):
                e = e + self._descend(self.levels[depth].residual(b, e, transposed), depth, transposed)
        return e

    def _descend(self, b: Tensor, depth: int, transposed: bool) -> Tensor:
        if depth == len(self.levels):
            assert self.inverse is not None
            return (self.inverse.t() if transposed else self.inverse) @ b
        level = self.levels[depth]
        inv, (first, second) = level.inverse_diagonal, level.weights
        a, p, r = level.transposed if transposed else (level.matrix, level.prolongation, level.restriction)
        if level.row_scale is not None and not transposed:
            b = b * level.row_scale
        x = inv * b * first
        x = fused.relax(a, x, b, inv, second)
        if p is not None and r is not None:
            coarse = fused.product(r, fused.defect(a, x, b))
            x = fused.product(p, self._visit(coarse, depth + 1, transposed), x)
        x = fused.relax(a, x, b, inv, second)
        x = fused.relax(a, x, b, inv, first)
        return x.mul_(level.row_scale) if level.row_scale is not None and transposed else x


def _near_null(op: PhaseOperator, sweeps: int, transposed: bool) -> Tensor:
    """A vector around 1 that A (or Aᵀ) takes nearly to 0, (B, 1, 4, h, w).

    To the right that is 1, less beside fixed pixels; to the left, the importance of the pixels.
    """
    y, zero = torch.ones_like(op.leak), torch.zeros_like(op.leak)

    def relax() -> None:
        op.sweep(y, zero, transposed=transposed)
        op.sweep(y, zero, transposed=transposed, reverse=True)

    recording = Recording(y, f"sweeps {transposed} {tuple(y.shape)}")
    for _ in range(sweeps):
        recording(relax)
    return y.clamp_(min=1e-3)


def _coarsen(matrix: Tensor, diagonal: Tensor, theta: float, symmetric: bool) -> tuple[GraphLevel, Tensor, Tensor]:
    """A level of smoothed aggregation, the coarse matrix and its diagonal. ``matrix`` becomes part of the level."""
    n = matrix.shape[0]
    scale, matrix_t = None, None
    if not symmetric:
        matrix_t = transpose(matrix)
        scale = _left_null(matrix_t, diagonal)
        matrix.values().mul_(scale.index_select(0, row_numbers(matrix)))
        matrix_t.values().mul_(scale.index_select(0, matrix_t.col_indices()))
        diagonal = diagonal * scale
    rows, cols, values = row_numbers(matrix), matrix.col_indices(), matrix.values()
    strong = strong_entries(rows, cols, values, diagonal, theta)
    ties = strong_ties(rows, cols, values, diagonal, strong, symmetric)
    del strong
    group, count = aggregate(ties, n)
    del ties
    inverse = 1 / diagonal
    magnitude = torch.zeros_like(diagonal).index_add_(0, rows, values.abs())
    bound = float((magnitude * inverse).amax())
    del rows, cols, values, magnitude
    level = GraphLevel(matrix, inverse[:, None], _chebyshev(min(bound, MOST_BOUND)))
    level.row_scale = None if scale is None else scale[:, None]
    if count == 0 or count > 0.9 * n:
        return level, matrix, diagonal
    members = (group >= 0).nonzero()[:, 0]
    ones = torch.ones(members.numel(), dtype=diagonal.dtype, device=diagonal.device)
    tentative = csr_sorted(members.int(), group[members], ones, (n, count))
    if matrix_t is not None:
        level.restriction = transpose(multiply_sparse(_smoother(matrix_t, diagonal, group, FILTER * theta), tentative))
        del matrix_t
    level.prolongation = multiply_sparse(_smoother(matrix, diagonal, group, FILTER * theta), tentative)
    if level.restriction is None:
        level.restriction = transpose(level.prolongation)
    coarse = multiply_sparse(level.restriction, multiply_sparse(matrix, level.prolongation))
    rows = row_numbers(coarse)
    on_diagonal = (rows == coarse.col_indices()).nonzero()[:, 0]
    coarse_diagonal = torch.ones_like(diagonal[:count])
    coarse_diagonal[rows[on_diagonal].long()] = coarse.values()[on_diagonal]
    return level, coarse, coarse_diagonal


def _left_null(matrix_t: Tensor, diagonal: Tensor) -> Tensor:
    """The importance of the nodes of a graph, as ``_near_null`` has it for pixels, by damped Jacobi steps."""
    y, step = torch.ones_like(diagonal)[:, None], (2 / 3 / diagonal)[:, None]
    recording = Recording(y, "left null")

    def relax() -> None:
        y.addcmul_(step, matrix_t @ y, value=-1)

    for _ in range(GRAPH_NULL_STEPS):
        recording(relax)
    return y[:, 0].clamp_(1e-2, 1e2)


def _smoother(matrix: Tensor, diagonal: Tensor, group: Tensor, filtered: float) -> Tensor:
    """I - w D⁻¹ F, with F the matrix with its weak ties moved to the diagonal.

    Vanek, Mandel, Brezina (1996), section 5.1. Nodes without strong ties are interpolated from all that
    they are tied to.
    """
    n = matrix.shape[0]
    rows, cols, values = row_numbers(matrix), matrix.col_indices(), matrix.values()
    loose = (group < 0).index_select(0, rows).logical_and_(values < 0).logical_and_(rows != cols)
    kept = strong_entries(rows, cols, values, diagonal, filtered).logical_or_(loose)
    # Beside hints rows sum to more than zero, and the interpolation falls off: that share stays.
    leak = torch.zeros_like(diagonal).index_add_(0, rows, values).clamp_(min=0)
    kept.logical_or_(rows == cols)
    del loose
    # One after the other: numbers of entries would be twice as large as what they choose. A GPU waits once for them.
    chosen = kept.nonzero()[:, 0] if kept.device.type in fused.DEVICES else None
    rows = rows.masked_select(kept) if chosen is None else rows[chosen]
    cols = cols.masked_select(kept) if chosen is None else cols[chosen]
    values = values.masked_select(kept) if chosen is None else values[chosen]
    del kept, chosen
    own = rows == cols
    step = leak.index_add_(0, rows, values.masked_fill_(own, 0), alpha=-1)
    step = step.clamp_(min=1e-20).reciprocal_().mul_(-OMEGA)
    values.mul_(step.index_select(0, rows)).masked_fill_(own, 1 - OMEGA)
    return csr_sorted(rows, cols, values, (n, n))


def _chebyshev(bound: float) -> tuple[float, float]:
    """Step lengths of two Richardson steps, the Chebyshev polynomial of degree 2 on [SPAN * bound, bound]."""
    middle, half = bound * (1 + SPAN) / 2, bound * (1 - SPAN) / 2
    return 1 / (middle + half * 0.5**0.5), 1 / (middle - half * 0.5**0.5)
