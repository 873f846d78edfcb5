"""From a method's result to the picture: luminance kept, gamut fitted, size, mask and strength restored."""

from typing import Literal

import torch
from torch import Tensor

from recolor_torch.checks import check_choice, check_image, check_mask
from recolor_torch.color import fit_gamut, rgb_to_luminance, rgb_to_yuv
from recolor_torch.precision import HALF, in_float32
from recolor_torch.resize import resize

Keep = Literal["luma", "none"]


def compose(
    image: Tensor,
    result: Tensor,
    keep: Keep = "luma",
    strength: float = 1.0,
    mask: Tensor | None = None,
) -> Tensor:
    """Join the colors of ``result`` to the picture ``image``.

    Args:
        image: the target as it was given, sRGB, (B, 3, H, W), [0, 1].
        result: a method's result, sRGB, (B, 3, h, w), of the same or a smaller size, not yet clipped.
        keep: ``luma`` gives the picture exactly the luminance of ``image``, at full resolution, and
            brings chroma into the gamut along its hue; ``none`` takes the result as it is, clipped
            (enlarged where the method worked on a smaller picture).
        strength: 0 returns ``image``, 1 the recolored picture, linear in between.
        mask: where to recolor, (B or 1, 1, H, W); soft values blend.

    Returns:
        sRGB, (B, 3, H, W), [0, 1].

    Raises:
        TypeError: an argument is not a floating point tensor.
        ValueError: a shape is wrong, ``keep`` is unknown or ``strength`` is outside [0, 1].
    """
    check_image(image, "image", channels=3)
    check_image(result, "result", channels=3)
    check_choice(keep, "keep", ("luma", "none"))
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be in [0, 1], got {strength}.")
    if image.dtype in HALF:
        return in_float32(compose, image, result, keep, strength, mask)
    if mask is not None:
        check_mask(mask, "mask", image)
    colors = rgb_to_yuv(result)[:, 1:] if keep == "luma" else result
    return join(image, resize(colors, image.shape[-2:]), keep, strength, mask)


def join(image: Tensor, colors: Tensor, keep: Keep, strength: float, mask: Tensor | None) -> Tensor:
    """What ``compose`` does once ``colors`` has the picture's size: chroma U and V with ``luma``, else sRGB."""
    full = fit_gamut(rgb_to_luminance(image), colors) if keep == "luma" else colors.clamp(0, 1)
    if strength < 1:
        full = torch.lerp(image, full, strength)
    return full if mask is None else torch.lerp(image, full, mask)
