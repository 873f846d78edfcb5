"""Colour from a reference, carried to where it belongs: dense correspondence of deep features of gray pictures."""

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_batch, check_choice, check_image, check_mask, check_same_size
from recolor_torch.color import fit_gamut
from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.features import VGG19, Preprocessing, VggWeights, find_vgg19, layer_depth
from recolor_torch.guide import Guide, Reference, total_weight
from recolor_torch.linalg.solve import solve
from recolor_torch.methods.base import Recolorizer
from recolor_torch.methods.correspondence.confidence import (
    Candidates,
    Estimate,
    blend_candidates,
    confidence_of,
    gather_evidence,
    mean_of_matches,
    regress_chroma,
)
from recolor_torch.methods.correspondence.features import LAYERS, STRIDE, describe, feature_blocks, working_picture
from recolor_torch.methods.correspondence.match import find_matches, with_penalty
from recolor_torch.methods.histogram_chroma import fit_chroma_table
from recolor_torch.methods.levin import checked

# What a difference of luminance of one standard deviation, and of one picture height, costs of the score.
LUMINANCE_PENALTY = 0.04
HEIGHT_PENALTY = 0.1
# Least standard deviation of luminance: a flat picture has none.
LEAST_CONTRAST = 0.01
# How strongly an estimate that is fully believed holds against its neighbours in the Levin energy.
HOLD = 3.0


def find_candidates(
    network: VGG19,
    luminance: Tensor,
    references: tuple[Reference, ...],
    *,
    side: int = 368,
    matches: int = 16,
    mirrors: bool = False,
) -> tuple[Candidates, tuple[int, int]]:
    """What the references say of the chroma of each location of a gray picture.

    Both are searched at a working size, whatever size they have, so that time and memory are bounded.

    Args:
        network: VGG-19 that gives ``LAYERS``.
        luminance: (B, 1, H, W) in [0, 1].
        references: YUV pictures; places of all of them are searched together. A weight of 0 leaves one out,
            and among others of unlike weight the larger is preferred where the scores are near.
        side: longer side at which pictures are searched.
        matches: how many matches are averaged.
        mirrors: search the mirror image of each reference too.

    Returns:
        Candidates at N = h w locations, and (h, w).
    """
    check_image(luminance, "luminance", channels=1)
    batch = luminance.shape[0]
    target = working_picture(luminance.float(), side).clamp(0, 1)
    pictures = [_prepared(r, side, luminance) for r in references if r.weight > 0]
    if mirrors:
        pictures += [
            replace(r, image=r.image.flip(3), mask=None if r.mask is None else r.mask.flip(3)) for r in pictures
        ]
    blocks = feature_blocks(network, target)
    size = (blocks[0].shape[2], blocks[0].shape[3])
    a, b = describe(blocks, [feature_blocks(network, r.image[:, :1].clamp(0, 1)) for r in pictures])
    pooled = [F.avg_pool2d(r.image, STRIDE) for r in pictures]
    places = torch.cat([x.flatten(2).expand(batch, -1, -1) for x in pooled], 2)
    chroma = places[:, 1:].transpose(1, 2)
    most = max(r.weight for r in pictures)
    counted = torch.cat([_counted(r, x).expand(batch, -1) * (r.weight / most) for r, x in zip(pictures, pooled)], 1)
    gray = F.avg_pool2d(target, STRIDE)
    ya, yb = gray.flatten(1), places[:, 0]
    contrast = torch.cat((ya, yb), 1).std(1, keepdim=True) + LEAST_CONTRAST
    height_a = _height(gray).expand(batch, -1)
    height_b = torch.cat([_height(x) for x in pooled], 1).expand(batch, -1)
    near_a, near_b = with_penalty(a, b, ya / contrast, yb / contrast, LUMINANCE_PENALTY)
    near_a, near_b = with_penalty(near_a, near_b, height_a, height_b, HEIGHT_PENALTY)
    found = find_matches(near_a, near_b, matches, counted)
    matched, variance = mean_of_matches(found, chroma)
    regressed = regress_chroma(a, b, chroma, counted)
    plain = tuple(replace(r, image=r.image.detach()) for r in pictures)  # counting has no gradient
    table = fit_chroma_table(plain).apply(gray).flatten(2).transpose(1, 2)
    evidence = gather_evidence(found, variance, matched, regressed, size)
    return Candidates(torch.stack((matched, regressed, table), 2), evidence), size


