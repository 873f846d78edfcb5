"""Links: what a person says of a region comes before what the matches say."""

from collections.abc import Sequence

import torch
from torch import Tensor

from recolor_torch.guide import Link
from recolor_torch.methods.correspondence.confidence import EVIDENCE, HALF_ERROR, Blend, Candidates
from recolor_torch.methods.correspondence.search import Places, follow_link

# Expected error of a linked region, in units of U and V: a person chose it.
LINK_ERROR = 0.006


def searched_together(weights: Sequence[float], links: Sequence[Link], each: bool) -> tuple[list[list[int]], int]:
    """Which references are searched together.

    Args:
        weights: of the references.
        links: those with the weight 0 count in their links alone, each searched by itself.
        each: references are searched one by one.

    Returns:
        Groups of places in ``weights``, and how many of the groups color the whole picture.
    """
    named = [i for i, weight in enumerate(weights) if weight > 0]
    groups = [[i] for i in named] if each else [named] if named else []
    return groups + [[i] for i in sorted({k.reference for k in links} - set(named))], len(groups)


def follow_links(
    estimate: Blend, links: Sequence[Link], groups: Sequence[Sequence[int]], places: Sequence[Places], matches: int
) -> Blend:
    """An estimate that follows links where they lead; a later one comes before an earlier one.

    Args:
        estimate: what is believed without links.
        links: what a person said.
        groups: from :func:`searched_together`.
        places: of each group.
        matches: how many matches are averaged.
    """
    chroma, error, shares, slope = estimate.chroma, estimate.error, estimate.shares, estimate.slope
    detail = estimate.detail
    certain = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=shares.dtype, device=shares.device)
    for link in links:
        place, group = next((p, g) for p, g in zip(places, groups) if link.reference in g)
        found, changes, inside = follow_link(place, group.index(link.reference), link, matches)
        chroma = torch.where(inside > 0, found, chroma)
        slope = torch.where(inside > 0, changes, slope)
        detail = torch.where(inside.unsqueeze(3) > 0, changes.unsqueeze(2) * place.beyond, detail)
        shares = torch.where(inside > 0, certain, shares)
        error = torch.where(inside[..., 0] > 0, LINK_ERROR, error)
    return Blend(chroma, error, shares, slope, detail)


def nothing_known(places: Places) -> tuple[Candidates, Blend]:
    """Where no reference colors the whole picture: all is left for another source."""
    batch, count = places.near_target.shape[:2]
    zero: Tensor = places.chroma.new_zeros(batch, count, 4)
    zero[..., 3] = 1
    none = zero.new_zeros(batch, count, 2)
    flat = torch.zeros_like(places.beyond).expand(-1, -1, -1, 2)
    candidates = Candidates(zero.new_zeros(batch, count, 3, 2), zero.new_zeros(batch, count, EVIDENCE), none, flat)
    return candidates, Blend(none, torch.full_like(zero[..., 0], HALF_ERROR), zero, none, flat)
