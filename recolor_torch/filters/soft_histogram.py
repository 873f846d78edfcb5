"""Histograms with gradients: every value is shared smoothly among the nearest bins."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_image, check_mask
from recolor_torch.precision import HALF, in_float32

# Values counted at a time: the temporary memory of one pass, whatever the size of the picture.
_CHUNK = 1 << 20
# Variance in bins of the cubic B-spline by which one value is shared among four bins.
_SPLINE_VARIANCE = 1 / 3


def soft_histogram(
    x: Tensor,
    bins: int = 256,
    value_range: tuple[float, float] = (0.0, 1.0),
    bandwidth: float = 1.0,
    mask: Tensor | None = None,
) -> Tensor:
    r"""Share of the pixels near each of ``bins`` values, per sample and channel, with gradients.

    .. math::
        h_i = \frac{\sum_p m_p \, K(u_p - i)}{\sum_p m_p}, \qquad
        u_p = \frac{x_p - lo}{hi - lo} \, bins - \tfrac12

    with :math:`K` a cubic B-spline, widened by a Gauss filter along the bins to ``bandwidth``. The bins split
    ``value_range`` evenly, as in ``torch.histc``; for the levels of 8-bit pictures that is
    ``bins=256, value_range=(-0.5 / 255, 255.5 / 255)``. What the kernel spreads past an end is folded back, so that
    the sum is 1. The memory is that of a few values a pixel, not of ``bins``, and only ``x`` is kept for the gradient.

    Args:
        x: (B, C, H, W). Values outside of ``value_range`` count in its end bins, with gradient 0.
        bins: how many, 2 or more.
        value_range: the lowest and highest value.
        bandwidth: standard deviation of the kernel in bins, at least 0.58 (that of the B-spline alone).
        mask: weight of each pixel, (B or 1, 1, H, W), 0 or more; differentiable too. All pixels count without it.

    Returns:
        (B, C, bins), each row with the sum 1; zeros where the mask leaves no pixel.

    Raises:
        TypeError: an argument is not a floating point tensor.
        ValueError: a wrong shape, fewer than two bins, an empty range or a bandwidth below 0.58.

    Example:
        >>> soft_histogram(torch.full((1, 1, 2, 2), 0.5), bins=4, bandwidth=0.58)
        tensor([[[0.0208, 0.4792, 0.4792, 0.0208]]])
    """
    check_image(x, "x")
    if mask is not None:
        check_mask(mask, "mask", x, "x")
    lo, hi = value_range
    if bins < 2 or not hi > lo:
        raise ValueError(f"A histogram needs two bins or more and lo < hi, got {bins} bins over {value_range}.")
    if x.dtype in HALF:  # in 16 bits a place among the bins is rounded to a whole one
        return in_float32(soft_histogram, x, bins, value_range, bandwidth, mask)
    extra = bandwidth**2 - _SPLINE_VARIANCE
    if extra < 0:
        raise ValueError(f"bandwidth must be 0.58 bins or more, got {bandwidth}.")
    b, c = x.shape[:2]
    values = x.reshape(b, c, -1)
    weights = x.new_ones(()) if mask is None else mask.reshape(mask.shape[0], 1, -1)
    weights = weights.expand(b, 1, values.shape[-1])
    counts = _SplineCounts.apply(values, weights, bins, lo, hi)
    total = weights.sum(-1, keepdim=True, dtype=counts.dtype)
    shares = counts / torch.where(total > 0, total, torch.ones_like(total))
    return _widen(shares, math.sqrt(extra)).to(x.dtype)


def soft_cdf(
    x: Tensor,
    bins: int = 256,
    value_range: tuple[float, float] = (0.0, 1.0),
    bandwidth: float = 1.0,
    mask: Tensor | None = None,
) -> Tensor:
    """Cumulative sums of ``soft_histogram``: share of the pixels at or below each bin, (B, C, bins), last value 1.

    Example:
        >>> soft_cdf(torch.full((1, 1, 2, 2), 0.5), bins=4, bandwidth=0.58)
        tensor([[[0.0208, 0.5000, 0.9792, 1.0000]]])
    """
    if x.dtype in HALF:
        return in_float32(soft_cdf, x, bins, value_range, bandwidth, mask)
    return soft_histogram(x, bins, value_range, bandwidth, mask).cumsum(-1)


def _spline(t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cubic B-spline weights of the bins -1, 0, 1 and 2 for positions ``t`` in [0, 1) after bin 0."""
    s = 1 - t
    outer_left, outer_right = s**3 / 6, t**3 / 6
    left = 2 / 3 - t**2 + t**3 / 2
    right = 2 / 3 - s**2 + s**3 / 2
    return outer_left, left, right, outer_right


