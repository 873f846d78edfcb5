"""Histogram matching with gradients, beside the exact tables of ``histogram.py``."""

import torch
from torch import Tensor

from recolor_torch.checks import check_batch, check_image, require_all
from recolor_torch.filters.soft_histogram import soft_histogram
from recolor_torch.guide import Reference, total_weight
from recolor_torch.precision import HALF, in_float32

# Slope that keeps an empty stretch of a cumulative histogram invertible.
_FLOOR = 1e-6


def match_histograms_soft(
    image: Tensor,
    references: tuple[Reference, ...] | Tensor,
    mask: Tensor | None = None,
    bins: int = 128,
    bandwidth: float = 1.0,
) -> Tensor:
    r"""Histogram matching whose result is differentiable in the image and in the references.

    .. math:: y = F_\mathrm{ref}^{-1}(F_\mathrm{image}(x))

    with F the soft cumulative histogram, linear between the edges of its bins and strictly
    increasing, so that its inverse is another piecewise linear function. Matching a picture to
    itself returns it.

    Args:
        image: (B, C, H, W), [0, 1].
        references: a picture (B or 1, C, H', W'), or several with masks and weights.
        mask: weight of each pixel in the statistics of ``image``, (B or 1, 1, H, W).
        bins: bins of the histograms.
        bandwidth: width of the kernel in bins, see ``soft_histogram``.

    Returns:
        (B, C, H, W), in [0, 1].

    Raises:
        TypeError: an argument is not a floating point tensor.
        ValueError: a shape is wrong or there is no reference.
    """
    check_image(image, "image")
    if isinstance(references, Tensor):
        references = (Reference(references),)
    if not references:
        raise ValueError("Histogram matching needs at least one reference, got none.")
    if image.dtype in HALF:
        return in_float32(match_histograms_soft, image, references, mask, bins, bandwidth)
    total = total_weight(references)
    own = _cumulative(soft_histogram(image, bins, bandwidth=bandwidth, mask=mask))
    wanted = torch.zeros_like(own)
    for r in references:
        check_image(r.image, "reference", channels=image.shape[1])
        check_batch(r.image, "reference", image)
        if r.mask is not None:
            counted = (r.mask > 0).flatten(1).any(1)
            require_all(counted, "reference has no pixel that counts: its mask is 0 all over.")
        shares = soft_histogram(r.image, bins, bandwidth=bandwidth, mask=r.mask)
        wanted = wanted + _cumulative(shares) * (r.weight / total)
    edges = torch.linspace(0, 1, bins + 1, dtype=image.dtype, device=image.device).expand_as(own)
    rank = _interpolate(image.clamp(0, 1).flatten(2), edges, own)
    return _interpolate(rank, wanted, edges).view_as(image)


def _cumulative(shares: Tensor) -> Tensor:
    """Cumulative histogram at the edges of the bins, (B, C, bins + 1), strictly increasing from 0 to 1."""
    shares = (shares + _FLOOR) / (shares + _FLOOR).sum(-1, keepdim=True)
    return torch.nn.functional.pad(shares.cumsum(-1), (1, 0))


def _interpolate(x: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """Piecewise linear function with increasing ``knots`` (B, C, K), at ``x`` (B, C, N)."""
    right = torch.searchsorted(knots.detach().contiguous(), x.detach().contiguous()).clamp_(1, knots.shape[-1] - 1)
    k0, k1 = knots.gather(-1, right - 1), knots.gather(-1, right)
    v0, v1 = values.gather(-1, right - 1), values.gather(-1, right)
    return v0 + (x - k0) / (k1 - k0) * (v1 - v0)
