"""Color from a reference, carried to where it belongs: dense correspondence of deep features of gray pictures."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_batch, check_choice, check_image, check_mask, check_same_size
from recolor_torch.color import fit_gamut
from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.features import VGG19, Preprocessing, VggWeights, find_vgg19, layer_depth
from recolor_torch.filters import denoise
from recolor_torch.guide import Guide, Reference, total_weight
from recolor_torch.linalg.solve import full_precision, solve
from recolor_torch.methods.base import FilmParts, Recolorizer, Transferred, TransferSettings, Trust
from recolor_torch.methods.correspondence.agreement import blend_agreeing
from recolor_torch.methods.correspondence.confidence import Blend, Candidates, confidence_of
from recolor_torch.methods.correspondence.detail import join_parts
from recolor_torch.methods.correspondence.features import LAYERS
from recolor_torch.methods.correspondence.links import follow_links, nothing_known, searched_together
from recolor_torch.methods.correspondence.mood import in_mood
from recolor_torch.methods.correspondence.search import Networks, Places, describe_places, find_candidates
from recolor_torch.methods.levin import checked
from recolor_torch.methods.network import FILL_VIVIDNESS, NetworkColorization
from recolor_torch.methods.words import paint_words
from recolor_torch.networks import ColorUNet
from recolor_torch.networks.folding import on_device
from recolor_torch.precision import exact_convolutions

# Odds against a reference by the name of the trust in it: those of a person's own, and of one that a gallery found.
REJECTIONS: dict[str, tuple[float, float]] = {"low": (3.0, 6.0), "normal": (1.0, 3.0), "high": (0.2, 1.0)}
# How far what the network fills is moved to the mood of the references, by the trust in them. With 0.5, pairs of one
# kind take the light of the reference (a sunset, neon, autumn) and true pairs stay as they are; but wrong references
# cost 1.0 of CIEDE2000 on the tune half, too much where nobody asked for it.
MOODS: dict[str, tuple[float, float]] = {"low": (0.0, 0.0), "normal": (0.0, 0.0), "high": (0.5, 0.0)}
# Transferred colors are told to the network with this power of the belief in them: doubtful ones mislead it, and what
# it makes of them covers whole things. On the tune half 8 and 16 are as good as each other, and 5 and 3 are worse.
HINT_POWER = 8
# A gray target has less chroma than this: rounding.
LEAST_COLOR = 1e-3
# How strongly an estimate that is fully believed holds against its neighbours in the Levin energy.
HOLD = 3.0


def propagate_estimate(
    luminance: Tensor, chroma: Tensor, confidence: Tensor, *, tolerance: float = 1.0, hold: float = HOLD
) -> Tensor:
    """Spread an estimate of the chroma along like luminance, by its confidence: Levin propagation with a soft prior.

    Edges are those of a copy without grain, see ``recolor_torch.filters.denoise``.

    Args:
        luminance: (B, 1, H, W).
        chroma: (B, 2, H, W).
        confidence: (B, 1, H, W), 0 to 1.
        tolerance: largest error of the solve, in 8-bit levels.
        hold: how strongly a confidence of 1 holds against the neighbours.

    Returns:
        Chroma, (B, 2, H, W).
    """
    clean = denoise(luminance.clamp(0, 1))
    nothing = torch.zeros_like(luminance)
    energy = LevinEnergy(clean, chroma, nothing, prior=chroma, confidence=hold * confidence)
    return checked(solve(energy, atol=tolerance / 255, start=chroma), tolerance)


class Correspondence(Recolorizer):
    """Colors from references, each to where it belongs: places are matched by deep features of the gray pictures.

    The features say what is seen (the encoder of the colorization network) and how it looks (VGG-19); both see
    a copy of the pictures without their grain. Every location takes the mean chroma of its best matches in the
    references, a regression on the same features, and the chroma that the references have at its luminance, as far as
    the evidence speaks for each. Within a location its parts take the chroma of the parts around its matches that look
    like them, and finer than that chroma changes with luminance as it does there.
    Matches that do not hang together and are odd among places that look alike give way to what those say. What is
    believed is given to the colorization network as soft hints, with the belief as confidence, and the network fills in
    what no reference knows (after He et al., "Deep Exemplar-Based Colorization", 2018). The result is then spread along
    like luminance.

    Args:
        side: longer side in pixels at which pictures are searched; the time grows with its fourth power.
        matches: how many matches of a location are averaged.
        mirrors: search the mirror images of the references too, at twice the time.
        several: with several references, ``all`` searches them together and ``best`` takes for each picture the one
            with the least expected error.
        trust: how far a reference is believed where nothing matches closely: ``low`` wants proof, ``high`` takes its
            colors wherever they may fit and its mood elsewhere, for one of the same kind. One that a gallery found is
            believed a step less than one that a person named.
        rejection: the number behind ``trust``, in its place: the odds against a reference (1 is as fitted; 3 holds
            wrong ones off, 0 believes any).
        fill: what colors the places where no reference is believed: ``network``, or ``none`` to leave them neutral.
            A target whose own color is kept in sight (``--target color``) has its own there.
        tolerance: largest error of the solve, in 8-bit levels of chroma.
        weights: file of VGG-19 weights, at least its first five convolutions; else RECOLOR_VGG19, torchvision's, or
            the slim network of this package.
        download: let torchvision fetch its weights (550 MB) where none are found.
        vgg_preprocessing: how the network's input is made, in place of what the weights' file says.
    """

    space = "yuv"
    single = True
    takes_text = True
    needs = ("reference",)
    follows_links = True
    says_belief = True
    bytes_per_pixel = 400
    # Chroma solved at this size and enlarged is as good as chroma solved in full, see LevinColorization.
    largest_side: ClassVar[int] = 1024

    def __init__(
        self,
        side: int = 368,
        matches: int = 16,
        mirrors: bool = False,
        several: Literal["all", "best"] = "all",
        trust: Trust = "normal",
        rejection: float | None = None,
        fill: Literal["network", "none"] = "network",
        tolerance: float = 1.0,
        weights: str | None = None,
        download: bool = False,
        vgg_preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__()
        check_choice(several, "several", ("all", "best"))
        check_choice(trust, "trust", tuple(REJECTIONS))
        check_choice(fill, "fill", ("network", "none"))
        if side < 16:
            raise ValueError(f"side must be 16 or more, got {side}.")
        if matches < 1:
            raise ValueError(f"matches must be 1 or more, got {matches}.")
        if rejection is not None and not 0 <= rejection < float("inf"):
            raise ValueError(f"rejection must be 0 or more, got {rejection:g}.")
        if not 0 < tolerance < float("inf"):
            raise ValueError(f"tolerance must be more than 0, got {tolerance:g}.")
        self.side, self.matches, self.mirrors, self.several = side, matches, mirrors, several
        self.trust, self.rejection, self.fill, self.tolerance = trust, rejection, fill, tolerance
        self.weights, self.download, self.vgg_preprocessing = weights, download, vgg_preprocessing
        self._found: VggWeights | None = None
        # Not submodules: the weights belong to no checkpoint.
        self._vgg: dict[torch.device, VGG19] = {}
        self._network = (NetworkColorization(vividness=FILL_VIVIDNESS),)

    @property
    def network(self) -> NetworkColorization:
        """The network that fills, and whose encoder gives the features of meaning."""
        return self._network[0]

    @classmethod
    def for_transfer(cls, settings: TransferSettings) -> "Correspondence":
        """The method with these of its settings."""
        s = settings
        sources = {"weights": s.weights, "download": s.download, "vgg_preprocessing": s.vgg_preprocessing}
        return cls(several=s.several, trust=s.trust, **sources)  # type: ignore[arg-type]

    def transferred(self, image: Tensor, guide: Guide) -> Transferred:
        """``believe``, spread; see ``Recolorizer.transferred``."""
        found = self.believe(image, self.references_alone(guide))
        chroma = propagate_estimate(image[:, :1], found.chroma, found.confidence, tolerance=self.tolerance)
        return replace(found, chroma=chroma)

    def film_parts(self) -> FilmParts:
        """The method finds the colors of references."""
        return FilmParts(match=self)

    def prepare(self) -> None:
        """Find and read the weights: VGG-19 as far as conv_5, and the colorization network.

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
        self.network.prepare()

    def provenance(self) -> dict[str, str]:
        """The digests of the networks' weights."""
        self.prepare()
        assert self._found is not None
        return {**self._found.provenance(), "network": self.network.digest}

    def _networks(self, device: torch.device) -> Networks:
        self.prepare()
        assert self._found is not None
        if device not in self._vgg:
            self._vgg[device] = VGG19(self._found, LAYERS).to(device)
        meaning = self.network.loaded
        assert isinstance(meaning, ColorUNet)
        on_device(meaning, device)
        return Networks(self._vgg[device], meaning)

    def forward(self, image: Tensor, guide: Guide) -> Tensor:
        """Color ``image``, YUV (B, 3, H, W); returns YUV. Luminance alone is read, and chroma where there is any."""
        chroma, confidence = self.estimate(image, guide)
        luminance = image[:, :1]
        result = propagate_estimate(luminance, chroma, confidence, tolerance=self.tolerance)
        if guide.text is not None:
            painted = paint_words(self.network, luminance, result, guide.text, keep_stages=self.keep_stages)
            result = painted.chroma
            self.take(painted)
        if self.keep_stages:
            self.stages["result"] = fit_gamut(luminance, result)
        return torch.cat((luminance, result), 1)

    def estimate(self, image: Tensor, guide: Guide) -> tuple[Tensor, Tensor]:
        """Chroma (B, 2, H, W) before it is spread, and the confidence in it, (B, 1, H, W); see ``believe``."""
        found = self.believe(image, guide)
        return found.chroma, found.confidence

    # In few bits near scores change places, and so do colors.
    @full_precision()
    @exact_convolutions()
    def believe(self, image: Tensor, guide: Guide) -> Transferred:
        """What the references say, filled where none is believed, and how sure that is.

        Raises:
            ValueError: there is no reference, or a shape is wrong.
            WeightsMissing: the weights that were named are not there.
        """
        self.require(guide)
        check_image(image, "image", channels=3)
        if not guide.links:
            total_weight(guide.references)
        networks = self._networks(image.device)
        luminance = image[:, :1]
        each = self.several == "best"
        groups, whole = searched_together([r.weight for r in guide.references], guide.links, each)
        places = [
            describe_places(networks, luminance, references, side=self.side, mirrors=self.mirrors)
            for references in (tuple(guide.references[i] for i in group) for group in groups)
        ]
        found = [self._believed(p, [guide.references[i] for i in g]) for p, g in zip(places[:whole], groups)]
        candidates, estimate = _least_error(found) if found else nothing_known(places[0])
        estimate = follow_links(estimate, guide.links, groups, places, self.matches)
        size = places[0].size

        def full(x: Tensor) -> Tensor:
            grid = x.transpose(1, 2).unflatten(2, size)
            return F.interpolate(grid, size=image.shape[-2:], mode="bilinear", align_corners=False).to(image)

        clean = denoise(luminance.clamp(0, 1))
        parts = join_parts(estimate.detail, size)
        detail = F.interpolate(parts, size=image.shape[-2:], mode="bilinear", align_corners=False).to(image)
        pooled = F.adaptive_avg_pool2d(clean, (parts.shape[2], parts.shape[3]))
        finer = clean - F.interpolate(pooled, clean.shape[-2:], mode="bilinear")
        matched = full(estimate.chroma) + detail + full(estimate.slope) * finer
        belief = full(estimate.belief.unsqueeze(2))
        hinted = full(estimate.chroma / estimate.belief.unsqueeze(2).clamp(min=1e-4))
        rest = self._rest(image, clean, guide, (hinted, belief))
        chroma, confidence = matched + (1 - belief) * rest, full(confidence_of(estimate.error).unsqueeze(2))
        if self.keep_stages:
            self.stages |= {
                "matches": fit_gamut(luminance, full(candidates.chroma[:, :, 0])),
                "belief": belief.expand(-1, 3, -1, -1),
                "confidence": confidence.expand(-1, 3, -1, -1),
                "prior": fit_gamut(luminance, chroma),
            }
            if len(found) > 1:
                self.stages["references.txt"] = _say_errors(found)
        return Transferred(chroma, confidence, belief)

    def _believed(self, places: Places, references: list[Reference]) -> tuple[Candidates, Blend]:
        candidates = find_candidates(places, self.matches)
        return candidates, blend_agreeing(places, candidates, self._rejection(references))

    def _rejection(self, references: list[Reference]) -> float:
        """The odds against these references."""
        return self._by_origin(REJECTIONS, references) if self.rejection is None else self.rejection

    def _by_origin(self, numbers: dict[str, tuple[float, float]], references: Sequence[Reference]) -> float:
        """The number for this trust in references that a person named, or that a gallery found."""
        named, found = numbers[self.trust]
        return found if all(r.found for r in references) else named

    def _rest(self, image: Tensor, clean: Tensor, guide: Guide, found: tuple[Tensor, Tensor]) -> Tensor:
        """Chroma for where no reference is believed, (B, 2, H, W).

        Args:
            image: YUV.
            clean: its luminance without grain.
            guide: what the method was told.
            found: what the references say, (B, 2, H, W), and the belief in it, (B, 1, H, W).
        """
        matched, belief = found
        if self.fill == "network":
            soft = (belief**HINT_POWER).detach()
            rest, _ = self.network.prior(clean, matched.detach(), soft)
            rest = in_mood(image[:, :1], rest, guide.references, self._by_origin(MOODS, guide.references))
        else:
            rest = torch.zeros_like(matched)
        # A target whose color is in sight keeps it.
        colored = image[:, 1:].abs().amax((1, 2, 3)) > LEAST_COLOR
        rest = torch.where(colored.view(-1, 1, 1, 1), image[:, 1:], rest)
        if guide.prior is None:
            return rest
        check_image(guide.prior, "prior", channels=2)
        check_same_size(guide.prior, "prior", image)
        check_batch(guide.prior, "prior", image)
        if guide.confidence is None:
            return guide.prior.expand_as(rest)
        check_mask(guide.confidence, "confidence", image)
        return torch.lerp(rest, guide.prior.expand_as(rest), guide.confidence.clamp(0, 1))


def _say_errors(found: list[tuple[Candidates, Blend]]) -> str:
    """A line a picture: the expected error of each reference, in 8-bit levels, the chosen one marked."""
    errors = torch.stack([255 * e.error.mean(1) for _, e in found], 1).tolist()
    lines = [[f"{x:.1f}{'*' if x == min(row) else ''}" for x in row] for row in errors]
    return "\n".join("\t".join(line) for line in lines) + "\n"


def _least_error(found: list[tuple[Candidates, Blend]]) -> tuple[Candidates, Blend]:
    """For each sample the candidates and the estimate with the least mean expected error."""
    if len(found) == 1:
        return found[0]
    best = torch.stack([e.error.mean(1) for _, e in found]).argmin(0)

    def pick(parts: list[Tensor]) -> Tensor:
        stacked = torch.stack(parts)
        return stacked[best, torch.arange(best.shape[0], device=best.device)]

    candidates, estimates = [c for c, _ in found], [e for _, e in found]
    return (
        Candidates(*(pick([getattr(c, f.name) for c in candidates]) for f in fields(Candidates))),
        Blend(*(pick([getattr(e, f.name) for e in estimates]) for f in fields(Blend))),
    )
