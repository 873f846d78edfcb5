"""Matches that their likes contradict: where they do not hang together, what most of the likes say counts."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.methods.correspondence.confidence import CLOSENESS, Blend, Candidates, blend_candidates
from recolor_torch.methods.correspondence.match import CHUNK, with_penalty
from recolor_torch.methods.correspondence.search import Places

# How alike two places of a picture are falls by e with a difference of this much of the score, and by the root of e
# with one of this share of the longer side, and of this luminance.
LIKE_SCORE, LIKE_PLACE, LIKE_LUMINANCE = 0.1, 0.15, 0.1
# Every second location in both directions stands for its neighbours: all of them cost more and say the same.
SPARSE = 2
# A place whose chroma is this far (U and V) from what its likes say has half a voice.
ODD_CHROMA = 0.03
ROUNDS = 2
# Places without belief have a small voice: where none is believed they are all there is.
LEAST_VOICE = 0.02
# Beyond this distance (U and V) a match that hangs together with none is doubted by more than one half.
DOUBTFUL_CHROMA = 0.012
# Matches hang together over a window of so many locations; at this mean closeness of the way back they are not doubted.
WINDOW, SOUND_CLOSENESS = 5, 0.75
# What a doubted match adds to the expected error, as a share of its distance to the likes.
DOUBT_ERROR = 0.5


def blend_agreeing(places: Places, candidates: Candidates, rejection: float = 1.0) -> Blend:
    r"""Mix the candidates by the evidence, after odd ones among the matches have given way to what their likes say.

    On a plain surface that the reference does not show, matches lead here and there, and patches of it take the color
    of another thing with full belief. Such a match is told by two signs together: its chroma q is far from the robust
    mean m of places that look like it, and the ways back of the matches around it lead elsewhere (closeness c). Then
    :math:`q + s\,(m - q)` takes its place, with :math:`s = (1 - c / c_0)_+\; d^2 / (d^2 + d_0^2)` and d the distance
    of both. One sign alone is none: small things whose matches hang together are most often right, whatever is around.
    The parts of a location take what its matches say of them as far as those hang together; else they follow luminance.

    Args:
        places: from ``describe_places``.
        candidates: from ``find_candidates``.
        rejection: odds against the candidates, see ``blend_candidates``.
    """
    first = blend_candidates(candidates, rejection)
    matched = candidates.chroma[:, :, 0]
    likes = mean_of_likes(places, matched, first.shares[..., 0].detach())
    apart = (matched - likes).square().sum(2)
    sound = together(candidates.evidence[..., CLOSENESS], places.size)
    doubt = apart / (apart + DOUBTFUL_CHROMA**2) * (1 - sound)
    settled = torch.lerp(matched, likes, doubt.unsqueeze(2)).unsqueeze(2)
    chroma = torch.cat((settled, candidates.chroma[:, :, 1:]), 2)
    slope = candidates.slope * (1 - doubt.unsqueeze(2))
    by_slope = candidates.slope.unsqueeze(2) * places.beyond
    detail = torch.lerp(by_slope, candidates.detail, sound[..., None, None]) * (1 - doubt[..., None, None])
    found = blend_candidates(replace(candidates, chroma=chroma, slope=slope, detail=detail), rejection)
    return replace(found, error=(found.error.square() + (DOUBT_ERROR * doubt).square() * apart).sqrt())


def together(closeness: Tensor, size: tuple[int, int]) -> Tensor:
    """How far the matches around each location hang together, (B, N) in [0, 1].

    Args:
        closeness: of the ways back, (B, N) in [0, 1].
        size: (h, w).
    """
    grid = closeness.unflatten(1, size).unsqueeze(1)
    mean = F.avg_pool2d(grid, WINDOW, 1, WINDOW // 2, count_include_pad=False)
    return (mean.flatten(1) / SOUND_CLOSENESS).clamp(max=1)


def mean_of_likes(places: Places, chroma: Tensor, voice: Tensor) -> Tensor:
    """For each location of a picture the robust mean of the chroma of those that look like it and are near: (B, N, 2).

    Weights are exponential in the inner product of the descriptors, the distance and the difference of luminance;
    in each round those whose chroma is far from the mean of their own likes lose their voice (Geman and McClure's
    weights). The weights have no gradient, the chroma has. ``CHUNK`` weights are held at a time.

    Args:
        places: from ``describe_places``.
        chroma: (B, N, 2).
        voice: how much each location counts, (B, N) in [0, 1].
    """
    with torch.no_grad():
        queries, keys = _alike(places)
        chosen = _sparse(places.size, chroma.device)
        some, keys = queries[:, chosen], keys[:, chosen]
        heard = voice[:, chosen].clamp(min=LEAST_VOICE).log()
    told, odd = chroma[:, chosen], torch.zeros_like(heard)
    for _ in range(ROUNDS):
        mean = _attend(some, keys, told.detach(), heard + odd)
        odd = -torch.log1p((told.detach() - mean).square().sum(2) / ODD_CHROMA**2)
    return _attend(queries, keys, told, heard + odd)


def _alike(places: Places) -> tuple[Tensor, Tensor]:
    """Vectors of all locations whose inner products are the logarithms of how alike they are, but for a constant."""
    h, w = places.size
    like = places.target
    down = torch.arange(h, device=like.device, dtype=like.dtype).repeat_interleave(w) / max(h, w)
    across = torch.arange(w, device=like.device, dtype=like.dtype).repeat(h) / max(h, w)
    queries = keys = like / LIKE_SCORE**0.5
    numbers = ((down, LIKE_PLACE), (across, LIKE_PLACE), (places.gray.flatten(1), LIKE_LUMINANCE))
    for number, scale in numbers:
        each = number.expand(len(like), -1)
        queries, keys = with_penalty(queries, keys, each, each, 0.5 / scale**2)
    return queries, keys


def _sparse(size: tuple[int, int], device: torch.device) -> Tensor:
    """Places of every ``SPARSE``-th row and column."""
    h, w = size
    return torch.arange(h * w, device=device).view(h, w)[::SPARSE, ::SPARSE].flatten()


def _attend(queries: Tensor, keys: Tensor, chroma: Tensor, heard: Tensor) -> Tensor:
    """Mean chroma of the keys for each query, by the softmax of inner product and logarithmic weight: (B, N, 2)."""
    rows = max(1, CHUNK // (keys.shape[0] * keys.shape[1]))
    return torch.cat(
        [(part @ keys.mT + heard.unsqueeze(1)).softmax(2) @ chroma for part in queries.split(rows, 1)],
        1,
    )