def _spline_slopes(t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    s = 1 - t
    return -(s**2) / 2, 1.5 * t**2 - 2 * t, 2 * s - 1.5 * s**2, t**2 / 2


def _positions(x: Tensor, bins: int, lo: float, hi: float) -> tuple[Tensor, Tensor, Tensor]:
    """Nearest bin below (integer), position after it, and whether the value lies inside the range."""
    u = (x - lo) * (bins / (hi - lo)) - 0.5
    inside = (u >= -0.5) & (u <= bins - 0.5)
    u = u.clamp(-0.5, bins - 0.5)
    base = u.detach().floor()
    return base.long(), u - base, inside


class _SplineCounts(torch.autograd.Function):
    """(B, C, N) values and (B, 1, N) weights to (B, C, bins) counts; keeps nothing but its inputs."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        x, weights, *grid = inputs
        ctx.save_for_backward(x, weights)
        ctx.grid = grid

    @staticmethod
    def forward(x: Tensor, weights: Tensor, bins: int, lo: float, hi: float) -> Tensor:
        # Float32 stops counting at 2**24, and is off by percents before.
        wide = x.dtype if x.device.type == "mps" else torch.float64
        counts = x.new_zeros((*x.shape[:2], bins), dtype=wide)
        step = max(1, _CHUNK // (x.shape[0] * x.shape[1]))
        for part, weight in zip(x.split(step, -1), weights.split(step, -1)):
            base, t, _ = _positions(part, bins, lo, hi)
            for k, value in enumerate(_spline(t)):
                counts.scatter_add_(-1, (base + (k - 1)).clamp_(0, bins - 1), (value * weight).to(wide))
        return counts

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        x, weights = ctx.saved_tensors
        bins, lo, hi = ctx.grid
        grad = grad.to(x.dtype)
        step = max(1, _CHUNK // (x.shape[0] * x.shape[1]))
        to_x, to_weights = [], []
        for part, weight in zip(x.split(step, -1), weights.split(step, -1)):
            base, t, inside = _positions(part, bins, lo, hi)
            slope, share = torch.zeros_like(t), torch.zeros_like(t)
            for k, (value, rate) in enumerate(zip(_spline(t), _spline_slopes(t))):
                g = grad.gather(-1, (base + (k - 1)).clamp(0, bins - 1))
                slope = slope + g * rate
                share = share + g * value
            to_x.append(slope * weight * inside * (bins / (hi - lo)))
            to_weights.append(share.sum(1, keepdim=True))
        return torch.cat(to_x, -1), torch.cat(to_weights, -1), None, None, None


def _widen(histogram: Tensor, sigma: float) -> Tensor:
    """Gauss filter along the bins; what passes an end is mirrored back, so that sums are kept."""
    b, c, bins = histogram.shape
    radius = min(math.ceil(4 * sigma), bins)
    if sigma < 1e-3:
        return histogram
    offsets = torch.arange(-radius, radius + 1, device=histogram.device, dtype=histogram.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).reshape(1, 1, -1)
    spread = F.conv1d(histogram.reshape(b * c, 1, bins), kernel, padding=2 * radius).reshape(b, c, -1)
    left, middle, right = spread.split((radius, bins, radius), -1)
    folded = F.pad(left.flip(-1), (0, bins - radius)) + F.pad(right.flip(-1), (bins - radius, 0))
    return middle + folded
