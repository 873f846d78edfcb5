"""What a colorization network answers."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Estimate:
    """The answer of a network; what it does not give is ``None``.

    Args:
        logits: of the distribution over the 313 ab bins, (B, 313, H / 4, W / 4).
        chroma: the mean U and V, the guess of the least error, (B, 2, H, W).
        vivid: U and V as colorful as photographs are, (B, 2, H, W).
    """

    logits: Tensor | None
    chroma: Tensor | None
    vivid: Tensor | None = None


# So that torch.export, torch.func and the like look inside.
torch.export.register_dataclass(Estimate, serialized_type_name="recolor_torch.Estimate")
