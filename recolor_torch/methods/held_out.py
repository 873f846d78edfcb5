"""Hints that are held out, to see how well the others predict them: cross-validation at a small size."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

# Hints are held out by cells of a grid of so many to the longer side, in so many parts.
CELLS = 12
PARTS = 5
_TINY = 1e-12  # of squared chroma


@dataclass(frozen=True)
class Trial:
    """A small copy of pictures and their hints, once for each part of the hints that is held out.

    Args:
        size: (h, w).
        luminance: (PARTS B, 1, h, w).
        hints: chroma, (PARTS B, 2, h, w).
        kept: mask of the hints that are shown, (PARTS B, 1, h, w).
        left: mask of those that are held out, (PARTS B, 1, h, w).
    """

    size: tuple[int, int]
    luminance: Tensor
    hints: Tensor
    kept: Tensor
    left: Tensor

    def many(self, x: Tensor) -> Tensor:
        """A tensor of the pictures at this size, for each part."""
        return _many(F.adaptive_avg_pool2d(x, self.size))

    def error(self, found: Tensor) -> Tensor:
        """Mean distance of chroma, (PARTS B, 2, h, w), to the hints that were held out: (B,)."""
        # The root of 0, which hints that are shown have, would have no derivative.
        distance = (found - self.hints).square().sum(1, keepdim=True).add(_TINY).sqrt() * self.left
        total, count = (x.unflatten(0, (PARTS, -1)).sum((0, 2, 3, 4)) for x in (distance, self.left))
        return total / count.clamp(min=1)


def hold_out(luminance: Tensor, hints: Tensor, mask: Tensor, side: int) -> Trial:
    """Split hints into those that are shown and those that are held out, each part in turn.

    Args:
        luminance: (B, 1, H, W).
        hints: chroma, (B or 1, 2, H, W), read where ``mask`` is over one half.
        mask: (B or 1, 1, H, W).
        side: the longer side of the copies, at most.
    """
    batch, _, height, width = luminance.shape
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    known = (mask > 0.5).to(luminance).expand(batch, -1, -1, -1)
    share = F.adaptive_avg_pool2d(known, size)
    color = F.adaptive_avg_pool2d(hints * known, size) / share.clamp(min=1e-6)
    part = _parts(size, luminance.device)
    held = torch.stack([part == i for i in range(PARTS)])[:, None, None]  # (PARTS, 1, 1, h, w)
    there = (share > 0).unsqueeze(0)
    kept, left = ((there & x).to(luminance).flatten(0, 1) for x in (~held, held))
    return Trial(size, _many(F.adaptive_avg_pool2d(luminance, size)), _many(color), kept, left)


def _many(x: Tensor) -> Tensor:
    return x.unsqueeze(0).expand(PARTS, -1, -1, -1, -1).flatten(0, 1)


def _parts(size: tuple[int, int], device: torch.device) -> Tensor:
    """The part of each pixel: cells of a grid, a knight's move apart."""
    cell = max(1, -(-max(size) // CELLS))
    y, x = (torch.arange(n, device=device) // cell for n in size)
    return (y[:, None] * 2 + x) % PARTS
