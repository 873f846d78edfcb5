import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recolor_torch.filters.soft_histogram import soft_cdf, soft_histogram


def test_rows_sum_to_one_and_follow_the_dtype(rgb):
    h = soft_histogram(rgb, bins=32)
    assert h.shape == (2, 3, 32)
    assert h.dtype == rgb.dtype
    assert h.device == rgb.device
    torch.testing.assert_close(h.sum(-1), torch.ones_like(h[..., 0]))
    assert (h >= 0).all()


def test_near_the_hard_histogram_once_both_are_smoothed(rgb):
    # Summed over a quarter of the range the kernel of one bin in 256 hardly matters.
    soft = soft_histogram(rgb, bins=256).reshape(2, 3, 4, 64).sum(-1)
    hard = torch.stack([torch.stack([torch.histc(c.cpu(), 4, 0, 1) for c in image]) for image in rgb])
    assert (soft.cpu() - hard / (24 * 32)).abs().max() < 0.01


@pytest.mark.parametrize("bandwidth", [0.58, 1.0, 3.0])
def test_kernel_has_the_asked_mean_and_spread(bandwidth):
    x = torch.full((1, 1, 4, 4), 0.437, dtype=torch.float64)
    h = soft_histogram(x, 64, bandwidth=bandwidth)[0, 0]
    i = torch.arange(64, dtype=torch.float64)
    mean = (h * i).sum()
    torch.testing.assert_close(mean, torch.tensor(0.437 * 64 - 0.5, dtype=torch.float64))
    spread = (h * (i - mean) ** 2).sum().sqrt()
    assert abs(spread - bandwidth) < 0.01 * bandwidth


def test_levels_of_8_bit_pictures_land_on_their_bins():
    x = torch.arange(256.0, dtype=torch.float64).reshape(1, 1, 16, 16)[..., :1, :] / 255
    h = soft_histogram(x, 256, (-0.5 / 255, 255.5 / 255), 0.58)[0, 0] * 16
    # A B-spline shares a value on a bin's centre 1/6, 2/3, 1/6.
    torch.testing.assert_close(h[2:14], torch.ones_like(h[2:14]), rtol=0, atol=3e-3)
    assert h[18:].abs().max() == 0


def test_mask_is_the_same_as_leaving_pixels_out(rgb):
    mask = torch.zeros_like(rgb[:, :1])
    mask[..., :10] = 1
    torch.testing.assert_close(soft_histogram(rgb, 16, mask=mask), soft_histogram(rgb[..., :10], 16))


def test_empty_mask_gives_zeros_and_finite_gradients(rgb):
    x = rgb.clone().requires_grad_()
    h = soft_histogram(x, 16, mask=torch.zeros_like(rgb[:, :1]))
    h.sum().backward()
    assert not h.any()
    assert not x.grad.any()


def test_large_flat_picture_is_counted_exactly():
    # 18 million equal values: float32 counters stop at 16.8 million.
    h = soft_histogram(torch.full((1, 1, 4300, 4200), 0.5), bins=3, bandwidth=0.58)
    torch.testing.assert_close(h[0, 0], torch.tensor([1 / 6, 2 / 3, 1 / 6]), rtol=0, atol=3e-3)
    torch.testing.assert_close(h.sum(), torch.tensor(1.0))


def test_cdf_rises_to_one(rgb):
    cdf = soft_cdf(rgb, 64)
    assert (cdf.diff(dim=-1) >= 0).all()
    torch.testing.assert_close(cdf[..., -1], torch.ones_like(cdf[..., -1]))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 999), bins=st.integers(2, 40), bandwidth=st.floats(0.58, 30))
def test_no_mass_is_lost_and_order_of_pixels_does_not_matter(seed, bins, bandwidth):
    g = torch.Generator().manual_seed(seed)
    x = torch.rand(1, 2, 5, 7, generator=g, dtype=torch.float64) * 1.4 - 0.2
    h = soft_histogram(x, bins, bandwidth=bandwidth)
    torch.testing.assert_close(h.sum(-1), torch.ones(1, 2, dtype=torch.float64))
    torch.testing.assert_close(h, soft_histogram(x.flip(-1, -2), bins, bandwidth=bandwidth))


def test_gradient_of_values_and_mask(device):
    g = torch.Generator().manual_seed(3)
    x = torch.rand(2, 2, 3, 4, generator=g, dtype=torch.float64).to(device).requires_grad_()
    mask = (torch.rand(2, 1, 3, 4, generator=g, dtype=torch.float64) + 0.1).to(device).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, m: soft_histogram(a, 7, mask=m), (x, mask))
    assert torch.autograd.gradcheck(lambda a: soft_cdf(a, 7, bandwidth=2.0), (x,))
    assert torch.autograd.gradgradcheck(lambda a, m: soft_histogram(a, 5, mask=m), (x, mask))


def test_errors():
    x = torch.zeros(1, 1, 2, 2)
    with pytest.raises(ValueError, match="two bins or more"):
        soft_histogram(x, 1)
    with pytest.raises(ValueError, match="lo < hi"):
        soft_histogram(x, 8, (1, 0))
    with pytest.raises(ValueError, match=r"0\.58 bins or more"):
        soft_histogram(x, 8, bandwidth=0.1)
    with pytest.raises(ValueError, match="mask must have shape"):
        soft_histogram(x, 8, mask=torch.ones(1, 1, 3, 2))
    with pytest.raises(TypeError, match="floating point"):
        soft_histogram(x.long(), 8)
