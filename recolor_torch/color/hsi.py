"""HSI: hue, saturation, intensity (report, eq. 2), with gradients that are finite everywhere."""

import math

import torch
from torch import Tensor

from recolor_torch.checks import check_image, one_or_many

_SQRT3 = math.sqrt(3.0)


@one_or_many
def rgb_to_hsi(image: Tensor) -> Tensor:
    r"""sRGB to hue, saturation and intensity.

    .. math::
        I = (R + G + B) / 3,\quad S = 1 - \min(R, G, B) / I,\quad
        H = \operatorname{atan2}(\sqrt{3} (G - B),\; 2R - G - B) \bmod 2\pi

    The angle equals the report's arccos form (its printed denominator is garbled) and has no
    singular derivative at pure hues. At gray the hue is 0 and its gradient 0, as is the saturation
    at black.

    Args:
        image: sRGB, (B, 3, H, W), [0, 1].

    Returns:
        (B, 3, H, W): H in [0, 2 pi) radians, S and I in [0, 1].

    Raises:
        TypeError: ``image`` is not a floating point tensor.
        ValueError: ``image`` is not (B, 3, H, W).

    Example:
        >>> rgb_to_hsi(torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1)).flatten().round(decimals=3)
        tensor([2.0940, 1.0000, 0.3330])
    """
    check_image(image, "image", channels=3)
    red, green, blue = image.split(1, dim=1)
    intensity = image.mean(dim=1, keepdim=True)
    black = intensity <= torch.finfo(image.dtype).tiny
    smallest = image.amin(dim=1, keepdim=True)
    saturation = torch.where(black, torch.zeros_like(intensity), 1 - smallest / torch.where(black, 1, intensity))

    y, x = _SQRT3 * (green - blue), 2 * red - green - blue
    # Squares of smaller numbers leave the range of the dtype, and with them the gradient of atan2.
    gray = torch.maximum(x.abs(), y.abs()) <= torch.finfo(image.dtype).eps ** 2
    angle = torch.atan2(torch.where(gray, 0, y), torch.where(gray, 1, x))
    hue = torch.where(angle < 0, angle + 2 * math.pi, angle)
    # -tiny + 2 pi rounds to 2 pi, which is 0.
    hue = torch.where(hue >= 2 * math.pi, torch.zeros_like(hue), hue)
    return torch.cat([hue, saturation, intensity], dim=1)


@one_or_many
def hsi_to_rgb(hsi: Tensor) -> Tensor:
    """Hue, saturation and intensity to sRGB, the inverse of :func:`rgb_to_hsi`. Nothing is clipped.

    Args:
        hsi: (B, 3, H, W); H in radians, S and I in [0, 1].

    Returns:
        sRGB, (B, 3, H, W); above 1 where intensity and saturation leave no room for the hue.
    """
    check_image(hsi, "hsi", channels=3)
    hue, saturation, intensity = hsi.split(1, dim=1)
    # Unit step along the hue at constant intensity; its smallest channel lies in [-1/3, -1/6].
    a, b = torch.cos(hue), torch.sin(hue)
    step = torch.cat([a / 3, -a / 6 + b / (2 * _SQRT3), -a / 6 - b / (2 * _SQRT3)], dim=1)
    return intensity * (1 - saturation * step / step.amin(dim=1, keepdim=True))
