"""Images to picture files, in the form that the input's file had.

Bit depth, alpha, EXIF, resolution and RGB profile of the input come back; JPEG is written at quality
95 without color subsampling, lossless formats stay lossless.
"""

import os
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

from recolor_torch.checks import check_float
from recolor_torch.files import write_atomically
from recolor_torch.paths import show_path
from recolor_torch.pictures.carry import DEEP, OPAQUE, CarriedFacts, find_carried, photoshop_segment
from recolor_torch.pictures.cms import convert_with_cms, srgb_profile
from recolor_torch.pictures.decode import decode
from recolor_torch.pictures.encode import write_bmp, write_png, write_ppm
from recolor_torch.pictures.encode_tiff import write_tiff
from recolor_torch.pictures.formats import FORMATS
from recolor_torch.pictures.icc import Profile, from_srgb, parse_profile
from recolor_torch.pictures.keeping import Keeper
from recolor_torch.pictures.opening import PictureError
from recolor_torch.pictures.raster import Raster, as_raster
from recolor_torch.pictures.read import Picture, Scan
from recolor_torch.strips import Rows, strips
from recolor_torch.system import file_in_memory

# Called with the whole temporary file, and with what the format cannot hold, a sentence each.
BeforeReplace = Callable[[Path, tuple[str, ...]], None]
_SIDE_LIMIT = {"JPEG": 65500, "WEBP": 16383}


def write_picture(
    path: str | os.PathLike[str],
    image: Tensor,
    like: Picture | Scan | None = None,
    *,
    description: str | None = None,
    kept: Rows | None = None,
    before_replace: BeforeReplace | None = None,
) -> tuple[str, ...]:
    """Write an image to a picture file, which appears under its name only when whole.

    Args:
        path: the file; its suffix says the format.
        image: (1, 3, H, W) or (3, H, W), sRGB in [0, 1], any float type and device; clipped. NaN is written as 0.
        like: the picture whose depth, alpha, EXIF, resolution and profile to restore.
        description: what made the picture, written to the field "Software".
        kept: rows ``top`` to ``bottom`` of the share, (1, 1, h, W) in [0, 1], in which ``image`` is ``like.image``:
            where it is 1, the stored values come back, colors outside of sRGB too.
        before_replace: called with the whole temporary file, and with what the format cannot hold, just before it
            takes its name.

    Returns:
        What of ``like`` the format cannot hold, a sentence each.

    Raises:
        TypeError: ``image`` is not a floating point tensor.
        ValueError: ``image`` has another shape.
        PictureError: the format is unknown or cannot hold the picture, or the file cannot be written.
    """
    check_float(image, "image")
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or (image.ndim == 4 and image.shape[0] != 1):
        raise ValueError(f"image must have shape (1, 3, H, W) or (3, H, W), got {tuple(image.shape)}.")
    image = image.detach().reshape(1, 3, *image.shape[-2:])
    height, width = image.shape[-2:]
    bands = (image[:, :, top:bottom] for top, bottom in strips(height, width))
    more = {"description": description, "kept": kept, "before_replace": before_replace}
    return write_rows(path, bands, (height, width), like, **more)  # type: ignore[arg-type]


def write_rows(
    path: str | os.PathLike[str],
    bands: Iterable[Tensor | np.ndarray],
    size: tuple[int, int],
    like: Picture | Scan | None = None,
    *,
    description: str | None = None,
    kept: Rows | None = None,
    before_replace: BeforeReplace | None = None,
) -> tuple[str, ...]:
    """Write a picture that comes in bands of rows from the top, (1, 3, h, W) as ``write_picture`` has them.

    Args:
        bands: or what is to be stored, (h, W, 3) uint8, of a picture without transparency or profile of its own.
        size: height and width of the picture.
    """
    height, width = size
    format = _format(path, width, height)
    deep = like is not None and like.info.bits == 16 and format in DEEP
    alpha = like if like is not None and like.has_alpha and format not in OPAQUE else None
    if alpha is not None and tuple(alpha.alpha_rows(0, height).shape[-2:]) != tuple(size):
        raise ValueError(f"image must have the size of its alpha, got {tuple(size)}.")
    icc = None if like is None else like.icc
    profile = None if icc is None else parse_profile(icc)
    if profile is not None and profile.matrix is None and not _has_way_back(profile):
        profile, icc = None, srgb_profile()
    if like is not None and like.tag_srgb:
        icc = srgb_profile()
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    keeper = None
    if kept is not None and like is not None and profile is not None and not profile.is_srgb:
        keeper = Keeper(like, kept, partial(_in_profile, dtype=dtype, profile=profile))
    quantised = _quantised(bands, alpha, dtype, profile, keeper)
    pixels = Raster((height, width, 3 if alpha is None else 4), dtype, quantised)
    lossless = like is not None and like.info.lossless
    return _write(path, format, pixels, icc, like, description, lossless, before_replace)


