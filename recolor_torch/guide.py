"""What a method may be told about the colours that are wanted."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Reference:
    """A picture whose colours are wanted.

    Args:
        image: (B or 1, 3, H', W'), any size, in the space of the method that reads it.
        mask: pixels that count, (B or 1, 1, H', W') with 1 where a pixel counts; all count without it.
        weight: share of this reference among several; only ratios matter.
    """

    image: Tensor
    mask: Tensor | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Guide:
    """Everything a method may be told about the colours that are wanted.

    Args:
        references: pictures whose colours are wanted.
        target_mask: pixels of the target that count and that are recoloured, (B or 1, 1, H, W).
        hints: given colours, (B or 1, 3, H, W); read where ``hint_mask`` is 1.
        hint_mask: (B or 1, 1, H, W), 1 where a colour is given.
        prior: a soft estimate of the chroma, (B or 1, 2, H, W).
        confidence: trust in the prior, (B or 1, 1, H, W), 0 or more.
    """

    references: tuple[Reference, ...] = ()
    target_mask: Tensor | None = None
    hints: Tensor | None = None
    hint_mask: Tensor | None = None
    prior: Tensor | None = None
    confidence: Tensor | None = None

    def __post_init__(self) -> None:
        for r in self.references:
            if not isinstance(r, Reference):
                raise TypeError(f"references must hold Reference(image) objects, got {type(r).__name__}.")

    def select(self, index: int) -> "Guide":
        """What the guide tells of one picture of a batch."""

        def one(x: Tensor) -> Tensor:
            return x if x.shape[0] == 1 else x[index : index + 1]

        def own(x: Tensor | None) -> Tensor | None:
            return None if x is None else one(x)

        references = tuple(replace(r, image=one(r.image), mask=own(r.mask)) for r in self.references)
        tensors = ("target_mask", "hints", "hint_mask", "prior", "confidence")
        return Guide(references, **{name: own(getattr(self, name)) for name in tensors})

    def to(self, like: Tensor) -> "Guide":
        """The same guide with its tensors on the device and in the dtype of ``like``."""

        def move(x: Tensor | None) -> Tensor | None:
            return None if x is None else x.to(like)

        references = tuple(replace(r, image=r.image.to(like), mask=move(r.mask)) for r in self.references)
        tensors = ("target_mask", "hints", "hint_mask", "prior", "confidence")
        return Guide(references, **{name: move(getattr(self, name)) for name in tensors})


def total_weight(references: tuple[Reference, ...]) -> float:
    """Sum of the weights; raises ``ValueError`` where it is not positive or a weight is negative."""
    weights = [r.weight for r in references]
    if min(weights) < 0 or sum(weights) <= 0 or not all(torch.isfinite(torch.tensor(weights))):
        raise ValueError(f"Reference weights must be 0 or more and not all 0, got {weights}.")
    return float(sum(weights))
