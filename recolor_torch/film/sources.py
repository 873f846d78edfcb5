"""What may be said of a frame's colors: by given colors, by references, by the network."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.color import from_rgb, to_rgb
from recolor_torch.film.joining import CLAIM, Estimates, FrameEstimate, relate
from recolor_torch.filters.motion import warp
from recolor_torch.methods import Correspondence, Guide, NetworkColorization, Recolorizer, Reference
from recolor_torch.methods.correspondence.confidence import HALF_ERROR
from recolor_torch.methods.kriging import Lacking, krige_elsewhere, lacking
from recolor_torch.methods.levin import spread_chroma
from recolor_torch.methods.words import paint_words
from recolor_torch.pipeline import guide_in_space

# Every so many frames the network, the references and the words are asked; what comes into view between is known from
# the next. Where words are found on all frames, every 2nd to every 16th color as much and as steadily (eleven
# clips); where they are found on some alone, more of them make a better mean.
NETWORK_EVERY, MATCH_EVERY, WORDS_EVERY = 4, 8, 4
# Precision (1 / chroma²) of the network where it is sure: on photographs its squared error is about 1 / 150.
NETWORK_CLAIM = 300.0
# Correspondence expects half of the squared error that it was seen to have on pairs of video frames.
MATCH_CLAIM = 0.5
# Least weight in time of what correspondence says.
LEAST_WEIGHT = 0.2
# Precision of a color that was given, and of one that was spread from given ones and not carried.
GIVEN, SPREAD = 1e8, 1e5
# Pull to nothing by which the reach of strokes is measured, as in methods/levin/sequence.py.
REACH_PULL = 1e-3
# Least correlation of luminance (after motion) for a numbered reference to count as the frame itself.
ALIKE = 0.6
# Mean shift, in shares of the longer side, by which a numbered reference may be off its frame.
LARGEST_SHIFT = 0.03


@dataclass(frozen=True)
class GivenFrames:
    """Colors that are given for a frame, at the working size.

    Args:
        chroma: (1, 2, H, W).
        mask: (1, 1, H, W), 1 where a color is given.
        whole: the frame is colored as a whole; else there are strokes.
    """

    chroma: Tensor
    mask: Tensor
    whole: bool


class Sources:
    """Asks each source in turn what it says of a frame.

    Args:
        network: colors by itself; None leaves it out, and strokes then spread over all of the frame.
        match: finds references' colors.
        other: any other method, asked in place of ``match`` with the references and in place of ``network`` without.
        text: colors for things, as "red dress, green lawn"; it needs the network.
    """

    def __init__(
        self,
        network: NetworkColorization | None,
        match: Correspondence | None = None,
        other: Recolorizer | None = None,
        text: str | None = None,
    ) -> None:
        self.network, self.match, self.other, self.text = network, match, other, text

    def names(self, references: bool, given: bool) -> tuple[str, ...]:
        """The sources that will say something."""
        matched = self.other is not None or (references and self.match is not None)
        worded, guessed = self.text is not None, self.network is not None
        has = {"given": given, "worded": worded, "matched": matched, "guessed": guessed}
        return tuple(name for name, there in has.items() if there)

    def say(
        self,
        index: int,
        luminance: Tensor,
        references: tuple[Reference, ...],
        given: GivenFrames | None,
        last: bool = False,
        lacking: Lacking | None = None,
    ) -> Estimates:
        """Estimates of a frame.

        Args:
            index: of the frame in its shot; each source is asked every few frames.
            luminance: (1, 1, H, W).
            references: YUV pictures that fit the shot.
            given: colors for this very frame.
            last: the frame is the last of its shot: all are asked.
            lacking: what the network's guess lacks at the strokes of the shot.
        """
        found: Estimates = {}
        guess: tuple[Tensor, Tensor] | None = None
        due = {n: last or index % n == 0 for n in (NETWORK_EVERY, MATCH_EVERY, WORDS_EVERY)}
        ask_match = due[MATCH_EVERY] and (self.other is not None or (self.match is not None and bool(references)))
        if self.network is not None and (due[NETWORK_EVERY] or given is not None):
            guess = self._guess(luminance, lacking)
            found["guessed"] = FrameEstimate(guess[0], NETWORK_CLAIM * guess[1], guess[1])
        if ask_match:
            found["matched"] = self._match(luminance, references)
        if self.network is not None and self.text is not None and due[WORDS_EVERY]:
            found["worded"] = _words(self.network, luminance, self.text)
        if given is not None:
            found["given"] = self._given(luminance, given, guess)
        return found

    def lacking(self, luminance: Tensor, given: GivenFrames) -> Lacking | None:
        """What the network's guess of a frame lacks at its strokes; None where there is nothing to learn.

        Args:
            luminance: (1, 1, H, W).
            given: colors for this very frame.
        """
        if self.network is None or given.whole:
            return None
        estimate = self.network.estimate(luminance)
        if estimate.features is None:
            return None
        lacks = given.chroma - self.network.read(estimate, luminance)[0]
        return lacking(lacks, (given.mask > 0.5).to(luminance), luminance, estimate.features)

    def _guess(self, luminance: Tensor, lacking: Lacking | None) -> tuple[Tensor, Tensor]:
        """The network's chroma and confidence, with what it lacked at the strokes of other frames."""
        assert self.network is not None
        estimate = self.network.estimate(luminance)
        chroma, confidence = self.network.read(estimate, luminance)
        if lacking is not None and estimate.features is not None:
            chroma = chroma + krige_elsewhere(lacking, luminance, estimate.features)
        return chroma, confidence

    def score(self, luminance: Tensor, reference: Reference) -> float:
        """How well a reference fits a frame: the mean confidence of what it says, 0 to 1."""
        if self.match is None:
            return 1.0
        image = torch.cat((luminance, torch.zeros_like(luminance).expand(-1, 2, -1, -1)), 1)
        return float(self.match.estimate(image, Guide(references=(reference,)))[1].mean())

    def _match(self, luminance: Tensor, references: tuple[Reference, ...]) -> FrameEstimate:
        image = torch.cat((luminance, torch.zeros_like(luminance).expand(-1, 2, -1, -1)), 1)
        if self.other is not None:
            pictures = tuple(Reference(to_rgb(r.image, "yuv"), r.mask, r.weight) for r in references)
            guide = guide_in_space(Guide(references=pictures), self.other.space, (image.shape[-2], image.shape[-1]))
            colored = self.other(from_rgb(to_rgb(image, "yuv"), self.other.space), guide)
            chroma = from_rgb(to_rgb(colored, self.other.space), "yuv")[:, 1:]
            ones = torch.ones_like(luminance)
            return FrameEstimate(chroma, 1e4 * ones, ones)
        assert self.match is not None
        # Where no reference is believed the network has filled in, hinted by what is.
        chroma, sure = self.match.estimate(image, Guide(references=references))
        sure = sure.clamp(1e-3, 0.999)
        claim = MATCH_CLAIM * 2 / (HALF_ERROR**2 * (1 / sure - 1))
        return FrameEstimate(chroma, claim, sure.clamp(min=LEAST_WEIGHT))

    def _given(self, luminance: Tensor, given: GivenFrames, guess: tuple[Tensor, Tensor] | None) -> FrameEstimate:
        known = (given.mask > 0.5).to(luminance)
        if given.whole:
            precision = SPREAD + GIVEN * known
            return FrameEstimate(given.chroma, precision, GIVEN * known + 1e-6)
        if guess is not None and self.network is not None:
            guess = self.network.prior(luminance, given.chroma, given.mask)
            if self.text is not None:
                painted = paint_words(self.network, luminance, guess[0], self.text, (given.chroma, given.mask))
                guess = painted.chroma, torch.maximum(guess[1], painted.share)
            chroma = self.network.combine(luminance, given.chroma, given.mask, *guess)
        else:
            chroma = spread_chroma(luminance, given.chroma, given.mask)
        ones = torch.ones_like(luminance)
        reach = spread_chroma(luminance, ones, given.mask, pull=REACH_PULL, tolerance=2.0).clamp(0, 1)
        # Without a network nothing else is known, so strokes count wherever they reach at all.
        weight = SPREAD * reach.pow(3 if self.network is not None else 1) + GIVEN * known
        return FrameEstimate(chroma, weight, weight.clamp(min=1e-6 if self.network is not None else 1.0))


