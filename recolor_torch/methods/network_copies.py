"""The answers of a network for several copies of a picture, joined."""

from dataclasses import replace

from torch import Tensor

from recolor_torch.networks import Estimate
from recolor_torch.resize import resize


def mean_of(estimate: Estimate, mirrored: Estimate) -> Estimate:
    """The first, with the mean of the chroma and of the tone of both at its size; the second is of a mirrored copy."""

    def mean(a: Tensor | None, b: Tensor | None) -> Tensor | None:
        return None if a is None or b is None else (a + resize(b.flip(-1), a.shape[-2:])) / 2

    return replace(
        estimate,
        chroma=mean(estimate.chroma, mirrored.chroma),
        vivid=mean(estimate.vivid, mirrored.vivid),
        tone=mean(estimate.tone, mirrored.tone),
    )


def moved(bare: Estimate, before: Estimate, after: Estimate) -> Estimate:
    """``after``, with its chroma and tone as far from those of ``bare`` as they are from those of ``before``."""

    def move(a: Tensor | None, b: Tensor | None, c: Tensor | None) -> Tensor | None:
        return None if a is None or b is None or c is None else a + (c - b)

    return replace(
        after,
        chroma=move(bare.chroma, before.chroma, after.chroma),
        vivid=move(bare.vivid, before.vivid, after.vivid),
        tone=move(bare.tone, before.tone, after.tone),
    )
