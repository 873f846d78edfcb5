"""The best matches of every location of a target among those of its references: exact search in bounded memory."""

from dataclasses import dataclass

import torch
from torch import Tensor

from recolor_torch.checks import check_float

# Scores held at a time: 16 MiB in float32, which is as fast as more.
CHUNK = 1 << 22
# Scores are reduced to the maxima of groups of this many before the best are selected.
GROUP = 16
# What a place is charged when another has e times its share, and at most: such a place is not found.
PREFERENCE = 0.04
FORBIDDEN = 1e4


@dataclass(frozen=True)
class Matches:
    """What a search found.

    Args:
        score: (B, N, k), falling; 1 is equality.
        index: (B, N, k), places in the reference.
        back: (B, M), the best place in the target for each place in the reference.
    """

    score: Tensor
    index: Tensor
    back: Tensor


def with_penalty(target: Tensor, reference: Tensor, a: Tensor, b: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    r"""Descriptors whose inner products are those of the given ones less ``strength`` :math:`(a - b)^2`.

    The square is expanded, so that a penalty costs two numbers a location and no second pass.

    Args:
        target: (B, N, D).
        reference: (B, M, D).
        a: a number for each location of the target, (B, N).
        b: one for each of the reference, (B, M).
        strength: what a difference of 1 costs.
    """
    one_a, one_b = torch.ones_like(a), torch.ones_like(b)
    extra_a = torch.stack((2 * strength * a, one_a, -strength * a.square()), 2)
    extra_b = torch.stack((b, -strength * b.square(), one_b), 2)
    return torch.cat((target, extra_a), 2), torch.cat((reference, extra_b), 2)


def find_matches(target: Tensor, reference: Tensor, k: int = 8, share: Tensor | None = None) -> Matches:
    """The ``k`` places of the reference with the largest inner product, for each place of the target.

    The search is exact. It holds ``CHUNK`` scores at a time, whatever the size. Gradients reach the scores,
    not the choice.

    Args:
        target: descriptors (B, N, D).
        reference: descriptors (B, M, D).
        k: how many; M where there are fewer.
        share: of each place of the reference, (B, M), 0 to 1: at near scores the larger share is found, 0 is
            never found.

    Raises:
        TypeError: an argument is not a floating point tensor.
        ValueError: a shape is wrong.

    Example:
        >>> x = torch.eye(3)[None]
        >>> found = find_matches(x, x.flip(1), k=1)
        >>> found.index.flatten(), found.back.flatten()
        (tensor([2, 1, 0]), tensor([2, 1, 0]))
    """
    for x, name in ((target, "target"), (reference, "reference")):
        check_float(x, name)
        if x.ndim != 3 or x.shape[::2] != target.shape[::2]:
            raise ValueError(
                f"{name} must have shape ({target.shape[0]}, N, {target.shape[-1]}), got {tuple(x.shape)}."
            )
    if share is not None:
        charge = (PREFERENCE * share.to(reference).log()).clamp(min=-FORBIDDEN).unsqueeze(2)
        charge = torch.where(share.unsqueeze(2) > 0, charge, -FORBIDDEN)
        reference = torch.cat((reference, charge), 2)
        target = torch.cat((target, torch.ones_like(target[..., :1])), 2)
    k = min(k, reference.shape[1])
    with torch.no_grad():
        found = [_search(t, r, k) for t, r in zip(target.detach(), reference.detach())]
    score, index, back = (torch.stack(parts) for parts in zip(*found))
    if torch.is_grad_enabled() and (target.requires_grad or reference.requires_grad):
        near = torch.stack([r[i] for r, i in zip(reference, index)])
        score = (target.unsqueeze(2) * near).sum(3)
    return Matches(score, index, back)


def _search(target: Tensor, reference: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    places, count = reference.shape[0], target.shape[0]
    # Copies of the last place fill the last group. They are no places to be found.
    padded, whole = _fill_group(reference).T.contiguous(), _fill_group(target)
    width = padded.shape[1]
    rows = GROUP * max(1, CHUNK // (width * GROUP))
    scores, indices, tops = [], [], []
    # One piece of memory for all: what is kept of each would else lie where the next has no room any more.
    held = whole.new_empty(min(rows, whole.shape[0]), width)
    for start in range(0, whole.shape[0], rows):
        part = whole[start : start + rows]
        s = torch.mm(part, padded, out=held[: len(part)])
        tops.append(s.view(-1, GROUP, width).amax(1))
        s[:, places:] = -torch.inf
        value, index = _largest(s, k)
        scores.append(value)
        indices.append(index)
    best = torch.cat(tops)[:, :places].argmax(0)
    near = whole.view(-1, GROUP, whole.shape[1])
    step = max(1, CHUNK // (GROUP * whole.shape[1]))
    back = [
        torch.einsum("mgd,md->mg", near[best[start : start + step]], reference[start : start + step]).argmax(1)
        for start in range(0, places, step)
    ]
    back_place = (best * GROUP + torch.cat(back)).clamp(max=count - 1)
    return torch.cat(scores)[:count], torch.cat(indices)[:count], back_place


def _fill_group(x: Tensor) -> Tensor:
    missing = -x.shape[0] % GROUP
    return torch.cat((x, x[-1:].expand(missing, -1))) if missing else x


def _largest(s: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """``s.topk(k)``, faster: the k largest lie in the k groups with the largest maxima."""
    # Group j holds places j, j + groups, ...: the maxima are taken over contiguous rows.
    n, width = s.shape
    groups = width // GROUP
    s = s.view(n, GROUP, groups)
    near = s.amax(1).topk(min(k, groups), 1).indices
    few = s.gather(2, near.unsqueeze(1).expand(-1, GROUP, -1))
    value, at = few.flatten(1).topk(k, 1)
    row, column = at // few.shape[2], at % few.shape[2]
    return value, row * groups + near.gather(1, column)
