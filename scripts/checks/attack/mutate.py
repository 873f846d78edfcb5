"""Ways to damage a file: blind ones, and those that know the format. Each is an operation that can be done again."""

import json
import random
import struct
import zlib
from collections.abc import Callable

Operation = tuple[str, int]
"""Name and seed: the same operation on the same bytes gives the same bytes."""

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def draw(rng: random.Random, suffix: str) -> list[Operation]:
    """Some operations for a file of this kind."""
    names = [*BLIND, *AWARE.get(suffix, ()), *AWARE.get(suffix, ())]
    return [(rng.choice(names), rng.randrange(1 << 30)) for _ in range(rng.choice((1, 1, 1, 2, 3, 6)))]


def damage(data: bytes, operations: list[Operation]) -> bytes:
    """The bytes after all operations; one that does not fit leaves them as they are."""
    for name, seed in operations:
        try:
            data = OPERATIONS[name](data, random.Random(seed))
        except (ValueError, IndexError, struct.error, KeyError, RecursionError):
            continue
    return data


def _flip(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        out[rng.randrange(len(out))] = rng.randrange(256)
    return bytes(out)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _drop(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 200) :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    part = data[start : start + rng.randrange(1, 200)]
    return data[:start] + part * rng.choice((2, 3, 50)) + data[start + len(part) :]


def _zeros(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    size = rng.randrange(1, 400)
    return data[:start] + bytes(min(size, len(data) - start)) + data[start + size :]


def _number(data: bytes, rng: random.Random) -> bytes:
    kind = rng.choice(("<H", ">H", "<I", ">I"))
    size = struct.calcsize(kind)
    start = rng.randrange(len(data) - size)
    value = rng.choice(EXTREMES) & (256**size - 1)
    return data[:start] + struct.pack(kind, value) + data[start + size :]


def _png_chunk(data: bytes, rng: random.Random) -> bytes:
    """Change the inside of a chunk and mend its checksum; or drop, repeat or move a chunk."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += size + 12
    i = rng.randrange(len(chunks))
    what = rng.randrange(5)
    if what == 0:
        del chunks[i]
    elif what == 1:
        chunks.insert(rng.randrange(len(chunks)), chunks[i])
    else:
        name, body = chunks[i]
        chunks[i] = (name, _flip(body, rng) if what < 4 else _number(body, rng))
    joined = (struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks)
    return data[:8] + b"".join(joined)


def _tiff_tag(data: bytes, rng: random.Random) -> bytes:
    """Another value, count or type in one field of the first directory."""
    order = "<" if data[:2] == b"II" else ">"
    (place,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, place)
    at = place + 2 + 12 * rng.randrange(count)
    out = bytearray(data)
    field, kind = rng.choice(((at, "H"), (at + 2, "H"), (at + 4, "I"), (at + 8, "I")))
    value = rng.choice((*EXTREMES, rng.randrange(1 << 16)))
    struct.pack_into(order + kind, out, field, value & (0xFFFF if kind == "H" else 0xFFFFFFFF))
    return bytes(out)


def _jpeg_segment(data: bytes, rng: random.Random) -> bytes:
    """Change a byte behind a marker: lengths, tables, sizes, components."""
    marks = [i for i in range(len(data) - 4) if data[i] == 0xFF and data[i + 1] not in (0, 0xFF)]
    start = rng.choice(marks)
    out = bytearray(data)
    for _ in range(rng.choice((1, 2, 4))):
        out[min(len(out) - 1, start + 2 + rng.randrange(24))] = rng.choice((0, 1, 255, rng.randrange(256)))
    return bytes(out)


def _mp4_box(data: bytes, rng: random.Random) -> bytes:
    """Change a byte or a size in a box of an ISO film, drop one, or repeat one."""
    places, at = [], 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size < 8:
            break
        places.append((at, size))
        at += 8 if name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta") else size
    at, size = rng.choice(places)
    box = data[at : at + size]
    what = rng.randrange(4)
    if what == 0:
        return data[:at] + data[at + size :]
    if what == 1:
        return data[:at] + box + data[at:]
    changed = _flip(box[8:], rng) if what == 2 and size > 8 else _number(box, rng)[8:]
    return data[: at + 8] + changed + data[at + size :]


def _ebml(data: bytes, rng: random.Random) -> bytes:
    """Change a byte just behind an identifier of Matroska: sizes, times, sizes of pictures."""
    marks = [i for i in range(len(data) - 9) if data[i] in (0x1A, 0x15, 0x16, 0x1F, 0xAE, 0xE0, 0xB0, 0xBA, 0xA3, 0xE7)]
    out = bytearray(data)
    out[rng.choice(marks) + rng.randrange(1, 9)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(out)


def _npy_header(data: bytes, rng: random.Random) -> bytes:
    """Another shape, order or type in the header of an array, of the same length."""
    end = data.index(b"\n")
    head = data[:end]
    pairs = ((b"False", b"True "), (b"<f4", b"<f8"), (b"<f4", b"|O "), (b"<i8", b"<u8"), (b"(", b"(-"), (b"1", b"9"))
    old, new = rng.choice([p for p in pairs if p[0] in head])
    return head.replace(old, new, 1)[:end].ljust(end) + data[end:]


ODD = (None, True, 0, -1, 1e308, float("nan"), 10**40, "", "\ud800", "a\0b", "x" * 300, "~nobody", [], {}, [[[1]]], "é")


def _json_value(data: bytes, rng: random.Random) -> bytes:
    """A value of another type at some place, or a key that is gone."""
    value = json.loads(data)
    if not isinstance(value, (dict, list)):
        return json.dumps(rng.choice(ODD)).encode()
    holder = value
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = rng.choice(keys)
        inner = holder[key]
        if isinstance(inner, (dict, list)) and inner and rng.random() < 0.7:
            holder = inner
            continue
        if rng.random() < 0.2:
            del holder[key]
        else:
            holder[key] = rng.choice(ODD)
        return json.dumps(value).encode()


def _nest(data: bytes, rng: random.Random) -> bytes:
    depth = rng.choice((100, 5000, 100_000))
    return b"[" * depth + data + b"]" * depth


def _word(data: bytes, rng: random.Random) -> bytes:
    """Another word in a table or a YAML file."""
    words = data.decode("latin-1").replace(",", " , ").replace(":", " : ").split(" ")
    words[rng.randrange(len(words))] = rng.choice(
        ("", "~", "null", "1e999", "[", "{", "x" * 300, "2026-11-26", "!!python")
    )
    return " ".join(words).replace(" , ", ",").replace(" : ", ":").encode("latin-1")


def _phrase(data: bytes, rng: random.Random) -> bytes:
    """Words in, out of place, or of a kind that nobody means: other alphabets, signs that control, numbers, length."""
    words = data.decode("utf-8", "replace").split(" ")
    odd = (
        "not",
        "and",
        "is",
        ",",
        ":",
        "#",
        "#12",
        "#ffffff",
        "-7",
        "1e999",
        "٣",
        "１２",
        "赤い服",
        "красный",
        "🙂",
        "ﬁ",
        "İ",
        "ß",
    )
    odd += (
        "\u202e",
        "\x1b[31m",
        "\x00",
        "e" + "\u0301" * 50,
        "z" * 3000,
        "red " * 900,
        "dark " * 60 + "red",
        "red-" * 40,
    )
    for _ in range(rng.choice((1, 2, 8))):
        at = rng.randrange(len(words) + 1)
        what = rng.randrange(4)
        if what == 0 and words:
            words.insert(at, words.pop(rng.randrange(len(words))))
        elif what == 1 and words:
            del words[rng.randrange(len(words))]
        else:
            words.insert(at, rng.choice(odd))
    return " ".join(words).encode("utf-8", "replace")


def _strange(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    strange = (b"\xff\xfe", b"\x00", b"\xed\xa0\x80", b"\xe2\x80\xa8", b'"', b"\r", b"\xef\xbb\xbf", b"a" * 200_000)
    return data[:start] + rng.choice(strange) + data[start:]


BLIND = {"flip": _flip, "cut": _cut, "drop": _drop, "repeat": _repeat, "zeros": _zeros, "number": _number}
OPERATIONS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    **BLIND,
    **{"png": _png_chunk, "tiff": _tiff_tag, "jpeg": _jpeg_segment, "json": _json_value, "nest": _nest},
    **{"word": _word, "strange": _strange, "mp4": _mp4_box, "ebml": _ebml, "npy": _npy_header, "phrase": _phrase},
}
AWARE = {
    ".png": ("png",),
    ".tif": ("tiff",),
    ".jpg": ("jpeg",),
    ".json": ("json", "nest", "strange"),
    ".jsonl": ("json", "nest", "strange"),
    ".csv": ("word", "strange"),
    ".yaml": ("word", "strange", "nest"),
    ".txt": ("word", "strange"),
    ".mp4": ("mp4",),
    ".mkv": ("ebml",),
    ".npy": ("npy",),
    ".words": ("phrase", "strange"),
}
