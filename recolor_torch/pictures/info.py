"""What the header of a picture file says, without decoding its pixels."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recolor_torch.pictures.depth import is_deep, raw_mode
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
    """

    path: Path
    width: int
    height: int
    format: str
    bits: int
    mode: str
    lossless: bool


def read_info(image: Any, path: str | os.PathLike, orientation: int) -> PictureInfo:
    """The info of a picture that is open and not loaded: a Pillow image or an ``OddTiff``."""
    width, height = image.size
    if orientation > 4 and not is_turned(image):
        width, height = height, width
    gray = image.mode.startswith("I;16") or raw_mode(image) == "LA;16B"
    mode = "gray" if gray else _MODES.get(image.mode, "rgb")
    deep = gray or image.mode in ("I", "F") or isinstance(image, OddTiff) or is_deep(image)
    return PictureInfo(Path(path), width, height, image.format, 16 if deep else 8, mode, not _is_lossy(image))


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
