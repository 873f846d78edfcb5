"""What of a picture's file a file of another format can hold: depth, alpha, EXIF, texts; and what is lost, in words."""

from dataclasses import dataclass

from recolor_torch.pictures.exif import Exif, fit_exif
from recolor_torch.pictures.metadata import NO_TEXTS, Texts, photoshop_resource, raw_profile, with_software
from recolor_torch.pictures.read import Picture, Scan

DEEP = {"PNG", "TIFF", "PPM"}
OPAQUE = {"JPEG", "PPM"}
_POSITIONING = 0x0213
_EXIF = {"JPEG", "PNG", "TIFF", "WEBP"}
# A segment of a JPEG has at most 65,533 bytes behind its length; names stand in front of EXIF and XMP.
_SEGMENT = 65533
_EXIF_ROOM, _XMP_ROOM = _SEGMENT - 6, _SEGMENT - 29
_PHOTOSHOP = b"Photoshop 3.0\0"
_IPTC_ROOM = _SEGMENT - len(_PHOTOSHOP) - 13


@dataclass(frozen=True)
class CarriedFacts:
    """What goes into the new file beside the pixels.

    Args:
        exif: naming the program that made the file.
        texts: as far as the format holds them; of a PNG all of them are in ``named``, but XMP.
        notes: what is lost, a sentence each.
    """

    exif: Exif
    texts: Texts = NO_TEXTS
    notes: tuple[str, ...] = ()


def find_carried(like: Picture | Scan | None, format: str, software: str | None = None) -> CarriedFacts:
    """What a file of ``format`` (Pillow's name) takes over from ``like``, and what it cannot hold."""
    exif = with_software(None if like is None else like.exif, software)
    if like is None:
        return CarriedFacts(exif)
    notes = []
    if like.info.bits == 16 and format not in DEEP:
        notes.append(f"16 bits a channel became 8: {format} holds no more.")
    if format in OPAQUE and not like.is_opaque():
        notes.append(f"Transparency is lost: {format} has none.")
    homeless = []
    if format not in _EXIF and like.exif:
        homeless.append("EXIF")
    elif format == "JPEG":
        if exif.first or exif.nested:  # EXIF asks for it; with as many samples of color as of luminance it is moot
            exif = exif.with_number(_POSITIONING, 1)
        exif, dropped = fit_exif(exif, _EXIF_ROOM)
        if dropped:
            notes.append(f"EXIF in a JPEG holds 64 KB: {_list(dropped)} of the target is lost.")
    texts, lost = _texts(like.texts, format)
    homeless += lost
    if homeless:
        notes.append(f"Lost, because {format} has no place for it: {_list(homeless)}.")
    return CarriedFacts(exif, texts, tuple(notes))


def _texts(texts: Texts, format: str) -> tuple[Texts, list[str]]:
    xmp, iptc, comment = texts.xmp, texts.iptc, texts.comment
    named = list(texts.named)
    lost = []
    if xmp and (format not in _EXIF or (format == "JPEG" and len(xmp) > _XMP_ROOM)):
        lost.append("XMP" if format not in _EXIF else f"XMP of {len(xmp) // 1024} KB")
        xmp = None
    if format == "PNG":
        named += [raw_profile(iptc)] if iptc else []
        named += [("Comment", comment.decode("utf-8", "replace").rstrip("\0"))] if comment else []
        return Texts(xmp, named=tuple(named)), lost
    if format == "JPEG":
        if comment is None:  # what a PNG calls so is one
            comment = next((text.encode() for name, text in named if name == "Comment"), None)
            named = [pair for pair in named if pair[0] != "Comment"]
    elif comment:
        lost.append("the comment")
        comment = None
    if iptc and (format not in ("JPEG", "TIFF") or (format == "JPEG" and len(iptc) > _IPTC_ROOM)):
        lost.append("IPTC")
        iptc = None
    if comment and len(comment) > _SEGMENT:
        lost.append("the end of the comment")
        comment = comment[:_SEGMENT]
    if named:
        lost.append(f"the text {_list([repr(name) for name, _ in named])}")
    return Texts(xmp, iptc, comment), lost


def photoshop_segment(iptc: bytes) -> bytes:
    """IPTC records as the APP13 segment of a JPEG."""
    body = _PHOTOSHOP + photoshop_resource(iptc)
    return b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body


def _list(words: list[str], most: int = 6) -> str:
    words = words if len(words) <= most else [*words[:most], f"{len(words) - most} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
