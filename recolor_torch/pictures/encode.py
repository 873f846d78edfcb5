"""PNG, TIFF and PPM files of 8 and 16 bits a channel, BMP with alpha: what Pillow cannot write.

PNG: W3C PNG (third edition). TIFF: revision 6.0 with deflate and horizontal differencing (sections 8, 14).
"""

import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from typing import IO

import numpy as np

from recolor_torch.pictures.exif import Exif, Field, long, pack_directory, short
from recolor_torch.pictures.metadata import IPTC, XMP, Texts

_BAND = 1 << 22  # bytes filtered and compressed at once
_LEVEL = 3  # with the filters below as small as Pillow at its level 6, in half its time


def write_png(
    file: IO[bytes],
    pixels: np.ndarray,
    *,
    icc: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
    software: str | None = None,
    texts: Texts | None = None,
) -> None:
    """Write a PNG of (H, W, 1 to 4) uint8 or uint16 pixels: gray, gray and alpha, RGB, RGBA."""
    height, width, channels = pixels.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    file.write(b"\x89PNG\r\n\x1a\n")
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, pixels.itemsize * 8, colour, 0, 0, 0))
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
    for rows in _filtered(pixels):
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


def _filtered(pixels: np.ndarray) -> Iterator[bytes]:
    """Rows with the filter in front that leaves the smallest differences (PNG 12.8)."""
    height, width, channels = pixels.shape
    step = channels * pixels.itemsize
    size = width * step
    above = np.zeros((1, size), np.uint8)
    rows = max(1, _BAND // size)
    for top in range(0, height, rows):
        band = pixels[top : top + rows]
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


def write_tiff(
    file: IO[bytes],
    pixels: np.ndarray,
    *,
    icc: bytes | None = None,
    exif: Exif | None = None,
    dpi: tuple[float, float] | None = None,
    texts: Texts | None = None,
) -> None:
    """Write a TIFF of (H, W, 1 to 4) uint8 or uint16 pixels, deflated without loss, in the byte order of ``exif``."""
    height, width, channels = pixels.shape
    exif = exif or Exif()
    order = exif.order
    rows = max(1, _BAND // (width * channels * pixels.itemsize))
    strips = [_strip(pixels[top : top + rows], order) for top in range(0, height, rows)]
    sizes = [len(strip) for strip in strips]
    big = sum(sizes) > 2**32 - 2**24
    fields = {
        **exif.first,
        256: long(order, width),
        257: long(order, height),
        258: short(order, *[pixels.itemsize * 8] * channels),
        259: short(order, 8),  # deflate
        262: short(order, 2 if channels > 2 else 1),
        277: short(order, channels),
        278: long(order, rows),
        279: long(order, *sizes),
        284: short(order, 1),
        317: short(order, 2),  # differences along the row
    }
    if channels in (2, 4):
        fields[338] = short(order, 2)  # alpha, colours not multiplied by it
    if dpi:
        fields |= {282: _rational(order, dpi[0]), 283: _rational(order, dpi[1]), 296: short(order, 2)}
    for tag, kind, data in ((34675, 7, icc), (XMP, 1, texts and texts.xmp), (IPTC, 7, texts and texts.iptc)):
        if data:
            fields[tag] = Field(kind, len(data), data)
    start = 16 if big else 8
    # The directory's length does not depend on the offsets in it.
    fields[273] = _offsets(order, [0] * len(strips), big)
    first = start + len(pack_directory(fields, exif.nested, order, start, big))
    fields[273] = _offsets(order, list(accumulate(sizes[:-1], initial=first)), big)
    mark = b"II" if order == "<" else b"MM"
    head = ("2sHHHQ", mark, 43, 8, 0, start) if big else ("2sHI", mark, 42, start)
    file.write(struct.pack(order + head[0], *head[1:]))
    file.write(pack_directory(fields, exif.nested, order, start, big))
    for strip in strips:
        file.write(strip)


def _offsets(order: str, places: list[int], big: bool) -> Field:
    return Field(16, len(places), struct.pack(f"{order}{len(places)}Q", *places)) if big else long(order, *places)


def _rational(order: str, value: float) -> Field:
    near = Fraction(value).limit_denominator(10000)
    return Field(5, 1, struct.pack(f"{order}2I", near.numerator, near.denominator))


def _strip(band: np.ndarray, order: str) -> bytes:
    differences = band.copy()
    differences[:, 1:] -= band[:, :-1]
    return zlib.compress(differences.astype(differences.dtype.newbyteorder(order), copy=False).tobytes(), _LEVEL)


def write_ppm(file: IO[bytes], pixels: np.ndarray) -> None:
    """Write a binary PGM or PPM of (H, W, 1 or 3) pixels; Netpbm, pgm(5) and ppm(5)."""
    height, width, channels = pixels.shape
    top = np.iinfo(pixels.dtype).max
    file.write(b"P%d\n%d %d\n%d\n" % (5 if channels == 1 else 6, width, height, top))
    file.write(pixels.astype(pixels.dtype.newbyteorder(">"), copy=False).tobytes())


def write_bmp(file: IO[bytes], pixels: np.ndarray, *, dpi: tuple[float, float] | None = None) -> None:
    """Write a BMP of (H, W, 4) uint8 pixels; Microsoft's BITMAPV4HEADER, whose masks name the alpha."""
    height, width = pixels.shape[:2]
    per_metre = tuple(round(v / 0.0254) for v in dpi or (96, 96))
    head = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, width * height * 4, *per_metre, 0, 0)
    head += struct.pack("<4I4s48x", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs")
    size = 14 + len(head) + width * height * 4
    if size >= 2**32:
        raise OSError("the picture is too large for a BMP")
    file.write(struct.pack("<2sIII", b"BM", size, 0, 14 + len(head)) + head)
    file.write(pixels[::-1, :, [2, 1, 0, 3]].tobytes())
