"""The colors of a shot: what several sources say of single frames, carried along the motion both ways and joined."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.energies.temporal import Belief, find_ties
from recolor_torch.film.carrying import CarriedChroma, join_both
from recolor_torch.film.frame_store import FrameStore
from recolor_torch.filters.motion import optical_flow
from recolor_torch.methods.levin import spread_chroma

# Sources in their order: given colors, the colors of words, a reference's by correspondence, the network's guess.
SOURCES = ("given", "worded", "matched", "guessed")
# The longer side at which motion is estimated; it is smooth, so it is enlarged well.
FLOW_SIDE = 192
# Weight in time that says a source is known at a place at all: below it, what it says counts less.
KNOWN = 0.1
# Unit of claims and least precision in the files, which hold half precision.
CLAIM, LEAST = 1e4, 1e-9
# Frames that are solved at once.
AT_ONCE = 8
# Precision of the joined chroma that outweighs the ties to the neighbors in the picture, where little is known, and
# the precision from which on the ties count less still: with given colors at hand they only blur.
SPATIAL, SETTLED = 3e4, 1e3
# Precision of given colors that halves what correspondence says of the same place: where it errs, it errs by more than
# it claims, and alike in all frames.
OUTDONE = 4e4
# Shares of a place, in the mean over time, from which on it begins to be a named thing's, and from which on it is all
# of it; and the precision of that thing's color there. Tried: the mean itself (flicker -12 %, change outside of the
# thing +27 %), 0.4 and 0.6 (+5 %, -6 %); precisions of 300 (+7 %, -17 %) and 5000 (-16 %, +19 %, less to given colors).
SOME, WHOLE, WORDED = 0.25, 0.75, 1e3


@dataclass(frozen=True)
class FrameEstimate:
    """What a source says of a frame.

    Args:
        chroma: (1, 2, H, W).
        claim: how sure it claims to be: precision, 1 / chroma², (1, 1, H, W).
        weight: of this frame among those of its source, (1, 1, H, W).
        notes: what the source could not do, a sentence each.
    """

    chroma: Tensor
    claim: Tensor
    weight: Tensor
    notes: tuple[str, ...] = ()


Estimates = dict[str, FrameEstimate]


class ShotColors:
    r"""Chroma of the frames of a shot, or of a part of one.

    Each source's estimates are joined over time by themselves, as ``energies.temporal`` says: the errors of a source
    are alike from frame to frame, so that many frames of a guess make it steady and not more likely. Given colors are
    as sure as the motion, and every few frames as the luminance at their place in the given frame (``film.anchor``);
    the others keep the mean of what they lately claimed, the guess the longest (``film.carrying``). At each pixel the
    mean of the sources by precision is then the prior of Levin propagation along the frame's luminance.

    ``forward`` takes the frames in order, ``backward`` then goes through them once more by itself; ``get`` gives the
    chroma of a frame, (1, 2, H, W). What does not fit into memory lies in files, which go away with the object.

    Args:
        folder: for these files.
        size: (height, width) of the frames.
        sources: those that may have estimates, of ``SOURCES``.
        before: what the last part of the same shot handed on.
    """

    def __init__(
        self, folder: Path, size: tuple[int, int], sources: tuple[str, ...], before: CarriedChroma | None = None
    ) -> None:
        self.sources, self.last, self.count = sources or SOURCES[:1], before, 0
        self._said: list[tuple[str, ...]] = []
        self._folder, self._size = folder, size

    def __enter__(self) -> "ShotColors":
        width = 4 * len(self.sources)
        with ExitStack() as stack:
            # Luminance, motion to the next frame, the tie along it, and the beliefs of the forward pass.
            self._passed = stack.enter_context(FrameStore(self._folder / "passed.tmp", 4 + width, self._size))
            self._own = stack.enter_context(FrameStore(self._folder / "own.tmp", width, self._size))
            self._chroma = stack.enter_context(FrameStore(self._folder / "chroma.tmp", 2, self._size))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def forward(self, luminance: Tensor, own: Estimates) -> None:
        """Take the next frame, (1, 1, H, W), with what the sources say of it, which may be nothing."""
        carried = CarriedChroma(luminance)
        if self.last is not None:
            flow, back, tie, tie_back = relate(luminance, self.last.luminance)
            carried = self.last.move(luminance, flow, tie)
            if self.count:
                self._pass(self.count - 1, self.last, back, tie_back)
        beliefs = {name: _belief(e) for name, e in own.items()}
        self.last = carried.join(beliefs)
        self._said.append(tuple(own))
        if own:
            self._own.put(self.count, self._pack(beliefs, luminance))
        self.count += 1

    def backward(self) -> Iterator[int]:
        """Go back from the last frame; gives the number of each frame whose chroma is settled."""
        assert self.last is not None
        like = self.last.luminance
        self._pass(self.count - 1, self.last, like.new_zeros(1, 2, *like.shape[-2:]), torch.ones_like(like))
        later = CarriedChroma(like)
        waiting: list[tuple[int, Tensor, Tensor, Tensor]] = []
        for t in range(self.count - 1, -1, -1):
            record = self._passed.get(t).to(like)
            luminance, back, log_tie = record[:, :1], record[:, 1:3], record[:, 3:4]
            later = later.move(luminance, back, log_tie.exp())
            passed = self._unpack(record[:, 4:])
            both = {name: join_both(later.beliefs.get(name), b) for name, b in passed.items()}
            waiting.append((t, luminance, *mean_of_sources(luminance, both)))
            own = self._unpack(self._own.get(t).to(like)) if self._said[t] else {}
            later = later.join({name: own[name] for name in self._said[t]})
            if len(waiting) == AT_ONCE or t == 0:
                yield from self._settle(waiting)
                waiting = []

    def _settle(self, waiting: list[tuple[int, Tensor, Tensor, Tensor]]) -> Iterator[int]:
        """Spread the joined chroma of some frames along their luminance, and keep it."""
        luminance, mean, confidence = (torch.cat(x) for x in zip(*(parts for _, *parts in waiting)))
        nothing = torch.zeros_like(luminance)
        chroma = spread_chroma(luminance, mean, nothing, prior=mean, confidence=confidence, tolerance=1.0)
        for (t, *_), part in zip(waiting, chroma.split(1)):
            self._chroma.put(t, part)
            yield t

    def get(self, frame: int) -> Tensor:
        """The settled chroma of a frame of the part, (1, 2, H, W), float32 on the CPU."""
        return self._chroma.get(frame)

    def _pass(self, t: int, carried: CarriedChroma, back: Tensor, tie: Tensor) -> None:
        self._passed.put(t, carried.luminance, back, tie.log(), self._pack(carried.beliefs, carried.luminance))

    def _pack(self, beliefs: Mapping[str, Belief], like: Tensor) -> Tensor:
        """Beliefs as channels; precisions as logarithms, which half precision holds."""
        parts = []
        for name in self.sources:
            b = beliefs.get(name)
            parts.append(like.new_zeros(1, 3, *like.shape[-2:]) if b is None else b.chroma)
            parts.append((torch.zeros_like(like) if b is None else b.precision).clamp(min=LEAST).log())
        return torch.cat(parts, 1)

    def _unpack(self, packed: Tensor) -> dict[str, Belief]:
        parts = packed.split(4, 1)
        return {name: Belief(part[:, :3], part[:, 3:].exp()) for name, part in zip(self.sources, parts)}


def relate(here: Tensor, there: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Motion from a frame to another and back, and the ties along both."""
    size = here.shape[-2:]
    scale = min(1.0, FLOW_SIDE / max(size))
    small = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    pair = torch.cat((here, there))
    if tuple(size) != small:
        pair = F.interpolate(pair, size=small, mode="area")
    both = optical_flow(pair, pair.flip(0))
    if tuple(size) != small:
        factor = both.new_tensor([size[1] / small[1], size[0] / small[0]]).view(1, 2, 1, 1)
        both = F.interpolate(both, size=size, mode="bilinear", align_corners=False) * factor
    frames = torch.cat((here, there))
    ties = find_ties(frames, frames.flip(0), both, both.flip(0))
    return both[:1], both[1:], ties[:1], ties[1:]


