"""How far two pictures are apart, in colors as people see them."""

import math

import torch
from torch import Tensor

from recolor_torch.checks import check_image, check_same_size
from recolor_torch.color import rgb_to_lab

_25_POW_7 = 25.0**7

# Exactly opposite hues are half a turn apart, in radians, however their angles were rounded: Sharma's pair 10.
_ROUNDING = 1e-12

# Equal pictures count as this many dB where numbers have to be finite.
LARGEST_PSNR = 100.0


def ciede2000(lab_1: Tensor, lab_2: Tensor) -> Tensor:
    r"""CIEDE2000 color difference at each pixel, with all parametric factors 1.

    Sharma, Wu and Dalal, "The CIEDE2000 Color-Difference Formula" (2005), equations 2 to 22.

    Args:
        lab_1: (B, 3, H, W); L in [0, 100], a and b in about [-128, 127].
        lab_2: the same shape.

    Returns:
        (B, 1, H, W), in the type of ``lab_1``, 0 where the colors agree; about 1 is just visible. It is a figure to
        report: its gradient is not finite where the chroma is 0.

    Raises:
        TypeError: an argument is not a floating point tensor.
        ValueError: a shape is wrong.

    Example:
        >>> pair = torch.tensor([[50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485]]).view(2, 3, 1, 1)
        >>> round(float(ciede2000(pair[:1], pair[1:])), 4)
        2.0425
    """
    check_image(lab_1, "lab_1", channels=3)
    check_image(lab_2, "lab_2", channels=3)
    check_same_size(lab_2, "lab_2", lab_1, "lab_1")
    # Opposite hues are told apart by differences that float32 does not have: Sharma's pair 14.
    (l1, a1, b1), (l2, a2, b2) = lab_1.double().split(1, dim=1), lab_2.double().split(1, dim=1)

    mean_chroma = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    g = 0.5 * (1 - _seventh_root_share(mean_chroma))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1, h2 = _hue(b1, a1), _hue(b2, a2)

    gray = (c1 * c2) == 0
    turn = 2 * math.pi
    half = math.pi + _ROUNDING
    step = h2 - h1
    step = torch.where(step > half, step - turn, torch.where(step < -half, step + turn, step))
    step = torch.where(gray, 0, step)
    d_hue = 2 * (c1 * c2).sqrt() * torch.sin(step / 2)

    mean_hue = (h1 + h2) / 2
    apart = (h1 - h2).abs() > half
    mean_hue = torch.where(apart, torch.where(h1 + h2 < turn, mean_hue + math.pi, mean_hue - math.pi), mean_hue)
    mean_hue = torch.where(gray, h1 + h2, mean_hue)

    l, c = (l1 + l2) / 2, (c1 + c2) / 2
    degree = math.pi / 180
    t = (
        1
        - 0.17 * torch.cos(mean_hue - 30 * degree)
        + 0.24 * torch.cos(2 * mean_hue)
        + 0.32 * torch.cos(3 * mean_hue + 6 * degree)
        - 0.20 * torch.cos(4 * mean_hue - 63 * degree)
    )
    s_l = 1 + 0.015 * (l - 50) ** 2 / (20 + (l - 50) ** 2).sqrt()
    s_c = 1 + 0.045 * c
    s_h = 1 + 0.015 * c * t
    turn_angle = 30 * degree * torch.exp(-(((mean_hue / degree - 275) / 25) ** 2))
    r_t = -2 * _seventh_root_share(c) * torch.sin(2 * turn_angle)
    light, chroma, hue = (l2 - l1) / s_l, (c2 - c1) / s_c, d_hue / s_h
    return (light**2 + chroma**2 + hue**2 + r_t * chroma * hue).clamp(min=0).sqrt().to(lab_1.dtype)


def color_error(image: Tensor, truth: Tensor) -> Tensor:
    """Mean CIEDE2000 between two sRGB pictures, (B, 3, H, W) in [0, 1], for each of the batch: (B,), float64."""
    return ciede2000(rgb_to_lab(image.double()), rgb_to_lab(truth.double())).mean((1, 2, 3))


def psnr(image: Tensor, truth: Tensor) -> Tensor:
    r"""Peak signal-to-noise ratio in dB over all channels of pictures in [0, 1], for each of the batch: (B,), float64.

    .. math::
        -10 \, \log_{10} \operatorname{mean} (x - y)^2

    It is infinite where both are equal. Devices that lack float64 (MPS) give float32.
    """
    check_image(image, "image")
    check_same_size(truth, "truth", image)
    if image.device.type != "mps":
        image, truth = image.double(), truth.double()
    return -10 * (image - truth).square().mean((1, 2, 3)).log10()


def _seventh_root_share(chroma: Tensor) -> Tensor:
    power = chroma**7
    return (power / (power + _25_POW_7)).sqrt()


def _hue(b: Tensor, a: Tensor) -> Tensor:
    angle = torch.atan2(b, a)
    return torch.where(angle < 0, angle + 2 * math.pi, angle)
