"""Picture files to images: sRGB in [0, 1], with what the writer needs to give the file's own form back.

Whatever Pillow opens is read; all 16 bits of a channel are kept, EXIF orientation is applied, the
picture's ICC profile is converted to sRGB, and of an animation or a document the first frame counts.
"""

import os
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from PIL import ImageCms
from torch import Tensor

from recolor_torch.pictures.cms import to_srgb_with_cms
from recolor_torch.pictures.decode import MAX_PIXELS, Decoded, decode
from recolor_torch.pictures.icc import Profile, ProfileError, parse_profile, to_srgb
from recolor_torch.pictures.info import PictureInfo, read_info
from recolor_torch.pictures.metadata import NO_TEXTS, Texts, read_exif
from recolor_torch.pictures.opening import PictureError, open_picture, quiet, show_path

__all__ = ["Picture", "PictureError", "PictureInfo", "PictureWarning", "probe", "read_picture"]


class PictureWarning(UserWarning):
    """Something about a picture was lost or assumed; the picture is read all the same."""


@dataclass(frozen=True)
class Picture:
    """A picture in sRGB, and what its file said.

    Args:
        image: (1, 3, H, W) float32, sRGB in [0, 1].
        alpha: (1, 1, H, W) float32 in [0, 1], or None where the file has none. Colour is not multiplied by it.
        info: what the header said.
        icc: the file's RGB profile, which the writer converts back to; None where there was none, or
            where it does not fit RGB (gray, CMYK).
        tag_srgb: the file had a profile that could not be kept: what is written should say it is sRGB.
        exif: EXIF for a new file, orientation already reset.
        dpi: dots per inch across and down.
        texts: what the file says in words (XMP, IPTC, comments), for a new file.
        notes: what was lost or assumed on reading, a sentence each.
    """

    image: Tensor
    alpha: Tensor | None
    info: PictureInfo
    icc: bytes | None = None
    tag_srgb: bool = False
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    texts: Texts = NO_TEXTS
    notes: tuple[str, ...] = ()


def probe(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> PictureInfo:
    """Read a picture's header only.

    Raises:
        PictureError: one sentence with the file and the cause. Damage behind the header is not seen.
    """
    with open_picture(path, max_pixels) as image, quiet():
        orientation, _ = read_exif(image)
        return read_info(image, path, orientation)


def read_picture(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture as sRGB.

    Args:
        path: a file of any kind that Pillow opens.
        max_pixels: refuse pictures with more pixels than this.

    Returns:
        The picture, upright. Colours outside sRGB are clipped to it.

    Raises:
        PictureError: one sentence with the file and the cause.
    """
    decoded = decode(path, max_pixels)
    height, width = decoded.pixels.shape[:2]
    notes = list(decoded.notes)
    try:
        image = torch.empty(1, 3, height, width)
        profile = _usable_profile(decoded, notes)
        if not _convert(decoded, profile, image, notes):
            profile = None
            _fill(image, decoded.pixels)
        alpha = None
        if decoded.alpha is not None:
            alpha = torch.empty(1, 1, height, width)
            _fill(alpha, decoded.alpha[..., None])
    except (MemoryError, RuntimeError) as error:  # torch reports a lack of memory as RuntimeError
        raise PictureError(f"{show_path(path)}: not enough memory for {width} x {height} pixels.") from error
    for note in notes:
        warnings.warn(f"{show_path(path)}: {note}", PictureWarning, stacklevel=2)
    icc = profile.data if profile is not None and profile.space == "rgb" else None
    tag_srgb = icc is None and decoded.had_profile
    texts = decoded.texts
    return Picture(image, alpha, decoded.info, icc, tag_srgb, decoded.exif, decoded.dpi, texts, tuple(notes))


def _fill(image: Tensor, pixels: np.ndarray) -> None:
    """Write (H, W, C) integers into (1, C', H, W) as [0, 1], in one pass; one channel fills all."""
    top = np.float32(np.iinfo(pixels.dtype).max)
    for c, plane in enumerate(image[0].numpy()):
        np.divide(pixels[..., min(c, pixels.shape[2] - 1)], top, out=plane, dtype=np.float32)


def _usable_profile(decoded: Decoded, notes: list[str]) -> Profile | None:
    if decoded.profile is None:
        return None
    try:
        profile = parse_profile(decoded.profile)
        if profile.space == "cmyk" or (profile.space == "gray" and decoded.pixels.shape[2] == 3):
            raise ProfileError(f"a {profile.space} profile does not fit this picture")
        return profile
    except ProfileError as error:
        notes.append(f"The ICC profile was ignored: {error}.")
        return None


def _convert(decoded: Decoded, profile: Profile | None, image: Tensor, notes: list[str]) -> bool:
    """Fill ``image`` through ``profile``; False where there is nothing to convert or it cannot be done."""
    if profile is None:
        return False
    pixels = decoded.pixels
    if profile.is_srgb:
        _fill(image, pixels)
        return True
    if profile.curves:
        to_srgb(pixels, profile, image)
        return True
    if pixels.dtype == np.uint16:
        notes.append("The ICC profile is made of tables, which are applied at 8 bits: the lower 8 bits are lost.")
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if profile.space == "rgb" and pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    try:
        _fill(image, to_srgb_with_cms(pixels, profile.data))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        notes.append(f"The ICC profile was ignored: {' '.join(str(error).split())}.")
        return False
    return True
