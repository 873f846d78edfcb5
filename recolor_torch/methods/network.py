"""Color without any guidance, or with some points: a network trained on photographs."""

from dataclasses import replace
from typing import ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.checks import check_choice, check_image
from recolor_torch.color import fit_gamut
from recolor_torch.color.ab import ab_to_chroma
from recolor_torch.color.bins import TEMPERATURE, annealed_mean, certainty
from recolor_torch.guide import Guide
from recolor_torch.kept import Kept
from recolor_torch.methods.base import FilmParts, Recolorizer
from recolor_torch.methods.kriging import krige
from recolor_torch.methods.levin import LevinColorization, Spread, given, spread_chroma
from recolor_torch.methods.network_copies import mean_of, moved
from recolor_torch.methods.network_corrected import TRUST, combine, correct
from recolor_torch.methods.network_hints import MOST_SOFT, pooled, with_prior
from recolor_torch.methods.network_samples import coherent_noise, sheet
from recolor_torch.methods.words import paint_words
from recolor_torch.networks import Estimate
from recolor_torch.networks.folding import fold_norms, on_device
from recolor_torch.networks.loading import load_network
from recolor_torch.resize import resize

Head = Literal["auto", "regression", "distribution"]
Network = Literal["unet", "eccv16", "siggraph17", "multi_path", "near_infrared"]

# What the chroma of a vividness of 1 is multiplied with: on 50 held-out training pictures it then is as colorful as
# they are (the ratio of Hasler and Suesstrunk's colorfulness is 1.00 in the median); the estimates alone are paler.
_FULL_VIVIDNESS = 1.5
# What is shown without a wish. Of 53 held-out training pictures at 256 pixels, settings of 0, 0.5, 0.6, 0.7, 0.8 and 1
# have 0.81, 0.85, 0.87, 0.88, 0.90 and 0.93 of gray's CIEDE2000, and 0.63, 0.81, 0.84, 0.88, 0.91 and 0.98 of the
# colorfulness of the truth: the most colorful one whose error stays below 0.87. That was with one copy; with two, 27 of
# such pictures have 0.77, 0.80, 0.82, 0.83, 0.84 and 0.87, and 0.68, 0.87, 0.91, 0.95, 0.98 and 1.06.
VIVIDNESS = 0.6
# The same where it fills what references leave: its mean has the least error, and beside their colors it is pale.
FILL_VIVIDNESS = 0.15
# Side of the second copy that the network sees of a picture without hints, over that of the first; it is mirrored. On
# 19 held-out training pictures the mean of both answers has 25.24 dB where one has 24.96, and the vivid one a CIEDE2000
# of 9.27 in place of 10.04; the same size mirrored 25.08 and 9.75, sizes of 0.75, 1 and 1.35 together 25.19 and 9.19.
LARGER = 1.35
# The network sees smaller pictures enlarged to this side, or twice theirs. The mean of 58 held-out training pictures
# that were reduced to 96, 128 and 192 pixels has 25.20, 25.18 and 25.79 dB as they are, and 25.99, 25.91 and 25.97 dB
# at 256.
LEAST_SIDE = 256
# Shares of a picture that hints cover: up to the first the larger copy counts whole, from the second on it is left out.
# Where nearly everything is known, as from a reference that fits, it changes nothing: the eight such pairs of the
# tune half have the same error with and without it, to 0.01.
_COPIES_COUNT, _COPIES_REST = 0.2, 0.6
# How strongly the estimate holds in the edge-aware finish: larger values keep its blur, smaller ones lose its detail.
_FINISH_STRENGTH = 0.03
# The longest side at which the finish is computed: the estimate has no detail that needs more.
_FINISH_SIDE = 512


