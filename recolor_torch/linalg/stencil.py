r"""Sums of weighted differences to the neighbours of a pixel, and their derivatives.

Every operator of the energies is made of one map,

.. math:: (L_w u)_r = \sum_s w_{rs} (u_r - u_s),

with the neighbours s = r + o of a few offsets o. Weights are a tuple of (B, 1, H, W) tensors, one for
each offset, ``weights[k][r]`` belonging to the pair (r, r + offsets[k]). A *symmetric* stencil holds
half of the offsets (``HALF_4``, ``HALF_8``) and counts each pair both ways; another one holds all of
them (``FULL_4``, ``FULL_8``). Weights of pairs that leave the picture are never read.
"""

from typing import Any

import torch
from torch import Tensor

Offset = tuple[int, int]
Weights = tuple[Tensor, ...]

HALF_4: tuple[Offset, ...] = ((0, 1), (1, 0))
HALF_8: tuple[Offset, ...] = (*HALF_4, (1, 1), (1, -1))
FULL_4: tuple[Offset, ...] = (*HALF_4, (0, -1), (-1, 0))
FULL_8: tuple[Offset, ...] = (*HALF_8, (0, -1), (-1, 0), (-1, -1), (-1, 1))

Window = tuple[slice, slice]


def slices(step: int, n: int) -> tuple[slice, slice]:
    """Slices (here, there) of a line of ``n`` such that ``there`` is ``here`` moved by ``step``."""
    if step >= 0:
        return slice(0, max(n - step, 0)), slice(min(step, n), n)
    return slice(min(-step, n), n), slice(0, max(n + step, 0))


def windows(offset: Offset, size: torch.Size) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Index tuples (here, there) of the pixels r and r + ``offset`` for which both lie in the picture."""
    (y0, y1), (x0, x1) = slices(offset[0], size[-2]), slices(offset[1], size[-1])
    return (..., y0, x0), (..., y1, x1)


def differences(u: Tensor, weights: Weights, offsets: tuple[Offset, ...], symmetric: bool) -> Tensor:
    """``L_w u`` for (B, C, H, W), differentiable in ``u`` and in the weights.

    Example:
        >>> u = torch.tensor([[[[1.0, 2.0, 4.0]]]])
        >>> differences(u, (torch.ones(1, 1, 1, 3),), ((0, 1),), symmetric=True)
        tensor([[[[-1., -1.,  2.]]]])
    """
    return _Differences.apply(u, offsets, symmetric, False, *weights)


def differences_transposed(v: Tensor, weights: Weights, offsets: tuple[Offset, ...], symmetric: bool) -> Tensor:
    """The transpose of ``differences`` applied to ``v``, differentiable in ``v`` and in the weights."""
    return _Differences.apply(v, offsets, symmetric, not symmetric, *weights)


def neighbour_sum(weights: Weights, offsets: tuple[Offset, ...], symmetric: bool) -> Tensor:
    """The diagonal of ``L_w``: the sum of the weights of every pixel, (B, 1, H, W)."""
    total = torch.zeros_like(weights[0])
    for weight, offset in zip(weights, offsets):
        here, there = windows(offset, total.shape)
        total[here] += weight[here]
        if symmetric:
            total[there] += weight[here]
    return total


def _apply(u: Tensor, weights: Weights, offsets: tuple[Offset, ...], symmetric: bool, transposed: bool) -> Tensor:
    out = torch.zeros_like(u)
    for weight, offset in zip(weights, offsets):
        here, there = windows(offset, u.shape)
        if transposed:
            flow = weight[here] * u[here]
            out[here] += flow
            out[there] -= flow
        else:
            flow = (u[here] - u[there]).mul_(weight[here])
            out[here] += flow
            if symmetric:
                out[there] -= flow
    return out


class _Differences(torch.autograd.Function):
    """``L_w u`` or its transpose; the derivatives are differences again."""

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, offsets: tuple[Offset, ...], symmetric: bool, transposed: bool, *weights: Tensor
    ) -> Tensor:
        ctx.save_for_backward(u, *weights)
        ctx.settings = (offsets, symmetric, transposed)
        return _apply(u, weights, offsets, symmetric, transposed)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        u, *weights = ctx.saved_tensors
        offsets, symmetric, transposed = ctx.settings
        grad_u = None
        if ctx.needs_input_grad[0]:
            # Through ``apply``, so that it can be differentiated again.
            grad_u = _Differences.apply(grad, offsets, symmetric, not symmetric and not transposed, *weights)
        grads: list[Tensor | None] = []
        # <g, L_w u> is linear in w: sum over pairs of w_rs g_r (u_r - u_s), both ways if symmetric.
        left, right = (u, grad) if transposed else (grad, u)
        for weight, offset, needed in zip(weights, offsets, ctx.needs_input_grad[4:]):
            if not needed:
                grads.append(None)
                continue
            here, there = windows(offset, u.shape)
            moved = left[here] - left[there] if symmetric else left[here]
            full = torch.zeros_like(weight)
            full[here] = _sum_to((moved * (right[here] - right[there])).sum(1, keepdim=True), weight.shape[0])
            grads.append(full)
        return grad_u, None, None, None, *grads


def _sum_to(x: Tensor, batch: int) -> Tensor:
    return x if x.shape[0] == batch else x.sum(0, keepdim=True)
