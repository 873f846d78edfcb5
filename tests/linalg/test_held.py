"""Systems that are held at every pixel: sweeps alone, against dense matrices and direct solves."""

import pytest
import torch

from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.linalg.grid_solver import Effort, GridSolver
from recolor_torch.linalg.held import HELD, HeldSolver, is_held
from recolor_torch.linalg.solve import solve
from recolor_torch.methods.levin import spread_chroma

KINDS = [{}, {"neighbours": 4}, {"form": "levin"}, {"weights": "local"}, {"kernel": "gauss", "sigma": 0.1}]


def held_energy(h=41, w=53, batch=1, dtype=torch.float32, strength=0.1, hints=0.0, seed=0, **settings):
    """A picture with flat parts and edges, a rough prior that is held a little, and perhaps hints."""
    g = torch.Generator().manual_seed(seed)
    blocks = torch.rand(batch, 1, 5, 6, generator=g, dtype=torch.float64)
    luminance = torch.nn.functional.interpolate(blocks, size=(h, w), mode="nearest")
    luminance = (luminance + 0.004 * torch.rand(batch, 1, h, w, generator=g, dtype=torch.float64)).clamp(0, 1)
    prior = torch.rand(batch, 2, h, w, generator=g, dtype=torch.float64) - 0.5
    confidence = strength * (0.2 + torch.rand(batch, 1, h, w, generator=g, dtype=torch.float64))
    mask = (torch.rand(batch, 1, h, w, generator=g, dtype=torch.float64) < hints).double()
    parts = (x.to(dtype) for x in (luminance, prior.flip(-1), mask, prior, confidence))
    luminance, values, mask, prior, confidence = parts
    return LevinEnergy(luminance, values, mask, prior=prior, confidence=confidence, **settings)


def dense(system):
    matrix, keep = system.matrix(0)
    return torch.from_numpy(matrix.toarray()), keep


def test_a_step_takes_gauss_seidel_and_the_product_with_it():
    """z = M⁻¹ r with M = (D + L) D⁻¹ (D + U), the parts taken from the matrix in the order of the sweep; and A z."""
    system = held_energy(6, 7, dtype=torch.float64, hints=0.1).system()
    solver = HeldSolver(system)
    matrix, keep = dense(system)
    rank = torch.tensor([[0, 2], [3, 1]]).repeat(3, 4)[:6, :7].flatten()[keep]  # of each phase in the sweep
    order = rank.argsort(stable=True)
    a = matrix[order][:, order]
    lower, diagonal = a.tril(), a.diagonal().diag()
    r = torch.randn(1, 2, 6, 7, dtype=torch.float64).masked_fill(system.fixed, 0)
    z, image = (solver.op.leave(x) for x in solver.precondition(solver.op.enter(r)))
    b = r[0].flatten(1)[:, keep][:, order].T
    expected = torch.linalg.solve(lower @ diagonal.inverse() @ lower.T, b)
    torch.testing.assert_close(z[0].flatten(1)[:, keep][:, order].T, expected)
    torch.testing.assert_close(image[0].flatten(1)[:, keep][:, order].T, a @ expected)


@pytest.mark.parametrize("hints", [0.0, 0.03])
@pytest.mark.parametrize("kind", KINDS)
def test_error_is_under_the_bound_that_is_reported(kind, hints):
    exact = solve(held_energy(dtype=torch.float64, hints=hints, **kind), method="direct", atol=1e-9).x
    for atol in (2 / 255, 0.1 / 255):
        found = solve(held_energy(hints=hints, **kind), atol=atol, method="sweeps", fallback=False)
        assert found.method == "sweeps"
        assert found.steps <= 50
        assert (found.x - exact).abs().amax() <= found.error <= atol


def test_auto_sweeps_what_is_held_and_nothing_else():
    large = {"h": 101, "w": 103}
    assert solve(held_energy(**large)).method == "sweeps"
    assert solve(held_energy(**large, strength=1e-4)).method == "aggregation"
    assert solve(held_energy(**large, strength=1e-4), method="sweeps").method == "aggregation"
    one_way = held_energy(form="levin", weights="local")
    assert not is_held(one_way.system())
    assert solve(one_way, method="sweeps").method == "aggregation"
    assert not is_held(held_energy(form="report").system())


def test_one_pixel_that_nothing_holds_is_enough():
    energy = held_energy()
    assert is_held(energy.system())
    energy.confidence[..., 20, 20] = 0
    assert not is_held(energy.system())
    energy.mask[..., 20, 20] = 1
    assert is_held(energy.system())


def test_few_steps_and_a_hierarchy_takes_over():
    """Steps run out: the aggregation goes on, and without steps of its own a direct solve."""
    energy = held_energy(strength=8 * 6 * HELD)
    system = energy.system()
    exact = solve(held_energy(strength=8 * 6 * HELD, dtype=torch.float64), method="direct", atol=1e-9).x
    solver = GridSolver(system, "sweeps", Effort(max_steps=12))
    assert solver.method == "sweeps"
    found = solver.improve(torch.zeros_like(system.values), 0.01 / 255)
    assert found.method == "aggregation"
    assert (found.x - exact).abs().amax() < 0.01 / 255
    assert not solve(energy, method="sweeps", max_steps=1, fallback=False).converged
    assert solve(energy, method="sweeps", max_steps=1).method == "direct"


def test_batch_equals_one_by_one():
    energy = held_energy(batch=3, hints=0.02)
    system = energy.system()
    together = GridSolver(system, "sweeps").improve(torch.zeros_like(system.values), 0.5 / 255)
    for i in range(3):
        part = system.select(i)
        alone = GridSolver(part, "sweeps").improve(torch.zeros_like(part.values), 0.5 / 255)
        assert torch.equal(together.x[i : i + 1], alone.x)


def test_a_channel_of_zeros_and_no_right_hand_side():
    energy = held_energy()
    energy.prior[:, 1] = 0
    found = solve(energy, method="sweeps")
    assert found.converged
    assert (found.x[:, 1] == 0).all()
    energy.prior.zero_()
    assert solve(energy, method="sweeps").steps == 0


def test_gradients_are_those_of_a_direct_solve():
    grads = []
    for method, atol in (("sweeps", 1e-8), ("direct", 1e-10)):
        energy = held_energy(9, 12, dtype=torch.float64, hints=0.05)
        inputs = [x.requires_grad_() for x in (energy.luminance, energy.prior, energy.confidence)]
        found = solve(energy, method=method, atol=atol, max_steps=200)
        assert found.method == method
        weights = torch.linspace(-1, 1, found.x.numel(), dtype=torch.float64).view_as(found.x)
        grads.append(torch.autograd.grad((weights * found.x).sum(), inputs))
    for swept, direct in zip(*grads):
        torch.testing.assert_close(swept, direct, rtol=1e-5, atol=1e-6)


def test_a_prior_is_where_its_solve_starts(monkeypatch):
    """Half the steps for a prior that is nearly right; the result is within the tolerance of the exact one."""
    energy, steps = held_energy(101, 103), []

    def counted(*args, **kwargs):
        found = solve(*args, **kwargs)
        steps.append(found.steps)
        return found

    monkeypatch.setattr("recolor_torch.methods.levin.method.solve", counted)
    flat = 0.2 + 0.01 * energy.prior
    for prior in (energy.prior, flat):
        energy.prior = prior
        found = spread_chroma(
            energy.luminance, energy.hints_chroma, energy.mask, prior=prior, confidence=energy.confidence
        )
        assert (found - solve(energy, method="direct").x).abs().amax() < 0.5 / 255
    assert steps[1] <= steps[0] / 2
