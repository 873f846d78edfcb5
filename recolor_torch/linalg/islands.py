r"""Regions that hardly anything holds: where the digits of float32 do not tell what their values are.

A region that is tied to the rest of the picture, to fixed pixels and to neutral by next to nothing is held by rounding
as much as by its own weak ties: a sum over n pixels with ties of about d is uncertain by about
:math:`\varepsilon \sqrt{n}\, d`. Where the ties that leave a region are not well above that, the solve is done in
float64.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from recolor_torch.lazy import LazyModule
from recolor_torch.linalg.linear_system import GridSystem
from recolor_torch.linalg.stencil import neighbour_sum, windows

if TYPE_CHECKING:
    import scipy.sparse as sp
else:
    sp = LazyModule("scipy.sparse")


# What leaves a region has to be this many times the uncertainty of a sum over it.
MARGIN = 64.0
# Regions are the parts that hang together by ties of at least these shares of all ties of a pixel.
SHARES = (1e-3, 3e-5, 1e-6)


def loosely_held(system: GridSystem, digits: torch.dtype = torch.float32) -> list[bool]:
    """For each image, whether it has a region that ``digits`` cannot tell the value of.

    The first look costs a few passes: with every tie strong enough, the picture is one region, and all there is to ask
    is whether anything holds it. Only then are the regions looked for, on the CPU.

    Args:
        system: any system; that of a squared one is judged by its root.
    """
    eps = torch.finfo(digits).eps / 2
    ties = neighbour_sum(system.weights, system.offsets, system.symmetric)
    height, width = system.fixed.shape[-2:]
    # A region across the picture is held along its shorter side.
    enough = MARGIN * eps * (max(height, width) / min(height, width)) ** 0.5
    least = torch.stack([_least(w, o) for w, o in zip(system.weights, system.offsets)]).amin(0)
    most = ties.flatten(1).amax(1)
    held = torch.where(system.fixed, 0, system.mass).flatten(1).sum(1) + _to_fixed(system)
    whole = (least >= enough * most) & (held >= MARGIN * eps * (height * width) ** 0.5 * most)
    whole = whole.expand(system.fixed.shape[0]).tolist()
    return [not ok and _has_loose_region(system, ties, i, eps) for i, ok in enumerate(whole)]


def _least(weight: Tensor, offset: tuple[int, int]) -> Tensor:
    """The least weight of the pairs of an offset that lie in the picture, (B,)."""
    here, _ = windows(offset, weight.shape)
    part = weight[here].flatten(1)
    return part.amin(1) if part.shape[1] else torch.full_like(weight[:, 0, 0, 0], torch.inf)


def _to_fixed(system: GridSystem) -> Tensor:
    """The sum of all ties from free to fixed pixels, (B,)."""
    total = torch.zeros_like(system.mass[:, 0, 0, 0])
    fixed = system.fixed
    for weight, offset in zip(system.weights, system.offsets):
        here, there = windows(offset, fixed.shape)
        across = fixed[here] ^ fixed[there] if system.symmetric else fixed[there] & ~fixed[here]
        total = total + torch.where(across, weight[here], 0).flatten(1).sum(1)
    return total


def _has_loose_region(system: GridSystem, ties: Tensor, image: int, eps: float) -> bool:
    def numbers(x: Tensor) -> np.ndarray:
        return x[min(image, x.shape[0] - 1)].detach().cpu().numpy().reshape(-1)

    fixed = numbers(system.fixed)
    if fixed.all():
        return False
    total, hold = numbers(ties).astype(float), numbers(system.mass).astype(float)
    rows, cols, weights = _pairs(system, image)
    outward = fixed[cols]
    hold = hold + np.bincount(rows[outward], weights[outward], fixed.size)
    hold, total = np.where(fixed, np.inf, hold), np.maximum(total, np.finfo(float).tiny)
    for share in SHARES:
        strong = weights >= share * total[rows]
        graph = sp.csr_matrix((np.ones(strong.sum(), bool), (rows[strong], cols[strong])), (fixed.size, fixed.size))
        from scipy.sparse.csgraph import connected_components

        count, region = connected_components(graph, directed=True, connection="strong")
        leaving = region[rows] != region[cols]
        escape = np.bincount(region[rows[leaving]], weights[leaving], count)
        held = np.bincount(region, hold, count) + escape
        size, largest = np.bincount(region, minlength=count), np.zeros(count)
        np.maximum.at(largest, region, total)
        if (held < MARGIN * eps * np.sqrt(size) * np.maximum(largest, 1e-300)).any():
            return True
        if count == 1:
            return False
    return False


def _pairs(system: GridSystem, image: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs (from, to, weight) of free pixels and what they are tied to."""
    height, width = system.fixed.shape[-2:]
    number = np.arange(height * width).reshape(height, width)
    rows, cols, weights = [], [], []
    for weight, offset in zip(system.weights, system.offsets):
        here, there = (index[1:] for index in windows(offset, system.fixed.shape))
        w = weight[min(image, weight.shape[0] - 1), 0].detach().cpu().double().numpy()[here].ravel()
        r, s = number[here].ravel(), number[there].ravel()
        rows += [r, s] if system.symmetric else [r]
        cols += [s, r] if system.symmetric else [s]
        weights += [w, w] if system.symmetric else [w]
    r, s, w = (np.concatenate(parts) for parts in (rows, cols, weights))
    free = ~system.fixed[min(image, system.fixed.shape[0] - 1), 0].cpu().numpy().ravel()[r]
    return r[free], s[free], w[free]
