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


def moved(after: Estimate, before: Estimate, bare: Estimate, share: Tensor) -> Estimate:
    """``after``, its chroma and tone moved by a share, (B or 1, 1, 1, 1), of the way from ``before`` to ``bare``.

    Its features are those of ``before``, which know no hints; 0 where the share is, as if nobody had looked.
    """
    features = None if before.features is None else before.features * (share > 0)

    def move(a: Tensor | None, b: Tensor | None, c: Tensor | None) -> Tensor | None:
        return None if a is None or b is None or c is None else a + share * (c - b)

    return replace(
        after,
        chroma=move(after.chroma, before.chroma, bare.chroma),
        vivid=move(after.vivid, before.vivid, bare.vivid),
        tone=move(after.tone, before.tone, bare.tone),
        features=features,
    )
