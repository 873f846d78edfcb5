import pytest
import torch

from recolor_torch.filters import amplify_contrast, blockiness


def test_gain_of_one_returns_the_picture(rgb):
    torch.testing.assert_close(amplify_contrast(rgb, 1.0), rgb)


def test_faint_details_grow_and_strong_ones_stay():
    j = torch.arange(64.0)
    stripes = torch.where(j % 4 < 2, 1.0, -1.0)
    strength = torch.where(j < 32, 0.02, 0.4)
    x = (0.5 + strength * stripes).expand(1, 1, 64, 64)
    y = amplify_contrast(x, gain=2.0, tiles=8)
    # Away from the change, where tiles have one strength only.
    torch.testing.assert_close(y[..., 4:20].std() / x[..., 4:20].std(), torch.tensor(2.0), rtol=0.05, atol=0)
    torch.testing.assert_close(y[..., 44:], x[..., 44:])


def test_mean_of_a_picture_hardly_moves(rgb):
    moved = amplify_contrast(rgb * 0.5 + 0.25, 2.0, 4).mean((-2, -1)) - (rgb * 0.5 + 0.25).mean((-2, -1))
    assert moved.abs().max() < 0.01


def test_flat_and_tiny_pictures_stay_finite():
    for size in ((1, 1), (3, 5)):
        x = torch.full((1, 1, *size), 0.4)
        torch.testing.assert_close(amplify_contrast(x, 3.0), x)


def test_gradient_of_contrast():
    x = 0.4 + 0.2 * torch.rand(1, 1, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda a: amplify_contrast(a, 1.5, 2), (x.requires_grad_(),))


def test_contrast_errors():
    with pytest.raises(ValueError, match="gain of 1 or more"):
        amplify_contrast(torch.zeros(1, 1, 4, 4), 0.5)


def test_blocks_are_seen_and_noise_is_not(device):
    g = torch.Generator().manual_seed(0)
    noise = torch.rand(2, 3, 96, 128, generator=g).to(device)
    assert (blockiness(noise, 8) - 1).abs().max() < 0.05
    blocks = torch.nn.functional.interpolate(noise[..., :12, :16], scale_factor=8.0)
    assert (blockiness(blocks + 0.01 * noise, 8) > 50).all()
    assert (blockiness((blocks + 0.01 * noise).roll(3, -1).roll(3, -2), 8) < 0.1).all()


def test_blockiness_of_flat_and_grid_only_pictures():
    assert blockiness(torch.ones(1, 1, 16, 16), 4) == 1
    assert blockiness(torch.arange(4.0).repeat_interleave(4).expand(1, 1, 16, 16), 4) == torch.inf


def test_blockiness_errors():
    with pytest.raises(ValueError, match="no grid of period 16"):
        blockiness(torch.zeros(1, 1, 16, 16), 16)
    with pytest.raises(ValueError, match="2 or more"):
        blockiness(torch.zeros(1, 1, 16, 16), 1)
