"""Hint files: given colors as JSON, as an RGBA overlay, or as a marked copy of the target."""

import io
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_choice, check_image, check_mask
from recolor_torch.errors import UsageError
from recolor_torch.hints.links import LinkShape
from recolor_torch.hints.marks import FoundMarks, draw_marks, find_marks
from recolor_torch.hints.shapes import HintShapes, parse_shapes, shapes_from_pixels
from recolor_torch.paths import kind_of, show_path
from recolor_torch.pictures.decode import MAX_PIXELS
from recolor_torch.pictures.opening import PictureError
from recolor_torch.pictures.read import Picture, read_picture
from recolor_torch.resize import resize, resize_hints
from recolor_torch.text import read_text

Form = Literal["json", "overlay", "marked"]
FORMS: tuple[Form, ...] = ("json", "overlay", "marked")
# A picture's sides are whole numbers: the same picture at two sizes differs this much in its aspect, at most.
ASPECT_SLACK = 0.02
# Alpha from which on a pixel was painted, pixels that a soft brush reaches beyond a stroke, and a speck's pixels.
FAINT, RIM, FEW = 0.1, 4, 4
_LOSSY = {"JPEG", "MPO", "WEBP", "AVIF", "JPEG2000"}


class HintError(PictureError):
    """Hints that cannot be read or used: one sentence with the file and the cause."""


@dataclass(frozen=True)
class Hints:
    """Given colors as pixels, and what is known of where they come from.

    Args:
        image: sRGB, (1, 3, H, W) in [0, 1], read where ``mask`` is 1; its chroma counts, not its luminance.
        mask: (1, 1, H, W), 1 where a color is given, else 0.
        form: the form of the file.
        shapes: points and strokes, for the JSON form.
        marks: the rule by which strokes were found, for a marked copy.
        faint: pixels of an overlay that were painted, stand apart from all hints, and are too clear to be one.
    """

    image: Tensor
    mask: Tensor
    form: Form
    shapes: HintShapes | None = None
    marks: FoundMarks | None = None
    faint: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know: how a marked copy was understood, and what does not count; a clause each."""
        found = [] if self.marks is None else [self.describe()]
        found += [] if self.shapes is None else self.shapes.notes
        if self.faint:
            found.append(f"{self.faint} painted pixels are half clear or clearer and do not count: use a hard brush")
        return tuple(found)

    @property
    def links(self) -> tuple[LinkShape, ...]:
        """Regions that take their colors from regions of references."""
        return () if self.shapes is None else self.shapes.links

    @property
    def count(self) -> int:
        """Pixels with a color."""
        return int(self.mask.sum())

    def describe(self) -> str:
        """What was understood, in a line."""
        height, width = self.mask.shape[-2:]
        text = f"{self.count} hint pixels ({self.count / (height * width):.2%}) of {width} x {height}"
        if self.shapes is not None:
            text += f", from {len(self.shapes.points)} points and {len(self.shapes.strokes)} strokes"
        if self.links:
            several = len(self.links) > 1
            text += f", {len(self.links)} link{'s' if several else ''} to {'references' if several else 'a reference'}"
        if self.marks is not None:
            text += f", {self.marks}"
        return text


def read_hints(
    path: str | os.PathLike[str],
    target: Tensor | None = None,
    size: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Hints:
    """Read hints of any form and place them on a picture.

    A file that opens as a picture is an overlay where it has transparent pixels (alpha over one half
    is a hint), else a marked copy; anything else has to be JSON.

    Args:
        path: the file.
        target: the picture that is to be colored, sRGB, (1, 3, H, W); a marked copy cannot be read without it.
        size: (height, width) of the result; the target's without it, or the file's own without a target.
        max_pixels: refuse pictures with more pixels than this.

    Returns:
        Hints at that size. The same file and size give the same pixels, whoever asks.

    Raises:
        HintError: one sentence: the file cannot be read, holds no hints, is for a picture of another
            shape, or is a marked copy and there is no target.
    """
    if target is not None:
        check_image(target, "target", channels=3)
        size = size or (target.shape[-2], target.shape[-1])
    if is_shapes(path):
        hints = hints_from_shapes(read_shapes(Path(path), size, max_pixels), size)
    else:
        hints = _read_picture(path, target, size, max_pixels)
    linked = hints.shapes is not None and any(
        hints.shapes.touches(k.target.outline, k.target.radius) for k in hints.links
    )
    if not bool((hints.mask > 0.5).any()) and not linked:
        why = "; ".join(hints.notes if hints.marks is None else ()) or hints.describe()
        raise HintError(f"{show_path(path)}: there are no hints in it ({why}).")
    return hints


def encode_hints(hints: Hints, form: Form, target: Tensor | None = None) -> bytes:
    """The bytes of a hint file: JSON text, or a PNG.

    JSON and overlay hold the pixels exactly at 8 bits (shapes stay shapes where the hints are still at
    their own size); a marked copy holds the chroma, to rounding.

    Args:
        hints: what to write.
        form: the form to write.
        target: sRGB, (1, 3, H, W), for a marked copy; hints are resized to it.

    Raises:
        ValueError: the form is unknown, or a marked copy is wanted without a target.
    """
    check_choice(form, "form of hints", FORMS)
    if form == "marked":
        if target is None:
            raise ValueError("A marked copy is drawn on its target: give the target.")
        check_image(target, "target", channels=3)
        image, mask = place_pixels(hints.image, hints.mask, (target.shape[-2], target.shape[-1]))
        return _png(draw_marks(image, mask, target))
    if form == "overlay":
        return _png(torch.cat((hints.image * hints.mask, hints.mask), 1))
    height, width = hints.mask.shape[-2:]
    if hints.shapes is not None and hints.shapes.size == (width, height):
        return hints.shapes.to_json().encode()
    shapes = shapes_from_pixels(_levels(hints.image), hints.mask[0, 0].cpu().numpy() > 0.5)
    if hints.shapes is not None:
        own_width, own_height = hints.shapes.size
        fx, fy = width / own_width, height / own_height
        shapes = replace(shapes, links=tuple(replace(k, target=k.target.scaled(fx, fy)) for k in hints.links))
    return shapes.to_json().encode()


def hints_from_shapes(shapes: HintShapes, size: tuple[int, int] | None = None) -> Hints:
    """The pixels of points and strokes at ``size``, (height, width), or at their own."""
    colors, mask = shapes.rasterize(size)
    image = torch.from_numpy(colors).permute(2, 0, 1)[None].float() / 255
    return Hints(image, torch.from_numpy(mask)[None, None].float(), "json", shapes)


def place_pixels(image: Tensor, mask: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Hint pixels at another size: enlarged by the nearest pixel, reduced to the mean color of an area's hints.

    Args:
        image: (B, 3, H, W).
        mask: (B, 1, H, W), 1 at hints.
        size: (height, width).
    """
    check_image(image, "image", channels=3)
    check_mask(mask, "mask", image)
    grown = (max(size[0], image.shape[-2]), max(size[1], image.shape[-1]))
    if grown != tuple(image.shape[-2:]):
        image = F.interpolate(image, grown, mode="nearest-exact")
        mask = F.interpolate(mask, grown, mode="nearest-exact")
    return resize_hints(image, mask, size)


