"""The perceptual loss against torchvision's VGG-16 with the same random weights."""

import pytest
import torch
from vggs import random_features

from recolor_torch.losses.perceptual import PerceptualLoss


@pytest.fixture(scope="module")
def vgg():
    torch.manual_seed(0)
    return random_features("D")[:23]


def test_it_is_the_relative_difference_of_three_activations(vgg):
    loss = PerceptualLoss({f"features.{k}": v for k, v in vgg.state_dict().items()})
    x, t = torch.rand(2, 1, 3, 32, 24, generator=torch.Generator().manual_seed(1))
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = 0.0
    a, b = (x - mean) / deviation, (t - mean) / deviation
    with torch.no_grad():
        for number, layer in enumerate(vgg):
            a, b = layer(a), layer(b)
            if number in (8, 15, 22):
                expected += float((a - b).abs().mean() / b.abs().mean()) / 3
        assert loss(x, t).item() == pytest.approx(expected, rel=1e-4)
        assert loss(t, t).item() == 0


def test_weights_do_not_learn_and_the_picture_does(vgg):
    loss = PerceptualLoss({f"features.{k}": v for k, v in vgg.state_dict().items()})
    x = torch.rand(1, 3, 16, 16, requires_grad=True)
    loss(x, torch.rand(1, 3, 16, 16)).backward()
    assert x.grad.abs().sum() > 0
    assert all(not p.requires_grad for p in loss.parameters())
