"""YUV: full-range BT.601 as JPEG files use it (JFIF), an exact pair of conversions.

kornia's ``rgb_to_ycbcr`` rounds its constants and its ``rgb_to_yuv`` is another scaling, so neither
is this pair.
"""

import torch
from torch import Tensor

from recolor_torch.checks import check_image, one_or_many

RED, GREEN, BLUE = 0.299, 0.587, 0.114
"""Weights of the channels in luminance (ITU-R BT.601)."""

U_SCALE = 0.5 / (1 - BLUE)
V_SCALE = 0.5 / (1 - RED)


@one_or_many
def rgb_to_luminance(image: Tensor) -> Tensor:
    r"""Luminance :math:`Y = 0.299 R + 0.587 G + 0.114 B` of an image.

    Args:
        image: sRGB, (B, 3, H, W).

    Returns:
        (B, 1, H, W), in [0, 1] where the image is.

    Example:
        >>> rgb_to_luminance(torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)).flatten()
        tensor([0.5925])
    """
    check_image(image, "image", channels=3)
    return _luminance(image)


@one_or_many
def rgb_to_yuv(image: Tensor) -> Tensor:
    r"""sRGB to YUV (report, eq. 1).

    .. math::
        Y = 0.299 R + 0.587 G + 0.114 B,\quad
        U = \frac{B - Y}{2 (1 - 0.114)},\quad
        V = \frac{R - Y}{2 (1 - 0.299)}

    Args:
        image: sRGB, (B, 3, H, W), [0, 1].

    Returns:
        YUV, (B, 3, H, W); Y in [0, 1], U and V in [-0.5, 0.5].

    Raises:
        TypeError: ``image`` is not a floating point tensor.
        ValueError: ``image`` is not (B, 3, H, W).

    Example:
        >>> rgb_to_yuv(torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)).flatten().round(decimals=3)
        tensor([ 0.1140,  0.5000, -0.0810])
    """
    check_image(image, "image", channels=3)
    y = _luminance(image)
    u = U_SCALE * (image[:, 2:] - y)
    v = V_SCALE * (image[:, :1] - y)
    return torch.cat([y, u, v], dim=1)


@one_or_many
def yuv_to_rgb(yuv: Tensor) -> Tensor:
    r"""YUV to sRGB, the exact inverse of :func:`rgb_to_yuv` (report, eq. 4). Nothing is clipped.

    Args:
        yuv: (B, 3, H, W), as :func:`rgb_to_yuv` gives it.

    Returns:
        sRGB, (B, 3, H, W); outside [0, 1] where the color is outside the gamut.

    Example:
        >>> yuv_to_rgb(torch.tensor([0.114, 0.5, -0.0813]).view(1, 3, 1, 1)).flatten().round(decimals=2).abs()
        tensor([0., 0., 1.])
    """
    check_image(yuv, "yuv", channels=3)
    return yuv[:, :1] + chroma_to_rgb_offset(yuv[:, 1:])


@one_or_many
def chroma_to_rgb_offset(chroma: Tensor) -> Tensor:
    """What chroma adds to a gray pixel: the RGB of (0, U, V). Its own luminance is 0.

    Args:
        chroma: U and V, (B, 2, H, W).

    Returns:
        (B, 3, H, W), to be added to luminance.
    """
    check_image(chroma, "chroma", channels=2)
    blue = chroma[:, :1] / U_SCALE
    red = chroma[:, 1:] / V_SCALE
    green = -(RED * red + BLUE * blue) / GREEN
    return torch.cat([red, green, blue], dim=1)


def _luminance(image: Tensor) -> Tensor:
    return RED * image[:, :1] + GREEN * image[:, 1:2] + BLUE * image[:, 2:]
