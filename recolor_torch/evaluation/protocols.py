"""From a case to what a method is given: sizes, the gray picture, simulated references and points."""

import hashlib
import os
import zlib
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from recolor_torch.color import rgb_to_luminance
from recolor_torch.evaluation.cases import Case
from recolor_torch.guide import Guide, Reference
from recolor_torch.hints.read import place_pixels, read_hints
from recolor_torch.methods import Recolorizer
from recolor_torch.pictures import read_picture
from recolor_torch.pictures.guidance import read_visible
from recolor_torch.resize import resize, working_size

References = Literal["half", "crop", "other", "none"]
Offer = Literal["none", "points", "reference", "both"]
REFERENCES: dict[str, str] = {
    "half": "the target is the left half of the photograph, the reference its right half: no pixel is in both",
    "crop": "the reference is a crop of the photograph, three quarters of each side at a random place",
    "other": "the reference is another photograph of the set, drawn at random",
    "none": "no references",
}
PATCH = 6
POINTS = (
    f"squares of {PATCH} x {PATCH} pixels with their mean color, centres from a normal distribution around the middle "
    "with a quarter of the size as its spread (Zhang et al. 2017, as in their test code)"
)


@dataclass(frozen=True)
class Protocol:
    """How pictures are prepared; with a seed it says all that is random.

    Args:
        side: pixels on the longer side of the comparison; 0 for full size.
        references: how references of photographs are simulated: half, crop, other or none.
        points: how many points of true color photographs are given.
        offer: what a method that asks for nothing is given all the same, where it is there.
        seed: of crops, other pictures and points, and of methods that draw numbers.
    """

    side: int = 256
    references: References = "half"
    points: int = 10
    seed: int = 0
    offer: Offer = "none"

    def describe(self) -> dict[str, Any]:
        """The protocol in words, for the result."""
        size = f"{self.side} pixels on the longer side, never enlarged" if self.side else "full size"
        return asdict(self) | {
            "size": f"{size}; bicubic with antialiasing",
            "target": "luminance of full-range BT.601, rounded to 8 bits",
            "crop": "none" if self.references != "half" else "photographs without references of their own: left half",
            "filter": "none",
            "file format": "results are rounded to 8 bits and compared as the PNG files beside the report have them",
            "references, where simulated": REFERENCES[self.references],
            "points, where simulated": f"{self.points} {POINTS}" if self.points else "no points",
        }


