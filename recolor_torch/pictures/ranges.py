"""Stored values that say nothing of their white: floating point, 32 bits, and numbers with a sign."""

from typing import Any

import numpy as np

from recolor_torch.pictures.depth import spread

# What most pictures in floating point take for white. Filters and resizing overshoot it a little, and lights far.
_WHITES = (1.0, 255.0, 65535.0)
# So many times white may 99 of 100 pixels reach, and the rest is clipped.
_OVERSHOOT = 1.5
# Values up to here that do not end near 1 are scene light, fitted to the brightest; above, they count as 8 or 16 bits.
_LIGHT = 16.0
# Said where a file has more bits than the 16 that are kept.
ROUNDED = "{} became 16 bits a channel."


def spread_floats(values: np.ndarray, notes: list[str]) -> np.ndarray:
    """Floating point as uint16: values in [0, 1] as they are, others by the white that most of them keep to."""
    finite = values[np.isfinite(values)]
    notes.append(ROUNDED.format("Floating point values"))
    white, top = _white(finite)
    if top > white:
        notes.append(f"Values reach {top:g}; what is over {white:g} was read as white.")
    elif white != 1.0:
        notes.append(f"Floating point values up to {top:g} were read as 0 to {white:g}.")
    if finite.size and finite.min() < 0:
        notes.append("Values below 0 were read as black.")
    if finite.size < values.size:
        notes.append("NaN was read as black, infinity as white.")
    return spread(values, white)


def _white(finite: np.ndarray) -> tuple[float, float]:
    if not finite.size:
        return 1.0, 1.0
    top = float(finite.max())
    flat = finite.ravel()
    most = float(np.percentile(flat[:: max(1, flat.size // 1_000_000)], 99))
    if _WHITES[0] * _OVERSHOOT < most and top <= _LIGHT:
        return top, top
    return next((w for w in _WHITES if most <= w * (_OVERSHOOT if w == 1 else 1.02)), top), top


def is_signed(image: Any) -> bool:
    """Whether a TIFF that Pillow has opened stores numbers with a sign (its field SampleFormat)."""
    return bool(image.format == "TIFF" and image.tag_v2.get(339, (1,))[0] == 2)


def spread_integers(image: Any, notes: list[str]) -> np.ndarray:
    """Pillow's mode I, of 16 or 32 bits with or without sign, as uint16; the order of tones is kept."""
    values = np.asarray(image)
    if image.format != "TIFF":  # Netpbm and PNG have 16 bits
        return spread(values, 65535 if values.size == 0 or values.max() <= 65535 else 2**31 - 1)
    bits = image.tag_v2.get(258, (32,))[0]
    if is_signed(image) and (bits == 16 or values.min() < 0):
        return spread_signed(values.astype(np.int16) if bits == 16 else values, notes)
    values = values.astype(np.uint32)  # Pillow has taken the upper half for numbers below 0
    top = int(values.max())
    if top <= 65535:  # 16 bits in 32, as many programs write them
        return spread(values, 65535)
    notes.append(ROUNDED.format("32-bit values"))
    return spread(values, 2**31 - 1 if top < 2**31 else 2**32 - 1)


def spread_signed(values: np.ndarray, notes: list[str]) -> np.ndarray:
    """Numbers with a sign as uint16: their type's least is black; with none below 0, 0 is."""
    info = np.iinfo(values.dtype)
    low = 0 if values.min() >= 0 else info.min
    notes.append(f"Values with a sign were read with {low} as black and {info.max} as white.")
    if info.bits > 16:
        notes.append(ROUNDED.format("32-bit values"))
    return spread(values.astype(np.float64) - low, float(info.max) - low)
