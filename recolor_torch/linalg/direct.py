"""Sparse direct solves on the CPU, in float64: the reference, and what the iterations fall back to."""

import warnings
from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import MatrixRankWarning, splu
from torch import Tensor

from recolor_torch.linalg.system import GridSystem, Solution


def solve_direct(system: GridSystem, rhs: Tensor, *, atol: float, transposed: bool = False) -> Solution:
    """Solve ``system.multiply(x) = rhs`` by a factorisation for each image (CHOLMOD if there, else SuperLU).

    One step of refinement is done, and its size is the error that is reported.

    Args:
        system: the system; its source and fixed values are not read.
        rhs: (B, C, H, W), 0 at fixed pixels.
        atol: error that counts as converged, in units of x.
        transposed: solve with the transpose instead.
    """
    x, worst = torch.zeros_like(rhs), 0.0
    for image in range(rhs.shape[0]):
        matrix, free = system.matrix(image)
        if len(free) == 0:
            continue
        b = rhs[image].flatten(1).detach().cpu().double().numpy().T[free.numpy()]
        solve, operator = _factor(matrix, system.symmetric or system.squared, transposed)
        u = solve(b)
        correction = solve(b - operator @ u)
        u += correction
        worst = max(worst, float(np.abs(correction).max(initial=0.0)))
        if not np.isfinite(u).all():
            return Solution(x, False, 0, float("inf"), "direct")
        x[image].flatten(1)[:, free.to(x.device)] = torch.from_numpy(u.T.copy()).to(x)
    return Solution(x, worst <= atol, 0, worst, "direct")


def _factor(matrix: csc_matrix, symmetric: bool, transposed: bool):
    """A function b -> A⁻¹ b (or A⁻ᵀ b), and the matrix that goes with it."""
    operator = matrix.T.tocsr() if transposed else matrix
    if symmetric and (solve := factor_cholmod(matrix)) is not None:
        return solve, operator
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MatrixRankWarning)
        # Diagonally dominant or nearly so: pivots stay on the diagonal, and the ordering is that of A + Aᵀ.
        lu = splu(matrix, "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return (lambda b: lu.solve(b, "T") if transposed else lu.solve(b)), operator


def factor_cholmod(matrix: csc_matrix) -> Callable[[np.ndarray], np.ndarray] | None:
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
