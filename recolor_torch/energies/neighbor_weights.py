r"""How strongly neighbouring pixels are tied, from their luminance: the weights of the Levin energy."""

import math
from typing import Literal

import torch
from torch import Tensor

from recolor_torch.filters.smoothing import gauss_filter
from recolor_torch.linalg.stencil import FULL_4, FULL_8, HALF_4, HALF_8, Offset, Weights, windows

Kernel = Literal["laplace", "gauss"]

# The nearest neighbour keeps this relative weight however small the variance is (Levin et al. 2004, their script).
NEAREST_WEIGHT = 0.01
# Least variance, for luminance in [0, 1]; below it a neighbourhood is flat.
LEAST_VARIANCE = 1e-6


def half_offsets(neighbours: int) -> tuple[Offset, ...]:
    """One offset of each pair, for 4 or 8 neighbours."""
    return {4: HALF_4, 8: HALF_8}[neighbours]


def full_offsets(neighbours: int) -> tuple[Offset, ...]:
    """All offsets, for 4 or 8 neighbours; the second half mirrors the first."""
    return {4: FULL_4, 8: FULL_8}[neighbours]


# Below it the least difference of two floats cuts a tie anyhow, and 1 / sigma would be infinite.
_LEAST_SIGMA = 1e-12


def global_weights(
    luminance: Tensor,
    neighbours: int = 8,
    sigma: float = 0.005,
    floor: float = 1e-4,
    kernel: Kernel = "laplace",
    smoothing: float = 1.4,
) -> Weights:
    r"""One sharpness for the whole picture, symmetric, for ``half_offsets``.

    .. math::
        a_{rs} = \frac{k(d_{rs}) + \text{floor}}{|r - s|}, \qquad
        d_{rs} = \min(|t_r - t_s|, |(g * t)_r - (g * t)_s|)

    with :math:`k(d) = e^{-d / \sigma}` (laplace) or :math:`e^{-d^2 / 2\sigma^2}` (gauss), and g a Gauss filter: what
    it takes away is noise and grain, no edge. The lesser of both differences keeps the pixels beside a sharp edge tied
    to their own side, where the filter alone would cut them off from both.

    Args:
        luminance: (B, 1, H, W) in [0, 1].
        neighbours: 4 or 8.
        sigma: difference of luminance at which a tie weakens.
        floor: weight that every pair keeps, so that nothing is ever cut off.
        kernel: "laplace" falls off at once and has the longer tail.
        smoothing: standard deviation of the Gauss filter in pixels; 0 for none.
    """
    sigma = max(sigma, _LEAST_SIGMA)
    smooth = None
    if smoothing:
        smooth = gauss_filter(luminance, radius=math.ceil(3 * smoothing), beta=0.5 / smoothing**2)
    out = []
    for offset in half_offsets(neighbours):
        here, there = windows(offset, luminance.shape)
        gap = (luminance[here] - luminance[there]).abs()
        if smooth is not None:
            gap = torch.minimum(gap, (smooth[here] - smooth[there]).abs())
        sharpness = gap.mul(-1 / sigma) if kernel == "laplace" else gap.square().mul(-0.5 / sigma**2)
        out.append(_place((torch.exp(sharpness) + floor) / math.hypot(*offset), offset))
    return tuple(out)