def mean_of_sources(luminance: Tensor, beliefs: Mapping[str, Belief]) -> tuple[Tensor, Tensor]:
    """The mean of all sources by their precision, (1, 2, H, W), and its confidence against the ties in the picture."""
    total, mean = torch.zeros_like(luminance), torch.zeros_like(luminance).expand(-1, 2, -1, -1)
    share = named_share(beliefs["worded"]) if "worded" in beliefs else total
    for name, belief in beliefs.items():
        weight, chroma = belief.precision, belief.chroma[:, :2]
        if name == "worded":  # its chroma has the share of each place as a factor
            weight, chroma = WORDED * share, chroma / belief.chroma[:, 2:].clamp(min=SOME)
        elif name != "given":
            weight = CLAIM * belief.chroma[:, 2:].clamp(min=0) * weight / (weight + KNOWN) * (1 - share)
        if name == "matched" and "given" in beliefs:
            weight = weight * OUTDONE / (beliefs["given"].precision + OUTDONE)
        if name == "guessed" and "matched" in beliefs:  # which has the network's guess in it, hinted by the references
            weight = weight * KNOWN / (beliefs["matched"].precision + KNOWN)
        total = total + weight
        mean = mean + weight * chroma
    confidence = total / SPATIAL * (1 + total / SETTLED)
    return mean / total.clamp(min=LEAST), confidence.clamp(max=100)


def named_share(words: Belief) -> Tensor:
    """How far each place belongs to what a text names, (1, 1, H, W): as most of the frames have it."""
    mean = words.chroma[:, 2:] * words.precision / (words.precision + KNOWN)
    return ((mean - SOME) / (WHOLE - SOME)).clamp(0, 1)


def _belief(e: FrameEstimate) -> Belief:
    return Belief(torch.cat((e.chroma, e.claim / CLAIM), 1), e.weight)
