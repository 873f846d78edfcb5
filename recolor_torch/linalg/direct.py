"""Sparse direct solves on the CPU, in float64: the reference, and what the iterations fall back to."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from recolor_torch.lazy import LazyModule
from recolor_torch.linalg.linear_system import GridSystem
from recolor_torch.linalg.probes import Probes

if TYPE_CHECKING:
    import scipy.sparse as sp
    from scipy.sparse.linalg import SuperLU
else:
    sp = LazyModule("scipy.sparse")


Factors = Callable[[np.ndarray], np.ndarray]

# Refinements of a direct solve. The first two suffice unless the matrix is nearly singular.
MOST_REFINEMENTS = 8
# The last refinement has to be below this share of the tolerance.
REFINED = 0.1


def solve_direct(
    system: GridSystem, rhs: Tensor, image: int, atol: float, transposed: bool = False, relative: bool = False
) -> tuple[Tensor, float]:
    """Solve ``system.multiply(x) = rhs`` for one image by a factorisation (CHOLMOD if there, else SuperLU).

    The matrix of the factors loses what holds a region by next to nothing. So the solution is refined by residuals
    that are sums of differences, in float64, and probes of known solution (``probes.py``) are solved along with it.
    Where they come out wrong, a squared system is solved again without being squared.

    Args:
        system: the system; its source and fixed values are not read.
        rhs: of that image, (C, H, W), 0 at fixed pixels.
        image: which of the batch.
        atol: error that counts as converged, in units of x.
        transposed: solve with the transpose instead.
        relative: ``atol`` counts in units of the largest |x| instead.

    Returns:
        x, (C, H, W), and its error, infinite where there are no factors.
    """
    own = system.detach().select(image).to(torch.device("cpu")).to(torch.float64)
    if bool(own.fixed.all()):
        return torch.zeros_like(rhs), 0.0
    b = rhs.detach().cpu().double()[None]
    x, error = _refined(own, b, _factors(own, transposed), atol, transposed, relative)
    if own.squared and not error <= atol * _unit(x, relative):
        x, error = _refined(own, b, _unsquared_factors(own), atol, transposed, relative)
    return x[0].to(rhs), error


def _refined(
    own: GridSystem, rhs: Tensor, solve: Factors | None, atol: float, transposed: bool, relative: bool
) -> tuple[Tensor, float]:
    """The solution by factors and refinements, (1, C, H, W), and its error."""
    nothing = torch.zeros_like(rhs), float("inf")
    if solve is None:
        return nothing
    channels = rhs.shape[1]
    free = ~own.fixed[0, 0].flatten()
    probes = Probes(own, transposed)
    b = torch.cat((rhs, probes.rhs), 1)
    x, residual, size, error = torch.zeros_like(b), b, float("inf"), float("inf")
    for step in range(MOST_REFINEMENTS):
        u = solve(np.ascontiguousarray(residual[0].flatten(1)[:, free].numpy().T))
        if not np.isfinite(u).all():
            return nothing
        x[0].flatten(1)[:, free] += torch.from_numpy(u.T.copy())
        last, size = size, float(np.abs(u[:, :channels]).max(initial=0.0))
        found = x[:, :channels]
        error = max(size, float(probes.missed(x[:, channels:], found, relative)))
        if step and (error <= REFINED * atol * _unit(found, relative) or size > last / 2):
            break
        residual = b - own.multiply(x, transposed)
    return x[:, :channels], error


def _unit(x: Tensor, relative: bool) -> float:
    return float(x.abs().amax()) if relative else 1.0


def _factors(own: GridSystem, transposed: bool) -> Factors | None:
    """A function b -> A⁻¹ b (or A⁻ᵀ b) on the free pixels, None where the matrix is singular."""
    matrix, _ = own.matrix(0)
    if (own.symmetric or own.squared) and (solve := factor_cholmod(matrix)) is not None:
        return solve
    # Diagonally dominant or nearly so: pivots stay on the diagonal, and the ordering is that of A + Aᵀ.
    lu = _lu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return None if lu is None else lambda b: lu.solve(b, "T") if transposed else lu.solve(b)


def _unsquared_factors(own: GridSystem) -> Factors | None:
    """The same for LᵀL + m, by factors of [[-I, L], [Lᵀ, m]]: its condition is that of L, not the square of it."""
    root, free = own.root()
    mass = sp.diags(own.mass.flatten().numpy()[free])
    lu = _lu(sp.bmat([[-sp.identity(root.shape[0]), root], [root.T, mass]]).tocsc())
    if lu is None:
        return None
    return lambda b: lu.solve(np.concatenate([np.zeros((root.shape[0], b.shape[1])), b]))[root.shape[0] :]


def _lu(matrix: sp.csc_matrix, **options: Any) -> SuperLU | None:
    from scipy.sparse.linalg import MatrixRankWarning, splu

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MatrixRankWarning)
        try:
            return splu(matrix, **options)
        except RuntimeError:  # a zero on the diagonal of the factors
            return None


def factor_cholmod(matrix: sp.csc_matrix) -> Factors | None:
    """A function b -> A⁻¹ b by CHOLMOD's factors of a symmetric positive definite matrix.

    None where scikit-sparse is not installed, or where rounding left the matrix not positive definite.
    """
    try:
        from sksparse import cholmod
    except ImportError:
        return None
    try:
        if hasattr(cholmod, "cho_factor"):  # scikit-sparse 0.5; its ``cholesky`` returns the factor's numbers
            return cholmod.cho_factor(matrix).solve
        return cholmod.cholesky(matrix)
    except cholmod.CholmodError:
        return None
