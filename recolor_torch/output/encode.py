"""PNG, TIFF and PPM files of 8 and 16 bits a channel, BMP with alpha: what Pillow cannot write.

PNG: W3C PNG (third edition). TIFF: revision 6.0 with deflate and horizontal differencing (sections 8, 14).
"""

import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from PIL import Image, TiffImagePlugin

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
    if software:
        _chunk(file, b"tEXt", b"Software\0" + software.encode("latin-1", "replace"))
    if exif:
        _chunk(file, b"eXIf", exif.removeprefix(b"Exif\0\0"))
    compressor = zlib.compressobj(_LEVEL)
    for rows in _filtered(pixels):
        _chunk(file, b"IDAT", compressor.compress(rows))
    _chunk(file, b"IDAT", compressor.flush())
    _chunk(file, b"IEND", b"")


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
    exif: Image.Exif | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Write a TIFF of (H, W, 1 to 4) uint8 or uint16 pixels, deflated without loss."""
    height, width, channels = pixels.shape
    rows = max(1, _BAND // (width * channels * pixels.itemsize))
    strips = [_strip(pixels[top : top + rows]) for top in range(0, height, rows)]
    big = sum(map(len, strips)) > 2**32 - 2**24
    ifd = TiffImagePlugin.ImageFileDirectory_v2(
        b"II\x2b\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" if big else b"II\x2a\x00\x00\x00\x00\x00"
    )
    for tag, value in (exif or {}).items():
        ifd[tag] = exif.get_ifd(tag) if exif is not None and tag in (0x8769, 0x8825) else value
    tags: dict[int, Any] = {
        256: width,
        257: height,
        258: (pixels.itemsize * 8,) * channels,
        259: 8,  # deflate
        262: 2 if channels > 2 else 1,
        277: channels,
        278: rows,
        279: tuple(map(len, strips)),
        284: 1,
        317: 2,  # differences along the row
    }
    if channels in (2, 4):
        tags[338] = 2  # alpha, colours not multiplied by it
    if dpi:
        tags |= {282: dpi[0], 283: dpi[1], 296: 2}
    if icc:
        tags[34675] = icc
    for tag, value in tags.items():
        if tag in (256, 257, 278, 279):
            ifd.tagtype[tag] = 4
        ifd[tag] = value
    # Offsets count from the end of the directory: Pillow adds its length on saving.
    ifd.tagtype[273] = 16 if big else 4
    ifd[273] = tuple(int(v) for v in np.cumsum([0, *map(len, strips[:-1])]))
    ifd.save(file)
    for strip in strips:
        file.write(strip)


def _strip(band: np.ndarray) -> bytes:
    differences = band.copy()
    differences[:, 1:] -= band[:, :-1]
    return zlib.compress(differences.astype(differences.dtype.newbyteorder("<"), copy=False).tobytes(), _LEVEL)


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
