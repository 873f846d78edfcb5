"""Exact histograms, counted per sample and channel, and the report's distances between pictures."""

from collections.abc import Iterator

import torch
from torch import Tensor

from recolor_torch.checks import check_mask, require_all
from recolor_torch.precision import widened

CHUNK = 1 << 20
"""Values quantised at a time: the temporaries stay in the cache and memory does not grow with the picture."""

# A value in the middle of two levels goes up, and so does one that rounding brought just below (in float64): sums of
# integers with the decimals of luminance are often there, and devices round them differently.
TIE = 1e-6


def level_count(image: Tensor) -> int:
    """How many levels a picture of this dtype is counted in: 256, or 65,536 for 16 bits and floats."""
    return 256 if image.dtype == torch.uint8 else 65536


def to_levels(values: Tensor, levels: int) -> Tensor:
    """Indices of the nearest level, int32; NaN gets the index ``levels``, one past the last.

    Args:
        values: any shape; uint8 and uint16 are levels already, floats in [0, 1] are rounded to
            ``levels`` equal steps, which moves a value by at most ``0.5 / (levels - 1)``.
        levels: number of levels.
    """
    if values.is_floating_point():
        # In 16 bits 65535 rounds up to the level of NaN, or to infinity.
        scaled = (widened(values.detach()) * (levels - 1)).clamp_(-0.5, levels - 0.75).nan_to_num_(nan=float(levels))
        return scaled.add_(0.5 + TIE).to(torch.int32)
    return values.to(torch.int32)


def histogram(image: Tensor, levels: int | None = None, mask: Tensor | None = None) -> Tensor:
    """Count the pixels of each level, per sample and channel.

    Args:
        image: (B, C, H, W), float in [0, 1] (values outside count at the ends, NaN not at all),
            uint8 or uint16.
        levels: number of levels; 256 for uint8, else 65,536.
        mask: (B or 1, 1, H, W), pixels above one half count.

    Returns:
        (B, C, levels), int64 counts.

    Example:
        >>> histogram(torch.tensor([0.0, 0.5, 1.0, 1.0]).view(1, 1, 2, 2), levels=3)
        tensor([[[1, 1, 2]]])
    """
    if levels is None:
        levels = level_count(image)
    if image.ndim != 4:
        raise ValueError(f"image must have shape (B, C, H, W), got {tuple(image.shape)}.")
    _check_levels(image, levels)
    if mask is not None:
        check_mask(mask, "mask", image)
    b, c = image.shape[:2]
    keep = None if mask is None else (mask > 0.5).expand(b, 1, -1, -1).flatten(1)
    counts = torch.zeros(b, c, levels + 1, dtype=torch.int64, device=image.device)
    for i in range(b):
        for k in range(c):
            values = image[i, k].reshape(-1)
            for start, part in _chunks(values):
                index = part if part.dtype == torch.uint8 and keep is None else to_levels(part, levels)
                if keep is not None:
                    index = torch.where(keep[i, start : start + CHUNK], index, levels)
                counts[i, k] += torch.bincount(index, minlength=levels + 1)
    return counts[..., :levels]


def _check_levels(image: Tensor, levels: int) -> None:
    """Raise ``ValueError`` where integers are no levels. Types that hold nothing else are not looked at."""
    if image.is_floating_point() or image.numel() == 0 or (image.dtype == torch.uint8 and levels >= 256):
        return
    found = image.to(torch.int64).aminmax()
    if torch.compiler.is_compiling():
        require_all((found.min >= 0) & (found.max < levels), f"image must hold levels from 0 to {levels - 1}.")
        return
    low, high = int(found.min), int(found.max)
    if low < 0 or high >= levels:
        raise ValueError(f"image must hold levels from 0 to {levels - 1}, got integers from {low} to {high}.")


def _chunks(values: Tensor) -> Iterator[tuple[int, Tensor]]:
    # On a GPU one pass over everything is faster than many small ones.
    size = CHUNK if values.device.type == "cpu" else max(values.numel(), 1)
    for start in range(0, values.numel(), size):
        yield start, values[start : start + size]


def style_distance(x: Tensor, y: Tensor, levels: int = 256) -> Tensor:
    r"""The report's :math:`d_s(X, Y) = \lVert h(X) - h(Y) \rVert_2`, h the cumulative histogram as fractions.

    Args:
        x: (B, C, H, W), [0, 1].
        y: (B or 1, C, H', W'), any size.
        levels: levels of the histograms.

    Returns:
        (B, C), 0 where the histograms agree. For a distance with gradients see ``soft_histogram``.
    """
    return torch.linalg.vector_norm(_cumulative(x, levels) - _cumulative(y, levels), dim=-1)


def _cumulative(x: Tensor, levels: int) -> Tensor:
    cumulative = histogram(x, levels).cumsum(-1).double()
    return cumulative / cumulative[..., -1:].clamp(min=1)


def order_distance(x: Tensor, y: Tensor) -> Tensor:
    r"""The report's :math:`d_c(X, Y)`: how many ordered pixel pairs of ``y`` are out of order in ``x``.

    A pair (r, s) counts where ``y[r] < y[s]`` but ``x[r] > x[s]`` (order broken, counted for (r, s)
    and for (s, r)), or where ``y[r] == y[s]`` but ``x[r] != x[s]`` (equality split, both ways too).
    Merging two levels is no fault, so every monotonic look-up table has distance 0. Exact, from the
    joint histogram of 256 x 256 levels, in time linear in the pixels.

    Args:
        x: result, (B, C, H, W), [0, 1] or uint8; floats are rounded to 256 levels.
        y: original of the same shape.

    Returns:
        (B, C), int64 counts.

    Example:
        >>> y = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3)
        >>> order_distance(y, y), order_distance(1 - y, y)
        (tensor([[0]]), tensor([[6]]))
    """
    if x.shape != y.shape or x.ndim != 4:
        raise ValueError(f"x and y must have one shape (B, C, H, W), got {tuple(x.shape)} and {tuple(y.shape)}.")
    joint = torch.stack([_joint_histogram(a, b) for a, b in zip(x.flatten(0, 1), y.flatten(0, 1))])
    # inversions[a, b]: pixels with a larger x and a smaller y than (a, b).
    larger_x = joint.flip(1).cumsum(1).flip(1) - joint
    inversions = larger_x.cumsum(2) - larger_x
    broken = 2 * (joint * inversions).sum((1, 2))
    split = (joint.sum(1) ** 2 - (joint**2).sum(1)).sum(1)
    return (broken + split).view(x.shape[:2])


def _joint_histogram(a: Tensor, b: Tensor) -> Tensor:
    """(256, 256) int64 counts of the level pairs of two pictures (H, W); NaN in either is left out."""
    counts = torch.zeros(257 * 257, dtype=torch.int64, device=a.device)
    flat_b = b.reshape(-1)
    for start, part in _chunks(a.reshape(-1)):
        pair = to_levels(part, 256) * 257 + to_levels(flat_b[start : start + part.numel()], 256)
        counts += torch.bincount(pair, minlength=257 * 257)
    return counts.view(257, 257)[:256, :256]
