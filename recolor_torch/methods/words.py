"""Colors by words: the regions of a text's things brought to edges, and their colors into an estimate."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from recolor_torch.color import fit_gamut
from recolor_torch.methods.levin import spread_chroma
from recolor_torch.text_guidance.colors import chroma_in_light
from recolor_torch.text_guidance.phrases import Words, parse
from recolor_torch.text_guidance.regions import RegionFinder

if TYPE_CHECKING:
    from recolor_torch.methods.network import NetworkColorization

# The longest side at which regions are brought to edges.
_EDGE_SIDE = 384
# How strongly a map holds where it is sure, and at least; in between the edges of the luminance decide.
_EDGE_STRENGTH, _EDGE_LEAST = 0.05, 0.02
# Shares of a region's map that count as 0 and as 1.
_LOW, _HIGH = 0.2, 0.7
# Confidence of a word's color for the network: below 1, which is for a person's own points.
_CONFIDENCE = 0.95
# Share of the word's own color in a region; the rest is what the network makes of it, with lights and reflections.
_OBEDIENCE = 0.6


@lru_cache(maxsize=1)
def region_finder() -> RegionFinder:
    """The one finder that all methods share."""
    return RegionFinder()


@dataclass(frozen=True)
class FoundWords:
    """The regions and colors of a text in pictures: soft hints, before any method.

    Args:
        said: the text as it was understood.
        found: whether each phrase's thing is in each picture, (B, phrases).
        things: for each picture and phrase the thing that was found for it.
        shares: how far each place is each phrase's, (B, phrases, H, W), [0, 1]; they sum to 1 at most.
        chroma: the mean color of the words there, U and V, (B, 2, H, W).
    """

    said: Words
    found: Tensor
    things: tuple[tuple[str, ...], ...]
    shares: Tensor
    chroma: Tensor

    def notes(self) -> list[tuple[str, ...]]:
        """For each picture what was not understood and not found, a sentence each."""
        common = text_notes(self.said)
        return [(*common, *self._missing(*row)) for row in zip(self.found.tolist(), self.things)]

    def _missing(self, found: list[bool], things: tuple[str, ...]) -> Iterator[str]:
        for phrase, there, thing in zip(self.said.phrases, found, things):
            if not there:
                yield f"text: '{phrase.text}' was not used: no {phrase.thing} was found."
            elif thing != phrase.thing:
                yield f"text: no {phrase.thing} was found, and '{phrase.text}' colors what looks like {thing}."

    def pictures(self, luminance: Tensor) -> dict[str, Tensor]:
        """The regions in their colors, and each as a mask."""
        made = {"text": fit_gamut(luminance, self.chroma * self.shares.sum(1, keepdim=True))}
        for i, phrase in enumerate(self.said.phrases):
            made[f"text_{i + 1}_{phrase.thing}"] = self.shares[:, i : i + 1].expand(-1, 3, -1, -1)
        return made


@dataclass
class Painted:
    """An estimate with the colors of a text in it.

    Args:
        chroma: (B, 2, H, W).
        share: how far a text decided each place, (B, 1, H, W), [0, 1].
        notes: for each picture what was not found, a sentence each.
        stages: pictures of the regions.
    """

    chroma: Tensor
    share: Tensor
    notes: list[tuple[str, ...]]
    stages: dict[str, Tensor] = field(default_factory=dict)


def find_words(luminance: Tensor, text: str) -> FoundWords:
    """What a text says of pictures: where its things are, and their colors there.

    Args:
        luminance: (B, 1, H, W), [0, 1].
        text: as ``parse`` reads it.
    """
    said = parse(text)
    regions = region_finder().find(luminance, said.phrases)
    if bool(regions.found.any()):
        shares = to_edges(luminance, regions.maps * regions.found.to(regions.maps)[..., None, None])
    else:
        shares = torch.zeros_like(luminance).expand(-1, len(said.phrases), -1, -1)
    chroma = torch.zeros_like(luminance).expand(-1, 2, -1, -1)
    for share, phrase in zip(shares.split(1, 1), said.phrases):
        chroma = chroma + share * chroma_in_light(luminance, phrase.color)
    return FoundWords(said, regions.found, regions.things, shares, chroma / shares.sum(1, keepdim=True).clamp(min=1e-6))


def paint_words(
    network: "NetworkColorization",
    luminance: Tensor,
    chroma: Tensor,
    text: str,
    hints: tuple[Tensor | None, Tensor | None] = (None, None),
    keep_stages: bool = False,
) -> Painted:
    """Color the things of a text in their regions, and leave the rest as it is.

    The words' colors go to the network as soft hints, by the confidence of each region, so that it completes them; what
    comes of it, mixed with the words' own colors, takes the place of the estimate inside of the regions alone.

    Args:
        network: what completes the colors.
        luminance: (B, 1, H, W), [0, 1].
        chroma: the estimate without the text, (B, 2, H, W).
        text: as ``parse`` reads it.
        hints: chroma of exact hints, (B or 1, 2, H, W), and their mask; of both or of neither.
        keep_stages: make pictures of the regions.
    """
    found = find_words(luminance, text)
    words, total = found.chroma, found.shares.sum(1, keepdim=True)
    inside = words
    if network.network != "eccv16" and bool(found.found.any()):  # eccv16 reads no hints
        known, mask = hints
        soft, trust = words, total.clamp(max=_CONFIDENCE) * (total > _LOW / 2)
        if known is not None and mask is not None:
            fixed = (mask > 0.5).to(trust)
            soft, trust = torch.where(fixed > 0, known, soft), torch.maximum(fixed, trust)
        completed, _ = network.read(network.estimate(luminance, soft, trust), luminance)
        inside = torch.lerp(completed, words, _OBEDIENCE)
    painted = chroma + total * (inside - chroma)
    stages = found.pictures(luminance) if keep_stages else {}
    return Painted(painted, total, found.notes(), stages)


def to_edges(luminance: Tensor, maps: Tensor) -> Tensor:
    """Maps brought to the edges of the luminance, (B, K, H, W) in [0, 1], which sum to 1 at most.

    Each map is the soft prior of a Levin system: where it is sure it holds, and where it is not its sure neighbors of
    like luminance decide.

    Args:
        luminance: (B, 1, H, W).
        maps: (B, K, h, w), [0, 1].
    """
    b, k = maps.shape[:2]
    scale = min(1.0, _EDGE_SIDE / max(luminance.shape[-2:]))
    height, width = (max(1, round(scale * n)) for n in luminance.shape[-2:])
    small = F.interpolate(luminance, size=(height, width), mode="bilinear", align_corners=False, antialias=True)
    maps = F.interpolate(maps, size=(height, width), mode="bilinear", align_corners=False).clamp(0, 1)
    # Two maps are solved at once, as two channels of one system; where one of them is unsure both give way.
    prior = F.pad(maps, (0, 0, 0, 0, 0, k % 2)).unflatten(1, (-1, 2)).flatten(0, 1)
    sure = (2 * prior - 1).square().amin(1, keepdim=True)
    trust = _EDGE_STRENGTH * sure.clamp(min=_EDGE_LEAST)
    light = small[:, None].expand(-1, (k + 1) // 2, -1, -1, -1).flatten(0, 1)
    nothing = torch.zeros_like(light)
    solved = spread_chroma(light, torch.zeros_like(prior), nothing, prior=prior, confidence=trust)
    solved = solved.unflatten(0, (b, -1)).flatten(1, 2)[:, :k]
    share = ((solved - _LOW) / (_HIGH - _LOW)).clamp(0, 1)
    share = share / share.sum(1, keepdim=True).clamp(min=1)
    return F.interpolate(share, size=luminance.shape[-2:], mode="bilinear", align_corners=False)


def text_notes(said: Words) -> tuple[str, ...]:
    """What of a text was not understood, a sentence each."""
    return tuple(f"text: {note}." for note in said.notes)
