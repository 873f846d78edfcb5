"""Chroma finer than a location: of the surroundings of its matches those parts count that look like its own."""

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.guide import Reference
from recolor_torch.methods.correspondence.features import STRIDE
from recolor_torch.methods.correspondence.match import CHUNK, FORBIDDEN, Matches

# Parts of a location in each direction: its pixels. With 2 the tune half has 3.92 in place of 3.88 (and 4.06 without).
PARTS = 4
# Parts around a matched location that are looked at too, in each direction: a match is as exact as a location is large.
# 2 is no better.
RING = 1
# The best matches of a location that are looked at; 2 are 0.01 worse on the tune half, 16 no better.
MOST_MATCHES = 4
# Softness of the mean, in units of the score: a quarter of that of locations, whose mean is too smooth for small ones.
# With 2 parts, the tune half has 3.98 with 0.04, 3.94 with 0.02, 3.93 with 0.01.
TEMPERATURE = 0.01
# Side of the patches of luminance that are compared, in parts.
PATCH = 3
# Patches are compared less this share of the mean luminance of a window of so many parts: exposures differ.
LOCAL_MEAN, WINDOW = 0.9, 27
# Root mean square difference of two patches at which a part counts 1 / sqrt(e) of one that is equal. The tune half has
# 3.90 with 0.035, 3.88 with 0.025 and 3.88 with this.
LIKE_PATCH = 0.018
# What lies elsewhere within its location loses this much of the logarithm of its weight, for each part squared.
SHIFT_PENALTY = 0.25


def detail_of_matches(luminance: Tensor, pictures: tuple[Reference, ...], matches: Matches) -> Tensor:
    r"""Chroma of the parts of each location: (B, N, PARTS^2, 2), rows first.

    A part takes the mean over the parts of the matched locations and a ring around them, with the weights

    .. math::
        \exp\Bigl(\frac{s}{T} - \frac{|p - q|^2}{2 \sigma^2} - \lambda\,|\delta|^2\Bigr)

    where s is the score of the match, p and q are the patches of luminance around both parts (mean square), and
    :math:`\delta` is how far the two lie apart, each in its location. About ``CHUNK`` numbers are held at a time. The
    chroma has a gradient, the weights have none.

    Args:
        luminance: of the target at the size at which it is searched, (B, 1, H, W).
        pictures: the references at their working sizes, in the order in which their locations were searched.
        matches: of the locations.
    """
    size = luminance.shape[-2] // STRIDE, luminance.shape[-1] // STRIDE
    with torch.no_grad():
        own = split_parts(_patches(F.avg_pool2d(luminance, STRIDE // PARTS)), size)
    tables, starts, strides, offset = [], [], [], 0
    for picture in pictures:
        one, begins, row = _table(picture)
        tables.append(one.expand(len(own), -1, -1))
        starts.append(begins + offset)
        strides.append(torch.full_like(begins, row))
        offset += one.shape[1]
    table, start, stride = torch.cat(tables, 1), torch.cat(starts), torch.cat(strides)
    reach = torch.arange(PARTS + 2 * RING, device=start.device)
    most = min(MOST_MATCHES, matches.index.shape[2])
    rows = max(1, CHUNK // (most * len(reach) ** 2 * table.shape[2]))
    found = []
    for b in range(len(own)):
        done = []
        parts = (x.split(rows) for x in (own[b], matches.index[b, :, :most], matches.score[b, :, :most]))
        for mine, index, score in zip(*parts):
            corner = start[index][..., None, None] + reach[:, None] * stride[index][..., None, None] + reach
            theirs = table[b, corner.flatten(1)]
            weight = _weight(mine, theirs[..., :-2].detach(), score.detach())
            done.append(weight @ theirs[..., -2:])
        found.append(torch.cat(done))
    return torch.stack(found)


def _weight(mine: Tensor, theirs: Tensor, score: Tensor) -> Tensor:
    """How much each part around the matches counts for each part of a location: (n, PARTS^2, matches * places)."""
    patches, counted = theirs[..., :-1], theirs[..., -1]
    likeness = mine @ patches.mT - patches.square().sum(2)[:, None] / 2
    odds = likeness / LIKE_PATCH**2 + counted[:, None]
    odds = odds.unflatten(2, (score.shape[1], -1)) + (score / TEMPERATURE)[:, None, :, None]
    at = torch.arange(PARTS, device=mine.device)
    shift = torch.arange(-RING, PARTS + RING, device=mine.device) - at[:, None]
    cost = SHIFT_PENALTY * shift.square().to(mine)
    cost = (cost[:, None, :, None] + cost[None, :, None, :]).flatten(2).flatten(0, 1)
    return (odds - cost[:, None]).flatten(2).softmax(2)


def _patches(luminance: Tensor) -> Tensor:
    """The patch around each part, scaled so that sums of squares are means: (B, PATCH^2, H, W)."""
    mean = F.avg_pool2d(luminance, WINDOW, 1, WINDOW // 2, count_include_pad=False)
    padded = F.pad(luminance - LOCAL_MEAN * mean, [PATCH // 2] * 4, mode="replicate")
    return F.unfold(padded, PATCH).unflatten(2, luminance.shape[-2:]) / PATCH


def _table(picture: Reference) -> tuple[Tensor, Tensor, int]:
    """Patch, logarithm of the weight and chroma of each part, with a ring around all, (B, P, PATCH^2 + 3).

    Also where the ring of each location begins in it, (M,), and how many parts a row has.
    """
    image = F.avg_pool2d(picture.image, STRIDE // PARTS)
    counted = torch.zeros_like(image[:, :1])
    if picture.mask is not None:
        whole = F.avg_pool2d(picture.mask, STRIDE // PARTS) > 0.99
        counted = torch.where(whole, counted, -FORBIDDEN)
    table = torch.cat((_patches(image[:, :1].clamp(0, 1)), counted, image[:, 1:]), 1)
    table = F.pad(table, [RING] * 4, mode="replicate")
    stride = table.shape[3]
    down, across = (torch.arange(0, n, PARTS, device=image.device) for n in image.shape[-2:])
    return table.flatten(2).mT, (stride * down[:, None] + across).flatten(), stride


def split_parts(grid: Tensor, size: tuple[int, int]) -> Tensor:
    """A grid of parts, (B, C, PARTS h, PARTS w), by locations: (B, h w, PARTS^2, C).

    Args:
        grid: any numbers of the parts.
        size: (h, w).
    """
    h, w = size
    return grid.unflatten(3, (w, PARTS)).unflatten(2, (h, PARTS)).permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(1, 2)


def join_parts(parts: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of ``split_parts``."""
    whole = parts.unflatten(2, (PARTS, PARTS)).unflatten(1, size)
    return whole.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


def beyond_locations(parts: Tensor, chroma: Tensor, size: tuple[int, int]) -> Tensor:
    """What parts have more than what their locations and those around give them by linear interpolation.

    Args:
        parts: (B, N, PARTS^2, C).
        chroma: of the locations, (B, N, C).
        size: (h, w).
    """
    grid = chroma.mT.unflatten(2, size)
    given = F.interpolate(grid, scale_factor=PARTS, mode="bilinear", align_corners=False)
    return parts - split_parts(given, size)
