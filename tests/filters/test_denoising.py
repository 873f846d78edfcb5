"""Noise of known strength is measured, and most of it goes."""

import pytest
import torch
from skimage.restoration import estimate_sigma

from recolor_torch.filters import denoise, measure_noise, stationary_bands
from recolor_torch.filters.denoising import _BAND_NOISE


def scene(seed=0, size=(96, 128), batch=1):
    """Smooth shades and edges, without noise."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size[0]), torch.linspace(0, 1, size[1]), indexing="ij")
    picture = 0.25 + 0.4 * y * x + 0.2 * ((x - 0.5).square() + (y - 0.5).square() < 0.08)
    noise = torch.randn(batch, 1, *size, generator=torch.Generator().manual_seed(seed))
    return picture[None, None].expand(batch, -1, -1, -1).clone(), noise


@pytest.mark.parametrize("levels", [5, 10, 20, 40])
def test_white_noise_is_measured(levels):
    picture, noise = scene()
    noisy = picture + levels / 255 * noise
    found = 255 * float(measure_noise(noisy))
    assert found == pytest.approx(levels, rel=0.15)
    assert found == pytest.approx(255 * estimate_sigma(noisy[0, 0].numpy()), rel=0.15)


def test_each_picture_of_a_batch_has_its_own_noise():
    picture, noise = scene(batch=2)
    strength = torch.tensor([0.0, 15 / 255]).view(-1, 1, 1, 1)
    found = 255 * measure_noise(picture + strength * noise)
    assert found[0] < 0.5
    assert found[1] == pytest.approx(15, rel=0.15)
    both = denoise(picture + strength * noise)
    torch.testing.assert_close(both[:1], picture[:1])


@pytest.mark.parametrize("levels", [10, 20])
def test_most_of_the_noise_goes(levels):
    picture, noise = scene(1)
    noisy = (picture + levels / 255 * noise).clamp(0, 1)
    before, after = ((x - picture).square().mean().sqrt() for x in (noisy, denoise(noisy)))
    assert after < 0.45 * before


def test_a_clean_picture_comes_back():
    picture, noise = scene()
    torch.testing.assert_close(denoise(picture), picture)
    faint = picture + 1.5 / 255 * noise
    torch.testing.assert_close(denoise(faint), faint.clamp(0, 1))


def test_band_noise_is_the_norm_of_the_kernels():
    impulse = torch.zeros(1, 1, 129, 129)
    impulse[..., 64, 64] = 1
    norms = [float(b.norm()) for b in stationary_bands(impulse, "haar", 4)[:0:-1]]
    assert norms == pytest.approx(_BAND_NOISE, rel=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (8, 8), (17, 9)])
def test_any_size(size):
    x = torch.rand(2, 1, *size)
    assert denoise(x).shape == x.shape
    assert denoise(x).isfinite().all()


def test_gradients_are_finite():
    picture, noise = scene(size=(16, 20))
    x = (picture + 20 / 255 * noise).double().requires_grad_()
    denoise(x).square().sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad.dtype == torch.float64


def test_color_is_refused():
    with pytest.raises(ValueError, match="luminance must have shape"):
        denoise(torch.rand(1, 3, 8, 8))