@dataclass(frozen=True)
class Prepared:
    """A case as pixels.

    Args:
        target: gray, (1, 3, H, W).
        truth: (1, 3, H, W) or None.
        guide: everything that is given.
        given: the guidance in words: by ``reference`` and ``hints``.
    """

    target: Tensor
    truth: Tensor | None
    guide: Guide
    given: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of all pixels: equal exactly where a method is given the same."""
        digest = hashlib.sha256()
        tensors = [r.image for r in self.guide.references]
        for x in (self.target, self.truth, self.guide.hints, self.guide.hint_mask, *tensors):
            digest.update(b"none" if x is None else f"{tuple(x.shape)}".encode() + x.contiguous().numpy().tobytes())
        return digest.hexdigest()


def prepare_case(case: Case, protocol: Protocol, others: tuple[Path, ...] = ()) -> Prepared:
    """Read a case and bring it to the size of the comparison.

    References and hints that the case names are taken as they are. Where the truth is known, a case without hints
    gets points, and one without either gets a reference too.

    Args:
        case: the case.
        protocol: sizes and simulation.
        others: the photographs of the set, among which ``other`` draws.

    Raises:
        PictureError: a file is missing, broken, or has another shape than the rest.
    """
    full = read_picture(case.target).image
    own = bool(case.references or case.hints)
    simulated = () if own or case.truth is None else _references(case, full, protocol, others)
    if simulated and protocol.references == "half":
        full = full[..., : full.shape[-1] // 2]
    size = working_size(full.shape[-2], full.shape[-1], protocol.side or None)
    truth = None
    if case.truth is not None:
        truth = full if case.truth == case.target else read_picture(case.truth).image
        truth = to_8_bits(resize(truth, size))
    # The gray of a photograph is that of the pixels it is compared with.
    color = truth if truth is not None and case.truth == case.target else resize(full, size)
    target = to_8_bits(rgb_to_luminance(color).expand(-1, 3, -1, -1))

    references = [_fit(read_visible(path), protocol.side) for path in case.references]
    references += [_fit(image, protocol.side) for image in simulated]
    given = {"reference": _count(len(references), "reference")} if references else {}
    hints = mask = None
    if case.hints is not None:
        read = read_hints(case.hints, full)
        hints, mask = place_pixels(read.image, read.mask, size)
        given["hints"] = "scribbles"
    elif truth is not None and protocol.points:
        hints, mask = points_of(truth, protocol.points, random_numbers(protocol.seed, case.name, "points"))
        given["hints"] = _count(protocol.points, "point")
    guide = Guide(tuple(Reference(x) for x in references), hints=hints, hint_mask=mask)
    return Prepared(target, truth, guide, given)


def guide_for(method: Recolorizer, prepared: Prepared, offer: Offer = "none") -> tuple[Guide, dict[str, str]]:
    """The part of the guidance that a method asks for, and what it is in words.

    Args:
        method: its ``needs`` say what it asks for.
        prepared: the case.
        offer: what a method that asks for nothing gets.
    """
    offered = {"none": (), "points": ("hints",), "reference": ("reference",), "both": ("reference", "hints")}
    kinds = method.needs or offered[offer]
    guide, given = prepared.guide, prepared.given
    hints = "hints" in kinds
    part = Guide(
        guide.references if "reference" in kinds else (),
        hints=guide.hints if hints else None,
        hint_mask=guide.hint_mask if hints else None,
    )
    return part, {kind: given[kind] for kind in kinds if kind in given}


def points_of(truth: Tensor, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Patches of true color as hints: ``(image, mask)``, of the shapes of ``truth`` and of one channel of it."""
    height, width = truth.shape[-2:]
    image, mask = torch.zeros_like(truth), torch.zeros_like(truth[:, :1])
    across, down = min(PATCH, width), min(PATCH, height)
    for y, x in rng.normal((height / 2, width / 2), (height / 4, width / 4), (count, 2)):
        top, left = int(np.clip(y - down / 2, 0, height - down)), int(np.clip(x - across / 2, 0, width - across))
        patch = (..., slice(top, top + down), slice(left, left + across))
        image[patch] = truth[patch].mean((-2, -1), keepdim=True)
        mask[patch] = 1
    return image, mask


def to_8_bits(image: Tensor) -> Tensor:
    """The picture as an 8-bit file has it."""
    return (image.clamp(0, 1) * 255).round() / 255


def random_numbers(seed: int, *names: str) -> np.random.Generator:
    """Numbers that depend on the seed and on names, not on the order of the work."""
    return np.random.default_rng([seed, *(zlib.crc32(os.fsencode(name)) for name in names)])


def _references(case: Case, full: Tensor, protocol: Protocol, others: tuple[Path, ...]) -> tuple[Tensor, ...]:
    rng = random_numbers(protocol.seed, case.name, "reference")
    height, width = full.shape[-2:]
    if protocol.references == "half" and width > 1:
        return (full[..., width // 2 :],)
    if protocol.references == "crop":
        h, w = max(1, 3 * height // 4), max(1, 3 * width // 4)
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        return (full[..., top : top + h, left : left + w],)
    rest = [path for path in others if path != case.target]
    if protocol.references == "other" and rest:
        return (_read_other(rest[int(rng.integers(len(rest)))]),)
    return ()


@lru_cache(maxsize=4)
def _read_other(path: Path) -> Tensor:
    return read_visible(path)


def _fit(image: Tensor, side: int) -> Tensor:
    return resize(image, working_size(image.shape[-2], image.shape[-1], side or None)).clamp(0, 1)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
