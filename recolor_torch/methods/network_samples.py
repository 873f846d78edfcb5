"""Several plausible colorings from one distribution."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from recolor_torch.color.bins import BINS, ab_bins

_REACH = 25.0
"""Units of ab over which noise is alike: less, and a sample would mix neighbouring bins back to their mean."""


def coherent_noise(count: int, seed: int = 0) -> list[Tensor]:
    r"""Noise to be added to the logits of 313 bins, (1, 313, 1, 1) for each of ``count`` samples.

    The bin with the largest sum of logit and Gumbel noise is a draw from the distribution. Here all places of a
    picture share the noise, so that places with like distributions get like colors: every place is a fair draw
    (were the noise independent between bins), and the picture is of one piece. The noise of bins that are near each
    other in ab is alike, by a Gauss function; a temperature then softens the choice.

    Args:
        count: how many samples, 0 or more.
        seed: of the noise.
    """
    if count < 1:
        return []
    bins = ab_bins().double()
    kernel = torch.exp(-torch.cdist(bins, bins).square() / (2 * _REACH**2)) + 1e-6 * torch.eye(BINS).double()
    draws = torch.randn(count, BINS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    normal = draws @ torch.linalg.cholesky(kernel).T
    # From the normal to the Gumbel distribution, by way of the uniform one.
    uniform = (0.5 * (1 + torch.erf(normal / math.sqrt(2)))).clamp(1e-9, 1 - 1e-9)
    gumbel = -torch.log(-torch.log(uniform))
    return [row.float().view(1, BINS, 1, 1) for row in gumbel]


def sheet(pictures: list[Tensor], gap: int = 4) -> Tensor:
    """Pictures (B, 3, H, W) of one size side by side in rows, with white between, (B, 3, H', W')."""
    columns = math.ceil(math.sqrt(len(pictures)))
    white = torch.ones_like(pictures[0])
    full = [*pictures, *[white] * (-len(pictures) % columns)]
    full = [F.pad(p, (gap, 0, gap, 0), value=1.0) for p in full]
    rows = [torch.cat(full[i : i + columns], 3) for i in range(0, len(full), columns)]
    return F.pad(torch.cat(rows, 2), (0, gap, 0, gap), value=1.0)
