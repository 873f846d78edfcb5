"""The Poisson and the anisotropic problem of pyamg's gallery, with values given at the border of the grid.

The matrices are built from their formulas: the five-point Laplacian, and -eps u_xx - u_yy or -u_xx - eps u_yy in finite
differences (Trottenberg, Oosterlee, Schueller, "Multigrid", 2001, sections 1.2 and 4.1). Where pyamg is installed, they
are compared with its own. The solvers meet them at a tolerance of half a level, from random values.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recolor_torch.linalg import GridSystem, solve
from recolor_torch.linalg.stencil import HALF_4

TOLERANCE = 0.5 / 255


@dataclass
class Given:
    """A system as it is."""

    given: GridSystem

    def system(self):
        return self.given

    def restore(self, x):
        return x


def formula(height, width, down, across):
    """-down * u_yy - across * u_xx with u = 0 outside of the grid."""
    line = [sp.diags([-1.0, 2.0, -1.0], [-1, 0, 1], shape=(n, n)) for n in (height, width)]
    return sp.csr_matrix(down * sp.kron(line[0], sp.eye(width)) + across * sp.kron(sp.eye(height), line[1]))


def problem(height, width, down, across):
    """The system on a grid with a border of known zeros, and a solution with its right-hand side."""
    generator = np.random.default_rng(height)
    x = generator.random(height * width)
    source = torch.zeros(1, 1, height + 2, width + 2)
    source[..., 1:-1, 1:-1] = torch.from_numpy(formula(height, width, down, across) @ x).view(height, width)
    fixed = torch.ones_like(source, dtype=torch.bool)
    fixed[..., 1:-1, 1:-1] = False
    weights = tuple(torch.full_like(source, w) for w in (across, down))
    zero = torch.zeros_like(source)
    system = GridSystem(weights, HALF_4, True, False, zero, source, fixed, zero, mild=down == across)
    return system, torch.from_numpy(x).view(1, 1, height, width)


ANISOTROPY = [(1.0, 1.0), (1.0, 0.1), (0.01, 1.0), (1.0, 0.001)]


@pytest.mark.parametrize(("down", "across"), ANISOTROPY)
def test_the_matrix_is_that_of_the_formula(down, across):
    system, _ = problem(9, 12, down, across)
    matrix, positions = system.matrix(0)
    assert len(positions) == 9 * 12
    assert abs(matrix - formula(9, 12, down, across)).max() < 1e-7


@pytest.mark.parametrize(("down", "across"), ANISOTROPY)
def test_the_formula_is_that_of_pyamg(down, across):
    gallery = pytest.importorskip("pyamg.gallery", reason="pyamg is not installed: its matrices are not compared")
    ours = formula(9, 12, down, across)
    if down == across:
        theirs = gallery.poisson((9, 12), format="csr")
    else:
        # pyamg multiplies one second derivative by epsilon; theta says which.
        small = min(down, across)
        theta = 0.0 if across == small else np.pi / 2
        stencil = gallery.diffusion.diffusion_stencil_2d(epsilon=small, theta=theta, type="FD")
        theirs = gallery.stencil_grid(stencil, (9, 12), format="csr")
    assert abs(ours - theirs).max() < 1e-12


@pytest.mark.parametrize("method", ["auto", "aggregation", "direct"])
@pytest.mark.parametrize(("down", "across"), ANISOTROPY)
def test_they_are_solved_to_half_a_level(down, across, method):
    for height, width in ((60, 71), (17, 130)):
        system, x = problem(height, width, down, across)
        found = solve(Given(system), method=method, fallback=method == "auto")
        assert found.converged
        assert (found.x[..., 1:-1, 1:-1] - x).abs().max() < TOLERANCE
        # Multigrid's promise: the number of steps does not depend on the grid.
        assert found.steps <= 25


def test_poisson_by_the_geometric_hierarchy():
    for side in (31, 64):
        system, x = problem(side, side + 5, 1.0, 1.0)
        found = solve(Given(system), method="geometric", fallback=False)
        assert found.converged
        assert (found.x[..., 1:-1, 1:-1] - x).abs().max() < TOLERANCE
        assert found.steps <= 12
