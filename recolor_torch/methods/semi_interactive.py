"""A reference's colors where they fit, or a network's, corrected by a person's strokes."""

from dataclasses import replace
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from recolor_torch.checks import check_choice, check_image
from recolor_torch.color import fit_gamut, to_rgb
from recolor_torch.features import Preprocessing
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods.base import FilmParts, Recolorizer, Transferred, TransferSettings, Trust
from recolor_torch.methods.held_out import hold_out
from recolor_torch.methods.judged import Judged, color_judged, judge, linked_region, read_beside
from recolor_torch.methods.levin import Spread, given, spread_chroma
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.methods.transfers import find_transfer
from recolor_torch.methods.words import paint_words

# How strongly the prior holds, where the hints have the choice; first of all, propagation of the hints alone.
STRENGTHS = (0.0, 0.001, 0.01, 0.1)
# A prior's error at hints that were left out has to be below this share of the error without it.
MARGIN = 0.9
# What every place of a prior is believed, so that a correction ends somewhere.
LEAST_CONFIDENCE = 0.02
# The longer side at which the strengths are tried.
TRIAL_SIDE = 96


def spread_with_prior(
    luminance: Tensor,
    hints: Tensor,
    mask: Tensor,
    prior: Tensor,
    confidence: Tensor,
    strength: Tensor,
    *,
    tolerance: float = 0.5,
    spread: Spread = spread_chroma,
) -> Tensor:
    r"""Hints exactly, and the prior elsewhere, corrected by what the hints say of it nearby.

    The correction d = u - p is what spreads along like luminance: d = h - p at the hints, elsewhere
    :math:`(L + s\,C)\,d = 0`, so that it fades where the prior is believed. A strength of 0 leaves the prior out:
    Levin propagation of the hints alone.

    Args:
        luminance: (B, 1, H, W).
        hints: chroma h, (B or 1, 2, H, W), read where ``mask`` is over one half.
        mask: (B or 1, 1, H, W).
        prior: chroma p, (B, 2, H, W).
        confidence: C, (B, 1, H, W), 0 to 1.
        strength: s, (B, 1, 1, 1).
        tolerance: largest error of the solve, in 8-bit levels.
        spread: what spreads chroma: ``spread_chroma``, or one that remembers the last solve.
    """
    prior = prior * (strength > 0)
    fading = strength * (confidence + LEAST_CONFIDENCE)
    nothing = torch.zeros_like(prior)
    correction = spread(luminance, hints - prior, mask, prior=nothing, confidence=fading, tolerance=tolerance)
    return prior + correction


def choose_strength(luminance: Tensor, hints: Tensor, mask: Tensor, prior: Tensor, confidence: Tensor) -> Tensor:
    """How far the hints bear the prior out, by cross-validation: (B, 1, 1, 1), one of ``STRENGTHS``.

    At a small size, a part of the hints is left out, the picture is colored from the others and the prior, and
    the result is compared with what was left out; each part in turn, for each strength. A prior from a wrong
    reference loses against propagation alone and is dropped.

    Args:
        luminance, hints, mask, prior, confidence: as ``spread_with_prior`` takes them.
    """
    trial = hold_out(luminance, hints, mask, TRIAL_SIDE)
    gray, soft, trust = trial.luminance, trial.many(prior), trial.many(confidence)
    errors = []
    for strength in STRENGTHS:
        factor = torch.full_like(gray[:, :, :1, :1], strength)
        found = spread_with_prior(gray, trial.hints, trial.kept, soft, trust, factor, tolerance=2.0)
        errors.append(trial.error(found))
    # A prior that is no better than propagation alone by a margin was lucky with the few hints there are.
    best = torch.cat((errors[0][None] * MARGIN, torch.stack(errors[1:]))).argmin(0)
    return torch.tensor(STRENGTHS, dtype=luminance.dtype, device=luminance.device)[best].view(-1, 1, 1, 1)


