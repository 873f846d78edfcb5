"""From matches to one chroma at each location: candidates, evidence for them, and how far to believe it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.methods.correspondence.gate import ERROR, GATE
from recolor_torch.methods.correspondence.match import Matches

# Softness of the mean over matches, in units of the score.
TEMPERATURE = 0.04
# Ridge regression: the penalty, in locations of unit norm.
RIDGE = 0.003
# Chroma beyond this is no color of a photograph, but a regression that left its data.
LARGEST_CHROMA = 0.4
LEAST_VARIANCE = 1e-5
# Variance of luminance within a location that noise alone has: below it little is learned of what changes with it.
NOISE_VARIANCE = 3e-4
EXTREME = 3.0
# The place of the closeness of the way back in the evidence, and how many numbers it has.
CLOSENESS, EVIDENCE = 2, 8
# An expected error of this much (U and V) gives a confidence of one half.
HALF_ERROR = 0.02


@dataclass(frozen=True)
class Candidates:
    """What the chroma of each location could be, and what is known of it.

    Args:
        chroma: (B, N, 3, 2): of the matches, of the regression, and of the chroma table.
        evidence: (B, N, E), see :func:`gather_evidence`.
        slope: how U and V of the matches change with luminance within a location, (B, N, 2).
        detail: what the matches say of the parts of a location, (B, N, P, 2), see ``detail.py``.
    """

    chroma: Tensor
    evidence: Tensor
    slope: Tensor
    detail: Tensor


def mean_of_matches(matches: Matches, numbers: Tensor, temperature: float = TEMPERATURE) -> tuple[Tensor, Tensor]:
    """Softmax mean of numbers of the matches, and their variance around it.

    Args:
        matches: from a search.
        numbers: of the reference's locations, such as their chroma, (B, M, C).
        temperature: of the softmax, in units of the score.

    Returns:
        (B, N, C) and (B, N, C).
    """
    share = F.softmax(matches.score / temperature, 2).unsqueeze(3)
    found = torch.stack([c[i] for c, i in zip(numbers, matches.index)])
    mean = (share * found).sum(2)
    return mean, (share * (found - mean.unsqueeze(2)).square()).sum(2)


def within_locations(picture: Tensor, stride: int) -> Tensor:
    """Variance of luminance, and its covariances with U and V, among the pixels of each location: (B, 3, h, w).

    Args:
        picture: YUV, (B, 3, H, W), sides multiples of the stride.
        stride: side of a location.
    """
    apart = picture - F.interpolate(F.avg_pool2d(picture, stride), scale_factor=stride)
    return F.avg_pool2d(apart * apart[:, :1], stride)


def slope_of(within: Tensor) -> Tensor:
    r"""How chroma changes with luminance: :math:`\mathrm{cov}(Y, C) / (\mathrm{var}(Y) + \varepsilon)`, (B, N, 2).

    Args:
        within: variance of luminance and its covariances with U and V, (B, N, 3).
    """
    return within[..., 1:] / (within[..., :1] + NOISE_VARIANCE)


def regress_chroma(
    target: Tensor, reference: Tensor, chroma: Tensor, counted: Tensor | None = None, ridge: float = RIDGE
) -> Tensor:
    """Chroma by ridge regression on the descriptors, in closed form, learnt on the reference alone.

    Args:
        target: descriptors (B, N, D).
        reference: descriptors (B, M, D).
        chroma: (B, M, 2).
        counted: weight of each location, (B, M).
        ridge: penalty on the coefficients, against the mean square of the descriptors.

    Returns:
        (B, N, 2).
    """
    weight = torch.ones_like(chroma[..., :1]) if counted is None else counted.unsqueeze(2).to(chroma)
    weight = weight / weight.sum(1, keepdim=True).clamp(min=1e-6)
    mean, centre = (weight * chroma).sum(1, keepdim=True), (weight * reference).sum(1, keepdim=True)
    reference = reference - centre
    rows = reference * weight
    gram = rows.transpose(1, 2) @ reference
    gram = gram + ridge / gram.shape[2] * torch.eye(gram.shape[2], dtype=gram.dtype, device=gram.device)
    found = torch.linalg.solve(gram, rows.transpose(1, 2) @ (chroma - mean))
    return ((target - centre) @ found + mean).clamp(-LARGEST_CHROMA, LARGEST_CHROMA)


def return_distance(matches: Matches, size: tuple[int, int]) -> Tensor:
    """How far from a location its best match's own best match lies, as a share of the longer side: (B, N).

    0 where the two choose each other.
    """
    width = size[1]
    back = matches.back.gather(1, matches.index[..., 0])
    place = torch.arange(back.shape[1], device=back.device)
    rise = (back // width - place // width).to(matches.score)
    run = (back % width - place % width).to(matches.score)
    return torch.hypot(rise, run) / max(size)


def gather_evidence(matches: Matches, variance: Tensor, said: tuple[Tensor, Tensor], size: tuple[int, int]) -> Tensor:
    """What tells a good match from a bad one, about one unit large each: (B, N, 8).

    Score, its lead over the last of the k, closeness of the way back, chroma variance, disagreement with the
    regression, and the means over the picture of score, closeness and disagreement. No number is beyond
    ``EXTREME``: outside of what the coefficients were fitted to, nothing is extrapolated.

    Args:
        matches: from a search.
        variance: of the chroma of the matches, (B, N).
        said: chroma by the matches and by the regression, (B, N, 2) each.
        size: (h, w).
    """
    matched, regressed = said
    score = (matches.score[..., 0] - 0.6) / 0.15
    lead = (matches.score[..., 0] - matches.score[..., -1]) / 0.05
    close = torch.exp(-(return_distance(matches, size) / 0.05).square())
    spread = ((variance + LEAST_VARIANCE).log() + 7) / 2
    apart = ((matched - regressed).square().sum(2) + LEAST_VARIANCE).log() / 2 + 3
    whole = torch.stack([x.mean(1, keepdim=True).expand_as(x) for x in (score, close, apart)], 2)
    return torch.cat((torch.stack((score, lead, close, spread, apart), 2), whole), 2).clamp(-EXTREME, EXTREME)


def confidence_of(error: Tensor) -> Tensor:
    """From an expected error to a confidence in (0, 1]: ``HALF_ERROR`` gives one half, and squares count."""
    return 1 / (1 + (error / HALF_ERROR).square())


@dataclass(frozen=True)
class Blend:
    """What is believed of the chroma of each location.

    Args:
        chroma: (B, N, 2), what is believed times ``belief``: what is left of 1 is for another source to fill.
        error: expected distance of the believed chroma to the truth, (B, N), in units of U and V.
        shares: of the matches, the regression, the table and another source, (B, N, 4).
        slope: how it changes with luminance within a location, times ``belief`` too, (B, N, 2).
        detail: what the parts of a location have more, times ``belief`` too, (B, N, P, 2).
    """

    chroma: Tensor
    error: Tensor
    shares: Tensor
    slope: Tensor
    detail: Tensor

    @property
    def belief(self) -> Tensor:
        """How far the references are believed, (B, N)."""
        return self.shares[..., :3].sum(2)


def blend_candidates(candidates: Candidates, rejection: float = 1.0) -> Blend:
    """Mix the candidates by the evidence.

    The shares are a softmax of linear functions of the evidence, and the expected error is the exponential of
    another, with the coefficients of ``gate.py``, fitted to pairs with known colors, where the estimate of the
    colorization network took the place of what no reference knows.

    Args:
        candidates: from ``find_candidates``.
        rejection: odds against the candidates: 1 as fitted, at 0 they are all that counts.
    """
    evidence = candidates.evidence
    gate = torch.tensor(GATE, dtype=evidence.dtype, device=evidence.device)
    logits = evidence @ gate[:, :-1].T + gate[:, -1]
    odds = torch.tensor([1.0, 1.0, 1.0, rejection], dtype=evidence.dtype, device=evidence.device)
    shares = (logits + odds.log()).softmax(2)
    chroma = (shares[..., :3, None] * candidates.chroma).sum(2)
    line = torch.tensor(ERROR, dtype=evidence.dtype, device=evidence.device)
    error, matched = torch.exp(evidence @ line[:-1] + line[-1]), shares[..., :1]
    return Blend(chroma, error, shares, matched * candidates.slope, matched.unsqueeze(3) * candidates.detail)
