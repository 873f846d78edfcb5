"""The style loss of Gatys et al. as one step of the graph: features in, a number and one gradient out."""

from typing import Any

import torch
from torch import Tensor

from recolor_torch.checks import check_image, check_mask

_CHUNK = 1 << 14
"""Positions whose bfloat16 features are widened at a time."""


def style_loss(features: Tensor, gram: Tensor, weight: float = 1.0, mask: Tensor | None = None) -> Tensor:
    r"""Mean squared difference of weighted Gram matrices, for each sample.

    .. math::
        \frac{1}{c^2} \sum_{ij} \bigl(w\,G_{ij} - w\,G^*_{ij}\bigr)^2, \qquad G = \frac{F F^\top}{c\,h\,w}

    The weight stands inside of the square, as the report has it: 500 here is 250,000 outside. The loss
    keeps the features, which the network's own graph holds anyway, and one c x c matrix a sample; the
    product is taken in float32 whatever the features are (bfloat16 sums made optimisers stall).

    Args:
        features: F, (B, C, H, W); nothing is copied where they are channels_last.
        gram: G*, (B or 1, C, C), as ``gram_matrix`` or ``weighted_gram`` gives it.
        weight: w.
        mask: how much each position counts, (B or 1, 1, H, W); see ``weighted_gram``.

    Returns:
        (B,), float32 for features of lower precision. It can be differentiated to any order.

    Raises:
        TypeError: ``features`` is not a floating point tensor.
        ValueError: a shape is wrong.

    Example:
        >>> ones = torch.ones(1, 2, 3, 4)
        >>> style_loss(2 * ones, weighted_gram(ones), weight=10)
        tensor([225.])
    """
    check_image(features, "features")
    b, c = features.shape[:2]
    if gram.ndim != 3 or gram.shape[0] not in (1, b) or tuple(gram.shape[1:]) != (c, c):
        raise ValueError(f"gram must have shape ({b} or 1, {c}, {c}) to go with features, got {tuple(gram.shape)}.")
    if mask is not None:
        check_mask(mask, "mask", features, "features")
    if gram.requires_grad or (mask is not None and mask.requires_grad):
        return _by_autograd(features, gram, weight, mask)
    loss: Tensor = _StyleLoss.apply(features, gram, weight, mask)[0]
    return loss


def _by_autograd(features: Tensor, gram: Tensor, weight: float, mask: Tensor | None) -> Tensor:
    """The same loss as a graph of plain operations: for gradients of the target or the mask, and of second order."""
    gap = gram_sum(features, mask) / _count(features, mask) - gram
    return gap.square().sum((1, 2)) * (weight / gap.shape[1]) ** 2


def weighted_gram(features: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Gram matrix :math:`\sum_p m_p F_p F_p^\top / (c \sum_p m_p)` of each sample over weighted positions.

    Without a mask it equals ``features.gram_matrix``, in float32 for features of lower precision.

    Args:
        features: (B, C, H, W).
        mask: (B or 1, 1, H, W), 0 or more, not 0 everywhere.

    Returns:
        (B, C, C).
    """
    check_image(features, "features")
    if mask is not None:
        check_mask(mask, "mask", features, "features")
    return gram_sum(features, mask).div_(_count(features, mask))


def gram_sum(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """The sum of ``weighted_gram`` before its division: adds up over the tiles of a picture."""
    rows, weights = _rows(features), None if mask is None else _rows(mask)
    wide = torch.promote_types(features.dtype, torch.float32)
    if weights is None and features.dtype == wide:
        return rows.mT @ rows
    total = rows.new_zeros(rows.shape[0], rows.shape[2], rows.shape[2], dtype=wide)
    for start in range(0, rows.shape[1], _CHUNK):
        part = rows[:, start : start + _CHUNK].to(wide)
        other = part if weights is None else part * weights[:, start : start + _CHUNK].to(wide)
        total += other.mT @ part
    return total


class _StyleLoss(torch.autograd.Function):
    """One product of matrices forward, and one backward: dL/dF = 4 w² (G - G*) F / (c² n), n the divisor of G.

    The second output is G - G*, kept for the derivatives.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(features: Tensor, gram: Tensor, weight: float, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        gap = gram_sum(features, mask) / _count(features, mask) - gram
        return gap.square().sum((1, 2)) * (weight / gap.shape[1]) ** 2, gap

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        features, _, ctx.weight, mask = inputs
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(features, output[1], mask)
        ctx.save_for_forward(features, output[1], mask)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, _: Any) -> tuple[Tensor | None, None, None, None]:
        if grad is None:
            return None, None, None, None
        features, gap, mask = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient is to be differentiated: the gap depends on the features
            gram = gram_sum(features, mask) / _count(features, mask)
            gap = gap + (gram - gram.detach())
        return _slope(features, gap * grad.view(-1, 1, 1), ctx.weight, mask), None, None, None

    @staticmethod
    def jvp(ctx: Any, features: Tensor | None, gram: Tensor | None, _: Any, mask: Tensor | None) -> tuple[Tensor, None]:
        """From the changes of the inputs to that of the loss; here the target and the mask may change too."""
        here, gap, weights = ctx.saved_tensors
        total = gap.new_zeros(gap.shape[0])
        if features is not None:
            total = total + (_slope(here, gap, ctx.weight, weights) * features).sum((1, 2, 3)).to(gap.dtype)
        change = None if gram is None else -gram
        if mask is not None:
            own = gram_sum(here, weights) / _count(here, weights)
            share = mask.sum((1, 2, 3)) / weights.sum((1, 2, 3))
            moved = gram_sum(here, mask) / _count(here, weights) - own * share.view(-1, 1, 1)
            change = moved if change is None else change + moved
        if change is not None:
            total = total + 2 * (ctx.weight / gap.shape[1]) ** 2 * (gap * change).sum((1, 2))
        return total, None


def _slope(features: Tensor, gap: Tensor, weight: float, mask: Tensor | None) -> Tensor:
    scale = 4 * (weight / gap.shape[1]) ** 2 / _count(features, mask)
    return apply_gram_gradient(features, gap * scale, mask)


def apply_gram_gradient(features: Tensor, matrix: Tensor, mask: Tensor | None = None) -> Tensor:
    """``matrix``, (B, C, C), times the features at each position, in their shape and dtype."""
    b, c, h, w = features.shape
    product = _rows(features) @ matrix.to(features.dtype)
    if mask is not None:
        product = product * _rows(mask).to(features.dtype)
    return product.view(b, h, w, c).permute(0, 3, 1, 2)


def _rows(x: Tensor) -> Tensor:
    """(B, H W, C): a view of a channels_last tensor."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _count(features: Tensor, mask: Tensor | None) -> Tensor | float:
    """What the sum over positions is divided by."""
    _, c, h, w = features.shape
    if mask is None:
        return float(c * h * w)
    wide = torch.promote_types(features.dtype, torch.float32)
    return mask.to(wide).sum((1, 2, 3)).mul(c).clamp_min(1e-12).view(-1, 1, 1)
