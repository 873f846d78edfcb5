"""The iterations on small dense systems, whose solutions are known."""

import itertools

import pytest
import torch

from recolor_torch.linalg import krylov
from recolor_torch.linalg.krylov import GMRES, ConjugateGradients


def system(n=24, batch=2, channels=3, symmetric=False, spread=30.0, device="cpu"):
    """A matrix for each image, (B, n, n), its solution and the right-hand side, (B, C, 1, n)."""
    g = torch.Generator().manual_seed(0)
    a = torch.randn(batch, n, n, generator=g, dtype=torch.float64)
    if symmetric:
        q, _ = torch.linalg.qr(a)
        a = q @ torch.diag_embed(torch.logspace(0, 1, n, dtype=torch.float64).expand(batch, n)) @ q.mT
    else:
        a = a / spread + torch.diag_embed(torch.linspace(0.2, 1, n, dtype=torch.float64).expand(batch, n))
    a = a.to(device)
    x = torch.randn(batch, channels, 1, n, generator=g, dtype=torch.float64).to(device)
    return a, x, apply(a)(x)


def apply(a):
    return lambda x: (x[:, :, 0] @ a.mT)[:, :, None]


@pytest.mark.parametrize(("solver", "symmetric"), [(GMRES, False), (ConjugateGradients, True)])
def test_as_many_steps_as_unknowns_solve_it(solver, symmetric, device, monkeypatch):
    monkeypatch.setattr(krylov, "BASIS", 24)
    a, x, b = system(symmetric=symmetric, device=device)
    found = solver(apply(a), lambda r: r.clone(), b)
    for _ in range(24):
        found.step()
    torch.testing.assert_close(found.x, x, atol=1e-6, rtol=0)
    assert found.steps == 24


def test_gmres_goes_on_after_a_restart(monkeypatch):
    monkeypatch.setattr(krylov, "BASIS", 6)
    a, x, b = system()
    found, sizes = GMRES(apply(a), lambda r: r.clone(), b), []
    for _ in range(30):
        found.step()
        sizes.append(float((b - apply(a)(found.x)).square().sum()))
        assert len(found.basis) <= 7
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in itertools.pairwise(sizes))
    torch.testing.assert_close(found.x, x, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("solver", "symmetric"), [(GMRES, False), (ConjugateGradients, True)])
def test_a_channel_of_zeros_stays_zero_beside_others(solver, symmetric):
    a, _, b = system(symmetric=symmetric)
    b[0, 1] = 0
    found = solver(apply(a), lambda r: r.clone(), b)
    for _ in range(10):
        found.step()
    assert (found.x[0, 1] == 0).all()
    assert found.error()[0, 1] == 0
    assert found.error().isfinite().all()
    alone = solver(apply(a[1:]), lambda r: r.clone(), b[1:])
    for _ in range(10):
        alone.step()
    torch.testing.assert_close(found.x[1:], alone.x)


def test_gmres_sees_an_error_that_the_last_step_hides():
    """One weak direction is left: the residual is small, the error is not, and steps barely move the solution."""
    a, x, _ = system(batch=1, channels=1, spread=300.0)
    a[0, 0, 0] = 0.1
    x[..., 0] = 1.0
    b = apply(a)(x)
    found = GMRES(apply(a), lambda r: r.clone(), b)
    for _ in range(15):
        found.step()
        truth = float((found.x - x).abs().max())
        assert float(found.error()) > truth / 5
