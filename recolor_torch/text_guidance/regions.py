"""Where the things of a text are in a picture, and how surely."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.features.state_dicts import read_state
from recolor_torch.networks.finder import WordFinder
from recolor_torch.networks.loading import SHIPPED, load_network, state_digest
from recolor_torch.networks.unet import ColorUNet
from recolor_torch.text_guidance.phrases import Phrase
from recolor_torch.text_guidance.things import THINGS

WORDS = SHIPPED.with_name("words.safetensors")
"""The finder that comes with the package; it reads the network that comes with it and no other."""

# The longer side of the copy in which things are looked for: that of the pictures that the finder learned from.
SIDE = 288
# Odds that the thing is in the picture at all, and the share of the picture that is surely of it, below which it is not
# found.
LEAST_PRESENCE, LEAST_SHARE = 0.25, 0.0015
_SURE = 0.5
_NUMBERS = {thing: i for i, thing in enumerate(THINGS)}
# What is taken for a thing that is not found, in turn: names that people and pictures do not keep apart.
_NEAR = {
    "coat": ("jacket", "suit", "clothes"), "jacket": ("coat", "suit", "clothes"), "suit": ("jacket", "coat", "clothes"),
    "sweater": ("shirt", "jacket", "clothes"), "shirt": ("sweater", "clothes"), "vest": ("sweater", "clothes"),
    "dress": ("clothes",), "boots": ("shoes",), "shoes": ("boots",), "skin": ("face",),
    "face": ("skin",), "bus": ("car",), "train": ("bus",), "fruit": ("food",), "food": ("fruit",),
    **dict.fromkeys(("dog", "cat", "horse", "cow", "sheep", "elephant", "bird"), ("animal",)),
}  # fmt: skip
# What a person wears; the first seven cover most of a body.
_GARMENTS = ("dress", "coat", "jacket", "suit", "vest", "sweater", "shirt")
_WORN = (
    *_GARMENTS,
    *("hat", "scarf", "tie", "swimwear", "belt", "skirt", "pants", "shorts", "tights", "boots", "shoes", "gloves"),
)
# What of a body is not worn, and takes its places from what is, though nobody named it. A head is taken for its hat.
_BODY = ("skin", "face", "hair")
_BARE = {"hat": ("skin",), "scarf": ("skin", "hair")}
# Share of the clothes in a picture that is of no kind that the finder can tell, from which on they are the one garment
# that is named. Of close parts of 60 training pictures the overlap is 0.346 without, 0.353 with 0.3, 0.346 with 0.5.
_UNTOLD = 0.3
# Least share of a place, whose log odds are finite.
_EPS = 1e-5
# Things that hold others: where both are named, the narrower one has its place.
_WHOLES = {"person": 0, "clothes": 1, "animal": 1, "suit": 2}


@dataclass(frozen=True)
class Regions:
    """Where things are.

    Args:
        maps: how surely each place belongs to the thing of each phrase, (B, phrases, h, w), [0, 1].
        found: whether it is in the picture, (B, phrases), on the CPU.
        things: for each picture and phrase the thing that was looked at: the phrase's own, or one near to it.
    """

    maps: Tensor
    found: Tensor
    things: tuple[tuple[str, ...], ...] = ()


class RegionFinder:
    """The finder with the network whose features it reads; loaded once, moved to where it is needed."""

    def __init__(self) -> None:
        self.network: ColorUNet | None = None
        self.finder: WordFinder | None = None
        self.digest = ""

    def prepare(self) -> None:
        """Load both.

        Raises:
            WeightsMissing: this copy of the package comes without them.
            UsageError: they do not belong together.
        """
        if self.finder is None:
            network, digest = load_network("unet", SHIPPED)
            assert isinstance(network, ColorUNet)
            self.network = network
            self.finder, self.digest = load_finder(WORDS, network, digest)

    def find(self, luminance: Tensor, phrases: tuple[Phrase, ...]) -> Regions:
        """Look for the thing of each phrase.

        Args:
            luminance: (B, 1, H, W), [0, 1].
            phrases: of a text.

        Returns:
            Maps at 1/8 of the side of a copy of SIDE pixels, or of the picture where that is smaller.
        """
        self.prepare()
        assert self.network is not None
        assert self.finder is not None
        network, finder = self.network.to(luminance.device), self.finder.to(luminance.device)
        height, width = luminance.shape[-2:]
        scale = SIDE / max(height, width)
        size = max(1, round(scale * height)), max(1, round(scale * width))
        small = F.interpolate(luminance.float(), size=size, mode="bicubic", align_corners=False, antialias=True)
        with torch.no_grad():
            maps, presence = finder(network.understanding(small.clamp(0, 1)))
        # The network continues pictures to multiples of 32; what lies beyond is no place of the picture.
        rows, columns = (max(1, -(-n // 8)) for n in size)
        maps = maps[..., :rows, :columns]
        covered = (maps.sigmoid() > _SURE).float().mean((2, 3))
        seen = ((presence.sigmoid() > LEAST_PRESENCE) & (covered > LEAST_SHARE)).cpu()
        things = tuple(_things(row, phrases) for row in seen.tolist())
        index = torch.tensor([[_NUMBERS[t] for t in row] for row in things])
        claims, things = zip(*(claim_places(odds, phrases, row) for odds, row in zip(maps, things)))
        shares = apart(torch.stack(claims), phrases)
        left = ((shares > _SURE).float().mean((2, 3)) > LEAST_SHARE).cpu()
        return Regions(shares.to(luminance), seen.gather(1, index) & left, things)


def _things(seen: list[bool], phrases: tuple[Phrase, ...]) -> tuple[str, ...]:
    """For each phrase its thing, or where that is not seen the first near one that is, and that nobody names.

    Clothes of no kind stand in where a person is seen.
    """
    there = {t for t, is_seen in zip(THINGS, seen) if is_seen}
    there -= set() if "person" in there else {"clothes"}
    taken = {p.thing for p in phrases}
    chosen = []
    for phrase in phrases:
        near = (t for t in _NEAR.get(phrase.thing, ()) if t in there and t not in taken)
        chosen.append(phrase.thing if seen[_NUMBERS[phrase.thing]] else next(near, phrase.thing))
        taken.add(chosen[-1])
    return tuple(chosen)


def claim_places(odds: Tensor, phrases: tuple[Phrase, ...], things: tuple[str, ...]) -> tuple[Tensor, tuple[str, ...]]:
    """Log odds of each phrase's thing in a picture, (K, h, w), and the things that are looked at in the end.

    What is surely of a body is nobody's clothes, though it was not named. Where the clothes are mostly of no kind that
    can be told, all of those are of the one garment that is named.

    Args:
        odds: of all things, (things, h, w).
        phrases: of the text.
        things: for each phrase the thing that is looked at.
    """
    claims = [odds[_NUMBERS[thing]] for thing in things]
    garments = [i for i, p in enumerate(phrases) if p.thing in _GARMENTS]
    if len(garments) == 1 and "clothes" not in things:
        (only,) = garments
        clothes = odds[_NUMBERS["clothes"]]
        others = odds[[_NUMBERS[t] for t in _WORN if t not in (phrases[only].thing, things[only])]].amax(0)
        untold = (clothes > 0) & (others < 0) & (claims[only] < 0)
        if untold.sum() > _UNTOLD * (clothes > 0).sum():
            rest = torch.logit(clothes.sigmoid() * (1 - others.sigmoid()), eps=_EPS)
            claims[only] = torch.maximum(claims[only], rest)
            things = (*things[:only], "clothes", *things[only + 1 :])
    named = {p.thing for p in phrases}
    for i, thing in enumerate(things):
        if thing in _WORN or thing == "clothes":
            for part in _BARE.get(thing, _BODY):
                if part not in named:
                    share = claims[i].sigmoid() * _kept(claims[i], odds[_NUMBERS[part]])
                    claims[i] = torch.logit(share, eps=_EPS)
    return torch.stack(claims), things


def _kept(odds: Tensor, other: Tensor) -> Tensor:
    """The share that a thing keeps beside an equal one: where that is likely, it is by the odds of both."""
    return torch.sigmoid(2 * (odds - other)).lerp(torch.ones_like(odds), 1 - other.sigmoid())


def apart(odds: Tensor, phrases: tuple[Phrase, ...]) -> Tensor:
    """Shares of the phrases in each place, which sum to 1 at most, from each one's log odds, (B, K, h, w).

    A whole ("clothes") keeps what its parts ("dress") leave it.
    """
    alone = odds.sigmoid()
    ranks = [_WHOLES.get(p.thing, 9) for p in phrases]
    parts = []
    for k, rank in enumerate(ranks):
        share = alone[:, k]
        for j, other in enumerate(ranks):
            if other > rank:
                share = share * (1 - alone[:, j])
            elif other == rank and j != k:  # equals share by their odds
                share = share * _kept(odds[:, k], odds[:, j])
        parts.append(share)
    shares = torch.stack(parts, 1)
    return shares / shares.sum(1, keepdim=True).clamp(min=1)


def save_finder(finder: WordFinder, path: Path, digest: str) -> None:
    """Write a finder in half the bits, with the words that it knows and the digest of the network that it reads."""
    from safetensors.torch import save_file

    state = {k: (v.half() if v.is_floating_point() else v).contiguous().cpu() for k, v in finder.state_dict().items()}
    save_file(state, path, {"format": "pt", "things": json.dumps(list(THINGS)), "network": digest})


def load_finder(path: Path, network: ColorUNet, digest: str) -> tuple[WordFinder, str]:
    """The finder in a file, and the digest of its weights.

    Args:
        path: safetensors.
        network: whose features it reads.
        digest: of that network's weights, which the file has to name.

    Raises:
        WeightsMissing: there is no such file.
        UsageError: it holds no finder for this network.
    """
    if not path.is_file():
        raise WeightsMissing(f"{path}: this copy of recolor_torch comes without its finder of words.")
    state, facts = read_state(path)
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    if json.loads(facts.get("things", "[]")) != list(THINGS) or facts.get("network") != digest:
        raise UsageError(f"{path} was made for another network or other words: train it again.")
    width = state["words"].shape[1]
    finder = WordFinder(network.understanding_channels(), len(THINGS), width)
    finder.load_state_dict(state)
    return finder.eval().requires_grad_(False), state_digest(state)