class NetworkColorization(Recolorizer):
    r"""Color by a network that has learned from photographs; points are welcome and not needed.

    The network sees a small copy of the picture and gives two estimates: the mean of what is likely, of the least
    error and pale, and a vivid one, as colorful as photographs are. ``vividness`` mixes them. The estimate is brought
    to the edges of the picture as the soft prior of a Levin system without hints, and enlarged.

    Where hints are given, the network reads them. What its estimate lacks there goes to all places that it sees as
    alike (``krige``); what this estimate p still lacks spreads by :math:`(L + 0.005 C)(u - p) = 0`, and
    :math:`(L + F C)\,v = F C u` joins it with Levin propagation of the hints, which are kept exactly. The surer the
    network, the larger C and the sooner the effect of a hint ends; F is small in flat regions, which one stroke colors.
    A soft prior in the guide, such as colors transferred from a reference, is given to the network with its confidence.
    A text ("red dress, green lawn") colors the things that it names, where they are found; hints come before it.

    Args:
        network: unet is our own, which comes with the package and reads hints; eccv16 and siggraph17 are those of
            Zhang et al., whose published files are given with weights (eccv16 reads no hints); near_infrared takes
            the target for a near-infrared picture and makes luminance too (keep none is implied); multi_path says
            what kind of scene it sees, with weights that you have trained.
        weights: file of the network's weights.
        side: longer side of the copy that the network sees; pictures below 256 pixels are enlarged, at most twice.
        copies: 2: it sees a larger mirrored copy too, and its answers are averaged; 1 is nearly three times as fast.
        vividness: 0 is the mean estimate, 1 is as colorful as photographs; in between they are mixed.
        head: distribution takes the color from the distribution over color bins alone; regression is a vividness of 0;
            auto is vividness where the network has it.
        temperature: of the distribution, from 1 (its mean, pale) towards 0 (its mode, vivid and patchy).
        samples: so many different results on one sheet, which --save-stages writes.
        sample: which of them is the result: 0 the most likely, 1 and up others, as numbered on the sheet.
        finish: bring the estimate to the edges of the picture.
        propagate: keep hints exactly and carry them on; without it hints are the network's to use.
        trust: how strongly the network's colors hold against hints that are not near; larger values keep more of
            the automatic result (C where the network is sure, in a picture of at most 256 pixels).
        seed: of the samples.
    """

    space = "yuv"
    single = True
    takes_text = True
    bytes_per_pixel = 70
    # A little less than that of ``levin``, whose solve it runs beside the network's weights and answers: a scan of 24
    # megapixels with hints stays under 20 bytes a pixel.
    largest_side: ClassVar[int | None] = 1408

    def __init__(
        self,
        network: Network = "unet",
        weights: str | None = None,
        side: int = 384,
        copies: Literal[1, 2] = 2,
        vividness: float = VIVIDNESS,
        head: Head = "auto",
        temperature: float = TEMPERATURE,
        samples: int = 1,
        sample: int = 0,
        finish: bool = True,
        propagate: bool = True,
        trust: float = TRUST,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_choice(network, "network", get_args(Network))
        check_choice(head, "head", ("auto", "regression", "distribution"))
        if not 0 <= vividness <= 1:
            raise ValueError(f"vividness must be from 0 to 1, got {vividness:g}.")
        if side < 32:
            raise ValueError(f"side must be 32 or more, got {side}.")
        for name, value in (("temperature", temperature), ("trust", trust)):
            if not 0 < value <= 1e6:
                raise ValueError(f"{name} must be more than 0 and at most 1e+06, got {value:g}.")
        if not 0 <= sample < max(samples, 1):
            raise ValueError(f"sample must be from 0 to samples - 1, which is {samples - 1}, got {sample}.")
        if network == "near_infrared" and (head == "distribution" or samples > 1):
            raise ValueError("near_infrared gives no distribution, so it has no samples: leave head and samples alone.")
        if copies not in (1, 2):
            raise ValueError(f"copies must be 1 or 2, got {copies}.")
        self.network, self.weights, self.side, self.copies = network, weights, side, copies
        self.vividness, self.head = vividness, head
        self.temperature, self.samples, self.sample = temperature, samples, sample
        self.finish = finish
        self.propagate, self.trust, self.seed = propagate, trust, seed
        self.loaded: nn.Module | None = None
        self.digest = ""
        # Of the last picture the answer for one copy without hints, and the mean of those for both.
        self._last: Kept[tuple[Estimate, Estimate]] = Kept()

    def reset(self) -> None:
        """Forget the last picture."""
        self._last.clear()

    def memory_per_pixel(self, hints: bool) -> int:
        """With hints that are propagated, that of ``levin``."""
        return LevinColorization.bytes_per_pixel if hints and self.propagate else self.bytes_per_pixel

    def film_parts(self) -> FilmParts:
        """The method is the network of a film."""
        return FilmParts(network=self)

    def prepare(self) -> None:
        """Load the network, once."""
        if self.loaded is None:
            network, self.digest = load_network(self.network, self.weights)
            self.loaded = fold_norms(network)

    def provenance(self) -> dict[str, str]:
        """The digest of the network's weights."""
        return {"weights": self.digest} if self.digest else {}

    def kept(self, keep: Literal["luma", "none"]) -> Literal["luma", "none"]:
        """Nothing of a near-infrared target, which is no luminance."""
        return "none" if self.network == "near_infrared" else keep

    def forward(self, image: Tensor, guide: Guide) -> Tensor:
        """Color ``image``, YUV (B, 3, H, W), of which luminance alone is read; returns YUV."""
        check_image(image, "image", channels=3)
        luminance = image[:, :1]
        hints = mask = None
        if guide.hints is not None and guide.hint_mask is not None:
            hints, mask = given(image, guide, all_pictures=False)
            hints = hints[:, 1:]
        estimate = self.estimate(luminance, *with_prior(image, guide, hints, mask))
        luminance = estimate.luminance(luminance)
        small = resize(luminance, self._size(luminance))
        noise = self._noise()
        chroma = self._finished(luminance, self._chroma(estimate, small, noise[self.sample]))
        confidence = _confidence(estimate, luminance)
        if guide.text is not None:
            painted = paint_words(self, luminance, chroma, guide.text, (hints, mask), self.keep_stages)
            chroma, confidence = painted.chroma, torch.maximum(confidence, painted.share)
            self.take(painted)
        if self.propagate and hints is not None and mask is not None:
            chroma = self.combine(luminance, hints, mask, chroma, confidence)
        if estimate.scene is not None:
            scenes = self._scenes(estimate.scene)
            earlier = self.notes or [()] * len(scenes)
            self.notes = [(*known, f"scene: {scene}.") for known, scene in zip(earlier, scenes)]
        if self.keep_stages:
            self._keep(estimate, luminance, small, noise)
        return torch.cat((luminance, chroma), 1)

    def estimate(self, luminance: Tensor, hints: Tensor | None = None, mask: Tensor | None = None) -> Estimate:
        """What the network says of a copy of the picture with the longer side at ``side``, and of a larger one.

        What hints change is seen on the one copy alone, and added: far from all hints the answer is that without any.
        Of a picture that hints mostly cover, the one copy is enough.

        Args:
            luminance: (B, 1, H, W), [0, 1].
            hints: chroma, (B or 1, 2, H, W), read where ``mask`` is over 0.
            mask: confidence of the hints, (B or 1, 1, H, W), [0, 1]: 1 is a person's own color.
        """
        self.prepare()
        if self.copies == 1 or self.network not in ("unet", "near_infrared"):
            return self._see(luminance, 1.0, hints, mask)

        def see_both() -> tuple[Estimate, Estimate]:
            # First: what it leaves behind holds the smaller one. Its distribution is not read.
            larger = self._see(luminance.flip(-1), LARGER, logits=False)
            one = self._see(luminance)
            return one, mean_of(one, larger)

        if hints is None or mask is None:
            return self._last.get((luminance, self.side), see_both)[1]
        after = self._see(luminance, 1.0, hints, mask)
        covered = mask.detach().to(luminance).clamp(0, 1).mean((1, 2, 3))
        share = ((_COPIES_REST - covered) / (_COPIES_REST - _COPIES_COUNT)).clamp(0, 1)
        if not bool(share.any()):
            return after
        one, bare = self._last.get((luminance, self.side), see_both)
        return moved(after, one, bare, share.view(-1, 1, 1, 1))

    def _see(
        self,
        luminance: Tensor,
        scale: float = 1.0,
        hints: Tensor | None = None,
        mask: Tensor | None = None,
        logits: bool = True,
    ) -> Estimate:
        """The answer for one copy; our own networks can leave the distribution out."""
        assert self.loaded is not None
        network = on_device(self.loaded, luminance.device)
        size = self._size(luminance, scale)
        given = None
        if hints is not None and mask is not None:
            exact, confidence = (x.expand(len(luminance), -1, -1, -1) for x in pooled(hints, mask, size))
            given, hints, mask = (exact, confidence), exact.float(), confidence.float()
        with torch.no_grad():
            small = resize(luminance, size).clamp(0, 1).float()
            found = network(small, hints, mask) if logits else network(small, hints, mask, logits=False)
        # Features that know hints are alike where hints are, not where things are.
        features = found.features if given is None else None
        answers = (found.logits, found.chroma, found.vivid, found.scene, found.tone, features)
        return replace(Estimate(*(None if x is None else x.to(luminance) for x in answers)), given=given)

    def prior(
        self, luminance: Tensor, hints: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The most likely chroma, (B, 2, H, W), and how sure the network is of it, (B, 1, H, W) in [0, 1].

        Args:
            luminance, hints, mask: as for ``estimate``.
        """
        return self.read(self.estimate(luminance, hints, mask), luminance)

    def read(
        self,
        estimate: Estimate,
        luminance: Tensor,
        spread: Spread = spread_chroma,
        vividness: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Chroma, that of the sample that was chosen, and confidence of an estimate, at the size of ``luminance``.

        Args:
            estimate: of this picture.
            luminance: (B, 1, H, W), [0, 1].
            spread: what brings the estimate to the edges: ``spread_chroma``, or one that remembers the last solve.
            vividness: in place of the method's own, (B, 1, 1, 1).
        """
        noise = self._noise()[self.sample]
        chroma = self._chroma(estimate, resize(luminance, self._size(luminance)), noise, vividness)
        return self._finished(luminance, chroma, spread), _confidence(estimate, luminance)

    def _size(self, luminance: Tensor, share: float = 1.0) -> tuple[int, int]:
        height, width = luminance.shape[-2:]
        longer = max(height, width)
        scale = share * min(self.side, max(longer, min(LEAST_SIDE, 2 * longer))) / longer
        return max(1, round(scale * height)), max(1, round(scale * width))

    def _noise(self) -> list[Tensor | None]:
        """For each sample what is added to the logits: nothing to those of the first."""
        return [None, *coherent_noise(self.samples - 1, self.seed)]

    def _chroma(
        self, estimate: Estimate, luminance: Tensor, noise: Tensor | None, vividness: Tensor | None = None
    ) -> Tensor:
        """The chroma at the network's size, (B, 2, h, w), with what it lacked at hints."""
        chroma = self._answer(estimate, luminance, noise, vividness)
        if estimate.given is None or not self.propagate:
            return chroma
        hints, confidence = estimate.given
        known = (confidence > MOST_SOFT).to(chroma)
        return chroma + krige(hints.to(chroma) - chroma, known, luminance, estimate.features)

    def _answer(self, estimate: Estimate, luminance: Tensor, noise: Tensor | None, vividness: Tensor | None) -> Tensor:
        """The chroma that the network gives."""
        if self.head == "distribution" or estimate.chroma is None:
            return self._drawn(estimate, luminance, noise)
        chroma = estimate.chroma
        vivid = self.vividness if vividness is None else vividness
        if self.head == "auto" and estimate.vivid is not None and (vividness is not None or self.vividness > 0):
            chroma = torch.lerp(chroma, estimate.vivid, vivid) * (1 + (_FULL_VIVIDNESS - 1) * vivid)
        if noise is None:
            return chroma
        # Drawn colors alone are gray where the distribution is wide: what is drawn is how a sample differs.
        return chroma + self._drawn(estimate, luminance, noise) - self._drawn(estimate, luminance, None)

    def _drawn(self, estimate: Estimate, luminance: Tensor, noise: Tensor | None) -> Tensor:
        """The color of the distribution, with noise added to its logits, at the size of the luminance."""
        assert estimate.logits is not None
        logits = estimate.logits if noise is None else estimate.logits + noise.to(estimate.logits)
        ab = annealed_mean(logits, self.temperature)
        ab = F.interpolate(ab, size=luminance.shape[-2:], mode="bilinear", align_corners=False)
        return ab_to_chroma(luminance.clamp(0, 1), ab)

    def _finished(self, luminance: Tensor, chroma: Tensor, spread: Spread = spread_chroma) -> Tensor:
        """The chroma, (B, 2, h, w), brought to the edges of the luminance and to its size, (B, 2, H, W)."""
        size = luminance.shape[-2:]
        if self.finish:
            scale = min(1.0, _FINISH_SIDE / max(size))
            middle = max(1, round(scale * size[0])), max(1, round(scale * size[1]))
            small, chroma = resize(luminance, middle), resize(chroma, middle)
            strength = torch.full_like(small, _FINISH_STRENGTH)
            nothing = torch.zeros_like(small)
            chroma = spread(small, torch.zeros_like(chroma), nothing, prior=chroma, confidence=strength)
        return resize(chroma, size)

    def combine(
        self,
        luminance: Tensor,
        hints: Tensor,
        mask: Tensor,
        chroma: Tensor,
        confidence: Tensor,
        spread: Spread = spread_chroma,
    ) -> Tensor:
        """Hints exactly, and elsewhere an estimate that they correct, by ``trust``: ``network_corrected.combine``.

        Args:
            luminance, hints, mask: as for ``estimate``.
            chroma, confidence: as ``prior`` gives them.
            spread: what spreads chroma: ``spread_chroma``, or one that remembers the last solve.
        """
        return combine(luminance, hints, mask, chroma, self.trust * confidence, spread)

    def correct(
        self,
        luminance: Tensor,
        hints: Tensor,
        mask: Tensor,
        chroma: Tensor,
        confidence: Tensor,
        spread: Spread = spread_chroma,
    ) -> Tensor:
        """The first of the two solves of ``combine``, with the same arguments: ``network_corrected.correct``."""
        return correct(luminance, hints, mask, chroma, self.trust * confidence, spread)

    def _keep(self, estimate: Estimate, luminance: Tensor, small: Tensor, noise: list[Tensor | None]) -> None:
        if estimate.logits is not None:
            self.stages["confidence"] = _confidence(estimate, luminance).expand(-1, 3, -1, -1)
        if estimate.scene is not None:
            self.stages["scene"] = "".join(f"{line}\n" for line in self._scenes(estimate.scene))
        if len(noise) > 1:
            results = [fit_gamut(small, self._chroma(estimate, small, n)) for n in noise]
            self.stages["samples"] = sheet(results)

    def _scenes(self, logits: Tensor) -> list[str]:
        """For each picture its three likeliest kinds of scene, with their probability."""
        assert self.loaded is not None
        names: tuple[str, ...] = self.loaded.scenes  # type: ignore[assignment]
        shares, order = logits.softmax(1).sort(dim=1, descending=True)
        rows = zip(shares[:, :3].tolist(), order[:, :3].tolist())
        return [", ".join(f"{names[i]} {100 * share:.0f} %" for share, i in zip(*row)) for row in rows]


def _confidence(estimate: Estimate, luminance: Tensor) -> Tensor:
    """How sure the network is, (B, 1, H, W), with a floor: nowhere is it worth nothing."""
    if estimate.logits is None:
        return torch.ones_like(luminance)
    sure = F.interpolate(certainty(estimate.logits), size=luminance.shape[-2:], mode="bilinear", align_corners=False)
    return sure.clamp(0.05, 1)