def copy_unchanged(
    source_path: str | os.PathLike[str],
    path: str | os.PathLike[str],
    like: Picture | Scan,
    *,
    before_replace: BeforeReplace | None = None,
) -> tuple[str, ...]:
    """Write the source's own pixels: the file's bytes where the format stays, else the stored pixels.

    To a lossless format that holds the depth, pixels are the same bit for bit, in the source's own
    colors with its profile.

    Returns:
        What of ``like`` the format cannot hold, a sentence each.

    Raises:
        PictureError: the source cannot be read or the file cannot be written.
    """
    format = FORMATS.get(Path(path).suffix.lower())
    if format is not None and format == {"MPO": "JPEG", "DIB": "BMP"}.get(like.info.format, like.info.format):
        try:
            with write_atomically(path, before_replace=before_replace and partial(_call, before_replace)) as part:
                shutil.copyfile(source_path, part)
        except OSError as error:
            raise PictureError(_cannot_write(path, error)) from error
        return ()
    decoded = decode(source_path, max_pixels=2**62)
    height, width, channels = decoded.pixels.shape
    format = _format(path, width, height)
    pixels = decoded.pixels
    profile = decoded.profile
    gray_fits = like.icc is None and format != "WEBP" and not (format == "BMP" and decoded.alpha is not None)
    if channels == 1 and not gray_fits:  # an RGB profile needs RGB pixels
        pixels = np.repeat(pixels, 3, axis=2)
    if decoded.alpha is not None and format not in OPAQUE:
        pixels = np.concatenate((pixels, decoded.alpha[..., None]), axis=2)
    if pixels.dtype == np.uint16 and format not in DEEP:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if profile is None and decoded.had_profile:
        profile = srgb_profile()
    return _write(path, format, pixels, profile, like, None, like.info.lossless, before_replace)


def _format(path: str | os.PathLike[str], width: int, height: int) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise PictureError(
            f"{show_path(path)}: cannot write pictures of the kind {suffix!r}. Known kinds: {', '.join(FORMATS)}."
        )
    format = FORMATS[suffix]
    limit = _SIDE_LIMIT.get(format, 2**31 - 1)
    if max(width, height) > limit:
        raise PictureError(
            f"{show_path(path)}: {format} holds at most {limit} pixels a side, the picture has {width} x {height}."
        )
    return format


def _quantised(
    bands: Iterable[Tensor | np.ndarray],
    alpha: Picture | Scan | None,
    dtype: np.dtype,
    profile: Profile | None,
    keeper: Keeper | None,
) -> Iterator[np.ndarray]:
    """Bands of pixels for the file, (h, W, 3 or 4), in the colors of ``profile``."""
    top = 0
    for band in bands:
        if isinstance(band, np.ndarray):
            yield band
            continue
        height, width = band.shape[-2:]
        pixels = np.empty((height, width, 3 if alpha is None else 4), dtype)
        pixels[..., :3] = _in_profile(band[0], dtype, profile)
        if keeper is not None:
            keeper.give_back(pixels, top)
        if alpha is not None:
            values = alpha.alpha_rows(top, top + height)[0, 0]
            pixels[..., 3] = _integers(values.detach().to(device="cpu", dtype=torch.float32), dtype)
        yield pixels
        top += height


def _in_profile(band: Tensor, dtype: np.dtype, profile: Profile | None) -> np.ndarray:
    """Integers (h, W, 3) in the colors of ``profile`` for sRGB values (3, h, W)."""
    band = band.to(device="cpu", dtype=torch.float32)
    if profile is not None and profile.matrix is not None and not profile.is_srgb:
        band = from_srgb(band.nan_to_num(0.0).clamp(0, 1), profile)
    pixels = np.empty((*band.shape[1:], 3), dtype)
    pixels[...] = _integers(band, dtype).transpose(1, 2, 0)
    if profile is not None and profile.matrix is None:
        _apply_tables(pixels, profile)
    return pixels


def _integers(values: Tensor, dtype: np.dtype) -> np.ndarray:
    top = float(np.iinfo(dtype).max)
    rounded = (values * top).round_().nan_to_num_(0.0).clamp_(0, top)
    # torch narrows a float several times as fast as NumPy does.
    return rounded.to(torch.uint8).numpy() if dtype == np.uint8 else rounded.numpy().astype(dtype)


