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
from recolor_torch.pictures.opening import PictureError, show_path
from recolor_torch.pictures.read import MAX_PIXELS, Picture, read_picture


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


def read_visible(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> Tensor:
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
    return _reference(path, mask, max_pixels, (_stamp(path), mask and _stamp(mask)))


@lru_cache(maxsize=8)
def _reference(path: Path, mask: Path | None, max_pixels: int, _stamps: object) -> Reference:
    image, counts = visible(read_picture(path, max_pixels))
    if mask is None:
        return Reference(image, counts)
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
    return Reference(image, counts)


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
