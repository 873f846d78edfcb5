import math

import pytest
import torch

from recolor_torch.losses.colorfulness import colorfulness_loss


def test_hue_does_not_count():
    red, blue = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    red[:, 1], blue[:, 0] = 0.2, 0.2
    assert colorfulness_loss(red, blue).item() == pytest.approx(0, abs=1e-6)


def test_it_is_the_difference_of_the_mean_magnitudes():
    a, b = torch.rand(2, 2, 2, 8, 16, generator=torch.Generator().manual_seed(0)).double()
    expected = 0.0
    for n in range(2):
        for j in range(2):
            cells = [x[n, :, :, 8 * j : 8 * j + 8] for x in (a, b)]
            found, wanted = ([math.hypot(*p) for p in c.flatten(1).T.tolist()] for c in cells)
            expected += abs(sum(found) - sum(wanted)) / 64 / 4
    assert colorfulness_loss(a, b).item() == pytest.approx(expected, abs=1e-7)


def test_gradient_also_at_gray():
    x = torch.zeros(1, 2, 8, 8, dtype=torch.float64)
    x[..., 4:] = torch.rand(1, 2, 8, 4, dtype=torch.float64)
    x.requires_grad_()
    (grad,) = torch.autograd.grad(colorfulness_loss(x, torch.full_like(x, 0.3)), x)
    assert grad.isfinite().all()
    y = torch.rand(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: colorfulness_loss(c, torch.full_like(c, 0.1), cell=2), (y,))
