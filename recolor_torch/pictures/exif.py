"""EXIF as its file stores it: every field with its type and its bytes, so that nothing is translated on the way.

EXIF 3.0 is a TIFF structure (TIFF 6.0, section 2): directories of fields, and directories that a field points to.
Text is kept byte for byte, because cameras and archives write UTF-8 where the standard asks for ASCII.
"""

import io
import struct
from dataclasses import dataclass, field, replace
from typing import IO, NamedTuple

from PIL import ExifTags

# Bytes of a value of each type of TIFF 6.0 and BigTIFF.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_ASCII, _LONG, _UNDEFINED = 2, 4, 7
_MOST_FIELDS, _MOST_BYTES = 4096, 1 << 24
EXIF, GPS = int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo)
# Fields that the standard stores as undefined bytes; some programs say they are numbers, and libtiff then refuses them.
_RAW_BYTES = {
    EXIF: {0x8828, 0x9000, 0x9101, 0x927C, 0x9286, 0xA000, 0xA20C, 0xA300, 0xA301, 0xA302, 0xA40B},
    GPS: {0x1B, 0x1C},
}


class Field(NamedTuple):
    """A field of a directory: TIFF's number of its type, how many values, and their bytes in the file's order."""

    kind: int
    values: int
    data: bytes


Directory = dict[int, Field]


@dataclass(frozen=True)
class Exif:
    """EXIF that was understood.

    Args:
        order: of bytes, ``<`` or ``>`` as ``struct`` has it.
        first: the first directory.
        nested: directories that it points to, by the tag of the pointer (``EXIF``, ``GPS``).
    """

    order: str = "<"
    first: Directory = field(default_factory=dict)
    nested: dict[int, Directory] = field(default_factory=dict)

    def number(self, tag: int) -> int | None:
        """The first value of a field of the first directory that holds whole numbers."""
        found = self.first.get(tag)
        letter = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(found.kind) if found else None
        if found is None or letter is None or found.values < 1:
            return None
        return int(struct.unpack_from(self.order + letter, found.data)[0])

    def with_number(self, tag: int, value: int) -> "Exif":
        """The same with a short number in the first directory."""
        return replace(self, first={**self.first, tag: short_field(self.order, value)})

    def with_text(self, tag: int, text: str) -> "Exif":
        """The same with a text in the first directory."""
        data = text.encode("utf-8", "replace") + b"\0"
        return replace(self, first={**self.first, tag: Field(_ASCII, len(data), data)})

    def to_bytes(self) -> bytes:
        """A TIFF structure, as the EXIF segment of a JPEG and the chunks of PNG and WebP hold it; b"" where empty."""
        if not self.first and not self.nested:
            return b""
        head = struct.pack(self.order + "2sHI", b"II" if self.order == "<" else b"MM", 42, 8)
        return head + pack_directory(self.first, self.nested, self.order, len(head))


def short_field(order: str, *values: int) -> Field:
    """A field of 16-bit numbers."""
    return Field(3, len(values), struct.pack(f"{order}{len(values)}H", *values))


def long_field(order: str, *values: int) -> Field:
    """A field of 32-bit numbers."""
    return Field(_LONG, len(values), struct.pack(f"{order}{len(values)}I", *values))


def parse_exif(data: bytes | IO[bytes]) -> Exif | None:
    """Read EXIF, or the first directory of a TIFF file; None where it cannot be understood.

    A damaged field is left out; the others stay.

    Args:
        data: the bytes, with or without ``Exif`` and two zeros in front; or an open TIFF file, whose place is kept.
    """
    if isinstance(data, bytes):
        while data.startswith(b"Exif\0\0"):
            data = data[6:]
        return _parse(io.BytesIO(data))
    place = data.tell()
    try:
        return _parse(data)
    finally:
        data.seek(place)


