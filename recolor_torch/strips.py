"""Pictures of any size in strips of rows: brought to a smaller size, and rows of what is enlarged, as if done whole.

What works on the longer sides of a scan sees a few rows at a time; nothing of the scan's size is ever held as floats.
The numbers are those of ``resize`` and ``resize_hints``, to rounding.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

# Pixels in a strip: large enough for the arithmetic, small beside a photograph.
PIXELS = 1 << 18

Rows = Callable[[int, int], Tensor]
"""Rows ``top`` to ``bottom`` of a picture, (1, C, bottom - top, W)."""


def strips(height: int, width: int, pixels: int = PIXELS) -> Iterator[tuple[int, int]]:
    """Rows from and to of strips that cover a picture in order.

    Example:
        >>> list(strips(5, 10, pixels=20))
        [(0, 2), (2, 4), (4, 5)]
    """
    step = max(1, pixels // max(1, width))
    for top in range(0, height, step):
        yield top, min(height, top + step)


def shrink(rows: Rows, full: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """``resize`` of a picture that comes in strips.

    Args:
        rows: gives rows of the picture.
        full: its (height, width).
        size: (height, width) that is wanted.

    Returns:
        (1, C, *size).
    """
    return _gather(rows, full, size, _bicubic(full[0], size[0]), _resize)


def pool(rows: Rows, full: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """``F.adaptive_avg_pool2d`` of a picture that comes in strips; arguments as of ``shrink``."""
    return _gather(rows, full, size, _means(full[0], size[0]), F.adaptive_avg_pool2d)


def resized_rows(x: Tensor, full: tuple[int, int], top: int, bottom: int) -> Tensor:
    """Rows ``top`` to ``bottom`` of ``resize(x, full)``, (B, C, bottom - top, full width)."""
    height, width = x.shape[-2:]
    if (height, width) == tuple(full):
        return x[..., top:bottom, :]
    if height == full[0]:
        return _resize(x[..., top:bottom, :], (bottom - top, width if width == full[1] else full[1]))
    starts, weights = _bicubic(height, full[0])
    first = int(starts[top:bottom].min())
    last = min(height, int(starts[top:bottom].max()) + weights.shape[1])
    matrix = _matrix(starts[top:bottom], weights[top:bottom], first, last).to(x)
    return _resize(torch.matmul(matrix, x[..., first:last, :]), (bottom - top, full[1]))


def _gather(
    rows: Rows,
    full: tuple[int, int],
    size: tuple[int, int],
    down: tuple[Tensor, Tensor],
    across: Callable[[Tensor, tuple[int, int]], Tensor],
) -> Tensor:
    """Reduce each strip across, and add what it gives to each row of the result."""
    (height, width), (out_height, out_width) = full, size
    starts, weights = down
    result: Tensor | None = None
    for top, bottom in strips(height, width):
        strip = rows(top, bottom)
        narrow = across(strip, (bottom - top, out_width))
        if result is None:
            result = narrow.new_zeros(*narrow.shape[:2], out_height, out_width)
        if height == out_height:
            result[..., top:bottom, :] = narrow
            continue
        first = int(torch.searchsorted(starts + weights.shape[1], top, right=True))
        last = int(torch.searchsorted(starts, bottom))
        matrix = _matrix(starts[first:last], weights[first:last], top, bottom).to(narrow)
        result[..., first:last, :] += torch.matmul(matrix, narrow)
    assert result is not None
    return result


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x, size=size, mode="bicubic", align_corners=False, antialias=True)


def _matrix(starts: Tensor, weights: Tensor, first: int, last: int) -> Tensor:
    """Rows of the banded matrix as a dense one over the columns ``first`` to ``last``."""
    count, taps = weights.shape
    column = starts[:, None] + torch.arange(taps) - first
    inside = (column >= 0) & (column < last - first)
    matrix = weights.new_zeros(count, last - first)
    return matrix.scatter_add_(1, column.clamp(0, last - first - 1), weights * inside)


def _bicubic(size: int, out: int) -> tuple[Tensor, Tensor]:
    """First input row and weights, (out,) and (out, taps), of each output row of torch's anti-aliased bicubic."""
    scale = size / out
    support = 2 * max(scale, 1.0)
    center = scale * (torch.arange(out, dtype=torch.float64) + 0.5)
    start = (center - support + 0.5).long().clamp(min=0)
    end = (center + support + 0.5).long().clamp(max=size)
    place = start[:, None] + torch.arange(math.ceil(support) * 2 + 1)
    x = ((place - center[:, None] + 0.5) / max(scale, 1.0)).abs()
    a = -0.5
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    weights = torch.where(x < 1, near, torch.where(x < 2, far, 0.0)) * (place < end[:, None])
    return start, weights / weights.sum(1, keepdim=True)


def _means(size: int, out: int) -> tuple[Tensor, Tensor]:
    """The same of adaptive average pooling."""
    row = torch.arange(out)
    start, end = row * size // out, -(-(row + 1) * size // out)
    place = start[:, None] + torch.arange(int((end - start).max()))
    weights = (place < end[:, None]).double()
    return start, weights / weights.sum(1, keepdim=True)
