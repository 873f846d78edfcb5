"""What the header of a picture file says, without decoding its pixels."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recolor_torch.pictures.depth import is_deep, raw_mode
from recolor_torch.pictures.heif import is_deep_heif
from recolor_torch.pictures.tiff import OddTiff

_MODES = dict.fromkeys(("1", "L", "LA", "La", "I", "F", "gray"), "gray")
_MODES |= {"P": "palette", "PA": "palette", "CMYK": "cmyk"}
_LOSSY = {"JPEG", "MPO", "JPEG2000", "AVIF"}


@dataclass(frozen=True)
class PictureInfo:
    """What the header of a picture file says.

    Args:
        path: the file.
        width: pixels across, after EXIF orientation.
        height: pixels down, after EXIF orientation.
        format: Pillow's name: PNG, JPEG, TIFF, ...
        bits: 8 or 16 a channel; fewer count as 8, floating point and 32 bits as 16.
        mode: gray, rgb, palette or cmyk.
        lossless: the file stores its pixels exactly.
        tile: height and width of the tiles of a TIFF, or None.
    """

    path: Path
    width: int
    height: int
    format: str
    bits: int
    mode: str
    lossless: bool
    tile: tuple[int, int] | None = None


def read_info(image: Any, path: str | os.PathLike[str], orientation: int) -> PictureInfo:
    """The info of a picture that is open and not loaded: a Pillow image or an ``OddTiff``."""
    width, height = image.size
    if orientation > 4 and not is_turned(image):
        width, height = height, width
    gray = image.mode.startswith("I;16") or raw_mode(image) == "LA;16B"
    mode = "gray" if gray else _MODES.get(image.mode, "rgb")
    deep = gray or image.mode in ("I", "F") or isinstance(image, OddTiff) or is_deep(image) or is_deep_heif(image)
    bits = 16 if deep else 8
    return PictureInfo(Path(path), width, height, image.format, bits, mode, not _is_lossy(image), _tile(image))


def _tile(image: Any) -> tuple[int, int] | None:
    """Height and width of tiles, as far as they are of a kind that may be written (multiples of 16)."""
    if image.format != "TIFF":
        return None
    tags = image.tag_v2
    height, width = tags.get(323), tags.get(322)
    sides = [side for side in (height, width) if isinstance(side, int) and 16 <= side <= 4096 and side % 16 == 0]
    return (sides[0], sides[1]) if len(sides) == 2 else None


def is_turned(image: Any) -> bool:
    """Whether the reader applies the orientation by itself, as Pillow does for TIFF."""
    return image.format == "TIFF" and not isinstance(image, OddTiff)


def _is_lossy(image: Any) -> bool:
    if image.format == "TIFF":
        return "jpeg" in str(image.info.get("compression", ""))
    return image.format in _LOSSY or (image.format == "WEBP" and not _is_lossless_webp(image))


def _is_lossless_webp(image: Any) -> bool:
    """A WebP file is a list of chunks; pixels are in VP8L where exact, in "VP8 " where not."""
    file = image.fp
    if file is None:
        return False
    place = file.tell()
    try:
        file.seek(12)
        for _ in range(100):
            head = file.read(8)
            if len(head) < 8 or head[:4] == b"VP8 ":
                return False
            if head[:4] == b"VP8L":
                return True
            size = int.from_bytes(head[4:], "little")
            file.seek(16 if head[:4] == b"ANMF" else size + size % 2, 1)
        return False
    finally:
        file.seek(place)