def local_weights(
    luminance: Tensor,
    neighbours: int = 8,
    kappa: float = 2.0,
    variance: Literal["window", "report"] = "window",
) -> Weights:
    r"""Levin's weights, rows summing to 1, for ``full_offsets``; not symmetric.

    .. math:: w_{rs} \propto \exp(-(t_r - t_s)^2 / (\kappa\, \mathrm{var}_r)), \quad \sum_s w_{rs} = 1

    The variance is that of the pixel and its neighbours, and large enough for the nearest neighbour
    to keep a relative weight of 0.01.

    Args:
        luminance: (B, 1, H, W) in [0, 1].
        neighbours: 4 or 8; pixels at the border have fewer.
        kappa: 2 is the formula with sigma² = var, 0.6 the script of Levin et al., 1 a popular port.
        variance: "report" reads the variance as the report's listing does: over the neighbours
            without the pixel itself, of values 0 to 255, and squared.
    """
    offsets = full_offsets(neighbours)
    pairs = [windows(offset, luminance.shape) for offset in offsets]
    count, total = torch.zeros_like(luminance), torch.zeros_like(luminance)
    for offset, (here, there) in zip(offsets, pairs):
        count[here] += 1
        total = _add_at(total, offset, luminance[there])
    own = variance == "window"
    n = count + 1 if own else count.clamp_min(1)
    mean = (total + luminance) / n if own else total / n
    spread = (luminance - mean).square() if own else torch.zeros_like(luminance)
    nearest = torch.full_like(luminance, math.inf)
    gaps = []
    for offset, (here, there) in zip(offsets, pairs):
        spread = _add_at(spread, offset, (luminance[there] - mean[here]).square())
        gap = (luminance[there] - luminance[here]).square()
        nearest = torch.minimum(nearest, _place(gap, offset, math.inf))
        gaps.append(gap)
    var = spread / n
    if not own:
        var = (255 * var).square()  # (var of 0-255 values)² in units of 1/255²
    nearest = torch.where(nearest.isinf(), torch.zeros_like(nearest), nearest)
    var = torch.maximum(var, nearest / (-math.log(NEAREST_WEIGHT) * kappa)).clamp_min(LEAST_VARIANCE)
    sharpness = -1 / (kappa * var)
    ties = [torch.exp(gap * sharpness[here]) for gap, (here, _) in zip(gaps, pairs)]
    norm = torch.zeros_like(luminance)
    for tie, offset in zip(ties, offsets):
        norm = _add_at(norm, offset, tie)
    norm = 1 / norm.clamp_min(torch.finfo(norm.dtype).tiny)
    return tuple(_place(tie * norm[here], o) for tie, o, (here, _) in zip(ties, offsets, pairs))


def symmetrized(weights: Weights, neighbours: int) -> Weights:
    """The mean of w_rs and w_sr, for ``half_offsets``."""
    offsets = half_offsets(neighbours)
    forward, backward = weights[: len(offsets)], weights[len(offsets) :]
    out = []
    for w, v, offset in zip(forward, backward, offsets):
        here, there = windows(offset, w.shape)
        out.append(_place((w[here] + v[there]) / 2, offset))
    return tuple(out)


def doubled(weights: Weights, neighbours: int) -> Weights:
    """Symmetric weights of ``half_offsets``, written out for ``full_offsets``."""
    mirrored = []
    for w, offset in zip(weights, half_offsets(neighbours)):
        here, _ = windows(offset, w.shape)
        mirrored.append(_place(w[here], (-offset[0], -offset[1])))
    return (*weights, *mirrored)


def normalized(weights: Weights) -> Weights:
    """Weights of ``full_offsets``, scaled so that those of a pixel sum to 1."""
    total = torch.zeros_like(weights[0])
    for w in weights:
        total = total + w
    scale = 1 / total.clamp_min(torch.finfo(total.dtype).tiny)
    return tuple(w * scale for w in weights)


def _place(part: Tensor, offset: Offset, value: float = 0.0) -> Tensor:
    """``part``, given for the pixels whose neighbour exists, as a full picture with ``value`` elsewhere."""
    dy, dx = offset
    return torch.nn.functional.pad(part, (max(-dx, 0), max(dx, 0), max(-dy, 0), max(dy, 0)), value=value)


def _add_at(x: Tensor, offset: Offset, part: Tensor) -> Tensor:
    """``x`` with ``part`` added at the pixels whose neighbour exists; in place where no gradient asks."""
    if x.requires_grad or part.requires_grad:
        return x + _place(part, offset)
    x[windows(offset, x.shape)[0]] += part
    return x
