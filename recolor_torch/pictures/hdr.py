"""What a file holds beyond the picture of 8 bits that is read: gain maps, bits of AVIF, and its colors by number.

A gain map is a second, small picture that brightens the first on displays with more range (Adobe's and Google's Ultra
HDR, Apple's, ISO 21496-1). It belongs to the colors that the picture had, so it is left out, and so is what XMP says of
it: a viewer would look for it in vain.
"""

import re
from pathlib import Path
from typing import Any

from recolor_torch.pictures.png_color import coded_profile

GAIN_MAP = "The HDR gain map was left out: the result is the picture as displays without HDR show it."
# The name spaces of XMP that speak of gain maps, and of other pictures in the file.
_SPACES = (
    b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"http://ns.apple.com/HDRGainMap/1.0/",
    b"http://ns.google.com/photos/1.0/container/",
)
# ISO 21496-1 in a JPEG, and in the boxes of HEIC and AVIF.
_ISO = b"urn:iso:std:iso:ts:21496:-1"
# All boxes that describe a picture stand in front of its pixels, and are far shorter than this.
_HEAD = 1 << 18


def is_avif(image: Any) -> bool:
    """Whether it is an AVIF."""
    return image.format == "AVIF"


def note_gain_map(path: Any, image: Any, xmp: bytes | None, notes: list[str]) -> bytes | None:
    """Note a gain map; the XMP without what it says of one.

    Args:
        path: the file.
        image: the same file, open.
        xmp: its XMP.
        notes: a sentence is added.
    """
    kept = xmp if xmp is None else _without_gain_map(xmp)
    if kept != xmp or _has_gain_map(path, image):
        notes.append(GAIN_MAP)
    return kept


def avif_profile(path: Any, icc: bytes | None, notes: list[str]) -> bytes | None:
    """The profile that an AVIF's colors go by: ``icc``, or what its numbers say; None for sRGB.

    Args:
        path: the file.
        icc: its ICC profile.
        notes: what cannot be obeyed, and bits that are not read, are added, a sentence each.
    """
    head = _head(path)
    at = head.find(b"av1C")
    bits = 8
    if 0 <= at < len(head) - 6 and head[at + 6] & 0x40:
        bits = 12 if head[at + 6] & 0x20 else 10
    if bits > 8:
        notes.append(f"{bits} bits a channel became 8: no more of an AVIF is read.")
    at = head.find(b"colrnclx")
    if icc is not None or at < 0 or at + 14 > len(head):
        return icc
    primaries, transfer = (int.from_bytes(head[at + 8 + i : at + 10 + i], "big") for i in (0, 2))
    if transfer in (2, 6, 1) and primaries in (1, 2):  # unspecified, or video's, which all viewers take for sRGB
        return None
    # The decoder has turned Y, Cb and Cr into full-range RGB.
    return coded_profile((primaries, transfer, 0, 1), "AVIF", notes)


def _has_gain_map(path: Any, image: Any) -> bool:
    if image.format == "HEIF":
        aux = image.info.get("aux") or {}
        return any("gainmap" in str(name).lower() for name in aux) or b"tmap" in _head(path)[:256]
    if is_avif(image):
        return b"tmap" in _head(path)[:256]
    return image.format in ("JPEG", "MPO") and _ISO in _head(path)


def _head(path: Any) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""


def _without_gain_map(xmp: bytes) -> bytes:
    if not any(space in xmp for space in _SPACES[:2]) and b"GainMap" not in xmp:
        return xmp
    for space in _SPACES:
        for prefix in set(re.findall(rb"xmlns:([\w.-]+)\s*=\s*[\"']" + re.escape(space) + rb"[\"']", xmp)):
            name = re.escape(prefix) + rb":[\w.-]+"
            xmp = re.sub(rb"<(" + name + rb")(?:\s[^<>]*)?/>", b"", xmp)
            xmp = re.sub(rb"<(" + name + rb")(?:\s[^<>]*)?>.*?</\1>", b"", xmp, flags=re.DOTALL)
            xmp = re.sub(rb"\s" + name + rb"\s*=\s*(\"[^\"]*\"|'[^']*')", b"", xmp)
            xmp = re.sub(rb"\sxmlns:" + re.escape(prefix) + rb"\s*=\s*(\"[^\"]*\"|'[^']*')", b"", xmp)
    return xmp
