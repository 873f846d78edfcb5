"""A reference beside the network: each corrected by a person's hints, and mixed as far as the reference is believed."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.guide import Link
from recolor_torch.methods.base import Transferred
from recolor_torch.methods.held_out import CELLS, hold_out
from recolor_torch.methods.levin import Spread, spread_chroma
from recolor_torch.methods.network import FILL_VIVIDNESS, VIVIDNESS, NetworkColorization
from recolor_torch.methods.network_corrected import TRUST_SIDE
from recolor_torch.networks import Estimate

# Hinted places are counted up to so many; they are not independent, so their evidence grows with the root of the count.
MOST_PLACES = 12
# The longer side at which hints are held out.
TRIAL_SIDE = 64
# A distance (U and V) below which estimates are equally good.
LEAST_DISTANCE = 0.004
# How much faster a correction of what a reference says fades than one of the network's estimate: its errors are local.
HOLD = 20.0

Prior = tuple[Tensor, Tensor]
"""Chroma, (B, 2, H, W), and the confidence in it, (B, 1, H, W)."""


@dataclass(frozen=True)
class Rule:
    """How evidence becomes the log odds for references beside the network, see ``judge``.

    Chosen by ``scripts/training/fit_judge.py`` on the tune half of the pairs and on held-out training pictures.

    Args:
        belief: log odds for each unit of the mean belief of matches.
        even: the belief at which they are 0 with many hints.
        lone: the share of ``even`` that is taken off with one hinted place: a lone point cannot tell what is wrong
            elsewhere, and of two doubtful results the mean is nearest.
        error: what the logarithm of the ratio of both errors counts at a single place.
    """

    belief: float = 6.0
    even: float = 0.55
    lone: float = 0.5
    error: float = 2.0


@dataclass(frozen=True)
class Evidence:
    """What speaks for references beside the network; all (B,).

    Args:
        belief: mean of the matches, [0, 1].
        places: how many separate places are hinted, up to ``MOST_PLACES``.
        ratio: logarithm of the network's error at held-out hints over the references'.
    """

    belief: Tensor
    places: Tensor
    ratio: Tensor

    def share(self, rule: Rule) -> Tensor:
        """How far the references are believed, (B,): 1 without hints."""
        even = rule.even * (1 - rule.lone / self.places.clamp(min=1))
        odds = rule.belief * (self.belief - even) + rule.error * self.places.sqrt() * self.ratio
        return torch.where(self.places > 0, odds.sigmoid(), 1.0)


@dataclass(frozen=True)
class Judged:
    """What references say, what the network says that knows the hints, and how far the former are believed.

    Args:
        reference: of the references; what they leave to the network knows the hints.
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


def read_beside(estimate: Estimate, luminance: Tensor, mask: Tensor, spread: Spread = spread_chroma) -> Prior:
    """What the network says beside references.

    With few hints it is as pale as where it fills what references leave, so that one hint changes no picture as a
    whole; with ``MOST_PLACES`` and more it is as vivid as with hints alone.

    Args:
        estimate: of the network.
        luminance: (B, 1, H, W).
        mask: of the hints, (B or 1, 1, H, W).
        spread: as for ``NetworkColorization.read``.
    """
    many = ((count_places(mask) - 1) / (MOST_PLACES - 1)).clamp(min=0).to(luminance).view(-1, 1, 1, 1)
    vividness = FILL_VIVIDNESS + many * (VIVIDNESS - FILL_VIVIDNESS)
    return NetworkColorization().read(estimate, luminance, spread, vividness)


def count_places(mask: Tensor) -> Tensor:
    """How many separate places are hinted, (B,), up to ``MOST_PLACES``; ``mask`` is (B, 1, H, W)."""
    size = [max(1, round(CELLS * n / max(mask.shape[-2:]))) for n in mask.shape[-2:]]
    return F.adaptive_max_pool2d((mask > 0.5).float(), size).sum((1, 2, 3)).clamp(max=MOST_PLACES)


def judge(
    network: NetworkColorization,
    luminance: Tensor,
    hints: Tensor,
    mask: Tensor,
    found: Transferred,
    bare: Prior,
    hinted: Prior,
    linked: Tensor | None = None,
) -> Judged:
    r"""References beside the network, and how far they are believed.

    The log odds are :math:`6\,(b - 0.55\,(1 - 0.5/k)) + 2\sqrt{k}\,\ln(e_n / e_r)`: b is the mean belief of
    matches, e the mean error at held-out hints, of what an estimate that knows none and the other hints make of
    them (n of the network, r of the references), and k how many separate places are hinted, up to 12. One place alone
    says little about the whole, so that a doubtful reference keeps a part of the picture unless it is wrong there; with
    more hints its matches have to be believed. Without hints the references are all that counts.

    Where references are not believed, what the network fills moves as the hints move the network's own estimate: by
    :math:`(1 - B)\,(p_h - p)`, with B the belief at each place.

    Args:
        network: gives the solves.
        luminance: (B, 1, H, W).
        hints: chroma, (B or 1, 2, H, W), read where ``mask`` is over one half.
        mask: (B or 1, 1, H, W).
        found: what is transferred, without hints, with the belief in it.
        bare: p, of the network without hints, see ``read_beside``.
        hinted: p_h, of the network with the hints.
        linked: (B or 1, 1, H, W), 1 where a person linked a region to a reference: there it is believed.
    """
    reference = refill(found, bare, hinted)
    share = weigh(network, luminance, hints, mask, found, bare).share(Rule()).view(-1, 1, 1, 1)
    share = share.expand_as(reference[1])
    return Judged(reference, hinted, share if linked is None else torch.where(linked > 0.5, 1.0, share))


def refill(found: Transferred, bare: Prior, hinted: Prior) -> Prior:
    """What references say, where what they leave to the network knows the hints; see ``judge``."""
    if found.belief is None:
        raise ValueError("found must say how far it is believed, got no belief.")
    return found.chroma + (1 - found.belief) * (hinted[0] - bare[0]), found.confidence


def weigh(
    network: NetworkColorization, luminance: Tensor, hints: Tensor, mask: Tensor, found: Transferred, bare: Prior
) -> Evidence:
    """The evidence of ``judge``, which says what the arguments are."""
    assert found.belief is not None
    trial = hold_out(luminance, hints, mask, TRIAL_SIDE)
    # Corrections end as soon, in shares of the side, as in the picture itself.
    reach = (min(TRUST_SIDE, max(mask.shape[-2:])) / max(trial.size)) ** 2

    def error(chroma: Tensor, confidence: Tensor, again: bool) -> Tensor:
        solve = network.combine if again else network.correct
        soft, sure = trial.many(chroma), reach * trial.many(confidence)
        return trial.error(solve(trial.luminance, trial.hints, trial.kept, soft, sure)) + LEAST_DISTANCE

    for_points, for_references = error(*bare, True), error(found.chroma, HOLD * found.confidence, False)
    return Evidence(found.belief.mean((1, 2, 3)), count_places(mask).to(hints), (for_points / for_references).log())


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
