"""Solves keep the precision of their tensors, whatever autocast surrounds them."""

import pytest
import torch

from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.energies.poisson import PoissonEnergy
from recolor_torch.linalg.solve import solve


@pytest.fixture
def scene(device):
    g = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 6, 7, generator=g)
    rgb = torch.nn.functional.interpolate(coarse, size=(80, 96), mode="bilinear") + 0.02 * torch.rand(
        1, 3, 80, 96, generator=g
    )
    mask = (torch.rand(1, 1, 80, 96, generator=g) < 0.01).float()
    return rgb.to(device), mask.to(device)


@pytest.mark.parametrize("low", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("form", ["laplacian", "levin", "poisson"])
def test_autocast_changes_nothing(scene, form, low):
    rgb, mask = scene

    def run():
        if form == "poisson":
            return solve(PoissonEnergy(rgb, rgb.flip(1), mask), method="geometric", fallback=False)
        energy = LevinEnergy(rgb[:, :1], rgb[:, 1:], mask, form=form)
        return solve(energy, method="aggregation", fallback=False)

    full = run()
    with torch.autocast(rgb.device.type, dtype=low):
        found = run()
    assert found.steps == full.steps
    assert torch.equal(found.x, full.x)
    assert found.x.dtype == torch.float32


def test_autocast_changes_no_gradient(scene):
    rgb, mask = scene

    def gradient():
        y = rgb[:, :1].clone().requires_grad_()
        solve(LevinEnergy(y, rgb[:, 1:], mask), method="aggregation").x.square().sum().backward()
        return y.grad

    full = gradient()
    with torch.autocast(rgb.device.type, dtype=torch.bfloat16):
        torch.testing.assert_close(gradient(), full)
