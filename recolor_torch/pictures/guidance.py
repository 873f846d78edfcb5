"""Picture files that guide: references and masks, of which only what can be seen counts.

A transparent pixel has a color too, which nobody sees and which programs choose as they like: it must not count.
"""

import os
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from recolor_torch.color import rgb_to_luminance
from recolor_torch.guide import Reference
from recolor_torch.paths import show_path
from recolor_torch.pictures.decode import MAX_PIXELS
from recolor_torch.pictures.opening import PictureError
from recolor_torch.pictures.ranges import ROUNDED
from recolor_torch.pictures.read import Picture, Scan, read_picture
from recolor_torch.strips import Rows, strips


def visible(picture: Picture) -> tuple[Tensor, Tensor | None]:
    """What can be seen of a picture, and where.

    Returns:
        sRGB, (1, 3, H, W), with the mean of the visible colors where alpha is one half or less, and a mask,
        (1, 1, H, W), 1 where a pixel is visible; None where all are.

    Raises:
        PictureError: the picture is transparent everywhere.
    """
    if picture.alpha is None or bool((picture.alpha > 0.5).all()):
        return picture.image, None
    mask = (picture.alpha > 0.5).to(picture.image)
    if not bool(mask.any()):
        raise PictureError(f"{show_path(picture.info.path)}: the picture is transparent everywhere.")
    mean = (picture.image * mask).sum((-2, -1), keepdim=True) / mask.sum()
    return torch.where(mask > 0, picture.image, mean), mask


def hides(picture: Picture | Scan) -> bool:
    """Whether some of a picture's pixels can be seen and others cannot."""
    if not picture.has_alpha:
        return False
    height, width = picture.info.height, picture.info.width
    counts = [int((picture.alpha_rows(*band) > 0.5).sum()) for band in strips(height, width)]
    return 0 < sum(counts) < height * width


def without_hidden(rows: Rows, picture: Picture | Scan) -> Rows:
    """Rows of a picture that ``hides``, with the mean of the visible colors where nothing can be seen.

    So what a method learns of a target does not depend on colors that nobody sees.
    """
    total, count = torch.zeros(3, dtype=torch.float64), 0
    for top, bottom in strips(picture.info.height, picture.info.width):
        seen = (picture.alpha_rows(top, bottom) > 0.5)[0, 0]
        total += rows(top, bottom)[0][:, seen].sum(1, dtype=torch.float64).cpu()
        count += int(seen.sum())
    mean = (total / count)[None, :, None, None]

    def shown(top: int, bottom: int) -> Tensor:
        image = rows(top, bottom)
        return torch.where(picture.alpha_rows(top, bottom).to(image) > 0.5, image, mean.to(image))

    return shown


def read_visible(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Tensor:
    """What can be seen of a picture file, sRGB, (1, 3, H, W); see ``visible``."""
    return visible(read_picture(path, max_pixels))[0]


def read_reference(path: Path, mask: Path | None = None, max_pixels: int = MAX_PIXELS) -> Reference:
    """A reference picture with the pixels of it that count; its weight is 1. The last few are kept.

    Args:
        path: the picture; its transparent pixels do not count.
        mask: a picture of its size, white where it counts; transparent is black.
        max_pixels: refuse pictures with more pixels than this.

    Raises:
        PictureError: a file cannot be read, the mask has another size, or nothing counts.
    """
    return _reference(path, mask, max_pixels, (_stamp(path), mask and _stamp(mask)))[0]


def reference_notes(path: Path, mask: Path | None = None, max_pixels: int = MAX_PIXELS) -> tuple[str, ...]:
    """What was assumed on reading a reference that changes its colors, a sentence each, which names the file.

    Args:
        path, mask, max_pixels: as for ``read_reference``, which has just been called.
    """
    return _reference(path, mask, max_pixels, (_stamp(path), mask and _stamp(mask)))[1]


@lru_cache(maxsize=8)
def _reference(path: Path, mask: Path | None, max_pixels: int, _stamps: object) -> tuple[Reference, tuple[str, ...]]:
    picture = read_picture(path, max_pixels)
    # That 16 bits are enough for a reference needs no word.
    notes = tuple(f"{show_path(path)}: {note}" for note in picture.notes if not note.endswith(ROUNDED.format("")))
    image, counts = visible(picture)
    if mask is None:
        return Reference(image, counts), notes
    values = read_mask(mask, max_pixels)
    height, width = image.shape[-2:]
    if values.shape[-2:] != image.shape[-2:]:
        raise PictureError(
            f"{show_path(mask)}: a reference mask must have the size of its reference, {width} x {height}, "
            f"got {values.shape[-1]} x {values.shape[-2]}."
        )
    counts = values if counts is None else values * counts
    if not bool((counts > 0.5).any()):
        raise PictureError(
            f"{show_path(mask)}: the mask is white nowhere, so that nothing of {show_path(path)} counts."
        )
    return Reference(image, counts), notes


def read_mask(path: Path, max_pixels: int = MAX_PIXELS) -> Tensor:
    """A mask from a picture, (1, 1, H, W): its luminance, times its alpha where it has one. The last few are kept."""
    return _mask(path, max_pixels, _stamp(path))


def _stamp(path: Path) -> tuple[str, int, int] | None:
    """A file as it is now: a name alone may stand for another one by and by."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None  # reading it says why
    return os.path.abspath(path), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _mask(path: Path, max_pixels: int, _stamp: object) -> Tensor:
    picture = read_picture(path, max_pixels)
    values = rgb_to_luminance(picture.image)
    return values if picture.alpha is None else values * picture.alpha
