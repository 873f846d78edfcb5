"""A picture file to its pixels as they are stored: all bits, no color conversion but CMYK's."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from recolor_torch.pictures.cms import convert_with_cms
from recolor_torch.pictures.depth import divide_by_alpha, is_deep, raw_mode, read_16_bits, spread
from recolor_torch.pictures.hdr import avif_profile, is_avif, note_gain_map
from recolor_torch.pictures.heif import heif_profile, is_deep_heif, is_heif, read_deep_heif
from recolor_torch.pictures.info import PictureInfo, is_turned, read_info
from recolor_torch.pictures.metadata import (
    NO_TEXTS,
    Texts,
    describes_its_file,
    read_dpi,
    read_exif,
    read_profile,
    read_texts,
    without_description,
)
from recolor_torch.pictures.opening import open_picture, quiet
from recolor_torch.pictures.png_color import png_profile
from recolor_torch.pictures.ranges import ROUNDED, is_signed, spread_floats, spread_integers, spread_signed
from recolor_torch.pictures.tiff import OddTiff

MAX_PIXELS = 1_000_000_000


@dataclass(frozen=True)
class Decoded:
    """Stored pixels, upright.

    Args:
        info: see ``PictureInfo``.
        pixels: (H, W, 1 or 3), uint8 or uint16.
        alpha: (H, W) of the same type, or None.
        profile: the ICC profile that ``pixels`` go by, or None.
        had_profile: a profile was there, also where it is used up by now (CMYK).
        exif: EXIF for a new file, orientation reset.
        dpi: dots per inch across and down.
        texts: what the file says in words, for a new file.
        notes: what was lost or assumed, a sentence each.
    """

    info: PictureInfo
    pixels: np.ndarray
    alpha: np.ndarray | None
    profile: bytes | None
    had_profile: bool
    exif: bytes | None
    dpi: tuple[float, float] | None
    texts: Texts
    notes: tuple[str, ...]


def decode(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Decoded:
    """Read a picture file: first frame or page, upright, in RGB or gray, with all its bits.

    Raises:
        PictureError: one sentence with the file and the cause.
    """
    with open_picture(path, max_pixels) as image, ExitStack() as files:

        def reopen() -> Image.Image:
            file = files.enter_context(Path(path).open("rb"))
            with quiet():
                again = files.enter_context(Image.open(file))
                if image.format == "TIFF":
                    again.seek(image.tell())  # type: ignore[union-attr]
                read_exif(again)  # now, because a TIFF reads it on loading, and warns where it is damaged
                return again

        with quiet():
            orientation, exif = read_exif(image)
            info = read_info(image, path, orientation)
            notes: list[str] = []
            profile = _profile(path, image, notes)
            texts = read_texts(image) if info.format != "PNG" else NO_TEXTS
            texts = replace(texts, xmp=note_gain_map(path, image, texts.xmp, notes))
        if exif and describes_its_file(exif):  # words of a program on pages and value ranges, which the result lacks
            exif = without_description(exif)
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and info.format != "MPO":  # its other frames are previews
            notes.append(f"The first of {frames} pages or frames was read; the others are not in the result.")
        had_profile = profile is not None
        alpha = None
        if isinstance(image, OddTiff):
            pixels, alpha = _read_odd_tiff(image, notes)
        elif is_deep(image) or is_deep_heif(image):
            pixels = read_deep_heif(path, image) if is_deep_heif(image) else read_16_bits(image, reopen)
        else:
            pixels, profile = _read_with_pillow(image, profile, notes)
        dpi = read_dpi(image)
        if info.format == "PNG":  # its texts may stand behind its pixels
            texts = read_texts(image)
        if alpha is None:
            pixels, alpha = _split_alpha(pixels, image.info.get("transparency"))
        if not is_turned(image):
            pixels = turn(pixels, orientation)
            alpha = None if alpha is None else turn(alpha, orientation)
        if orientation > 4 and dpi:
            dpi = dpi[1], dpi[0]
        return Decoded(info, pixels, alpha, profile, had_profile, exif, dpi, texts, tuple(notes))


def _profile(path: Any, image: Any, notes: list[str]) -> bytes | None:
    profile = read_profile(image)
    if is_avif(image):
        return avif_profile(path, profile, notes)
    if image.format == "PNG":
        return png_profile(image, profile, notes)
    return heif_profile(image, profile, notes) if is_heif(image) else profile


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (1 to 8) of (H, W, ...) pixels; a view."""
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: x.swapaxes(0, 1)[:, ::-1],
        7: lambda x: x.swapaxes(0, 1)[::-1, ::-1],
        8: lambda x: x.swapaxes(0, 1)[::-1],
    }
    return turns[orientation](pixels) if orientation in turns else pixels