def _parse(file: IO[bytes]) -> Exif | None:
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return None
    (magic,) = struct.unpack_from(order + "H", head, 2)
    if magic not in (42, 43) or (magic == 43 and len(head) < 16):
        return None
    big = magic == 43
    (offset,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
    first = _directory(file, offset, order, big)
    nested = {}
    for tag in (EXIF, GPS):
        pointer = first.pop(tag, None)
        if pointer is not None and pointer.kind in (4, 13, 16, 18) and pointer.values == 1:
            letter = "Q" if _SIZES[pointer.kind] == 8 else "I"
            inner = _directory(file, struct.unpack(order + letter, pointer.data)[0], order, big)
            if inner:
                nested[tag] = {t: _as_bytes(tag, t, f) for t, f in inner.items()}
    return Exif(order, first, nested)


def _as_bytes(directory: int, tag: int, found: Field) -> Field:
    return found._replace(kind=_UNDEFINED) if tag in _RAW_BYTES[directory] and found.kind in (1, 6) else found


def _directory(file: IO[bytes], offset: int, order: str, big: bool) -> Directory:
    file.seek(offset)
    start = file.read(8 if big else 2)
    if len(start) < (8 if big else 2):
        return {}
    (count,) = struct.unpack(order + ("Q" if big else "H"), start)
    if count > _MOST_FIELDS:
        return {}
    size = 20 if big else 12
    table = file.read(size * count)
    fields: Directory = {}
    for at in range(0, len(table) - size + 1, size):
        tag, kind, values = struct.unpack_from(order + ("HHQ" if big else "HHI"), table, at)
        room = table[at + (12 if big else 8) : at + size]
        bytes_ = _SIZES.get(kind, 0) * values
        if not 0 < bytes_ <= _MOST_BYTES:
            continue
        if bytes_ <= len(room):
            data = room[:bytes_]
        else:
            file.seek(struct.unpack(order + ("Q" if big else "I"), room)[0])
            data = file.read(bytes_)
        if len(data) == bytes_:
            fields[tag] = Field(kind, values, data)
    return fields


def pack_directory(fields: Directory, nested: dict[int, Directory], order: str, start: int, big: bool = False) -> bytes:
    """A directory as a file holds it, with its long values and the directories that it points to behind it.

    Args:
        fields: by tag.
        nested: directories by the tag of their pointer.
        order: of bytes, ``<`` or ``>``.
        start: place of the directory in the file, an even number.
        big: BigTIFF's layout.
    """
    offset, room, head = ("Q", 8, "Q") if big else ("I", 4, "H")
    tags = sorted({*fields, *nested})
    size = struct.calcsize(order + head) + (20 if big else 12) * len(tags) + room
    table, tail = bytearray(struct.pack(order + head, len(tags))), bytearray()
    for tag in tags:
        place = struct.pack(order + offset, start + size + len(tail))
        if tag in nested:
            kind, count, data = 18 if big else _LONG, 1, place
            tail += pack_directory(nested[tag], {}, order, start + size + len(tail), big)
        else:
            kind, count, data = fields[tag]
            if len(data) > room:
                tail += data + b"\0" * (len(data) % 2)
                data = place
        table += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, count) + data.ljust(room, b"\0")
    return bytes(table + bytes(room) + tail)


def fit_exif(exif: Exif, most: int) -> tuple[Exif, list[str]]:
    """EXIF of at most ``most`` bytes, without its largest fields where need be, and the names of those."""
    dropped = []
    while len(exif.to_bytes()) > most:
        fields = [(len(f.data), 0, tag) for tag, f in exif.first.items()]
        fields += [(len(f.data), where, tag) for where, inner in exif.nested.items() for tag, f in inner.items()]
        _, where, tag = max(fields)
        if where:
            rest = {t: f for t, f in exif.nested[where].items() if t != tag}
            exif = replace(exif, nested={**exif.nested, where: rest})
        else:
            exif = replace(exif, first={t: f for t, f in exif.first.items() if t != tag})
        names = ExifTags.GPSTAGS if where == GPS else ExifTags.TAGS
        dropped.append(names.get(tag, f"field {tag:#06x}"))
    return exif, dropped