def _apply_tables(pixels: np.ndarray, profile: Profile) -> None:
    """Bring sRGB pixels into a profile made of tables, at 8 bits."""
    scale = 257 if pixels.dtype == np.uint16 else 1
    low = ((pixels[..., :3].astype(np.uint32) + scale // 2) // scale).astype(np.uint8)
    converted = convert_with_cms(Image.fromarray(low), None, profile.data)
    pixels[..., :3] = np.asarray(converted).astype(pixels.dtype) * pixels.dtype.type(scale)


def _has_way_back(profile: Profile) -> bool:
    """Whether the tables of a profile lead from sRGB to its colors too."""
    try:
        convert_with_cms(Image.new("RGB", (1, 1)), None, profile.data)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False
    return True


def _write(
    path: str | os.PathLike[str],
    format: str,
    pixels: np.ndarray | Raster,
    icc: bytes | None,
    like: Picture | Scan | None,
    description: str | None,
    lossless: bool,
    before_replace: BeforeReplace | None,
) -> tuple[str, ...]:
    carried = find_carried(like, format, description)
    exif, texts = carried.exif, carried.texts
    dpi = None if like is None else like.dpi
    before = before_replace and partial(_call, before_replace, notes=carried.notes)
    try:
        with write_atomically(path, before_replace=before) as part, part.open("wb") as file:
            if format == "TIFF":
                tile = None if like is None else like.info.tile
                write_tiff(file, pixels, icc=icc, exif=exif, dpi=dpi, texts=texts, tile=tile)
            elif format == "PPM":
                write_ppm(file, pixels)
            elif format == "BMP" and pixels.shape[2] == 4:
                write_bmp(file, pixels, dpi=dpi)
            elif format == "PNG":
                write_png(file, pixels, icc=icc, exif=exif.to_bytes(), dpi=dpi, software=description, texts=texts)
            else:
                _write_with_pillow(file, format, pixels, icc, carried, dpi, lossless)
    # Encoders meet what they cannot hold (a profile of 17 MB, a side of 0) with nearly any exception.
    except MemoryError as error:
        raise PictureError(f"{show_path(path)}: not enough memory to write this picture.") from error
    except (OSError, ValueError, TypeError, OverflowError, struct.error) as error:
        raise PictureError(_cannot_write(path, error)) from error
    return carried.notes


def _call(before_replace: BeforeReplace, part: Path, notes: tuple[str, ...] = ()) -> None:
    before_replace(part, notes)


def _write_with_pillow(
    file: IO[bytes],
    format: str,
    pixels: np.ndarray | Raster,
    icc: bytes | None,
    carried: CarriedFacts,
    dpi: tuple[float, float] | None,
    lossless: bool,
) -> None:
    options: dict[str, Any] = {}
    texts = carried.texts
    if format != "BMP":
        exif = carried.exif.to_bytes()
        options |= {"icc_profile": icc, "exif": b"Exif\0\0" + exif if exif else b""}
        options |= {"xmp": texts.xmp} if texts.xmp else {}
    if dpi and format in ("JPEG", "BMP"):
        options["dpi"] = dpi
    if format == "JPEG":
        options |= {"quality": 95, "subsampling": 0}
        options |= {"comment": texts.comment} if texts.comment else {}
        options |= {"extra": photoshop_segment(texts.iptc)} if texts.iptc else {}
    elif format == "WEBP":
        options |= {"lossless": lossless, "quality": 0 if lossless else 95, "method": 0 if lossless else 4}
        options["exact"] = True  # color under full transparency stays
    # By way of memory: written straight to a full disk, Pillow's JPEG is cut short without an error.
    with file_in_memory() as encoded:
        _image(as_raster(pixels)).save(encoded, format, **options)
        encoded.seek(0)
        shutil.copyfileobj(encoded, file, 1 << 20)


def _image(raster: Raster) -> Image.Image:
    """A raster as Pillow's, band by band, so that it is held once."""
    height, width, channels = raster.shape
    image, top = None, 0
    for band in raster.bands:
        part = _spaced(band) if band.strides[1] > channels else Image.fromarray(band[..., 0] if channels == 1 else band)
        if part.size == (width, height):
            return part
        image = image or Image.new(part.mode, (width, height))
        image.paste(part, (0, top))
        top += len(band)
    return image or Image.new({1: "L", 3: "RGB", 4: "RGBA"}[channels], (width, height))


def _spaced(band: np.ndarray) -> Image.Image:
    """RGB of four bytes a pixel, which is how Pillow holds it. (``frombuffer`` makes RGBX, which BMP cannot be.)"""
    height, width = band.shape[:2]
    whole = np.lib.stride_tricks.as_strided(band, (height, width, 4))
    return Image.frombytes("RGB", (width, height), whole, "raw", "RGBX")


def _cannot_write(path: str | os.PathLike[str], error: Exception) -> str:
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    return f"{show_path(path)}: cannot write this file ({reason})."
