import pytest
import torch

from recolor_torch.color.bins import ab_bins, soft_encode
from recolor_torch.losses.classification import chroma_loss, distribution_loss


@pytest.fixture
def ab():
    return 160 * torch.rand(2, 2, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 80


@pytest.fixture
def logits():
    return torch.randn(2, 313, 3, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_is_the_cross_entropy_with_the_full_distribution(logits, ab):
    index, share = soft_encode(ab)
    full = torch.zeros_like(logits).scatter(1, index, share)
    expected = torch.nn.functional.cross_entropy(logits, full)
    torch.testing.assert_close(distribution_loss(logits, ab), expected)


def test_weights_are_those_of_the_nearest_bin(logits, ab):
    weights = torch.rand(313, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    nearest = torch.cdist(ab.permute(0, 2, 3, 1).reshape(-1, 2), ab_bins().double()).argmin(1)
    index, share = soft_encode(ab)
    full = torch.zeros_like(logits).scatter(1, index, share)
    each = torch.nn.functional.cross_entropy(logits, full, reduction="none").flatten()
    torch.testing.assert_close(distribution_loss(logits, ab, weights), (weights[nearest] * each).mean())


def test_gradient(logits, ab):
    small = logits[:1, :, :1, :2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: distribution_loss(z, ab[:1, :, :1, :2]), small)


def test_chroma_loss_is_square_below_delta_and_linear_above():
    zero = torch.zeros(1, 2, 1, 1)
    assert chroma_loss(zero + 0.1, zero, delta=0.2).item() == pytest.approx(0.1**2 / 2 / 0.2)
    assert chroma_loss(zero + 1.0, zero, delta=0.2).item() == pytest.approx(1 - 0.1)


def test_wrong_shapes_are_named(logits, ab):
    with pytest.raises(ValueError, match=r"logits must have shape \(B, 313"):
        distribution_loss(logits[:, :5], ab)
    with pytest.raises(ValueError, match="ab must be 3 x 4"):
        distribution_loss(logits, ab[..., :2])
