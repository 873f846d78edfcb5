r"""What an estimate lacks at hints, spread to all places that are like theirs: kriging, or Gaussian process regression.

What the network gets wrong at one place it gets wrong, in part, wherever it sees the same: the rest of a garment, the
other petals, a cast over the scene. How much of it is the covariance of its errors at two places, and the best linear
estimate from the errors r at the hints is :math:`k(x, H)\,(k(H, H) + n I)^{-1} r`. See ``covariance`` for k.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from recolor_torch.checks import check_image, check_mask, check_same_size
from recolor_torch.resize import resize

# Sites on the longer side of the grid that is computed on, and so many with a hint at most: else it has half the side.
GRID = 64
MOST_SITES = 1024
# n: what is seen at a hint and nowhere else, over the variance of the errors. True points have the same errors from 0.5
# to 2; what is left spreads along like luminance, so that a stroke colors its region. With 0.08 dense strokes of
# different colors swing beside each other: a cyan glow beside red strokes.
NUGGET = 1.0
# Share of the squared covariance. By kriging alone with a nugget of 0.08, of 20 held-out training pictures with 1, 5,
# 20 and 100 true points 0, 0.5 and 1 have 25.87, 27.24, 28.87, 31.09 dB; 25.84, 27.20, 28.86, 31.15; 25.80, 27.09,
# 28.77, 31.13 (25.61, 26.88, 28.66, 30.87 with what the estimate lacks spread along like luminance alone). Of 24
# garments with three points of another color the change far outside is 16, 13 and 8 % of that inside (11 % along like
# luminance).
SHARPNESS = 0.5
# Of nearness kernels: distance, in shares of the longer side, and difference of luminance at which likeness has faded.
_NEAR = ((0.05, None), (0.15, 0.15), (0.4, 0.15))
# So many of them hold in one picture alone: in other frames of a film things have moved.
_LOCAL = 2
# Most places that other pictures learn from, of one picture.
MOST_ELSEWHERE = 256
# Shares of the kernels in their sum, in the order of ``kernels``. They round what a least-squares fit with more kernels
# gave to products of errors at two places, without points, with 1 and with 5, in 201 held-out training pictures;
# scripts/training/fit_kriging.py fits these kernels alone.
SHARES = (0.10, 0.25, 0.15, 0.17, 0.11, 0.12, 0.10)


class Sites(NamedTuple):
    """Some places of a picture.

    Args:
        place: (N, 2), in shares of the longer side.
        luminance: (N, 1), [0, 1].
        features: (N, C) of length 1, or None.
        apart: the same of the features less their mean in the picture.
    """

    place: Tensor
    luminance: Tensor
    features: Tensor | None
    apart: Tensor | None

    def at(self, index: Tensor) -> "Sites":
        """Those of an index."""
        return Sites(*(None if x is None else x[index] for x in self))  # type: ignore[arg-type]


class Lacking(NamedTuple):
    """What an estimate lacks at known places of one or more pictures.

    Args:
        sites: the places.
        values: of the chroma, (N, 2).
    """

    sites: Sites
    values: Tensor


def krige(lacks: Tensor, known: Tensor, luminance: Tensor, features: Tensor | None = None) -> Tensor:
    """What an estimate lacks at each place, from what it lacks where that is known: (B, 2, H, W), smooth.

    Args:
        lacks: of the chroma, (B, 2, H, W), read where ``known`` is over 0.
        known: (B, 1, H, W), 0 or 1.
        luminance: (B, 1, H, W), [0, 1].
        features: of the network without hints, (B, C, h, w) of any size; without it, or where they are 0 all over a
            picture, nearness and luminance alone say what is alike.

    Raises:
        ValueError: channels or sizes do not fit.
    """
    check_image(lacks, "lacks", channels=2)
    check_mask(known, "known", lacks, "lacks")
    check_same_size(luminance, "luminance", lacks, "lacks")
    found = []
    for i in range(len(lacks)):  # picture by picture: the result of one does not depend on the others of its batch
        seen = None if features is None or not bool(features[i].any()) else features[i : i + 1]
        found.append(_krige_one(lacks[i : i + 1], known[i : i + 1], luminance[i : i + 1], seen))
    return torch.cat(found)


def lacking(
    lacks: Tensor, known: Tensor, luminance: Tensor, features: Tensor, most: int = MOST_ELSEWHERE
) -> Lacking | None:
    """What other pictures of the same things can learn from one, for ``krige_elsewhere``; None where nothing is known.

    Args:
        lacks, known, luminance, features: as for ``krige``, of one picture.
        most: places that are kept, evenly spread over those that are known.
    """
    cells, index, values = _known(lacks, known, luminance, features, _grid(lacks.shape[-2:], GRID))
    kept = torch.arange(0, len(index), -(-max(1, len(index)) // most), device=index.device)
    return Lacking(cells.at(index[kept]), values[kept]) if len(index) else None


def joined(parts: Sequence[Lacking]) -> Lacking | None:
    """All places of several pictures; None where there are none."""
    if not parts:
        return None
    sites = Sites(*(None if x[0] is None else torch.cat(x) for x in zip(*(p.sites for p in parts))))  # type: ignore[arg-type]
    return Lacking(sites, torch.cat([p.values for p in parts]))


def krige_elsewhere(found: Lacking, luminance: Tensor, features: Tensor) -> Tensor:
    """What an estimate lacks in another picture of the same things, another frame of a film: (1, 2, H, W), smooth.

    Places are alike by features and luminance, and by nearness only as far as things may have moved.

    Args:
        found: what it lacks in the first.
        luminance: (1, 1, H, W), [0, 1].
        features: of the network without hints, (1, C, h, w) of any size.
    """
    size = luminance.shape[-2:]
    grid = _grid(size, GRID)
    cells = _cells(luminance, features, grid)
    return _filled(found, cells, grid, size, elsewhere=True)


def covariance(a: Sites, b: Sites, elsewhere: bool = False) -> Tensor:
    """k, (N of a, N of b), 1 of a place with itself: how alike two places' errors are.

    Between pictures (``elsewhere``) what holds in one alone is left out, so that k is less than 1.

    The mean of a sum of kernels and of its square, which keeps less of what is far or little alike: a color that a
    person chooses is more often one of the thing than the errors of a network are, and one hint must not color all.
    """
    total, whole = a.place.new_zeros(len(a.place), len(b.place)), 0.0
    for i, (kernel, share) in enumerate(zip(kernels(a, b), SHARES)):
        whole = whole + share
        if not (elsewhere and i < _LOCAL):
            total = total + share * kernel
    total = total / whole
    return total.lerp(total.square(), SHARPNESS)


def kernels(a: Sites, b: Sites) -> Iterator[Tensor]:
    """What ``covariance`` sums, each (N of a, N of b): three of nearness, and of features, where there are any, four.

    Those are the squared cosine and its square, and of the features less their mean in the picture the cosine and its
    square.
    """
    apart, tone = torch.cdist(a.place, b.place).square(), (a.luminance - b.luminance.T).square()
    for distance, difference in _NEAR:
        exponent = apart / (2 * distance**2)
        yield torch.exp(-exponent if difference is None else -exponent - tone / (2 * difference**2))
    if a.features is not None and b.features is not None and a.apart is not None and b.apart is not None:
        cosine, less_mean = (a.features @ b.features.T).square(), a.apart @ b.apart.T
        yield from (cosine, cosine.square(), less_mean, less_mean.square())


def sites_of(luminance: Tensor, features: Tensor | None) -> Sites:
    """All places of a picture, row by row: luminance (1, h, w), features (C, h, w) or None."""
    h, w = luminance.shape[-2:]
    axes = (torch.arange(n, dtype=luminance.dtype, device=luminance.device) for n in (h, w))
    place = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).view(-1, 2) / max(h, w)
    if features is None:
        return Sites(place, luminance.reshape(-1, 1), None, None)
    rows = features.flatten(1).T
    whole, less_mean = F.normalize(rows, dim=1), F.normalize(rows - rows.mean(0), dim=1)
    return Sites(place, luminance.reshape(-1, 1), whole, less_mean)


def _krige_one(lacks: Tensor, known: Tensor, luminance: Tensor, features: Tensor | None) -> Tensor:
    """``krige`` of one picture."""
    size = lacks.shape[-2:]
    grid = _grid(size, GRID)
    if int(F.adaptive_max_pool2d(known, grid).sum()) > MOST_SITES:
        grid = _grid(size, GRID // 2)
    cells, index, values = _known(lacks, known, luminance, features, grid)
    if not len(index):
        return torch.zeros_like(lacks)
    return _filled(Lacking(cells.at(index), values), cells, grid, size)


def _known(
    lacks: Tensor, known: Tensor, luminance: Tensor, features: Tensor | None, grid: tuple[int, int]
) -> tuple[Sites, Tensor, Tensor]:
    """All places of one picture, the index of those where something is known, and what is lacking there."""
    share = F.adaptive_avg_pool2d(known, grid)
    index = share.flatten().nonzero()[:, 0]
    mean = F.adaptive_avg_pool2d(torch.where(known > 0, lacks, 0), grid) / torch.where(share > 0, share, 1)
    return _cells(luminance, features, grid), index, mean[0].flatten(1).T[index]


def _cells(luminance: Tensor, features: Tensor | None, grid: tuple[int, int]) -> Sites:
    """All places of one picture on a grid."""
    if features is not None:
        features = F.interpolate(features.to(luminance), size=grid, mode="bilinear", align_corners=False)[0]
    return sites_of(resize(luminance, grid)[0], features)


def _filled(
    found: Lacking, cells: Sites, grid: tuple[int, int], size: torch.Size | tuple[int, ...], elsewhere: bool = False
) -> Tensor:
    """The best linear estimate at all places, enlarged, (1, 2, H, W)."""
    values = found.values
    among = covariance(found.sites, found.sites, elsewhere)
    among = among + NUGGET * torch.eye(len(values), dtype=values.dtype, device=values.device)
    weights = torch.cholesky_solve(values, torch.linalg.cholesky(among))
    filled = (covariance(cells, found.sites, elsewhere) @ weights).T.view(1, 2, *grid)
    return F.interpolate(filled, size=tuple(size), mode="bilinear", align_corners=False)


def _grid(size: tuple[int, ...] | torch.Size, longer: int) -> tuple[int, int]:
    scale = min(1.0, longer / max(size))
    return max(1, round(scale * size[0])), max(1, round(scale * size[1]))
