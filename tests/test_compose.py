import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.compose import compose
from recolor_torch.resize import resize, working_size


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_luminance_is_kept_to_rounding_of_8_bits(seed):
    g = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (1, 3, 6, 6), generator=g) / 255
    result = torch.rand(1, 3, 6, 6, generator=g) * 3 - 1  # far outside the gamut
    out = compose(image, result)
    written = (out * 255).round() / 255
    error = (rgb_to_luminance(written) - rgb_to_luminance(image)).abs() * 255
    assert error.max() < 1
    assert (rgb_to_luminance(out) - rgb_to_luminance(image)).abs().max() < 1e-6


def test_strength_0_and_1_are_exact(rgb):
    result = rgb.flip(0)
    assert torch.equal(compose(rgb, result, strength=0), rgb)
    torch.testing.assert_close(compose(rgb, result, keep="none"), result)


def test_half_strength_is_half_way(rgb):
    full = compose(rgb, rgb.flip(0))
    torch.testing.assert_close(compose(rgb, rgb.flip(0), strength=0.5), (rgb + full) / 2)


def test_mask_blends(rgb):
    mask = torch.zeros_like(rgb[:1, :1])
    mask[..., :16] = 1
    mask[..., 8:16] = 0.5
    full, out = compose(rgb, rgb.flip(0)), compose(rgb, rgb.flip(0), mask=mask)
    torch.testing.assert_close(out[..., :8], full[..., :8])
    torch.testing.assert_close(out[..., 8:16], (full[..., 8:16] + rgb[..., 8:16]) / 2)
    assert torch.equal(out[..., 16:], rgb[..., 16:])


def test_keep_none_takes_the_results_luminance(rgb):
    out = compose(rgb, rgb * 0.5, keep="none")
    torch.testing.assert_close(rgb_to_luminance(out), rgb_to_luminance(rgb) * 0.5)


def test_chroma_comes_back_from_a_working_size(rgb):
    ramp = torch.linspace(0, 1, 32).to(rgb).expand(1, 1, 24, 32)
    smooth = torch.cat([0.3 + 0.2 * ramp, 0.5 - 0.1 * ramp, 0.4 * torch.ones_like(ramp)], 1)
    out = compose(smooth, resize(smooth, (12, 16)))
    assert out.shape == smooth.shape
    torch.testing.assert_close(rgb_to_yuv(out)[..., 2:-2], rgb_to_yuv(smooth)[..., 2:-2], atol=2e-3, rtol=0)


def test_gradcheck():
    g = torch.Generator().manual_seed(0)
    image, result = (0.2 + 0.6 * torch.rand(1, 3, 3, 4, generator=g, dtype=torch.float64) for _ in range(2))
    small = result[..., :2, :2].clone()
    args = (image.requires_grad_(), small.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: compose(a, b, strength=0.7), args)


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((100, 200), None, (100, 200)),
        ((100, 200), 200, (100, 200)),
        ((100, 200), 50, (25, 50)),
        ((1, 100_000), 50, (1, 50)),
    ],
)
def test_working_size(size, side, expected):
    assert working_size(*size, side) == expected


def test_bad_arguments(rgb):
    with pytest.raises(ValueError, match=r"strength must be in \[0, 1\], got 2"):
        compose(rgb, rgb, strength=2)
    with pytest.raises(ValueError, match="Unknown keep 'lum'. Known: luma, none"):
        compose(rgb, rgb, keep="lum")
    with pytest.raises(ValueError, match=r"mask must have shape \(2 or 1, 1, 24, 32\)"):
        compose(rgb, rgb, mask=torch.ones_like(rgb))
