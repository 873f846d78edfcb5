"""What references say of each location of a gray picture: features, search, and evidence."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_batch, check_image, check_mask
from recolor_torch.features import VGG19
from recolor_torch.guide import Link, Reference
from recolor_torch.methods.correspondence.confidence import (
    Candidates,
    gather_evidence,
    mean_of_matches,
    regress_chroma,
    slope_of,
    within_locations,
)
from recolor_torch.methods.correspondence.detail import PARTS, beyond_locations, detail_of_matches, split_parts
from recolor_torch.methods.correspondence.features import (
    STRIDE,
    feature_blocks,
    handed_over,
    make_descriptors,
    searched_picture,
    semantic_blocks,
)
from recolor_torch.methods.correspondence.match import find_matches, with_penalty
from recolor_torch.methods.histogram_chroma import fit_chroma_table
from recolor_torch.networks import ColorUNet

# What a difference of luminance of one standard deviation, and of one picture height, costs of the score.
LUMINANCE_PENALTY = 0.04
HEIGHT_PENALTY = 0.1
# Least standard deviation of luminance: a flat picture has none.
LEAST_CONTRAST = 0.01


@dataclass(frozen=True)
class Networks:
    """The networks whose features are searched.

    Args:
        texture: VGG-19 that gives ``LAYERS``.
        meaning: the colorization network.
    """

    texture: VGG19
    meaning: ColorUNet

    def blocks(self, luminance: Tensor) -> list[Tensor]:
        """Features of a gray picture, (B, 1, H, W), in the order of ``BLOCK_WEIGHTS``."""
        return feature_blocks(self.texture, luminance) + semantic_blocks(self.meaning, luminance)


@dataclass(frozen=True)
class Places:
    """Locations of a gray picture and of its references, as they are searched: N = h w, and M of all references.

    Args:
        size: (h, w).
        luminance: of the picture at the size at which it is searched, (B, 1, H, W).
        gray: the same at the locations, (B, 1, h, w).
        beyond: what the parts of a location have more luminance than it, (B, N, P, 1), see ``detail.py``.
        target, reference: descriptors, (B, N, D) and (B, M, D).
        near_target, near_reference: the same with what differences of luminance and height cost.
        chroma: of the references' locations, (B, M, 2).
        within: how their pixels differ, (B, M, 3), see ``within_locations``.
        counted: weight of each, (B, M).
        pictures: the references at their working sizes, in their order along M.
    """

    size: tuple[int, int]
    luminance: Tensor
    gray: Tensor
    beyond: Tensor
    target: Tensor
    reference: Tensor
    near_target: Tensor
    near_reference: Tensor
    chroma: Tensor
    within: Tensor
    counted: Tensor
    pictures: tuple[Reference, ...]


def describe_places(
    networks: Networks,
    luminance: Tensor,
    references: tuple[Reference, ...],
    *,
    side: int = 368,
    mirrors: bool = False,
) -> Places:
    """Locations of a gray picture and of references that are searched together.

    Both are searched at a working size, whatever size they have, so that time and memory are bounded.

    Args:
        networks: what the features come from.
        luminance: (B, 1, H, W) in [0, 1].
        references: YUV pictures; among those of unlike weight the larger is preferred where the scores are near.
        side: longer side at which pictures are searched.
        mirrors: search the mirror image of each reference too.
    """
    check_image(luminance, "luminance", channels=1)
    batch = luminance.shape[0]
    target = searched_picture(luminance.float(), side).clamp(0, 1)
    pictures = [_prepared(r, side, luminance) for r in references]
    if mirrors:
        pictures += [
            replace(r, image=r.image.flip(3), mask=None if r.mask is None else r.mask.flip(3)) for r in pictures
        ]
    blocks = networks.blocks(target)
    size = (blocks[0].shape[2], blocks[0].shape[3])
    others = [handed_over(networks.blocks(r.image[:, :1].clamp(0, 1))) for r in pictures]
    a, b = make_descriptors(handed_over(blocks), others)
    pooled = [F.avg_pool2d(r.image, STRIDE) for r in pictures]
    places, within = (
        torch.cat([x.flatten(2).expand(batch, -1, -1) for x in parts], 2)
        for parts in (pooled, [within_locations(r.image, STRIDE) for r in pictures])
    )
    most = max(r.weight for r in pictures) or 1.0
    counted = torch.cat([_counted(r, x).expand(batch, -1) * (r.weight / most) for r, x in zip(pictures, pooled)], 1)
    gray = F.avg_pool2d(target, STRIDE)
    ya, yb = gray.flatten(1), places[:, 0]
    contrast = torch.cat((ya, yb), 1).std(1, keepdim=True) + LEAST_CONTRAST
    height_a = _height(gray).expand(batch, -1)
    height_b = torch.cat([_height(x) for x in pooled], 1).expand(batch, -1)
    near_a, near_b = with_penalty(a, b, ya / contrast, yb / contrast, LUMINANCE_PENALTY)
    near_a, near_b = with_penalty(near_a, near_b, height_a, height_b, HEIGHT_PENALTY)
    chroma = places[:, 1:].mT
    parts = split_parts(F.avg_pool2d(target, STRIDE // PARTS), size)
    beyond = beyond_locations(parts, ya.unsqueeze(2), size)
    return Places(size, target, gray, beyond, a, b, near_a, near_b, chroma, within.mT, counted, tuple(pictures))


def find_candidates(places: Places, matches: int = 16) -> Candidates:
    """What the references say of the chroma of each location of a gray picture.

    Args:
        places: from :func:`describe_places`.
        matches: how many matches are averaged.
    """
    found = find_matches(places.near_target, places.near_reference, matches, places.counted)
    mean, variance = mean_of_matches(found, torch.cat((places.chroma, places.within), 2))
    matched, variance = mean[..., :2], variance[..., :2].sum(2)
    regressed = regress_chroma(places.target, places.reference, places.chroma, places.counted)
    plain = tuple(replace(r, image=r.image.detach()) for r in places.pictures)  # counting has no gradient
    table = fit_chroma_table(plain).apply(places.gray).flatten(2).transpose(1, 2)
    evidence = gather_evidence(found, variance, (matched, regressed), places.size)
    parts = detail_of_matches(places.luminance, places.pictures, found)
    detail = beyond_locations(parts, matched, places.size)
    return Candidates(torch.stack((matched, regressed, table), 2), evidence, slope_of(mean[..., 2:]), detail)


def follow_link(places: Places, picture: int, link: Link, matches: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    """What a link says: matches among the locations of one region alone.

    Args:
        places: from :func:`describe_places`.
        picture: the place of the link's reference in ``places.pictures``.
        link: the regions; their masks lie on the pictures at any size.
        matches: how many matches are averaged.

    Returns:
        Chroma, (B, N, 2), how it changes with luminance within a location, (B, N, 2), and where both count, (B, N, 1),
        1 in the target's region.
    """
    batch, count = places.near_target.shape[:2]
    sizes = [(r.image.shape[2] // STRIDE, r.image.shape[3] // STRIDE) for r in places.pictures]
    start = sum(h * w for h, w in sizes[:picture])
    inside = region_locations(link.target, places.size).expand(batch, -1)
    source = region_locations(link.region, sizes[picture]).expand(batch, -1)
    numbers = torch.cat((places.chroma, places.within), 2)
    found = numbers.new_zeros(batch, count, 5)
    for b in range(batch):
        rows, columns = inside[b].nonzero()[:, 0], start + source[b].nonzero()[:, 0]
        if not len(rows):
            continue
        near = places.near_target[b : b + 1, rows], places.near_reference[b : b + 1, columns]
        mean, _ = mean_of_matches(find_matches(*near, matches), numbers[b : b + 1, columns])
        found[b] = found[b].index_copy(0, rows, mean[0])
    return found[..., :2], slope_of(found[..., 2:]), inside.unsqueeze(2).to(found)


def region_locations(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Locations that lie in a region by half, or the one that does most, (B, h w) bool; none of an empty mask."""
    share = F.adaptive_avg_pool2d((mask > 0.5).float(), size).flatten(1)
    most = share.amax(1, keepdim=True)
    return (share >= most.clamp(max=0.5)) & (share > 0)


def _prepared(reference: Reference, side: int, like: Tensor) -> Reference:
    check_image(reference.image, "reference", channels=3)
    check_batch(reference.image, "reference", like)
    image = searched_picture(reference.image.float(), side)
    mask = reference.mask
    if mask is not None:
        check_mask(mask, "reference mask", reference.image, "its reference")
        mask = F.adaptive_avg_pool2d((mask > 0.5).float(), (image.shape[2], image.shape[3]))
    return replace(reference, image=image, mask=mask)


def _counted(reference: Reference, pooled: Tensor) -> Tensor:
    """1 where a location may be found: all of its pixels count."""
    if reference.mask is None:
        return torch.ones_like(pooled[:, 0]).flatten(1)
    return (F.avg_pool2d(reference.mask, STRIDE) > 0.99).float().flatten(1)


def _height(x: Tensor) -> Tensor:
    h, w = x.shape[-2:]
    return ((torch.arange(h, device=x.device, dtype=x.dtype) + 0.5) / h).repeat_interleave(w)[None]
