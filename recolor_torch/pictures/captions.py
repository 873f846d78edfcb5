"""What a picture's file says of what it shows: captions, titles and keywords of EXIF, IPTC, XMP and PNG."""

import re
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from recolor_torch.pictures.exif import EXIF, parse_exif
from recolor_torch.pictures.read import Picture

MOST = 4000
"""Letters that are kept of all a file says."""

# ImageDescription; then what Windows writes: title, comment, keywords, subject, in UTF-16; then the user's comment.
_DESCRIPTION, _WINDOWS, _COMMENT = 0x010E, (0x9C9B, 0x9C9C, 0x9C9E, 0x9C9F), 0x9286
# IPTC-IIM, record 2: object name, category, keywords, headline, caption, sublocation, city, province, country.
_IPTC = {5, 15, 20, 25, 105, 120, 92, 90, 95, 101}
_XMP = ("title", "description", "subject", "Headline", "City", "Country", "State", "Location", "CaptionWriter")
_NAMED = ("title", "description", "comment", "subject", "keywords", "caption")
# What cameras write in place of a description.
_NOTHING = re.compile(
    r"(?i)\W*(olympus digital camera|samsung|sony dsc|minolta digital camera|digital camera|default|created with .*"
    r"|screenshot)?\W*"
)


def captions(picture: Picture) -> str:
    """All that a file says of its picture, each thing once, a line each; empty where it says nothing."""
    found: dict[str, None] = {}
    for text in _all(picture):
        clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if clean and not _NOTHING.fullmatch(clean):
            found.setdefault(clean)
    return "\n".join(found)[:MOST]


def _all(picture: Picture) -> Iterator[str]:
    texts = picture.texts
    if picture.exif:
        yield from _exif(picture.exif)
    if texts.iptc:
        yield from _iptc(texts.iptc)
    if texts.xmp:
        yield from _xmp(texts.xmp)
    if texts.comment:
        yield _decode(texts.comment)
    yield from (value for name, value in texts.named if name.lower() in _NAMED)


def _exif(data: bytes) -> Iterator[str]:
    exif = parse_exif(data)
    if exif is None:
        return
    if _DESCRIPTION in exif.first:
        yield _decode(exif.first[_DESCRIPTION].data)
    for tag in _WINDOWS:
        if tag in exif.first:
            yield exif.first[tag].data.decode("utf-16-le", "ignore").rstrip("\0").replace(";", " ")
    comment = exif.nested.get(EXIF, {}).get(_COMMENT)
    if comment is not None:
        code, body = comment.data[:8], comment.data[8:]
        order = "utf-16-le" if exif.order == "<" else "utf-16-be"
        yield body.decode(order, "ignore") if code.startswith(b"UNICODE") else _decode(body)


def _iptc(data: bytes) -> Iterator[str]:
    """Data sets of IPTC-IIM 4.2: a mark, record, number and length each."""
    at = 0
    while at + 5 <= len(data):
        mark, record, number, length = struct.unpack_from(">BBBH", data, at)
        if mark != 0x1C or length & 0x8000:
            return
        if record == 2 and number in _IPTC:
            yield _decode(data[at + 5 : at + 5 + length])
        at += 5 + length


def _xmp(data: bytes) -> Iterator[str]:
    if b"<!ENTITY" in data or b"<!DOCTYPE" in data:
        return  # a packet needs none, and an entity may unfold without end
    try:
        tree = ElementTree.fromstring(data[data.find(b"<") : data.rfind(b">") + 1])
    except (ElementTree.ParseError, ValueError):
        return
    for element in tree.iter():
        for name, value in element.attrib.items():
            if name.rpartition("}")[2] in _XMP:
                yield value
        if isinstance(element.tag, str) and element.tag.rpartition("}")[2] in _XMP:
            yield from (text for text in element.itertext() if text.strip())


def _decode(data: bytes) -> str:
    text = data.split(b"\0")[0] if b"\0" in data.strip(b"\0") else data.strip(b"\0")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace")
