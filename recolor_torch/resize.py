"""Sizes of pictures and hints."""

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.precision import HALF, in_float32


def resize(x: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Bicubic resize of (B, C, H, W) to ``size``, (height, width); anti-aliased where it reduces.

    The same size returns ``x`` itself.
    """
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    if x.dtype in HALF:
        return in_float32(resize, x, size)
    return F.interpolate(x, size=tuple(size), mode="bicubic", align_corners=False, antialias=True)


def working_size(height: int, width: int, max_side: int | None) -> tuple[int, int]:
    """Size (height, width) at which a method works: the picture's own, or its longer side at ``max_side``."""
    if max_side is None or max(height, width) <= max_side:
        return height, width
    scale = max_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize_hints(hints: Tensor, mask: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Hints at a smaller size: a pixel is a hint where its area holds one, with the mean of their colors."""
    if tuple(hints.shape[-2:]) == tuple(size):
        return hints, mask
    hints, mask = torch.broadcast_tensors(hints, mask)
    share = F.adaptive_avg_pool2d(mask, size)
    colors = F.adaptive_avg_pool2d(hints * mask, size) / share.clamp(min=1e-12)
    return colors, (share[:, :1] > 0).to(mask)
