"""What a colorization network answers."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Estimate:
    """The answer of a network; one of the two may be missing.

    Args:
        logits: of the distribution over the 313 ab bins, (B, 313, H / 4, W / 4).
        chroma: a single best guess of U and V, (B, 2, H, W).
    """

    logits: Tensor | None
    chroma: Tensor | None
