"""Hints and priors as the colorization network reads them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from recolor_torch.checks import check_same_size
from recolor_torch.guide import Guide

# Confidence that a transferred color may have at most: 1 is for a person's own.
MOST_SOFT = 0.95


def pooled(hints: Tensor, mask: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Hints at a smaller size: in the area of each pixel their mean color by confidence, and the largest confidence."""
    confidence = mask.to(hints)
    share = F.adaptive_avg_pool2d(confidence, size)
    colors = F.adaptive_avg_pool2d(hints * confidence, size) / torch.where(share > 0, share, 1)
    return colors, F.adaptive_max_pool2d(confidence, size)


def with_prior(image: Tensor, guide: Guide, hints: Tensor | None, mask: Tensor | None) -> tuple[Tensor | None, ...]:
    """Hints and their confidence for the network: exact ones, and a soft prior where there are none."""
    known = None if mask is None else (mask > 0.5).to(image)
    if guide.prior is None:
        return hints, known
    check_same_size(guide.prior, "prior", image)
    trust = torch.ones_like(guide.prior[:, :1]) if guide.confidence is None else guide.confidence
    soft = trust.clamp(0, MOST_SOFT).to(image)
    if hints is None or known is None:
        return guide.prior.to(image), soft
    return torch.where(known > 0, hints, guide.prior.to(image)), torch.maximum(known, soft)
