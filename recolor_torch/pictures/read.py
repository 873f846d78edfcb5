"""Picture files to images: sRGB in [0, 1], with what the writer needs to give the file's own form back.

Whatever Pillow opens is read; all 16 bits of a channel are kept, EXIF orientation is applied, the
picture's ICC profile is converted to sRGB, and of an animation or a document the first frame counts.
"""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import ImageCms
from torch import Tensor

from recolor_torch.paths import show_path
from recolor_torch.pictures.cms import to_srgb_with_cms
from recolor_torch.pictures.decode import MAX_PIXELS, Decoded, decode
from recolor_torch.pictures.icc import Profile, ProfileError, parse_profile, srgb_converter
from recolor_torch.pictures.info import PictureInfo, read_info
from recolor_torch.pictures.metadata import NO_TEXTS, Texts, read_exif
from recolor_torch.pictures.opening import PictureError, open_picture, quiet
from recolor_torch.strips import strips

__all__ = ["Picture", "PictureError", "PictureInfo", "PictureWarning", "Scan", "probe", "read_picture", "read_scan"]


class PictureWarning(UserWarning):
    """Something about a picture was lost or assumed; the picture is read all the same."""


@dataclass(frozen=True)
class Picture:
    """A picture in sRGB, and what its file said.

    Args:
        image: (1, 3, H, W) float32, sRGB in [0, 1].
        alpha: (1, 1, H, W) float32 in [0, 1], or None where the file has none. Color is not multiplied by it.
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

    @property
    def has_alpha(self) -> bool:
        """Whether the file has transparency."""
        return self.alpha is not None

    def alpha_rows(self, top: int, bottom: int) -> Tensor:
        """Rows of ``alpha``, where there is one."""
        assert self.alpha is not None
        return self.alpha[..., top:bottom, :]

    def is_opaque(self) -> bool:
        """Whether nothing shows through."""
        return self.alpha is None or not bool((self.alpha < 1).any())


@dataclass(frozen=True)
class Scan:
    """A picture as it is stored, which gives its sRGB values a few rows at a time: for pictures of any size.

    Args:
        pixels: (H, W, 1 or 3), uint8 or uint16.
        alpha_pixels: (H, W) of the same type, or None.
        profile: what ``pixels`` go by where that is not sRGB.
        info, icc, tag_srgb, exif, dpi, texts, notes: see ``Picture``.
    """

    pixels: np.ndarray
    alpha_pixels: np.ndarray | None
    profile: Profile | None
    info: PictureInfo
    icc: bytes | None = None
    tag_srgb: bool = False
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    texts: Texts = NO_TEXTS
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def __getstate__(self) -> dict[str, Any]:
        # Between processes tensors go through shared memory, and arrays through a pipe.
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("pixels", "alpha_pixels"):
            if state[name] is not None:
                # Of an array that cannot be written torch makes no tensor without a warning.
                state[name] = torch.from_numpy(np.require(state[name], requirements=["C", "W"]))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name in ("pixels", "alpha_pixels"):
            if state[name] is not None:
                state[name] = state[name].numpy()
        self.__dict__.update(state)

    @cached_property
    def _converter(self) -> Callable[[np.ndarray], Tensor] | None:
        if self.profile is None:
            return None
        return srgb_converter(self.profile, self.pixels.dtype, self.pixels.shape[2])

    def rows(self, top: int, bottom: int) -> Tensor:
        """Rows ``top`` to ``bottom`` in sRGB, (1, 3, bottom - top, W) float32."""
        band = self.pixels[top:bottom]
        if self._converter is not None:
            return self._converter(band)[None]
        image = torch.empty(1, 3, *band.shape[:2])
        _fill(image, band)
        return image

    @property
    def is_plain(self) -> bool:
        """Whether stored values are sRGB of 8 bits, and those of a result too: no other profile, no transparency."""
        if self.pixels.dtype != np.uint8 or self.info.bits != 8 or self.alpha_pixels is not None or self.tag_srgb:
            return False
        return self.profile is None and (self.icc is None or parse_profile(self.icc).is_srgb)

    def stored(self, top: int, bottom: int) -> Tensor:
        """Rows ``top`` to ``bottom`` as they are stored, (bottom - top, W, 1 or 3)."""
        return torch.from_numpy(self.pixels[top:bottom].copy())  # a turned picture is a view with negative strides

    @property
    def has_alpha(self) -> bool:
        """Whether the file has transparency."""
        return self.alpha_pixels is not None

    def alpha_rows(self, top: int, bottom: int) -> Tensor:
        """Rows of the transparency, (1, 1, bottom - top, W) float32 in [0, 1], where there is one."""
        assert self.alpha_pixels is not None
        band = self.alpha_pixels[top:bottom]
        alpha = torch.empty(1, 1, *band.shape)
        _fill(alpha, band[..., None])
        return alpha

    def is_opaque(self) -> bool:
        """Whether nothing shows through."""
        if self.alpha_pixels is None:
            return True
        return bool((self.alpha_pixels == np.iinfo(self.alpha_pixels.dtype).max).all())

    def whole(self) -> Picture:
        """The picture with all its rows as floats.

        Raises:
            PictureError: there is not enough memory.
        """
        height, width = self.size
        try:
            image = torch.empty(1, 3, height, width)
            for top, bottom in strips(height, width):
                image[:, :, top:bottom] = self.rows(top, bottom)
            alpha = self.alpha_rows(0, height) if self.has_alpha else None
        except (MemoryError, RuntimeError) as error:  # torch reports a lack of memory as RuntimeError
            path = show_path(self.info.path)
            raise PictureError(f"{path}: not enough memory for {width} x {height} pixels.") from error
        rest = self.info, self.icc, self.tag_srgb, self.exif, self.dpi, self.texts, self.notes
        return Picture(image, alpha, *rest)


def probe(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> PictureInfo:
    """Read a picture's header only.

    Raises:
        PictureError: one sentence with the file and the cause. Damage behind the header is not seen.
    """
    with open_picture(path, max_pixels) as image, quiet():
        orientation, _ = read_exif(image)
        return read_info(image, path, orientation)


def read_picture(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture as sRGB.

    Args:
        path: a file of any kind that Pillow opens.
        max_pixels: refuse pictures with more pixels than this.

    Returns:
        The picture, upright. Colors outside sRGB are clipped to it.

    Raises:
        PictureError: one sentence with the file and the cause.
    """
    return read_scan(path, max_pixels).whole()


