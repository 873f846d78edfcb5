"""From a and b of Lab to the chroma of YUV, where the luminance is given."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recolor_torch.checks import check_image, check_same_size
from recolor_torch.color.yuv import rgb_to_luminance, rgb_to_yuv
from recolor_torch.lazy import LazyModule

if TYPE_CHECKING:
    import kornia.color as kc
else:
    kc = LazyModule("kornia.color")


_STEPS = 12
"""Of bisection: L is exact to 0.03."""


def ab_to_chroma(luminance: Tensor, ab: Tensor) -> Tensor:
    """U and V of the color that has this luminance and these a and b.

    Lab's L is not the luminance of YUV: a saturated blue of luminance 0.11 has an L of 32, and a gray one an L of 11.
    L is found by bisection. A color outside of sRGB is clipped channel by channel, where it is no longer exact.

    Args:
        luminance: (B, 1, H, W), [0, 1].
        ab: (B, 2, H, W), in units of Lab.

    Returns:
        (B, 2, H, W).

    Example:
        >>> blue = torch.tensor([79.19, -107.86]).view(1, 2, 1, 1)
        >>> ab_to_chroma(torch.full((1, 1, 1, 1), 0.114), blue).flatten().round(decimals=2)
        tensor([ 0.5000, -0.0800])
    """
    check_image(luminance, "luminance", channels=1)
    check_image(ab, "ab", channels=2)
    check_same_size(ab, "ab", luminance, "luminance")
    low, high = torch.zeros_like(luminance), torch.full_like(luminance, 100)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        dark = rgb_to_luminance(_to_rgb(middle, ab)) < luminance
        low, high = torch.where(dark, middle, low), torch.where(dark, high, middle)
    return rgb_to_yuv(_to_rgb((low + high) / 2, ab))[:, 1:]


def _to_rgb(lightness: Tensor, ab: Tensor) -> Tensor:
    return kc.lab_to_rgb(torch.cat((lightness, ab), 1), clip=True)
