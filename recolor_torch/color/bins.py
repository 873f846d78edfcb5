r"""The 313 bins of ab in which classification speaks of color.

Zhang, Isola, Efros, "Colorful Image Colorization" (2016). The bins are the points of a grid 10 apart in the ab
plane that lie in the sRGB gamut; ``pts_in_hull.npy`` is their published table, in its order, from the repository
junyanz/interactive-deep-colorization (MIT).
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recolor_torch.checks import check_image
from recolor_torch.lazy import constant

BINS = 313
TEMPERATURE = 0.38


@cache
def _table() -> np.ndarray:
    return np.load(Path(__file__).with_name("pts_in_hull.npy"))


@constant
def ab_bins() -> Tensor:
    """The centres of the bins, (313, 2), float32.

    Example:
        >>> ab_bins()[[0, -1]]
        tensor([[-90.,  50.],
                [100.,   0.]])
    """
    return torch.from_numpy(_table()).float()


def nearest_bins(ab: Tensor, count: int = 1) -> tuple[Tensor, Tensor]:
    """The ``count`` nearest bins of each pixel.

    Args:
        ab: a and b, (B, 2, H, W), in units of Lab.

    Returns:
        Their numbers, (B, count, H, W), nearest first, and their squared distances of the same shape.
    """
    check_image(ab, "ab", channels=2)
    bins = ab_bins().to(ab)
    # |x - p|² without the pixel's own |x|², which has no say in the order.
    # Written out: a matrix product would be done in few bits under autocast.
    a, b = (-2 * bins).T.view(2, 1, BINS, 1, 1)
    score = a * ab[:, :1] + b * ab[:, 1:] + bins.square().sum(1).view(1, BINS, 1, 1)
    least, index = score.topk(count, dim=1, largest=False)
    return index, (least + ab.square().sum(1, keepdim=True)).clamp(min=0)


def soft_encode(ab: Tensor, neighbours: int = 5, sigma: float = 5.0) -> tuple[Tensor, Tensor]:
    r"""Each color as shares of its nearest bins, weighted by :math:`\exp(-d^2 / 2\sigma^2)`.

    Args:
        ab: a and b, (B, 2, H, W), in units of Lab.
        neighbours: how many bins share a pixel.
        sigma: of the Gauss function, in units of Lab.

    Returns:
        The bins' numbers, (B, neighbours, H, W), and their shares, which sum to 1 over dimension 1.

    Example:
        >>> index, share = soft_encode(torch.zeros(1, 2, 1, 1))
        >>> ab_bins()[index[0, 0, 0, 0]], share[0, :, 0, 0].round(decimals=3)
        (tensor([0., 0.]), tensor([0.6490, 0.0880, 0.0880, 0.0880, 0.0880]))
    """
    index, distance = nearest_bins(ab, neighbours)
    # Far outside the gamut all weights would be 0: only their ratios matter.
    weight = torch.exp((distance[:, :1] - distance) / (2 * sigma**2))
    return index, weight / weight.sum(1, keepdim=True)


def annealed_mean(logits: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    r"""The color of a distribution between its mean (1) and its mode (towards 0).

    .. math::
        \sum_q p_q c_q,\quad p = \operatorname{softmax}(z / T)

    Zhang et al. (2016), eq. 5; T = 0.38 is theirs.

    Args:
        logits: z, (B, 313, H, W).
        temperature: T, more than 0.

    Returns:
        a and b, (B, 2, H, W), in units of Lab.
    """
    check_image(logits, "logits", channels=BINS)
    if not temperature > 0:
        raise ValueError(f"temperature must be more than 0, got {temperature:g}.")
    shares = torch.softmax(logits / temperature, dim=1)
    a, b = ab_bins().to(logits).T.view(2, 1, BINS, 1, 1)
    return torch.cat(((shares * a).sum(1, keepdim=True), (shares * b).sum(1, keepdim=True)), 1)


def certainty(logits: Tensor) -> Tensor:
    r"""How sure a distribution is: :math:`1 - H(p) / \log 313`, 1 for a single bin and 0 where all are equal.

    Args:
        logits: (B, K, H, W).

    Returns:
        (B, 1, H, W), in [0, 1].
    """
    check_image(logits, "logits")
    log_share = torch.log_softmax(logits, dim=1)
    entropy = -(log_share.exp() * log_share).sum(1, keepdim=True)
    return (1 - entropy / np.log(logits.shape[1])).clamp(0, 1)


def count_bins(ab: Tensor) -> Tensor:
    """How many pixels have each bin as their nearest, (313,), int64.

    Args:
        ab: a and b, (B, 2, H, W), in units of Lab.
    """
    return torch.bincount(nearest_bins(ab)[0].flatten(), minlength=BINS)


def rebalancing_weights(counts: Tensor, mix: float = 0.5, sigma: float = 5.0) -> Tensor:
    r"""A weight for each bin, higher for rare colors, with an expected weight of 1.

    .. math::
        w_q \propto \Bigl((1-\lambda)\,\tilde p_q + \frac{\lambda}{313}\Bigr)^{-1},\quad \sum_q \tilde p_q w_q = 1

    Zhang et al. (2016), eq. 4; :math:`\tilde p` are the shares of the bins, smoothed by a Gauss function over the
    ab plane.

    Args:
        counts: pixels of each bin in the pictures that are trained on, (313,).
        mix: λ: 1 gives equal weights, 0 the inverse of the shares.
        sigma: of the smoothing, in units of Lab.

    Returns:
        (313,), float32.
    """
    if counts.shape != (BINS,):
        raise ValueError(f"counts must have shape ({BINS},), got {tuple(counts.shape)}.")
    if not 0 <= mix <= 1:
        raise ValueError(f"mix must be in [0, 1], got {mix:g}.")
    share = counts.double() / counts.sum()
    bins = ab_bins().double().to(counts.device)
    kernel = torch.exp(-torch.cdist(bins, bins).square() / (2 * sigma**2))
    share = (kernel / kernel.sum(0)) @ share
    weight = 1 / ((1 - mix) * share + mix / BINS)
    return (weight / (share * weight).sum()).float()
