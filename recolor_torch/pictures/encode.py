"""PNG and PPM files of 8 and 16 bits a channel, BMP with alpha: what Pillow cannot write.

PNG: W3C PNG (third edition). Pictures come in bands of rows; no writer but BMP's holds a whole one.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import IO

import numpy as np

from recolor_torch.pictures.metadata import Texts
from recolor_torch.pictures.raster import Raster, as_raster

_BAND = 1 << 22  # bytes filtered and compressed at once
_LEVEL = 3  # with the filters below as small as Pillow at its level 6, in half its time


def write_png(
    file: IO[bytes],
    pixels: np.ndarray | Raster,
    *,
    icc: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
    software: str | None = None,
    texts: Texts | None = None,
) -> None:
    """Write a PNG of (H, W, 1 to 4) uint8 or uint16 pixels: gray, gray and alpha, RGB, RGBA."""
    raster = as_raster(pixels)
    height, width, channels = raster.shape
    color = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    file.write(b"\x89PNG\r\n\x1a\n")
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, raster.dtype.itemsize * 8, color, 0, 0, 0))
    if icc:
        _chunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    if dpi:
        _chunk(file, b"pHYs", struct.pack(">IIB", *(round(v / 0.0254) for v in dpi), 1))
    for name, text in (*((("Software", software),) if software else ()), *(texts.named if texts else ())):
        _chunk(file, *_text(name, text))
    if texts and texts.xmp:
        _chunk(file, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + texts.xmp)
    if exif:
        _chunk(file, b"eXIf", exif.removeprefix(b"Exif\0\0"))
    compressor = zlib.compressobj(_LEVEL)
    for rows in _filtered(raster):
        _chunk(file, b"IDAT", compressor.compress(rows))
    _chunk(file, b"IDAT", compressor.flush())
    _chunk(file, b"IEND", b"")


def _text(name: str, text: str) -> tuple[bytes, bytes]:
    """A named text: in Latin-1 where that has its letters, else in UTF-8 (PNG 11.3.3); long ones are compressed."""
    key = name.encode("latin-1", "replace")[:79]
    try:
        data = text.encode("latin-1")
        return (b"tEXt", key + b"\0" + data) if len(data) < 1024 else (b"zTXt", key + b"\0\0" + zlib.compress(data))
    except UnicodeEncodeError:
        return b"iTXt", key + b"\0\1\0\0\0" + zlib.compress(text.encode("utf-8", "replace"))


def _chunk(file: IO[bytes], name: bytes, data: bytes) -> None:
    if name == b"IDAT" and not data:
        return
    file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))


def _filtered(raster: Raster) -> Iterator[bytes]:
    """Rows with the filter in front that leaves the smallest differences (PNG 12.8)."""
    step = raster.shape[2] * raster.dtype.itemsize
    size = raster.shape[1] * step
    above = np.zeros((1, size), np.uint8)
    for band in raster.in_bands(max(1, _BAND // size)):
        now = np.ascontiguousarray(band.astype(band.dtype.newbyteorder(">"), copy=False)).view(np.uint8)
        now = now.reshape(len(band), size)
        up = np.concatenate((above, now[:-1]))
        above = now[-1:]
        left, corner = np.zeros_like(now), np.zeros_like(up)
        left[:, step:], corner[:, step:] = now[:, :-step], up[:, :-step]
        candidates = (now - left, now - up, now - _paeth(left, up, corner))  # filters 1, 2, 4
        cost = np.stack([np.abs(c.view(np.int8).astype(np.int16)).sum(axis=1) for c in candidates])
        best = cost.argmin(axis=0)
        out = np.empty((len(band), size + 1), np.uint8)
        for i, (number, values) in enumerate(zip((1, 2, 4), candidates)):
            chosen = best == i
            out[chosen, 0] = number
            out[chosen, 1:] = values[chosen]
        yield out.tobytes()


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Whichever of the three is nearest to left + up - corner (PNG 9.4)."""
    a, b, c = (x.astype(np.int16) for x in (left, up, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    return np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, up, corner))


def write_ppm(file: IO[bytes], pixels: np.ndarray | Raster) -> None:
    """Write a binary PGM or PPM of (H, W, 1 or 3) pixels; Netpbm, pgm(5) and ppm(5)."""
    raster = as_raster(pixels)
    height, width, channels = raster.shape
    file.write(b"P%d\n%d %d\n%d\n" % (5 if channels == 1 else 6, width, height, np.iinfo(raster.dtype).max))
    for band in raster.bands:
        file.write(band.astype(band.dtype.newbyteorder(">"), copy=False).tobytes())


def write_bmp(file: IO[bytes], pixels: np.ndarray | Raster, *, dpi: tuple[float, float] | None = None) -> None:
    """Write a BMP of (H, W, 4) uint8 pixels; Microsoft's BITMAPV4HEADER, whose masks name the alpha."""
    raster = as_raster(pixels)
    height, width = raster.shape[:2]
    per_metre = tuple(round(v / 0.0254) for v in dpi or (96, 96))
    head = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, width * height * 4, *per_metre, 0, 0)
    head += struct.pack("<4I4s48x", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs")
    size = 14 + len(head) + width * height * 4
    if size >= 2**32:
        raise OSError("the picture is too large for a BMP")
    file.write(struct.pack("<2sIII", b"BM", size, 0, 14 + len(head)) + head)
    file.write(raster.whole()[::-1, :, [2, 1, 0, 3]].tobytes())  # the last row comes first
