"""What a PNG says of its colors without an ICC profile: cICP, and gamma with chromaticities, as a profile.

PNG (third edition), 4.3: cICP comes before iCCP, iCCP before sRGB, and sRGB before gAMA and cHRM. The numbers of cICP
are those of ITU-T H.273.
"""

import struct
from typing import Any

import numpy as np

Chromaticities = tuple[float, float, float, float, float, float, float, float]  # x and y of white, red, green, blue

_D65, _C, _DCI = (0.3127, 0.329), (0.31, 0.316), (0.314, 0.351)
SRGB_PRIMARIES: Chromaticities = (*_D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
# H.273, table 2.
_PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB_PRIMARIES,
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*_D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    11: (*_DCI, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
# Curves as ICC's parametric type 3 has them: g, a, b, c, d.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_VIDEO_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
# H.273, table 3.
_CURVES: dict[int, tuple[float, ...]] = {
    **dict.fromkeys((1, 6, 14, 15), _VIDEO_CURVE),
    4: (2.2,),
    5: (2.8,),
    8: (1.0,),
    13: _SRGB_CURVE,
}
_HDR = {16: "PQ", 18: "HLG"}
# Gamma of nearly all PNGs: that of sRGB, which a viewer takes for sRGB.
_USUAL_GAMMA = 0.45455
_D50 = np.array([0.96420288, 1.0, 0.82490540])
# Bradford's cone responses (ICC.1:2022, annex E).
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def coded_profile(code: tuple[int, ...], kind: str, notes: list[str]) -> bytes | None:
    """The profile that numbers of H.273 stand for, as PNG's cICP and HEIF's nclx have them; None for sRGB or unknown.

    Args:
        code: primaries, transfer, matrix and whether the range is full.
        kind: of file, for notes.
        notes: what cannot be obeyed is added, a sentence.
    """
    primaries, transfer, matrix, full = code
    name = "cICP" if kind == "PNG" else "nclx"
    if transfer in _HDR:
        notes.append(f"The {kind}'s colors are HDR ({_HDR[transfer]}, by {name}), which was not obeyed.")
        return None
    if not _is_known(code):
        notes.append(f"The {kind}'s {name} ({primaries}, {transfer}, {matrix}, {full}) is not known and was ignored.")
        return None
    if (primaries, _CURVES[transfer]) == (1, _SRGB_CURVE):
        return None
    return matrix_profile(_PRIMARIES[primaries], _CURVES[transfer])


def _is_known(code: tuple[int, ...]) -> bool:
    primaries, transfer, matrix, full = code
    return primaries in _PRIMARIES and transfer in _CURVES and not matrix and bool(full)


def png_profile(image: Any, icc: bytes | None, notes: list[str]) -> bytes | None:
    """The profile that a PNG's colors go by: ``icc`` or what its other chunks say; None for sRGB.

    Args:
        image: open and not loaded.
        icc: its ICC profile.
        notes: what cannot be obeyed is added, a sentence.
    """
    code = _find_cicp(image)
    if code is not None:
        profile = coded_profile(code, "PNG", notes)
        if _is_known(code):
            return profile
    if icc is not None or "srgb" in image.info:
        return icc
    gamma = image.info.get("gamma")
    chromaticities = image.info.get("chromaticity")
    if not isinstance(gamma, float):
        return None
    known = isinstance(chromaticities, tuple) and len(chromaticities) == 8
    points = chromaticities if known else SRGB_PRIMARIES
    if abs(gamma - _USUAL_GAMMA) < 0.002 and np.allclose(points, SRGB_PRIMARIES, atol=0.003):
        return None
    try:
        if not 0.1 <= gamma <= 10:
            raise ValueError(f"gamma {gamma:g}")
        return matrix_profile(points, (1 / gamma,))
    except (ValueError, ArithmeticError, np.linalg.LinAlgError, struct.error) as error:
        notes.append(f"The PNG's gamma and chromaticities make no sense and were ignored ({error}).")
        return None


def _find_cicp(image: Any) -> tuple[int, int, int, int] | None:
    file = image.fp
    if file is None:
        return None
    place = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
            size = int.from_bytes(head[:4], "big")
            if head[4:] == b"cICP" and size == 4:
                data = file.read(4)
                return (data[0], data[1], data[2], data[3]) if len(data) == 4 else None
            file.seek(size + 4, 1)
        return None
    finally:
        file.seek(place)


def matrix_profile(chromaticities: Chromaticities, curve: tuple[float, ...]) -> bytes:
    """An ICC profile (version 4) of three primaries and one curve.

    Args:
        chromaticities: x and y of white, red, green and blue.
        curve: a gamma alone, or g, a, b, c, d of ``(a x + b)^g`` for x >= d and ``c x`` below.

    Raises:
        ValueError: the primaries are not three colors.
    """
    xy = np.array(chromaticities, dtype=np.float64).reshape(4, 2)
    if (xy[:, 1] <= 1e-3).any():
        raise ValueError("a primary without light")
    white, *primaries = np.column_stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(1)) / xy[:, 1]])
    matrix = np.array(primaries).T
    if abs(np.linalg.det(matrix)) < 1e-4:
        raise ValueError("primaries in one line")
    matrix = matrix * np.linalg.solve(matrix, white)
    adapt = np.linalg.solve(_BRADFORD, np.diag(_BRADFORD @ _D50 / (_BRADFORD @ white)) @ _BRADFORD)
    columns = (adapt @ matrix).T
    kind = 0 if len(curve) == 1 else 3
    trc = struct.pack(">4sIHH", b"para", 0, kind, 0) + _fixed(curve)
    name = "Colors of a PNG".encode("utf-16-be")
    text = struct.pack(">4s3I2s2s2I", b"mluc", 0, 1, 12, b"en", b"US", len(name), 28) + name
    tags = {
        b"desc": text,
        b"cprt": text,
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(_D50),
        b"chad": b"sf32\0\0\0\0" + _fixed(adapt.ravel()),
        **{n: b"XYZ \0\0\0\0" + _fixed(c) for n, c in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns)},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), trc),
    }
    return _assemble(tags)


def _fixed(values: Any) -> bytes:
    """Numbers of 16 bits before and 16 after the point."""
    numbers = [round(float(v) * 65536) for v in values]
    return struct.pack(f">{len(numbers)}i", *numbers)


def _assemble(tags: dict[bytes, bytes]) -> bytes:
    table, body, places = b"", b"", {}
    start = 132 + 12 * len(tags)
    for name, data in tags.items():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, places[data], len(data))
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"", 0x04300000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp").ljust(44, b"\0") + _fixed(_D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