def read_scan(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Scan:
    """Read a picture and keep it as it is stored; arguments and errors as of ``read_picture``."""
    decoded = decode(path, max_pixels)
    notes = list(decoded.notes)
    try:
        profile = _usable_profile(decoded, notes)
        pixels, converts, fits = _pixels(decoded, profile, notes)
    except (MemoryError, RuntimeError) as error:
        height, width = decoded.pixels.shape[:2]
        raise PictureError(f"{show_path(path)}: not enough memory for {width} x {height} pixels.") from error
    for note in notes:
        warnings.warn(f"{show_path(path)}: {note}", PictureWarning, stacklevel=3)
    icc = profile.data if profile is not None and fits and profile.space == "rgb" else None
    tag_srgb = icc is None and decoded.had_profile
    rest = decoded.info, icc, tag_srgb, decoded.exif, decoded.dpi, decoded.texts, tuple(notes)
    return Scan(pixels, decoded.alpha, converts, *rest)


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


def _pixels(decoded: Decoded, profile: Profile | None, notes: list[str]) -> tuple[np.ndarray, Profile | None, bool]:
    """Pixels to keep, the profile that they still go by, and whether the file's profile could be used."""
    pixels = decoded.pixels
    if profile is None or profile.is_srgb:
        return pixels, None, profile is not None
    if profile.curves:
        return pixels, profile, True
    if pixels.dtype == np.uint16:
        notes.append("The ICC profile is made of tables, which are applied at 8 bits: the lower 8 bits are lost.")
        low = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    else:
        low = pixels
    if profile.space == "rgb" and low.shape[2] == 1:
        low = np.repeat(low, 3, axis=2)
    try:
        return to_srgb_with_cms(low, profile.data), None, True
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        notes.append(f"The ICC profile was ignored: {' '.join(str(error).split())}.")
        return pixels, None, False
