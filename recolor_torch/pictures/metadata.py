"""What a file says about its picture beside the pixels, made ready for a new file.

EXIF and resolution; texts: XMP, IPTC, a comment, and the named texts of PNG.
"""

import math
import re
import struct
from dataclasses import dataclass, replace
from typing import Any

from PIL import ExifTags

from recolor_torch.pictures.exif import EXIF, Exif, parse_exif
from recolor_torch.system import pass_on_lack_of_memory

ORIENTATION, SOFTWARE, DESCRIPTION = (
    int(ExifTags.Base.Orientation),
    int(ExifTags.Base.Software),
    int(ExifTags.Base.ImageDescription),
)
# Of the first directory, what a photographer wants kept. The rest describes how this one file stores its
# pixels (strips, compression, thumbnail) and would be false in another.
_KEPT = {
    *(ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ORIENTATION, SOFTWARE),
    *(ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.HostComputer, ExifTags.Base.Copyright),
    *(ExifTags.Base.DocumentName, ExifTags.Base.PageName, ExifTags.Base.Rating, ExifTags.Base.RatingPercent),
    *(ExifTags.Base.XPTitle, ExifTags.Base.XPComment, ExifTags.Base.XPAuthor),
    *(ExifTags.Base.XPKeywords, ExifTags.Base.XPSubject),
    *(ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit),
}
_WIDTH, _HEIGHT = int(ExifTags.Base.ExifImageWidth), int(ExifTags.Base.ExifImageHeight)
_ACROSS, _DOWN = int(ExifTags.Base.XResolution), int(ExifTags.Base.YResolution)
_UNIT = int(ExifTags.Base.ResolutionUnit)
_INTEROPERABILITY = int(ExifTags.IFD.Interop)
# Descriptions that programs write about the file itself: its pages, its shape, the range of its values.
_OF_THE_FILE = re.compile(rb"\s*(ImageJ=|SCIFIO=|\{\"shape\":|<\?xml[^>]*>\s*(<!--.*?-->\s*)?<OME|<OME)", re.DOTALL)
XMP, IPTC, PHOTOSHOP = 700, 33723, 34377
_IPTC_RESOURCE = 0x0404
_RAW_IPTC = "Raw profile type iptc"


@dataclass(frozen=True)
class Texts:
    """What a file says in words, beside EXIF.

    Args:
        xmp: Adobe's XML, its orientation reset.
        iptc: IPTC-IIM records (captions and keywords of news photographs).
        comment: of a JPEG or GIF.
        named: the texts of a PNG by name, in their order.
    """

    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: bytes | None = None
    named: tuple[tuple[str, str], ...] = ()


NO_TEXTS = Texts()


def read_exif(image: Any) -> tuple[int, bytes | None]:
    """Orientation (1 to 8) and the EXIF that a new file may carry, with the orientation reset to 1.

    EXIF that cannot be understood is left out: it must not cost the picture.
    """
    try:
        exif = _stored(image)
        orientation = exif.number(ORIENTATION) if exif else None
        if orientation is None and image.format != "PNG":
            orientation = image.getexif().get(ORIENTATION, 1)  # Pillow looks into XMP too
    except Exception as error:  # noqa: BLE001 # what a tag holds is anybody's guess
        pass_on_lack_of_memory(error)
        return 1, None
    orientation = orientation if orientation is not None and orientation in range(1, 9) else 1
    try:
        return orientation, None if exif is None else _clean(exif, orientation)
    except Exception as error:  # noqa: BLE001 # damaged EXIF must not cost the picture
        pass_on_lack_of_memory(error)
        return orientation, None


def _stored(image: Any) -> Exif | None:
    if image.format == "TIFF":
        return parse_exif(image.fp)
    if image.format == "PNG":
        _find_png_exif(image)
    data = image.info.get("exif")
    return parse_exif(data) if isinstance(data, bytes) else None


