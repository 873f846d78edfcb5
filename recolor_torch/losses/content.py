"""Losses that hold a picture to its target: in features, and in luminance."""

import torch
from torch import Tensor

from recolor_torch.checks import check_image, check_same_size, one_or_many
from recolor_torch.color import rgb_to_luminance


@one_or_many
def content_loss(features: Tensor, target: Tensor, weight: float = 1.0) -> Tensor:
    r"""Mean squared difference of weighted features, :math:`\frac{1}{chw} \sum (w\,F - w\,F^*)^2`, for each sample.

    The weight stands inside of the square, as in ``style_loss``.

    Args:
        features: F, (B, C, H, W).
        target: F*, (B or 1, C, H, W).
        weight: w.

    Returns:
        (B,), float32 for features of lower precision.

    Example:
        >>> content_loss(torch.ones(1, 2, 3, 4), torch.zeros(1, 2, 3, 4), weight=3)
        tensor([9.])
    """
    check_image(features, "features")
    check_image(target, "target", channels=features.shape[1])
    check_same_size(target, "target", features, "features")
    gap = features.to(torch.promote_types(features.dtype, torch.float32)) - target
    return gap.square().mean((1, 2, 3)) * weight**2


@one_or_many
def luminance_loss(image: Tensor, target: Tensor, weight: float = 1.0) -> Tensor:
    r"""Mean squared difference of weighted luminance, :math:`\frac{1}{hw} \sum (w\,Y - w\,Y^*)^2`, for each sample.

    Args:
        image: sRGB, (B, 3, H, W).
        target: sRGB, (B or 1, 3, H, W).
        weight: w.

    Returns:
        (B,).

    Example:
        >>> luminance_loss(torch.full((1, 3, 2, 2), 0.5), torch.zeros(1, 3, 2, 2), weight=2).round(decimals=3)
        tensor([1.])
    """
    check_image(image, "image", channels=3)
    check_same_size(target, "target", image)
    return (rgb_to_luminance(image) - rgb_to_luminance(target)).square().mean((1, 2, 3)) * weight**2
