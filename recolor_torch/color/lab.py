"""CIE Lab (D65), by kornia."""

from typing import TYPE_CHECKING

from torch import Tensor

from recolor_torch.checks import check_image, one_or_many
from recolor_torch.lazy import LazyModule

if TYPE_CHECKING:
    import kornia.color as kc
else:
    kc = LazyModule("kornia.color")


@one_or_many
def rgb_to_lab(image: Tensor) -> Tensor:
    """sRGB to CIE Lab.

    Args:
        image: sRGB, (B, 3, H, W), [0, 1].

    Returns:
        Lab, (B, 3, H, W); L in [0, 100], a and b in about [-128, 127].

    Example:
        >>> import torch
        >>> rgb_to_lab(torch.ones(1, 3, 1, 1)).flatten().round().abs()
        tensor([100.,   0.,   0.])
    """
    check_image(image, "image", channels=3)
    return kc.rgb_to_lab(image)


@one_or_many
def lab_to_rgb(lab: Tensor) -> Tensor:
    """CIE Lab to sRGB, clipped to [0, 1] as kornia does.

    Args:
        lab: (B, 3, H, W), as :func:`rgb_to_lab` gives it.

    Returns:
        sRGB, (B, 3, H, W), [0, 1].
    """
    check_image(lab, "lab", channels=3)
    return kc.lab_to_rgb(lab, clip=True)
