"""Color spaces as exact pairs, and the gamut."""

from torch import Tensor

from recolor_torch.checks import check_choice
from recolor_torch.color.gamut import fit_gamut
from recolor_torch.color.hsi import hsi_to_rgb, rgb_to_hsi
from recolor_torch.color.lab import lab_to_rgb, rgb_to_lab
from recolor_torch.color.yuv import chroma_to_rgb_offset, rgb_to_luminance, rgb_to_yuv, yuv_to_rgb

__all__ = [
    "chroma_to_rgb_offset",
    "fit_gamut",
    "from_rgb",
    "hsi_to_rgb",
    "lab_to_rgb",
    "rgb_to_hsi",
    "rgb_to_lab",
    "rgb_to_luminance",
    "rgb_to_yuv",
    "to_rgb",
    "yuv_to_rgb",
]

_FROM_RGB = {"rgb": lambda x: x, "yuv": rgb_to_yuv, "lab": rgb_to_lab, "hsi": rgb_to_hsi}
_TO_RGB = {"rgb": lambda x: x, "yuv": yuv_to_rgb, "lab": lab_to_rgb, "hsi": hsi_to_rgb}


def from_rgb(image: Tensor, space: str) -> Tensor:
    """Convert an sRGB image, (B, 3, H, W), to ``space``: ``rgb``, ``yuv``, ``lab`` or ``hsi``."""
    check_choice(space, "space", tuple(_FROM_RGB))
    return _FROM_RGB[space](image)


def to_rgb(image: Tensor, space: str) -> Tensor:
    """Convert an image in ``space``, (B, 3, H, W), to sRGB."""
    check_choice(space, "space", tuple(_TO_RGB))
    return _TO_RGB[space](image)