class SemiInteractive(Recolorizer):
    """Colors from references, corrected by hints: pixels with a hint have its chroma exactly.

    A reference method colors the picture, and what its result lacks at the hints spreads from them until it fades.
    Beside it stands what the network makes of the hints alone: both are mixed by how well the reference matches and by
    which of the two the hints bear out, see ``judge``. Without a reference the network is all there is. With
    another method than ``correspondence`` its result is the prior of a propagation in which the hints are fixed, and
    they decide how far it is believed.

    Args:
        transfer: the reference method that makes the prior. ``auto`` is ``correspondence``, which says by itself where
            it is sure, or without a reference the network alone; any other takes the network's result for the
            reference that is missing.
        several: with ``correspondence`` and several references, ``all`` searches them together and ``best`` takes the
            one that fits best.
        trust: with ``correspondence``, how far a reference is believed where nothing matches closely: low, normal or
            high, for one of the same kind whose mood is wanted.
        strength: how fast corrections of the prior fade (0 leaves the prior out); chosen by cross-validation on the
            hints without it, but for the network's own estimate, which has its trust.
        tolerance: largest error of the solve, in 8-bit levels of chroma.
        weights: file of VGG-19 weights for methods that need them; else RECOLOR_VGG19, torchvision's, or the slim
            network of this package.
        download: let torchvision fetch its weights (550 MB) where none are found.
        vgg_preprocessing: how the network's input is made, in place of what the weights' file says.
    """

    space = "yuv"
    single = True
    takes_text = True
    needs = ("reference", "hints")
    follows_links = True
    bytes_per_pixel = 500
    largest_side: ClassVar[int] = 1024

    def __init__(
        self,
        transfer: str = "auto",
        several: Literal["all", "best"] = "all",
        trust: Trust = "normal",
        strength: float | None = None,
        tolerance: float = 0.5,
        weights: str | None = None,
        download: bool = False,
        vgg_preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__()
        check_choice(several, "several", ("all", "best"))
        check_choice(trust, "trust", get_args(Trust))
        self.transfer, self.several, self.trust = transfer, several, trust
        self.strength, self.tolerance = strength, tolerance
        self.weights, self.download, self.vgg_preprocessing = weights, download, vgg_preprocessing
        self._method: Recolorizer | None = None
        self._network = NetworkColorization()
        self._lacks_references = False

    def require_kinds(self, references: bool, hints: bool) -> None:
        """Hints are needed; where there is no reference, the network stands in for it."""
        super().require_kinds(True, hints)

    def expect(self, references: bool, hints: bool) -> None:
        """Without a reference it is the network that is prepared."""
        self._lacks_references = not references

    def _transfer(self) -> Recolorizer:
        """The reference method, made at its first use."""
        if self._method is None:
            cls = find_transfer("correspondence" if self.transfer == "auto" else self.transfer)
            sources = self.weights, self.download, self.vgg_preprocessing
            self._method = cls.for_transfer(TransferSettings(*sources, self.several, self.trust))
        return self._method

    def film_parts(self) -> FilmParts:
        """A film joins network, references and strokes by itself."""
        return FilmParts()

    def prepare(self) -> None:
        """Load what the reference method needs, or the network in its place."""
        if self._by_network(self._lacks_references):
            self._network.prepare()
            return
        self._transfer().prepare()
        if self._lacks_references or self._transfer().says_belief:
            self._network.prepare()

    def bare(self) -> Recolorizer:
        """What makes the prior: the reference method, or the network in its place."""
        return self._network if self._lacks_references else self._transfer()

    def _by_network(self, alone: bool) -> bool:
        """Whether the prior is the network's own estimate, which it can be without references."""
        return alone and self.transfer == "auto"

    def provenance(self) -> dict[str, str]:
        """The class of the method that makes the prior, and what that depends on."""
        self.prepare()
        network = {"network": self._network.digest} if self._lacks_references else {}
        if self._by_network(self._lacks_references):
            return {"transfer": type(self._network).__name__, **network}
        method = self._transfer()
        return {"transfer": type(method).__name__, **method.provenance(), **network}

    def forward(self, image: Tensor, guide: Guide) -> Tensor:
        """Color ``image``, YUV (B, 3, H, W), of which luminance alone is read; returns YUV."""
        self.require(guide)
        check_image(image, "image", channels=3)
        hints, mask = given(image, guide, all_pictures=False)
        luminance, chroma = image[:, :1], hints[:, 1:]
        judged: Judged | None = None
        by_network = self._by_network(not guide.references)
        if by_network:
            prior, confidence = self._network.prior(luminance, chroma, mask)
        else:
            found = self._prior(image, guide)
            prior, confidence = found.chroma, found.confidence
            if found.belief is not None and self.strength is None:
                estimates = self._network.estimate(luminance), self._network.estimate(luminance, chroma, mask)
                bare, hinted = (read_beside(e, luminance, mask) for e in estimates)
                linked = linked_region(guide.links, luminance)
                judged = judge(self._network, luminance, chroma, mask, found, bare, hinted, linked)
                prior, confidence = judged.prior
        if guide.text is not None:
            painted = paint_words(self._network, luminance, prior, guide.text, (chroma, mask), self.keep_stages)
            prior, confidence = painted.chroma, torch.maximum(confidence, painted.share)
            judged = None if judged is None else judged.painted(painted.chroma, painted.share)
            self.take(painted)
        if judged is not None:
            result = color_judged(self._network, luminance, chroma, mask, judged)
        elif self.strength is None and by_network:  # it knows the hints, so they cannot judge it
            result = self._network.combine(luminance, chroma, mask, prior, confidence)
        else:
            if self.strength is None:
                strength = choose_strength(luminance, chroma, mask, prior, confidence)
            else:
                strength = torch.full_like(luminance[:, :, :1, :1], self.strength)
            result = spread_with_prior(luminance, chroma, mask, prior, confidence, strength, tolerance=self.tolerance)
            confidence = confidence * (strength > 0)
        if self.keep_stages:
            self.stages["prior"] = fit_gamut(luminance, prior)
            self.stages["confidence"] = confidence.expand(-1, 3, -1, -1)
            self.stages["result"] = fit_gamut(luminance, result)
        return torch.cat((luminance, result), 1)

    def _prior(self, image: Tensor, guide: Guide) -> Transferred:
        """What the reference method says; with the belief in it where the network stands beside it."""
        alone = not guide.references
        if alone:
            made, _ = self._network.prior(image[:, :1])
            guide = replace(guide, references=(Reference(torch.cat((image[:, :1], made), 1)),))
        method = self._transfer()
        method.keep_stages = self.keep_stages
        method.stages.clear()
        found = method.transferred(image, guide)
        if self.keep_stages:
            self.stages |= method.stages
            self.stages |= {f"reference_{i}": to_rgb(r.image, "yuv") for i, r in enumerate(guide.references, start=1)}
        return replace(found, belief=None) if alone else found
