"""All bits of a picture's channels, where Pillow alone would keep 8.

Pillow unpacks 16-bit color by keeping one byte of two. It takes the first byte with the raw mode of
big-endian data and the second with that of little-endian data, so decoding twice gives both: its
decoders, error checks and all compressions serve, and nothing is lost.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

Reopen = Callable[[], Image.Image]


def raw_mode(image: Image.Image) -> str:
    """How the file packs its pixels, in Pillow's words; empty where Pillow does not say."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ""
    args = tiles[0].args
    return args if isinstance(args, str) else str(args[0]) if isinstance(args, tuple) and args else ""


def is_deep(image: Image.Image) -> bool:
    """Whether a picture that is open and not loaded stores color that ``read_16_bits`` can read."""
    if image.format == "PPM":
        return image.mode == "RGB" and _ppm_maximum(image) > 255
    layout, _, order = raw_mode(image).partition(";")
    return layout in ("RGB", "RGBX", "RGBA", "RGBa", "LA") and order in ("16B", "16L", "16N")


def read_16_bits(image: Image.Image, reopen: Reopen) -> np.ndarray:
    """Pixels as uint16, (H, W, C), of a picture that ``is_deep``.

    Args:
        image: just opened, not loaded.
        reopen: opens the same file once more.
    """
    if image.format == "PPM":
        return _read_ppm(image)
    layout, _, order = raw_mode(image).partition(";")
    if layout == "LA":  # two bytes of gray and two of alpha look like four channels
        _set_raw_mode(image, "RGBA")
        return np.ascontiguousarray(np.asarray(image)).view(">u2").astype(np.uint16)
    first, second = image, reopen()
    name = "RGBA" if layout == "RGBa" else layout  # as they are stored; divided below
    _set_raw_mode(first, f"{name};16B")
    _set_raw_mode(second, f"{name};16L")
    little = order == "16L" or (order == "16N" and np.little_endian)
    low, high = (first, second) if little else (second, first)
    pixels = np.asarray(high).astype(np.uint16)
    pixels <<= 8
    pixels |= np.asarray(low)
    if layout == "RGBa":
        pixels[..., :3] = divide_by_alpha(pixels[..., :3], pixels[..., 3])
    return pixels


def _ppm_maximum(image: Any) -> int:
    """The largest value by the header; Pillow passes it on where it is not 255."""
    args = image.tile[0].args
    maximum = args[1] if isinstance(args, tuple) and len(args) > 1 else 255
    return maximum if isinstance(maximum, int) else 255


def _set_raw_mode(image: Any, mode: str) -> None:
    image.tile = [
        tile._replace(args=mode if isinstance(tile.args, str) else (mode, *tile.args[1:])) for tile in image.tile
    ]


def divide_by_alpha(color: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colors of (H, W, C) uint16 that were stored multiplied by ``alpha``, (H, W)."""
    restored = color * (65535 / np.maximum(alpha, 1).astype(np.float64))[..., None]
    whole: np.ndarray = np.rint(restored).clip(0, 65535).astype(np.uint16)
    return whole


def _read_ppm(image: Any) -> np.ndarray:
    """Binary PPM of 16 bits: big-endian numbers after the header. Netpbm, ppm(5)."""
    width, height = image.size
    file = image.fp
    file.seek(0)
    plain = file.read(2) == b"P3"
    file.seek(image.tile[0].offset)
    if plain:
        pixels = np.array(file.read().split(), dtype=np.int64)
    else:
        data = file.read(width * height * 6)
        pixels = np.frombuffer(data[: len(data) // 2 * 2], dtype=">u2")
    if pixels.size < width * height * 3:
        raise EOFError("truncated")
    return spread(pixels[: width * height * 3].reshape(height, width, 3), _ppm_maximum(image))


def spread(values: np.ndarray, maximum: float) -> np.ndarray:
    """Values of 0 ... ``maximum`` as uint16 of 0 ... 65535; others are clipped, NaN counts as 0."""
    if maximum == 65535 and values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return values.astype(np.uint16)
    known = np.nan_to_num(values.astype(np.float64), nan=0.0).clip(0, maximum)
    return np.rint(known * (65535 / maximum)).astype(np.uint16)
