"""The Poisson energy: against dense algebra, its limits, and every lambda."""

import pytest
import torch

from recolor_torch.energies.poisson import PoissonEnergy
from recolor_torch.linalg.solve import solve

LAMBDAS = [0.0, 1.0, 1e3, 1e10]


def case(h=8, w=9, batch=2, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    target = torch.rand(batch, 3, h, w, generator=g, dtype=dtype)
    values = torch.rand(batch, 3, h, w, generator=g, dtype=dtype)
    mask = (torch.rand(batch, 1, h, w, generator=g) < 0.1).to(dtype)
    return target, values, mask


def dense_solution(target, values, mask, b, lam, order):
    h, w = target.shape[-2:]
    number = torch.arange(h * w).view(h, w)
    pairs = torch.cat([
        torch.stack([number[:, :-1].flatten(), number[:, 1:].flatten()], 1),
        torch.stack([number[:-1].flatten(), number[1:].flatten()], 1),
    ])  # fmt: skip
    gradient = torch.zeros(len(pairs), h * w, dtype=torch.float64)
    gradient[torch.arange(len(pairs)), pairs[:, 0]] = 1
    gradient[torch.arange(len(pairs)), pairs[:, 1]] = -1
    laplacian = gradient.T @ gradient
    spread = laplacian if order == 1 else laplacian.T @ laplacian
    a = (torch.eye(h * w, dtype=torch.float64) + lam * spread) / max(lam, 1)
    known = mask[b].flatten() > 0.5
    t, v = target[b].flatten(1).T, values[b].flatten(1).T
    x = v.clone()
    x[~known] = t[~known] - torch.linalg.solve(a[~known][:, ~known], a[~known][:, known] @ (v - t)[known])
    return x.T.view_as(target[b])


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("lam", LAMBDAS)
def test_is_the_dense_solution_of_the_formula(lam, order):
    target, values, mask = case()
    found = solve(PoissonEnergy(target, values, mask, lam=lam, order=order), atol=1e-9)
    assert found.converged
    for b in range(2):
        torch.testing.assert_close(found.x[b], dense_solution(target, values, mask, b, lam, order), atol=1e-7, rtol=0)


@pytest.mark.parametrize("lam", LAMBDAS)
def test_float32_is_enough(lam):
    target, values, mask = case(40, 50)
    exact = solve(PoissonEnergy(target, values, mask, lam=lam), atol=1e-9, method="direct").x
    single = PoissonEnergy(target.float(), values.float(), mask.float(), lam=lam)
    for method in ("geometric", "auto"):
        found = solve(single, atol=0.1 / 255, method=method)
        assert found.converged
        assert (found.x - exact).abs().amax() < 0.1 / 255


def test_lambda_zero_changes_the_given_pixels_alone():
    target, values, mask = case()
    x = solve(PoissonEnergy(target, values, mask, lam=0)).x
    torch.testing.assert_close(x, torch.where(mask > 0.5, values, target))


@pytest.mark.parametrize("order", [1, 2])
def test_without_given_pixels_the_target_comes_back(order):
    target, values, mask = case()
    assert (solve(PoissonEnergy(target, values, 0 * mask, lam=1e10, order=order)).x == target).all()


@pytest.mark.parametrize("order", [1, 2])
def test_solution_minimises_the_energy(order):
    target, values, mask = case()
    energy = PoissonEnergy(target, values, mask, lam=10.0, order=order)
    x = solve(energy, atol=1e-9).x
    other = torch.where(mask > 0.5, values, x + 1e-3 * torch.randn_like(x))
    assert (energy.value(x) < energy.value(other)).all()


@pytest.mark.parametrize("size", [(1, 7), (7, 1), (1, 1)])
@pytest.mark.parametrize("order", [1, 2])
def test_thin_pictures(order, size):
    assert solve(PoissonEnergy(*case(*size), order=order)).x.isfinite().all()


def test_errors():
    target, values, mask = case()
    with pytest.raises(ValueError, match="lam must be finite and 0 or more, got -1"):
        PoissonEnergy(target, values, mask, lam=-1)
    with pytest.raises(ValueError, match="order must be 1 or 2, got 3"):
        PoissonEnergy(target, values, mask, order=3)
    with pytest.raises(ValueError, match="values must have shape"):
        PoissonEnergy(target, values[:, :1], mask)