def _prepared(reference: Reference, side: int, like: Tensor) -> Reference:
    check_image(reference.image, "reference", channels=3)
    check_batch(reference.image, "reference", like)
    image = working_picture(reference.image.float(), side)
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


def propagate_estimate(
    luminance: Tensor, chroma: Tensor, confidence: Tensor, *, tolerance: float = 1.0, hold: float = HOLD
) -> Tensor:
    """Spread an estimate of the chroma along like luminance, by its confidence: Levin propagation with a soft prior.

    Args:
        luminance: (B, 1, H, W).
        chroma: (B, 2, H, W).
        confidence: (B, 1, H, W), 0 to 1.
        tolerance: largest error of the solve, in 8-bit levels.
        hold: how strongly a confidence of 1 holds against the neighbours.

    Returns:
        Chroma, (B, 2, H, W).
    """
    nothing = torch.zeros_like(luminance)
    energy = LevinEnergy(luminance, chroma, nothing, prior=chroma, confidence=hold * confidence)
    return checked(solve(energy, atol=tolerance / 255, start=chroma), tolerance)


class Correspondence(Recolorizer):
    """Colours from references, each to where it belongs: places are matched by deep features of the gray pictures.

    Every location takes the mean chroma of its best matches in the references, a regression on the same features, and
    the chroma that the references have at its luminance, as far as the evidence speaks for each; where nothing fits, it
    stays neutral or takes the prior that the guide gives. The result is then spread along like luminance.

    Args:
        side: longer side in pixels at which pictures are searched; the time grows with its fourth power.
        matches: how many matches of a location are averaged.
        mirrors: search the mirror images of the references too, at twice the time.
        several: with several references, ``all`` searches them together and ``best`` takes for each picture the one
            with the least expected error.
        rejection: how readily a place stays neutral: 3 holds wrong references off (1 is as fitted), 0 believes any
            reference, and in between is for one of the same kind, whose colours are wanted though it is another scene.
        tolerance: largest error of the solve, in 8-bit levels of chroma.
        weights: file of VGG-19 weights, at least its first five convolutions; else RECOLOR_VGG19, torchvision's, or
            the slim network of this package.
        download: let torchvision fetch its weights (550 MB) where none are found.
        vgg_preprocessing: how the network's input is made, in place of what the weights' file says.
    """

    space = "yuv"
    single = True
    needs = ("reference",)
    bytes_per_pixel = 400
    # Chroma solved at this size and enlarged is as good as chroma solved in full, see LevinColorization.
    largest_side: ClassVar[int] = 1024

    def __init__(
        self,
        side: int = 368,
        matches: int = 16,
        mirrors: bool = False,
        several: Literal["all", "best"] = "all",
        rejection: float = 3.0,
        tolerance: float = 1.0,
        weights: str | None = None,
        download: bool = False,
        vgg_preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__()
        check_choice(several, "several", ("all", "best"))
        if side < 16:
            raise ValueError(f"side must be 16 or more, got {side}.")
        if matches < 1:
            raise ValueError(f"matches must be 1 or more, got {matches}.")
        if not 0 <= rejection < float("inf"):
            raise ValueError(f"rejection must be 0 or more, got {rejection:g}.")
        if not 0 < tolerance < float("inf"):
            raise ValueError(f"tolerance must be more than 0, got {tolerance:g}.")
        self.side, self.matches, self.mirrors, self.several = side, matches, mirrors, several
        self.rejection, self.tolerance = rejection, tolerance
        self.weights, self.download, self.vgg_preprocessing = weights, download, vgg_preprocessing
        self._found: VggWeights | None = None
        # Not a submodule: the weights belong to no checkpoint.
        self._networks: dict[torch.device, VGG19] = {}

    def prepare(self) -> None:
        """Find and read the weights as far as conv_5.

        Raises:
            WeightsMissing: those that were named are not there, or have not all the layers that are needed.
        """
        if self._found is None:
            self._found = find_vgg19(
                self.weights,
                depth=layer_depth(LAYERS[-1]),
                download=self.download,
                preprocessing=self.vgg_preprocessing,
            )

    def provenance(self) -> dict[str, str]:
        """The digest of the network's weights."""
        self.prepare()
        assert self._found is not None
        return self._found.provenance()

    def _network(self, device: torch.device) -> VGG19:
        self.prepare()
        assert self._found is not None
        if device not in self._networks:
            self._networks[device] = VGG19(self._found, LAYERS).to(device)
        return self._networks[device]

    def forward(self, image: Tensor, guide: Guide) -> Tensor:
        """Colour ``image``, YUV (B, 3, H, W), of which luminance alone is read; returns YUV."""
        chroma, confidence = self.estimate(image, guide)
        luminance = image[:, :1]
        result = propagate_estimate(luminance, chroma, confidence, tolerance=self.tolerance)
        if self.keep_stages:
            self.stages["result"] = fit_gamut(luminance, result)
        return torch.cat((luminance, result), 1)

    def estimate(self, image: Tensor, guide: Guide) -> tuple[Tensor, Tensor]:
        """Chroma (B, 2, H, W) before it is spread, and the confidence in it, (B, 1, H, W) in [0, 1].

        Raises:
            ValueError: there is no reference, or a shape is wrong.
            WeightsMissing: the weights that were named are not there.
        """
        self.require(guide)
        check_image(image, "image", channels=3)
        total_weight(guide.references)
        network = self._network(image.device)
        luminance = image[:, :1]
        groups = [(r,) for r in guide.references if r.weight > 0] if self.several == "best" else [guide.references]
        found: list[tuple[Candidates, Estimate]] = []
        for references in groups:
            candidates, size = find_candidates(
                network, luminance, references, side=self.side, matches=self.matches, mirrors=self.mirrors
            )
            found.append((candidates, blend_candidates(candidates, _fallback(guide, image, size), self.rejection)))
        candidates, estimate = found[0] if len(found) == 1 else _least_error(found)

        def full(x: Tensor) -> Tensor:
            grid = x.transpose(1, 2).unflatten(2, size)
            return F.interpolate(grid, size=image.shape[-2:], mode="bilinear", align_corners=False).to(image)

        chroma, confidence = full(estimate.chroma), full(confidence_of(estimate.error).unsqueeze(2))
        if self.keep_stages:
            self.stages |= {
                "matches": fit_gamut(luminance, full(candidates.chroma[:, :, 0])),
                "confidence": confidence.expand(-1, 3, -1, -1),
                "prior": fit_gamut(luminance, chroma),
            }
            if len(found) > 1:
                self.stages["references.txt"] = _say_errors(found)
        return chroma, confidence


def _fallback(guide: Guide, image: Tensor, size: tuple[int, int]) -> Tensor | None:
    """The guide's prior by its confidence, at the locations: what takes the place of neutral."""
    if guide.prior is None:
        return None
    check_image(guide.prior, "prior", channels=2)
    check_same_size(guide.prior, "prior", image)
    check_batch(guide.prior, "prior", image)
    prior = guide.prior.expand(image.shape[0], -1, -1, -1)
    if guide.confidence is not None:
        check_mask(guide.confidence, "confidence", image)
        prior = prior * guide.confidence.clamp(0, 1)
    return F.adaptive_avg_pool2d(prior.float(), size).flatten(2).transpose(1, 2)


def _say_errors(found: list[tuple[Candidates, Estimate]]) -> str:
    """A line a picture: the expected error of each reference, in 8-bit levels, the chosen one marked."""
    errors = torch.stack([255 * e.error.mean(1) for _, e in found], 1).tolist()
    lines = [[f"{x:.1f}{'*' if x == min(row) else ''}" for x in row] for row in errors]
    return "\n".join("\t".join(line) for line in lines) + "\n"


def _least_error(found: list[tuple[Candidates, Estimate]]) -> tuple[Candidates, Estimate]:
    """For each sample the candidates and the estimate with the least mean expected error."""
    best = torch.stack([e.error.mean(1) for _, e in found]).argmin(0)

    def pick(parts: list[Tensor]) -> Tensor:
        stacked = torch.stack(parts)
        return stacked[best, torch.arange(best.shape[0], device=best.device)]

    candidates = Candidates(pick([c.chroma for c, _ in found]), pick([c.evidence for c, _ in found]))
    estimate = Estimate(
        pick([e.chroma for _, e in found]), pick([e.error for _, e in found]), pick([e.shares for _, e in found])
    )
    return candidates, estimate
