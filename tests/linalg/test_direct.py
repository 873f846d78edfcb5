"""Direct solves by each factorisation that may be installed."""

import sys
import types

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recolor_torch.energies.poisson import PoissonEnergy
from recolor_torch.linalg.direct import factor_cholmod, solve_direct


class NotPositiveDefinite(Exception):
    """Stands for the error of scikit-sparse."""


class Factors:
    """Stands for the factors of either version of scikit-sparse."""

    def __init__(self, matrix):
        self.inverse = np.linalg.inv(matrix.toarray())
        if np.linalg.eigvalsh(matrix.toarray())[0] <= 0:
            raise NotPositiveDefinite

    def solve(self, b):
        return self.inverse @ b


class OldFactors(Factors):
    __call__ = Factors.solve


OLD = {"cholesky": OldFactors}  # scikit-sparse 0.4: an object to call
NEW = {"cho_factor": Factors, "cholesky": lambda matrix: (matrix, None)}  # 0.5: numbers and a permutation


def install(monkeypatch, functions):
    package, module = types.ModuleType("sksparse"), types.ModuleType("sksparse.cholmod")
    module.CholmodError = NotPositiveDefinite
    for name, function in functions.items():
        setattr(module, name, function)
    package.cholmod = module
    monkeypatch.setitem(sys.modules, "sksparse", package)
    monkeypatch.setitem(sys.modules, "sksparse.cholmod", module)


@pytest.mark.parametrize("functions", [OLD, NEW], ids=["0.4", "0.5"])
def test_both_interfaces_of_scikit_sparse(monkeypatch, functions):
    install(monkeypatch, functions)
    matrix = sp.csc_matrix(np.array([[2.0, -1.0], [-1.0, 3.0]]))
    b = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(matrix @ factor_cholmod(matrix)(b), b, atol=1e-12)


@pytest.mark.parametrize("functions", [OLD, NEW, None], ids=["0.4", "0.5", "none"])
def test_the_answer_is_the_same_whatever_is_installed(monkeypatch, functions):
    if functions is None:
        monkeypatch.setitem(sys.modules, "sksparse", None)
    else:
        install(monkeypatch, functions)
    g = torch.Generator().manual_seed(0)
    target, values = (torch.rand(2, 3, 9, 7, generator=g, dtype=torch.float64) for _ in range(2))
    mask = (torch.rand(2, 1, 9, 7, generator=g) < 0.1).double()
    system = PoissonEnergy(target, values, mask, lam=100.0).system()
    rhs = system.residual(torch.zeros_like(system.values))
    x, error = solve_direct(system, rhs[0], 0, 1e-9)
    assert error <= 1e-9
    x = torch.stack([x, solve_direct(system, rhs[1], 1, 1e-9)[0]])
    assert system.residual(x).abs().max() < 1e-12


def test_a_matrix_that_rounding_left_indefinite_is_factored_otherwise(monkeypatch):
    install(monkeypatch, NEW)
    assert factor_cholmod(sp.csc_matrix(np.diag([1.0, -1e-18]))) is None


def test_cholmod_itself():
    pytest.importorskip("sksparse", reason="scikit-sparse is not installed")
    matrix = sp.csc_matrix(np.array([[2.0, -1.0], [-1.0, 3.0]]))
    np.testing.assert_allclose(factor_cholmod(matrix)(np.ones(2)), np.linalg.solve(matrix.toarray(), np.ones(2)))