def is_shapes(path: str | os.PathLike[str]) -> bool:
    """By its name, or by its first character that is not space.

    Raises:
        HintError: it is a pipe or a device, for which one could wait for ever.
    """
    with suppress(UsageError):  # reading it says why
        if kind_of(path) == "other":
            raise HintError(f"{show_path(path)}: this is a pipe or a device, and no file.")
    if Path(path).suffix.lower() == ".json":
        return True
    try:
        with open(path, "rb") as file:
            return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    except (OSError, ValueError):
        return False  # reading it as a picture says why


def read_shapes(path: Path, size: tuple[int, int] | None, max_pixels: int = MAX_PIXELS) -> HintShapes:
    """Points and strokes of a JSON file for a picture of ``size``, (height, width).

    Raises:
        HintError: one sentence: the file cannot be read, or is for a picture of another shape.
    """
    try:
        shapes = parse_shapes(read_text(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise HintError(f"{show_path(path)}: cannot read these hints: {reason}.") from error
    width, height = shapes.size
    _check_aspect(path, (height, width), size)
    rows, columns = size or (height, width)
    if rows * columns > max_pixels:
        raise HintError(f"{show_path(path)}: {columns} x {rows} pixels are more than the limit of {max_pixels}.")
    return shapes


def _read_picture(
    path: str | os.PathLike[str], target: Tensor | None, size: tuple[int, int] | None, max_pixels: int
) -> Hints:
    try:
        picture = read_picture(path, max_pixels)
    except PictureError as error:
        raise HintError(str(error)) from error
    own = (picture.image.shape[-2], picture.image.shape[-1])
    _check_aspect(path, own, size)
    hints = _from_overlay(picture) if _has_clear_pixels(picture) else _from_marked(path, picture, target)
    if size is None or size == own:
        return hints
    image, mask = place_pixels(hints.image, hints.mask, size)
    return replace(hints, image=image, mask=mask)


def _has_clear_pixels(picture: Picture) -> bool:
    return picture.alpha is not None and bool((picture.alpha <= 0.5).any())


def _from_overlay(picture: Picture) -> Hints:
    assert picture.alpha is not None
    mask = (picture.alpha > 0.5).float()
    # The soft rim of a stroke that counts is no stroke of its own.
    near = F.max_pool2d(mask, 2 * RIM + 1, stride=1, padding=RIM)
    faint = int(((picture.alpha > FAINT) & (near == 0)).sum())
    return Hints(picture.image, mask, "overlay", faint=faint if faint >= FEW else 0)


def _from_marked(path: str | os.PathLike[str], picture: Picture, target: Tensor | None) -> Hints:
    if target is None:
        raise HintError(
            f"{show_path(path)}: this is a picture without transparent pixels, so a marked copy of a target, "
            "and it takes the target to see what is marked."
        )
    target = resize(target.float().cpu(), picture.image.shape[-2:]).clamp(0, 1)
    marks = find_marks(picture.image, target, lossy=picture.info.format in _LOSSY)
    return Hints(picture.image, marks.mask, "marked", marks=marks)


def _check_aspect(path: str | os.PathLike[str], own: tuple[int, int], wanted: tuple[int, int] | None) -> None:
    if wanted is None or own == wanted:
        return
    # The side by which a scaled copy would miss, in its pixels: rounding makes one.
    miss = abs(own[1] * wanted[0] / own[0] - wanted[1])
    if miss > max(1.5 * max(1.0, wanted[0] / own[0]), ASPECT_SLACK * wanted[1]):
        raise HintError(
            f"{show_path(path)}: these hints are for a picture of {own[1]} x {own[0]} pixels, "
            f"and {wanted[1]} x {wanted[0]} is not that picture at another size."
        )


def _levels(image: Tensor) -> np.ndarray:
    return (image[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def _png(image: Tensor) -> bytes:
    file = io.BytesIO()
    Image.fromarray(_levels(image)).save(file, "PNG")
    return file.getvalue()