def _words(network: NetworkColorization, luminance: Tensor, text: str) -> FrameEstimate:
    """The colors of what a text names, times the share of each place that belongs to it; the claim is that share."""
    nothing = torch.zeros_like(luminance).expand(-1, 2, -1, -1)
    painted = paint_words(network, luminance, nothing, text)
    return FrameEstimate(painted.chroma, CLAIM * painted.share, torch.ones_like(luminance), painted.notes[0])


def align(reference: Tensor, luminance: Tensor) -> tuple[Tensor, float]:
    """A numbered reference laid on its frame: prints and scans of one frame are shifted, cut and toned a little.

    Args:
        reference: YUV, (1, 3, h, w), any size of the same shape.
        luminance: of the frame, (1, 1, H, W).

    Returns:
        Its chroma on the frame's pixels, (1, 2, H, W), and how alike both are there: the correlation of luminance.
    """
    size = luminance.shape[-2:]
    scaled = F.interpolate(reference, size=size, mode="bicubic", align_corners=False, antialias=True)
    gray = scaled[:, :1]
    toned = (gray - gray.mean()) / gray.std().clamp(min=1e-3) * luminance.std() + luminance.mean()
    alike = correlation(toned, luminance)
    if alike > 0.995:  # the frame itself
        return scaled[:, 1:], alike
    flow, _, _, _ = relate(luminance, toned)
    if float(flow.norm(dim=1).mean()) > LARGEST_SHIFT * max(size):  # dense motion can make anything look alike
        return scaled[:, 1:], alike
    moved, _ = warp(torch.cat((scaled[:, 1:], toned), 1), flow)
    after = correlation(moved[:, 2:], luminance)
    return (moved[:, :2], after) if after > alike else (scaled[:, 1:], alike)


def correlation(a: Tensor, b: Tensor) -> float:
    """Of two pictures of one size, -1 to 1; 0 where one of them is flat."""
    a, b = a.flatten() - a.mean(), b.flatten() - b.mean()
    size = float(a.norm() * b.norm())
    return float(a @ b) / size if size > 1e-9 else 0.0
