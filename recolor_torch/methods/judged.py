"""A reference beside the network: each corrected by a person's hints, and mixed as far as the reference is believed."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.guide import Link
from recolor_torch.methods.held_out import CELLS, hold_out
from recolor_torch.methods.levin import Spread, spread_chroma
from recolor_torch.methods.network import TRUST_SIDE, NetworkColorization

# Log odds for a reference by the mean belief that its matches have: 0 at EVEN_BELIEF with many hints, with one place
# at what LONE leaves of it, for a lone point cannot tell what is wrong elsewhere, and of two doubtful results the mean
# is nearest. Chosen on the tune half of the pairs and on 40 held-out training pictures, with 1 to 10 points: best with
# right references among what costs at most 0.05 of CIEDE2000 with each kind of wrong one.
BELIEF_ODDS, EVEN_BELIEF, LONE = 6.0, 0.55, 0.5
# What the logarithm of the ratio of both errors at a single place counts.
ERROR_ODDS = 2.0
# Hinted places are counted up to so many; they are not independent, so their evidence grows with the root of the count.
MOST_PLACES = 12
# The longer side at which hints are held out.
TRIAL_SIDE = 64
# A distance (U and V) below which estimates are equally good.
LEAST_DISTANCE = 0.004
# How much faster a correction of what a reference says fades than one of the network's estimate: its errors are local.
HOLD = 10.0

Prior = tuple[Tensor, Tensor]
"""Chroma, (B, 2, H, W), and the confidence in it, (B, 1, H, W)."""


@dataclass(frozen=True)
class Judged:
    """What references say, what the network says that knows the hints, and how far the former are believed.

    Args:
        reference: of the references, which know no hints.
        hinted: of the network with the hints.
        share: of the references, (B, 1, H, W), [0, 1].
    """

    reference: Prior
    hinted: Prior
    share: Tensor

    def fit(self, resized: Callable[[Tensor], Tensor]) -> "Judged":
        """The same at another size."""
        (a, b), (c, d) = self.reference, self.hinted
        return Judged((resized(a), resized(b)), (resized(c), resized(d)), resized(self.share))

    @property
    def prior(self) -> Prior:
        """The mixture of both, before the hints correct it."""
        (a, b), (c, d) = self.hinted, self.reference
        return torch.lerp(a, c, self.share), torch.lerp(b, d, self.share)

    def painted(self, chroma: Tensor, painted: Tensor) -> "Judged":
        """Both with another chroma, (B, 2, H, W), where ``painted``, (B, 1, H, W), is 1."""
        one, two = (
            (torch.lerp(old, chroma, painted), torch.maximum(sure, painted))
            for old, sure in (self.reference, self.hinted)
        )
        return Judged(one, two, self.share)


def judge(
    network: NetworkColorization,
    luminance: Tensor,
    hints: Tensor,
    mask: Tensor,
    reference: Prior,
    bare: Prior,
    belief: Tensor,
    linked: Tensor | None = None,
) -> Tensor:
    r"""How far references are believed beside the network, (B, 1, H, W).

    The log odds are :math:`6\,(b - 0.55\,(1 - 0.5/k)) + 2\sqrt{k}\,\ln(e_n / e_r)`: b is the mean belief of
    matches, e the mean error at held-out hints, of what an estimate that knows none and the other hints make of
    them (n of the network, r of the references), and k how many separate places are hinted, up to 12. One place alone
    says little about the whole, so that a doubtful reference keeps a part of the picture unless it is wrong there; with
    more hints its matches have to be believed. Without hints the references are all that counts.

    Args:
        network: gives the solves.
        luminance: (B, 1, H, W).
        hints: chroma, (B or 1, 2, H, W), read where ``mask`` is over one half.
        mask: (B or 1, 1, H, W).
        reference: what is transferred.
        bare: of the network without hints.
        belief: how far the references are believed at each place, (B, 1, H, W).
        linked: (B or 1, 1, H, W), 1 where a person linked a region to a reference: there it is believed.
    """
    known = (mask > 0.5).to(hints)
    size = [max(1, round(CELLS * n / max(mask.shape[-2:]))) for n in mask.shape[-2:]]
    places = F.adaptive_max_pool2d(known, size).sum((1, 2, 3)).clamp(max=MOST_PLACES)
    trial = hold_out(luminance, hints, mask, TRIAL_SIDE)
    # Corrections end as soon, in shares of the side, as in the picture itself.
    reach = (min(TRUST_SIDE, max(mask.shape[-2:])) / max(trial.size)) ** 2

    def error(chroma: Tensor, confidence: Tensor, again: bool) -> Tensor:
        solve = network.combine if again else network.correct
        soft, sure = trial.many(chroma), reach * trial.many(confidence)
        return trial.error(solve(trial.luminance, trial.hints, trial.kept, soft, sure)) + LEAST_DISTANCE

    for_points, for_references = error(*bare, True), error(reference[0], HOLD * reference[1], False)
    even = EVEN_BELIEF * (1 - LONE / places.clamp(min=1))
    borne_out = ERROR_ODDS * places.sqrt() * (for_points / for_references).log()
    odds = BELIEF_ODDS * (belief.mean((1, 2, 3)) - even) + borne_out
    share = torch.where(places > 0, odds.sigmoid(), 1.0).view(-1, 1, 1, 1).expand_as(belief)
    return share if linked is None else torch.where(linked > 0.5, 1.0, share)


def color_judged(
    network: NetworkColorization,
    luminance: Tensor,
    hints: Tensor,
    mask: Tensor,
    judged: Judged,
    spread: Spread = spread_chroma,
    quick: bool = False,
) -> Tensor:
    """The mixture of two results that both have the hints exactly: chroma, (B, 2, H, W).

    The one of the points is the network's. The one of the references is what they say and what that lacks at the
    hints, spread along like luminance until it fades: nothing else changes, because a reference knows borders that
    luminance does not show.

    Args:
        network: gives the solves, see ``NetworkColorization.combine``.
        luminance: (B, 1, H, W).
        hints: chroma, (B or 1, 2, H, W), read where ``mask`` is over one half.
        mask: (B or 1, 1, H, W).
        judged: the estimates, and the share of each.
        spread: what spreads chroma: ``spread_chroma``, or one that remembers the last solve.
        quick: leave out the second of the two solves for the points.
    """
    chroma, confidence = judged.reference
    by_reference = network.correct(luminance, hints, mask, chroma, HOLD * confidence, spread)
    solve = network.correct if quick else network.combine
    by_points = solve(luminance, hints, mask, *judged.hinted, spread)
    return torch.lerp(by_points, by_reference, judged.share)


def linked_region(links: tuple[Link, ...], like: Tensor) -> Tensor | None:
    """(B or 1, 1, H, W), 1 in the target's regions of all links; None without links."""
    if not links:
        return None
    return torch.stack([k.target.to(like).expand(like.shape[0], -1, -1, -1) for k in links]).amax(0)
