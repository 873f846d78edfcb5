"""What a method may be told about the colors that are wanted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree


@dataclass(frozen=True)
class Reference:
    """A picture whose colors are wanted.

    Args:
        image: (B or 1, 3, H', W'), any size, in the space of the method that reads it.
        mask: pixels that count, (B or 1, 1, H', W') with 1 where a pixel counts; all count without it.
        weight: share of this reference among several; only ratios matter.
        found: a search found it, as in a gallery, and no person chose it: it has to earn being believed.
    """

    image: Tensor
    mask: Tensor | None = None
    weight: float = 1.0
    found: bool = False


@dataclass(frozen=True)
class Link:
    """A region of the target that takes its colors from a region of a reference, whatever else fits it.

    Args:
        reference: the place of the reference in ``Guide.references``; its weight may be 0.
        target: (B or 1, 1, H, W), 1 in the region.
        region: (B or 1, 1, H', W'), 1 in the region, of the reference's size.
    """

    reference: int
    target: Tensor
    region: Tensor


@dataclass(frozen=True)
class Guide:
    """Everything a method may be told about the colors that are wanted.

    Args:
        references: pictures whose colors are wanted.
        target_mask: pixels of the target that count and that are recolored, (B or 1, 1, H, W).
        hints: given colors, (B or 1, 3, H, W); read where ``hint_mask`` is 1.
        hint_mask: (B or 1, 1, H, W), 1 where a color is given.
        prior: a soft estimate of the chroma, (B or 1, 2, H, W).
        confidence: trust in the prior, (B or 1, 1, H, W), 0 or more.
        links: regions that take their colors from a region of a reference; a later one comes before an earlier one.
        text: colors for things, as "red dress, green lawn"; for every picture of the batch.
    """

    references: tuple[Reference, ...] = ()
    target_mask: Tensor | None = None
    hints: Tensor | None = None
    hint_mask: Tensor | None = None
    prior: Tensor | None = None
    confidence: Tensor | None = None
    links: tuple[Link, ...] = ()
    text: str | None = None

    def __post_init__(self) -> None:
        for r in self.references:
            if not isinstance(r, Reference):
                raise TypeError(f"references must hold Reference(image) objects, got {type(r).__name__}.")
        for k in self.links:
            if not isinstance(k, Link):
                raise TypeError(f"links must hold Link(reference, target, region) objects, got {type(k).__name__}.")
            if not 0 <= k.reference < len(self.references):
                raise ValueError(f"A link names reference {k.reference}, and there are {len(self.references)}.")

    def select(self, index: int) -> "Guide":
        """What the guide tells of one picture of a batch."""

        def one(x: Tensor) -> Tensor:
            return x if x.shape[0] == 1 else x[index : index + 1]

        def own(x: Tensor | None) -> Tensor | None:
            return None if x is None else one(x)

        references = tuple(replace(r, image=one(r.image), mask=own(r.mask)) for r in self.references)
        links = tuple(replace(k, target=one(k.target), region=one(k.region)) for k in self.links)
        return Guide(references, **{name: own(getattr(self, name)) for name in _TENSORS}, links=links, text=self.text)

    def to(self, like: Tensor) -> "Guide":
        """The same guide with its tensors on the device and in the dtype of ``like``."""

        def move(x: Tensor | None) -> Tensor | None:
            return None if x is None else x.to(like)

        references = tuple(replace(r, image=r.image.to(like), mask=move(r.mask)) for r in self.references)
        links = tuple(replace(k, target=k.target.to(like), region=k.region.to(like)) for k in self.links)
        return Guide(references, **{name: move(getattr(self, name)) for name in _TENSORS}, links=links, text=self.text)


def make_guide(
    guide: Guide | None = None,
    reference: "Tensor | Reference | Sequence[Tensor | Reference] | None" = None,
    hints: tuple[Tensor, Tensor] | None = None,
    text: str | None = None,
) -> Guide:
    """A guide from what a person has at hand; tensors may be (C, H, W) or (B, C, H, W).

    Args:
        guide: what is known already; the rest is added to it.
        reference: a picture whose colors are wanted, or several.
        hints: colors and their mask, 1 where a color is given.
        text: colors for things.

    Example:
        >>> import torch
        >>> make_guide(reference=torch.rand(3, 8, 9)).references[0].image.shape
        torch.Size([1, 3, 8, 9])
    """
    given = Guide() if guide is None else guide
    several = (reference,) if isinstance(reference, Tensor | Reference) else tuple(reference or ())
    new = tuple(r if isinstance(r, Reference) else Reference(r) for r in several)
    references = tuple(
        replace(r, image=batched(r.image), mask=None if r.mask is None else batched(r.mask))
        for r in given.references + new
    )
    tensors = {name: getattr(given, name) for name in _TENSORS}
    if hints is not None:
        tensors["hints"], tensors["hint_mask"] = hints
    links = tuple(replace(k, target=batched(k.target), region=batched(k.region)) for k in given.links)
    tensors = {name: None if x is None else batched(x) for name, x in tensors.items()}
    return Guide(references, **tensors, links=links, text=given.text if text is None else text)


def batched(x: Tensor) -> Tensor:
    """(C, H, W) as (1, C, H, W); other tensors as they are."""
    return x[None] if x.ndim == 3 else x


def total_weight(references: tuple[Reference, ...]) -> float:
    """Sum of the weights; raises ``ValueError`` where it is not positive or a weight is negative."""
    weights = [r.weight for r in references]
    if min(weights) < 0 or sum(weights) <= 0 or not all(map(math.isfinite, weights)):
        raise ValueError(f"Reference weights must be 0 or more and not all 0, got {weights}.")
    return float(sum(weights))


def _flatten_reference(reference: Reference) -> tuple[list[Any], tuple[float, bool]]:
    return [reference.image, reference.mask], (reference.weight, reference.found)


def _unflatten_reference(parts: Any, rest: tuple[float, bool]) -> Reference:
    image, mask = parts
    return Reference(image, mask, *rest)


def _flatten_link(link: Link) -> tuple[list[Any], int]:
    return [link.target, link.region], link.reference


def _unflatten_link(parts: Any, reference: int) -> Link:
    return Link(reference, *parts)


def _flatten_guide(guide: Guide) -> tuple[list[Any], str | None]:
    return [getattr(guide, name) for name in _PARTS], guide.text


def _unflatten_guide(parts: Any, text: str | None) -> Guide:
    return Guide(**dict(zip(_PARTS, parts)), text=text)


_TENSORS = ("target_mask", "hints", "hint_mask", "prior", "confidence")
_PARTS = ("references", *_TENSORS, "links")
# So that vmap, func and compile take guides apart as they do lists.
pytree.register_pytree_node(Reference, _flatten_reference, _unflatten_reference)
pytree.register_pytree_node(Link, _flatten_link, _unflatten_link)
pytree.register_pytree_node(Guide, _flatten_guide, _unflatten_guide)