def _find_png_exif(image: Any) -> None:
    """EXIF of a PNG without decoding its pixels, as Pillow's own getter does to find what stands behind them."""
    if "exif" in image.info or image.fp is None:
        return
    place = image.fp.tell()
    image.fp.seek(8)
    while len(head := image.fp.read(8)) == 8:
        size = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            image.info["exif"] = image.fp.read(size)
            break
        image.fp.seek(size + 4, 1)
    image.fp.seek(place)
    raw = image.info.get("Raw profile type exif")  # as ImageMagick wrote it before PNG had a chunk for it
    if "exif" not in image.info and isinstance(raw, str):
        image.info["exif"] = _from_raw_profile(raw)


def _clean(exif: Exif, orientation: int) -> bytes | None:
    first = {tag: found for tag, found in exif.first.items() if tag in _KEPT}
    if orientation > 4 and {_ACROSS, _DOWN} <= set(first):
        first[_ACROSS], first[_DOWN] = first[_DOWN], first[_ACROSS]
    nested = dict(exif.nested)
    inner = {tag: f for tag, f in nested.get(EXIF, {}).items() if tag != _INTEROPERABILITY}
    if orientation > 4 and {_WIDTH, _HEIGHT} <= set(inner):
        inner[_WIDTH], inner[_HEIGHT] = inner[_HEIGHT], inner[_WIDTH]
    nested[EXIF] = inner
    clean = Exif(exif.order, first, {tag: directory for tag, directory in nested.items() if directory})
    return (clean.with_number(ORIENTATION, 1) if ORIENTATION in first else clean).to_bytes() or None


def describes_its_file(exif: bytes | None) -> bool:
    """Whether the description tells of pages, slices or value ranges, which a recolored picture does not have."""
    found = parse_exif(exif) if exif else None
    return found is not None and DESCRIPTION in found.first and bool(_OF_THE_FILE.match(found.first[DESCRIPTION].data))


def without_description(exif: bytes) -> bytes | None:
    """The same EXIF without its description."""
    found = parse_exif(exif)
    if found is None:
        return None
    first = {tag: f for tag, f in found.first.items() if tag != DESCRIPTION}
    return replace(found, first=first).to_bytes() or None


def with_software(exif: bytes | None, software: str | None) -> Exif:
    """EXIF for a new file, naming the program that made it."""
    result = (parse_exif(exif) if exif else None) or Exif()
    return result.with_text(SOFTWARE, software) if software else result


def read_texts(image: Any) -> Texts:
    """What a picture says in words; of a PNG only once its pixels are read, because texts may stand behind them.

    What cannot be understood is left out: it must not cost the picture.
    """
    try:
        return _texts(image)
    except Exception as error:  # noqa: BLE001 # damaged texts must not cost the picture
        pass_on_lack_of_memory(error)
        return NO_TEXTS


def _texts(image: Any) -> Texts:
    info = image.info
    xmp, iptc = info.get("xmp"), None
    named: list[tuple[str, str]] = []
    if image.format == "TIFF":
        tags = parse_exif(image.fp)
        if tags is not None:
            xmp = tags.first[XMP].data if XMP in tags.first else None
            iptc = _tiff_iptc(tags)
    elif image.format == "PNG":
        texts = dict(getattr(image, "text", {}))
        xmp = xmp or texts.pop("XML:com.adobe.xmp", None)
        iptc = _iptc_of(_from_raw_profile(texts[_RAW_IPTC])) if _RAW_IPTC in texts else None
        skipped = ("Raw profile type ", "XML:com.adobe.xmp", "Software")
        named = [(str(k), str(v)) for k, v in texts.items() if not k.startswith(skipped)]
    else:
        resources = info.get("photoshop")
        iptc = resources.get(_IPTC_RESOURCE) if isinstance(resources, dict) else None
    comment = info.get("comment") if image.format in ("JPEG", "MPO", "GIF") else None
    comment = comment.encode() if isinstance(comment, str) else comment
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    return Texts(_upright(xmp) if xmp else None, iptc or None, comment or None, tuple(named))


