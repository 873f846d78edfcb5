import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2lab

from recolor_torch.color import (
    from_rgb,
    hsi_to_rgb,
    lab_to_rgb,
    rgb_to_hsi,
    rgb_to_lab,
    rgb_to_luminance,
    rgb_to_yuv,
    to_rgb,
    yuv_to_rgb,
)

CORNERS = torch.tensor(
    [[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1e-30, 0, 0]],
    dtype=torch.float64,
).T.reshape(1, 3, 1, -1)


def test_yuv_is_the_matrix_of_jfif(rgb):
    y = np.array([0.299, 0.587, 0.114])
    matrix = np.stack([y, (np.array([0, 0, 1]) - y) * 0.5 / (1 - 0.114), (np.array([1, 0, 0]) - y) * 0.5 / (1 - 0.299)])
    expected = torch.einsum("kc,bchw->bkhw", torch.from_numpy(matrix), rgb.double().cpu())
    torch.testing.assert_close(rgb_to_yuv(rgb).double().cpu(), expected, atol=1e-6, rtol=0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_yuv_and_hsi_come_back(color):
    pixel = torch.tensor(color, dtype=torch.float64).view(1, 3, 1, 1)
    torch.testing.assert_close(yuv_to_rgb(rgb_to_yuv(pixel)), pixel, atol=1e-12, rtol=0)
    hsi = rgb_to_hsi(pixel)
    assert 0 <= hsi[0, 0] < 2 * math.pi
    assert -1e-12 <= hsi[0, 1] <= 1 + 1e-12
    torch.testing.assert_close(hsi_to_rgb(hsi), pixel, atol=1e-7, rtol=0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_hue_is_the_arccos_of_the_report(color):
    red, green, blue = color
    below = math.sqrt((red - green) ** 2 + (red - blue) * (green - blue))
    if below < 1e-3:
        return  # gray: the arccos has no value
    angle = math.acos(max(-1.0, min(1.0, ((red - green) + (red - blue)) / (2 * below))))
    expected = angle if blue <= green else 2 * math.pi - angle
    hue = float(rgb_to_hsi(torch.tensor(color, dtype=torch.float64).view(1, 3, 1, 1))[0, 0])
    assert abs((hue - expected + math.pi) % (2 * math.pi) - math.pi) < 1e-4


def test_lab_is_that_of_skimage(rgb):
    expected = rgb2lab(rgb.double().cpu().permute(0, 2, 3, 1).numpy())
    # skimage and kornia round the white point and the matrix differently.
    np.testing.assert_allclose(rgb_to_lab(rgb).cpu().permute(0, 2, 3, 1).numpy(), expected, atol=0.05)
    torch.testing.assert_close(lab_to_rgb(rgb_to_lab(rgb)), rgb, atol=2e-5, rtol=0)


# R, G, B of the color bars, and what the calculator of B. Lindbloom (brucelindbloom.com, D65, sRGB) gives as L, a, b.
BARS = """
1 1 1 100 0 0
1 1 0 97.1393 -21.5537 94.4780
0 1 1 91.1132 -48.0875 -14.1312
0 1 0 87.7347 -86.1827 83.1793
1 0 1 60.3242 98.2343 -60.8249
1 0 0 53.2408 80.0925 67.2032
0 0 1 32.2970 79.1875 -107.8602
0 0 0 0 0 0
"""


def test_color_bars_have_lindblooms_values():
    rows = torch.tensor([[float(x) for x in line.split()] for line in BARS.strip().split("\n")], dtype=torch.float64)
    rgb, expected = rows[:, :3], rows[:, 3:]
    # His formulas: the matrix of sRGB, the white of D65, and CIE's fractions 216/24389 and 24389/27.
    matrix = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    ratio = rgb.numpy() @ matrix.T / [0.95047, 1.0, 1.08883]
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)
    np.testing.assert_allclose(lab, expected, atol=1e-3)
    pictures = rgb.T.reshape(1, 3, 1, -1)
    found = rgb_to_lab(pictures)[0, :, 0].T
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=0)
    torch.testing.assert_close(lab_to_rgb(expected.T.reshape(1, 3, 1, -1)), pictures, atol=1e-3, rtol=0)


@pytest.mark.parametrize("function", [rgb_to_yuv, rgb_to_hsi, rgb_to_lab, rgb_to_luminance])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_gradients_are_finite_at_black_white_gray_and_pure_hues(function, kind, device):
    x = CORNERS.to(device, kind).requires_grad_()
    (gradient,) = torch.autograd.grad(function(x).sum(), x)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("function", [rgb_to_yuv, yuv_to_rgb, rgb_to_hsi, hsi_to_rgb, rgb_to_lab, lab_to_rgb])
def test_gradcheck(function):
    x = 0.3 + 0.4 * torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = x * (torch.tensor([50.0, 10.0, 10.0]).view(1, 3, 1, 1) if function is lab_to_rgb else 1)
    assert torch.autograd.gradcheck(function, x.requires_grad_())


@pytest.mark.parametrize("space", ["rgb", "yuv", "lab", "hsi"])
def test_spaces_by_name_keep_device_and_dtype(rgb, space):
    there = from_rgb(rgb, space)
    assert there.dtype == rgb.dtype
    assert there.device == rgb.device
    torch.testing.assert_close(to_rgb(there, space), rgb, atol=2e-5, rtol=0)


def test_unknown_space_lists_the_known(rgb):
    with pytest.raises(ValueError, match=r"Unknown space 'cmyk'. Known: rgb, yuv, lab, hsi."):
        from_rgb(rgb, "cmyk")


@pytest.mark.parametrize("function", [rgb_to_yuv, rgb_to_hsi, rgb_to_lab, yuv_to_rgb, hsi_to_rgb, lab_to_rgb])
def test_wrong_input_is_named(function):
    with pytest.raises(ValueError, match=r"must have shape \(B, 3, H, W\), got \(8, 8\)"):
        function(torch.zeros(8, 8))
    with pytest.raises(TypeError, match="must be a floating point tensor, got torch.uint8"):
        function(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize("function", [rgb_to_yuv, rgb_to_hsi, rgb_to_lab, rgb_to_luminance, yuv_to_rgb, hsi_to_rgb])
def test_one_picture_goes_without_a_batch(rgb, function):
    assert torch.equal(function(rgb[0]), function(rgb[:1])[0])
