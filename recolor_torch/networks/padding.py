"""Any size for networks that reduce by a power of two."""

import torch
from torch import Tensor


def pad_to_multiple(x: Tensor, multiple: int, least: int = 1) -> Tensor:
    """Continue (B, C, H, W) below and to the right by reflection, up to multiples of ``multiple``.

    A picture that is too short for one reflection is reflected again and again: rows 0 1 2 go on as 1 0 1 2 1 ...

    Args:
        x: (B, C, H, W).
        multiple: of which the new sides are multiples.
        least: how many times ``multiple`` they are at least.
    """
    if all(side % multiple == 0 and side >= least * multiple for side in x.shape[-2:]):
        return x
    return reflect_to_multiple(x, multiple, least)


def reflect_to_multiple(x: Tensor, multiple: int, least: int = 1) -> Tensor:
    """``pad_to_multiple`` without a decision that depends on the size, so that ``torch.export`` can trace it."""
    for dim in (-2, -1):
        side = x.shape[dim]
        times = torch.sym_max((side + multiple - 1) // multiple, least)
        places = torch.arange(times * multiple, device=x.device)
        last = torch.full((), side - 1, device=x.device)
        places = places % (2 * last).clamp(min=1)
        x = x.index_select(dim, torch.minimum(places, 2 * last - places))
    return x