def _upright(xmp: bytes) -> bytes:
    """XMP that does not ask for the turn which is done by now."""
    xmp = re.sub(rb"(tiff:Orientation\s*=\s*[\"'])\d([\"'])", rb"\g<1>1\g<2>", xmp)
    return re.sub(rb"(<tiff:Orientation>\s*)\d(\s*</)", rb"\g<1>1\g<2>", xmp)


def _tiff_iptc(tags: Exif) -> bytes | None:
    if IPTC in tags.first:
        found = tags.first[IPTC]
        data = found.data
        if found.kind == 4 and tags.order == ">" and not data.startswith(b"\x1c"):  # Photoshop swaps them as numbers
            data = b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))
        return data
    return _iptc_of(tags.first[PHOTOSHOP].data) if PHOTOSHOP in tags.first else None


def _iptc_of(data: bytes) -> bytes | None:
    """IPTC records, by themselves or among the image resources of Photoshop (8BIM blocks)."""
    if not data.startswith(b"8BIM"):
        return data or None
    at = 0
    while data[at : at + 4] == b"8BIM":
        number = int.from_bytes(data[at + 4 : at + 6], "big")
        name = 1 + data[at + 6]
        at += 6 + name + name % 2
        size = int.from_bytes(data[at : at + 4], "big")
        if number == _IPTC_RESOURCE:
            return data[at + 4 : at + 4 + size]
        at += 4 + size + size % 2
    return None


def photoshop_resource(iptc: bytes) -> bytes:
    """IPTC records as an image resource of Photoshop, which JPEG and PNG hold them in."""
    head = b"8BIM" + _IPTC_RESOURCE.to_bytes(2, "big") + b"\0\0" + len(iptc).to_bytes(4, "big")
    return head + iptc + b"\0" * (len(iptc) % 2)


def raw_profile(iptc: bytes) -> tuple[str, str]:
    """IPTC records as a named text of a PNG, in the form that ImageMagick, exiftool and exiv2 read."""
    digits = photoshop_resource(iptc).hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    return _RAW_IPTC, f"\niptc\n{len(digits) // 2:8d}\n{lines}\n"


def _from_raw_profile(text: str) -> bytes:
    _, _, rest = text.lstrip("\n").partition("\n")
    size, _, digits = rest.strip().partition("\n")
    return bytes.fromhex("".join(digits.split()))[: int(size)]


def read_dpi(image: Any) -> tuple[float, float] | None:
    """Dots per inch across and down, where the file says so sensibly: in its own form, else in EXIF."""
    found = _own_dpi(image) or _exif_dpi(image)
    return found if found and all(math.isfinite(v) and 1 <= v <= 1e5 for v in found) else None


def _own_dpi(image: Any) -> tuple[float, float] | None:
    info = image.info
    if image.format in ("JPEG", "MPO") and info.get("jfif_unit") not in (1, 2):
        return None  # a shape of pixels; or what Pillow takes from EXIF without its unit
    if image.format == "TIFF" and not isinstance(info.get("dpi"), tuple):
        return None
    try:
        x, y = (float(v) for v in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return x, y


def _exif_dpi(image: Any) -> tuple[float, float] | None:
    try:
        exif = _stored(image)
        inch = {2: 1.0, 3: 2.54}.get((exif.number(_UNIT) or 2) if exif else 0)
        if exif is None or inch is None:
            return None
        x, y = (_fraction(exif, tag) for tag in (_ACROSS, _DOWN))
        return x * inch, y * inch
    except Exception as error:  # noqa: BLE001 # EXIF that cannot be understood must not cost the picture
        pass_on_lack_of_memory(error)
        return None


def _fraction(exif: Exif, tag: int) -> float:
    above, below = struct.unpack(exif.order + "2I", exif.first[tag].data)
    return float(above / below)


def read_profile(image: Any) -> bytes | None:
    """The ICC profile's bytes."""
    data = image.info.get("icc_profile")
    return bytes(data) if isinstance(data, bytes) and data else None
