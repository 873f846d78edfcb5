"""What a file says about its picture beside the pixels: EXIF and resolution, made ready for a new file."""

import math
from typing import Any

from PIL import ExifTags, Image

ORIENTATION, SOFTWARE = ExifTags.Base.Orientation, ExifTags.Base.Software
# Of the first directory, what a photographer wants kept. The rest describes how this one file stores its
# pixels (strips, compression, thumbnail) and would be false in another.
_KEPT = {
    *(ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ORIENTATION, SOFTWARE),
    *(ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.HostComputer, ExifTags.Base.Copyright),
    *(ExifTags.Base.DocumentName, ExifTags.Base.PageName, ExifTags.Base.Rating, ExifTags.Base.RatingPercent),
    *(ExifTags.Base.XPTitle, ExifTags.Base.XPComment, ExifTags.Base.XPAuthor),
    *(ExifTags.Base.XPKeywords, ExifTags.Base.XPSubject),
}
_NESTED = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def read_exif(image: Any) -> tuple[int, bytes | None]:
    """Orientation (1 to 8) and the EXIF that a new file may carry, with the orientation reset to 1.

    EXIF that cannot be understood is left out: it must not cost the picture.
    """
    try:
        if image.format == "PNG":
            exif = _png_exif(image)
        else:
            exif = image.getexif()
        orientation = exif.get(ORIENTATION, 1)
    except Exception:
        return 1, None
    orientation = orientation if orientation in range(1, 9) else 1
    try:
        return orientation, _clean(exif, orientation)
    except Exception:
        return orientation, None


def _png_exif(image: Any) -> Image.Exif:
    """EXIF of a PNG without decoding its pixels, as Pillow's own getter does to find what stands behind them."""
    if "exif" not in image.info:
        place = image.fp.tell()
        image.fp.seek(8)
        while len(head := image.fp.read(8)) == 8:
            size = int.from_bytes(head[:4], "big")
            if head[4:] == b"eXIf":
                image.info["exif"] = b"Exif\0\0" + image.fp.read(size)
                break
            image.fp.seek(size + 4, 1)
        image.fp.seek(place)
    return Image.Image.getexif(image)


def _clean(exif: Image.Exif, orientation: int) -> bytes | None:
    clean = Image.Exif()
    for tag in _KEPT & set(exif):
        clean[tag] = 1 if tag == ORIENTATION else exif[tag]
    for directory in _NESTED:
        nested: dict[int, Any] = dict(exif.get_ifd(directory))
        if orientation > 4 and {ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight} <= set(nested):
            width, height = nested[ExifTags.Base.ExifImageWidth], nested[ExifTags.Base.ExifImageHeight]
            nested[ExifTags.Base.ExifImageWidth], nested[ExifTags.Base.ExifImageHeight] = height, width
        nested.pop(ExifTags.IFD.Interop, None)  # an offset into the old file
        if nested:
            clean[directory] = nested
    return clean.tobytes() if len(clean) else None


def with_software(exif: bytes | None, software: str | None) -> Image.Exif:
    """EXIF for a new file, naming the program that made it."""
    result = Image.Exif()
    if exif:
        result.load(exif)
    if software:
        result[SOFTWARE] = software
    return result


def read_dpi(image: Any) -> tuple[float, float] | None:
    """Dots per inch across and down, where the file says so sensibly."""
    try:
        x, y = (float(v) for v in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if all(math.isfinite(v) and 1 <= v <= 1e5 for v in (x, y)) else None


def read_profile(image: Any) -> bytes | None:
    """The ICC profile's bytes."""
    data = image.info.get("icc_profile")
    return bytes(data) if isinstance(data, bytes) and data else None
