"""Fitting colors into sRGB without touching luminance or hue."""

import torch
from torch import Tensor

from recolor_torch.checks import check_image, one_or_many
from recolor_torch.color.yuv import chroma_to_rgb_offset


@one_or_many
def fit_gamut(luminance: Tensor, chroma: Tensor) -> Tensor:
    r"""The sRGB image with this luminance whose chroma is scaled down, pixel by pixel, until it fits.

    Every pixel becomes :math:`Y + t\,d`, where :math:`d` is the RGB offset of its chroma (of
    luminance 0) and :math:`t \in [0, 1]` the largest factor that keeps all channels in [0, 1]. Hue
    and luminance stay; clipping channel by channel would change both.

    Args:
        luminance: (B, 1, H, W), [0, 1]; values outside are brought to the nearest bound.
        chroma: U and V, (B, 2, H, W).

    Returns:
        sRGB, (B, 3, H, W), in [0, 1].

    Raises:
        TypeError: an argument is not a floating point tensor.
        ValueError: a shape is wrong.

    Example:
        >>> fit_gamut(torch.full((1, 1, 1, 1), 0.9), torch.tensor([0.5, 0.0]).view(1, 2, 1, 1)).flatten()
        tensor([0.9000, 0.8806, 1.0000])
    """
    check_image(luminance, "luminance", channels=1)
    check_image(chroma, "chroma", channels=2)
    y = luminance.clamp(0, 1)
    offset = chroma_to_rgb_offset(chroma)
    room = torch.where(offset > 0, 1 - y, y)
    if torch.is_grad_enabled() and (luminance.requires_grad or chroma.requires_grad):
        size = offset.abs()
        outside = size > room
        # A quotient that is not chosen still has a gradient, which must be finite.
        factor = torch.where(outside, room / torch.where(outside, size, 1), 1).amin(dim=1, keepdim=True)
    else:
        size = offset.abs().clamp_min_(torch.finfo(offset.dtype).tiny)
        factor = room.div_(size).amin(dim=1, keepdim=True).clamp_max_(1)
    # The bound is met up to rounding; the clamp removes the rounding.
    return (y + factor * offset).clamp(0, 1)
