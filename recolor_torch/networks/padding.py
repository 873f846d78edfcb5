"""Any size for networks that reduce by a power of two."""

import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Continue (B, C, H, W) below and to the right by reflection, up to multiples of ``multiple``.

    Where a side is too short for a reflection, its last pixel is repeated.
    """
    bottom, right = -x.shape[-2] % multiple, -x.shape[-1] % multiple
    if not bottom and not right:
        return x
    reflects = bottom < x.shape[-2] and right < x.shape[-1]
    return F.pad(x, (0, right, 0, bottom), mode="reflect" if reflects else "replicate")
