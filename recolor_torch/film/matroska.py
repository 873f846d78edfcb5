"""The aspect of a pixel in the header of a Matroska or WebM file, where PyAV cannot put it.

The file is as FFmpeg wrote it: behind the table of its parts (SeekHead) is room (Void), then the header (Info, Tracks).
The header grows into that room, so that nothing behind it moves. Names of elements are numbers, as in RFC 9559.
"""

import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

_SEGMENT, _SEEK_HEAD, _INFO, _TRACKS, _CLUSTER = 0x18538067, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675
_SEEK, _SEEK_ID, _SEEK_POSITION, _VOID, _CRC = 0x4DBB, 0x53AB, 0x53AC, 0xEC, 0xBF
_TRACK, _VIDEO, _PIXEL_WIDTH, _PIXEL_HEIGHT = 0xAE, 0xE0, 0xB0, 0xBA
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
# The unit of a display size that is an aspect ratio.
_RATIO = 3
# The header is looked for in so many bytes.
_MOST = 1 << 24


def write_aspect(path: Path, aspect: Fraction, track: int, *, webm: bool = False) -> bool:
    """Write the aspect of a pixel, width to height, into a file that FFmpeg wrote.

    Args:
        path: a Matroska or WebM file.
        aspect: of a pixel.
        track: the place of the video among the tracks, 0 for the first.
        webm: the display size is in pixels, rounded: WebM has no ratio.

    Returns:
        False where the file is made otherwise than FFmpeg makes it, and is left as it was.
    """
    with path.open("r+b") as file:
        data = file.read(_MOST)
        try:
            new = _with_aspect(data, aspect, track, webm)
        except (IndexError, KeyError, StopIteration):
            return False
        if new is None:
            return False
        start, header = new
        file.seek(start)
        file.write(header)
    return True


def _with_aspect(data: bytes, aspect: Fraction, track: int, webm: bool) -> tuple[int, bytes] | None:
    """Where the bytes from the table to the end of the header begin, and what they become, as many as before."""
    segment = next(start for name, _, start, _ in _elements(data, 0, len(data)) if name == _SEGMENT)
    head: dict[int, tuple[int, int, int]] = {}
    for name, at, start, end in _elements(data, segment, len(data)):
        if name == _CLUSTER:
            break
        head.setdefault(name, (at, start, end))
    table, room, tracks = head[_SEEK_HEAD], head[_VOID], head[_TRACKS]
    if not table[2] <= room[0] < room[2] <= tracks[0] or tracks[2] > len(data):
        return None
    header = _element(_TRACKS, _tracks(data[tracks[1] : tracks[2]], aspect, track, webm))
    grown = len(header) - (tracks[2] - tracks[0])
    left = room[2] - room[1] - grown
    if room[1] - room[0] != 9 or left < 0:  # FFmpeg writes the size of such room in eight bytes
        return None
    void = bytes([_VOID]) + _size(left, 8) + bytes(left)
    moved = {i for i, (at, _, _) in head.items() if room[2] <= at <= tracks[0]}
    seek = _element(_SEEK_HEAD, _table(data[table[1] : table[2]], moved, grown), table[1] - table[0] - 4)
    parts = (seek, data[table[2] : room[0]], void, data[room[2] : tracks[0]], header)
    whole = b"".join(parts)
    return (table[0], whole) if len(whole) == tracks[2] - table[0] else None


def _tracks(body: bytes, aspect: Fraction, track: int, webm: bool) -> bytes:
    parts, number = [], 0
    for name, at, start, end in _elements(body, 0, len(body)):
        part = body[at:end]
        if name == _TRACK:
            if number == track:
                inner = [
                    _element(_VIDEO, _video(body[a:c], aspect, webm)) if n == _VIDEO else body[b:c]
                    for n, b, a, c in _elements(body, start, end)
                ]
                part = _element(_TRACK, b"".join(inner))
            number += 1
        if name != _CRC:
            parts.append(part)
    return _checked(b"".join(parts), body)


def _video(body: bytes, aspect: Fraction, webm: bool) -> bytes:
    found = {name: (at, start, end) for name, at, start, end in _elements(body, 0, len(body))}
    width, height = (int.from_bytes(body[found[n][1] : found[n][2]]) for n in (_PIXEL_WIDTH, _PIXEL_HEIGHT))
    display = {_DISPLAY_WIDTH: round(width * aspect), _DISPLAY_HEIGHT: height}
    if not webm:
        ratio = aspect * width / height
        display = {_DISPLAY_WIDTH: ratio.numerator, _DISPLAY_HEIGHT: ratio.denominator, _DISPLAY_UNIT: _RATIO}
    kept = [body[at:end] for n, (at, _, end) in found.items() if n not in (*display, _DISPLAY_UNIT)]
    return b"".join([*kept, *(_element(n, _number(value)) for n, value in display.items())])


def _table(body: bytes, moved: set[int], grown: int) -> bytes:
    """The table of parts, where ``moved`` ones now begin ``grown`` bytes earlier."""
    parts = []
    for name, at, start, end in _elements(body, 0, len(body)):
        part = bytearray(body[at:end])
        if name == _SEEK:
            inner = {n: (a, c) for n, _, a, c in _elements(body, start, end)}
            if int.from_bytes(body[slice(*inner[_SEEK_ID])]) in moved:
                a, c = inner[_SEEK_POSITION]
                part[a - at : c - at] = (int.from_bytes(body[a:c]) - grown).to_bytes(c - a)
        if name != _CRC:
            parts.append(bytes(part))
    return _checked(b"".join(parts), body)


def _checked(body: bytes, before: bytes) -> bytes:
    """``body`` with its checksum in front, if there was one before."""
    if before[:1] != bytes([_CRC]):
        return body
    return _element(_CRC, zlib.crc32(body).to_bytes(4, "little")) + body


def _elements(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Each element's name, where it begins, where its contents begin, and where it ends."""
    at = start
    while at < end:
        length = 9 - data[at].bit_length()
        name = int.from_bytes(data[at : at + length])
        first = data[at + length]
        digits = 9 - first.bit_length()
        size = int.from_bytes(data[at + length : at + length + digits]) & ((1 << 7 * digits) - 1)
        body = at + length + digits
        yield name, at, body, body + size
        at = body + size


def _element(name: int, body: bytes, digits: int = 0) -> bytes:
    return _number(name) + _size(len(body), digits) + body


def _number(value: int) -> bytes:
    return value.to_bytes(max(1, -(-value.bit_length() // 8)))


def _size(value: int, digits: int = 0) -> bytes:
    """A size in ``digits`` bytes, or in as few as can hold it; all ones would mean that it is not known."""
    digits = digits or next(n for n in range(1, 9) if value < (1 << 7 * n) - 1)
    return (value | 1 << 7 * digits).to_bytes(digits)
