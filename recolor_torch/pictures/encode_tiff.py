"""TIFF files of 8 and 16 bits a channel, in strips or tiles that are written as they come.

TIFF revision 6.0 with deflate and horizontal differencing (sections 8, 14, 15); BigTIFF where 4 GB do not do.
"""

import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from typing import IO

import numpy as np

from recolor_torch.pictures.exif import Exif, Field, long_field, pack_directory, short_field
from recolor_torch.pictures.metadata import IPTC, XMP, Texts
from recolor_torch.pictures.raster import Raster, as_raster

_STRIP = 1 << 20
"""Bytes of a strip before it is deflated: programs for large scans read a few of them at a time."""
_LEVEL = 3  # with differences as small as Pillow at its level 6, in half its time
_HEAD = 16  # room for BigTIFF's header; the classic one takes half
_MOST = 2**32 - 2**24
"""Bytes of strips or tiles up to which offsets of 32 bits do, with room for the rest of the file."""


def write_tiff(
    file: IO[bytes],
    pixels: np.ndarray | Raster,
    *,
    icc: bytes | None = None,
    exif: Exif | None = None,
    dpi: tuple[float, float] | None = None,
    texts: Texts | None = None,
    tile: tuple[int, int] | None = None,
) -> None:
    """Write a TIFF of (H, W, 1 to 4) uint8 or uint16 pixels, deflated without loss, in the byte order of ``exif``.

    Args:
        file: open for writing, at its start; it must be able to seek.
        pixels: gray, gray and alpha, RGB or RGBA.
        tile: height and width of tiles, multiples of 16; strips of about 1 MB without it.
    """
    raster, exif = as_raster(pixels), exif or Exif()
    height, width, channels = raster.shape
    order = exif.order
    rows = tile[0] if tile else max(1, _STRIP // (width * channels * raster.dtype.itemsize))
    file.write(bytes(_HEAD))
    places, sizes, place = [], [], _HEAD
    for part in _parts(raster, rows, tile[1] if tile else None):
        data = _packed(part, order)
        file.write(data)
        places.append(place)
        sizes.append(len(data))
        place += len(data)
    file.write(bytes(place % 2))
    place += place % 2
    big = place > _MOST
    fields = {
        **exif.first,
        256: long_field(order, width),
        257: long_field(order, height),
        258: short_field(order, *[raster.dtype.itemsize * 8] * channels),
        259: short_field(order, 8),  # deflate
        262: short_field(order, 2 if channels > 2 else 1),
        277: short_field(order, channels),
        284: short_field(order, 1),
        317: short_field(order, 2),  # differences along the row
    }
    if tile:
        fields |= {322: long_field(order, tile[1]), 323: long_field(order, tile[0])}
        fields |= {324: _offsets(order, places, big), 325: long_field(order, *sizes)}
    else:
        fields |= {
            273: _offsets(order, places, big),
            278: long_field(order, min(rows, height)),
            279: long_field(order, *sizes),
        }
    if channels in (2, 4):
        fields[338] = short_field(order, 2)  # alpha, colors not multiplied by it
    if dpi:
        fields |= {282: _rational(order, dpi[0]), 283: _rational(order, dpi[1]), 296: short_field(order, 2)}
    if not {282, 283} <= set(fields):  # baseline TIFF asks for a resolution: square pixels of no size
        fields |= {282: _rational(order, 1), 283: _rational(order, 1), 296: short_field(order, 1)}
    blocks = ((34675, 7, icc), (XMP, 1, texts.xmp if texts else None), (IPTC, 7, texts.iptc if texts else None))
    fields |= {tag: Field(kind, len(block), block) for tag, kind, block in blocks if block}
    file.write(pack_directory(fields, exif.nested, order, place, big))
    mark = b"II" if order == "<" else b"MM"
    head = ("2sHHHQ", mark, 43, 8, 0, place) if big else ("2sHI", mark, 42, place)
    file.seek(0)
    file.write(struct.pack(order + head[0], *head[1:]))


def _parts(raster: Raster, rows: int, columns: int | None) -> Iterator[np.ndarray]:
    """Strips, or tiles row by row, of which the last are filled up by repeating the edge (TIFF 6.0, section 15)."""
    width = raster.shape[1]
    for band in raster.in_bands(rows):
        if columns is None:
            yield band
            continue
        missing = rows - len(band), -width % columns
        whole = np.pad(band, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        for left in range(0, width, columns):
            yield whole[:, left : left + columns]


def _packed(part: np.ndarray, order: str) -> bytes:
    differences = part.copy()
    differences[:, 1:] -= part[:, :-1]
    stored = differences.dtype.newbyteorder("<" if order == "<" else ">")
    return zlib.compress(differences.astype(stored, copy=False).tobytes(), _LEVEL)


def _offsets(order: str, places: list[int], big: bool) -> Field:
    return Field(16, len(places), struct.pack(f"{order}{len(places)}Q", *places)) if big else long_field(order, *places)


def _rational(order: str, value: float) -> Field:
    near = Fraction(value).limit_denominator(10000)
    return Field(5, 1, struct.pack(f"{order}2I", near.numerator, near.denominator))