def _read_with_pillow(image: Any, profile: bytes | None, notes: list[str]) -> tuple[np.ndarray, bytes | None]:
    """Pixels (H, W, 1 to 4), and the profile unless it is used up."""
    mode, raw = image.mode, raw_mode(image)
    if mode.startswith("I;16"):
        inverted = image.format == "TIFF" and image.tag_v2.get(262) == 0  # "white is zero", which Pillow overlooks
        pixels = spread(np.asarray(image), 4095 if raw == "I;12" else 65535)
        return (65535 - pixels if inverted else pixels)[..., None], profile
    if mode in ("I", "F"):
        pixels = spread_integers(image, notes) if mode == "I" else spread_floats(np.asarray(image), notes)
        return pixels[..., None], profile
    if mode == "L" and is_signed(image):
        return spread_signed(np.asarray(image).view(np.int8), notes)[..., None], profile
    if mode == "CMYK":
        return _read_cmyk(image, profile, notes), None
    if mode == "LAB":
        return np.asarray(convert_with_cms(image, None, None)), None
    has_key = image.info.get("transparency") is not None
    wanted = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "RGBA": "RGBA", "RGBa": "RGBA", "PA": "RGBA"}.get(mode, "RGB")
    if mode == "P" and (has_key or getattr(image.palette, "mode", "") == "RGBA"):
        wanted = "RGBA"
    pixels = np.asarray(image if mode == wanted else image.convert(wanted))
    if mode == "P" and wanted == "RGBA":
        image.info.pop("transparency", None)  # used
    few_bits = {"L;2": 2, "L;4": 4}.get(raw)
    if image.format == "PNG" and has_key and few_bits:  # the key counts in the file's own levels
        image.info["transparency"] = image.info["transparency"] * 255 // (2**few_bits - 1)
    return (pixels[..., None] if pixels.ndim == 2 else pixels), profile


def _read_odd_tiff(image: OddTiff, notes: list[str]) -> tuple[np.ndarray, np.ndarray | None]:
    values = image.read()
    floating = values.dtype.kind == "f"
    top = 1.0 if floating else float(np.iinfo(values.dtype).max)
    color, n = values[..., : image.colors], image.colors
    pixels = spread_floats(color, notes) if floating else spread(color, top)
    if not floating and values.dtype.itemsize > 2:
        notes.append(ROUNDED.format("32-bit values"))
    if not image.has_alpha:
        return pixels, None
    alpha = spread(values[..., n], top)
    if image.is_multiplied:
        pixels = divide_by_alpha(pixels, alpha)
    return pixels, alpha


def _read_cmyk(image: Image.Image, profile: bytes | None, notes: list[str]) -> np.ndarray:
    if profile is not None:
        try:
            return np.asarray(convert_with_cms(image, profile, None))
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            notes.append("The CMYK profile is damaged and was ignored.")
    return np.asarray(image.convert("RGB"))


def _split_alpha(pixels: np.ndarray, key: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Color, and alpha from a fourth (or second) channel or from the one color that is transparent."""
    channels = pixels.shape[2]
    if channels in (2, 4):
        return pixels[..., : channels - 1], pixels[..., channels - 1]
    if key is None or isinstance(key, bytes):
        return pixels, None
    key = np.atleast_1d(np.asarray(key))
    if key.size not in (1, channels):
        return pixels, None
    opaque = (pixels != key).any(axis=2)
    return pixels, opaque * pixels.dtype.type(np.iinfo(pixels.dtype).max)
