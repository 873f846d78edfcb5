"""ICC profiles: a picture's own colors to sRGB for the work, and back for the file.

Profiles that are a matrix and three curves (Display P3, Adobe RGB, most cameras and screens) and gray
profiles that are one curve are computed here in float, exactly as ICC.1:2022 F.3 says, because
littleCMS through Pillow works at 8 bits. Profiles made of tables (``A2B0``: printers, CMYK) go through
littleCMS in :mod:`recolor_torch.pictures.cms`.

Colors outside sRGB are clipped, once, at the end of the way to sRGB.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from recolor_torch.system import pass_on_lack_of_memory

# Linear sRGB to the profile connection space (XYZ under D50): IEC 61966-2-1 with Bradford adaptation, in the
# 1/65536 of a profile, as littleCMS rounds it: its columns add up to D50, so gray stays gray.
SRGB_TO_PCS = np.array([[28576, 25239, 9375], [14581, 46983, 3972], [912, 6361, 46787]], dtype=np.float64) / 65536
MOST_LOST = 2.0
"""How far, in levels of 255, a value may come back from where it was for a profile to be of use."""

_BAND = 1 << 20  # pixels converted at once: keeps float temporaries small beside a 100-megapixel picture


class ProfileError(ValueError):
    """The bytes are not an ICC profile that can be used."""


@dataclass(frozen=True)
class Curve:
    """A tone curve from device values to linear light, both in [0, 1]: a table, or ICC's parametric form.

    Args:
        table: values at equal steps over [0, 1]; None for the parametric form.
        parameters: g, a, b, c, d, e, f of ``(a x + b)^g + e`` for x >= d and ``c x + f`` below.
    """

    table: np.ndarray | None = None
    parameters: tuple[float, ...] = (1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Linear light at device values ``x``."""
        if self.table is not None:
            return np.interp(x, np.linspace(0, 1, len(self.table)), self.table)
        g, a, b, c, d, e, f = self.parameters
        return np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f).clip(0, 1)

    def inverse(self, y: Tensor) -> Tensor:
        """Device values of linear light ``y`` in [0, 1]."""
        if self.table is not None:
            return _invert_table(self.table, y)
        g, a, b, c, d, e, f = self.parameters
        power = ((y - e).clamp_min(0).pow(1 / g) - b) / a
        if d <= 0:
            return power.clamp(0, 1)
        # Where the two pieces do not meet, the lower piece ends at c d + f.
        linear = (y - f) / c if c else torch.zeros_like(y)
        return torch.where(y < min(c * d + f, max(a * d + b, 0) ** g + e), linear, power).clamp(0, 1)


@dataclass(frozen=True)
class Profile:
    """What a profile says.

    Args:
        data: the profile's bytes.
        space: ``rgb``, ``gray`` or ``cmyk``: the channels it speaks of.
        curves: one curve for gray, three for RGB; none where the profile is made of tables.
        matrix: linear RGB to XYZ under D50, (3, 3); None where the profile is not a matrix.
        is_srgb: the profile is sRGB itself, to 1/500 in linear light: nothing to convert.
    """

    data: bytes
    space: str
    curves: tuple[Curve, ...] = ()
    matrix: np.ndarray | None = None
    is_srgb: bool = False


def srgb_decode(x: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values in [0, 1] (IEC 61966-2-1)."""
    return np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0) + 0.055) / 1.055) ** 2.4)


def srgb_encode(y: Tensor) -> Tensor:
    """SRGB values of linear light in [0, 1] (IEC 61966-2-1)."""
    return torch.where(y <= 0.0031308, y * 12.92, 1.055 * y.clamp_min(1e-9).pow(1 / 2.4) - 0.055)


@lru_cache(maxsize=64)
def parse_profile(data: bytes) -> Profile:
    """Read an ICC profile.

    Raises:
        ProfileError: the bytes are cut short, contradict themselves, or describe no picture's colors.
    """
    try:
        with np.errstate(all="ignore"):  # what is not finite is found below
            profile = _parse(data)
            _check_way_back(profile)
        return profile
    except ProfileError:
        raise
    except Exception as error:  # hostile bytes meet nearly any error
        pass_on_lack_of_memory(error)  # or the picture would be read without its profile
        raise ProfileError(f"the profile is damaged ({error})") from error


def _check_way_back(profile: Profile) -> None:
    """Raise where the 256 levels of a channel do not come back, or grays are not gray enough to stay in sRGB.

    Colors outside sRGB are clipped and do not come back either, but grays are never among them.
    """
    levels = np.linspace(0, 1, 256)
    for curve in profile.curves:
        again = curve.inverse(torch.from_numpy(curve(levels))).numpy()
        _check_levels(levels, again)
    if profile.matrix is not None and not profile.is_srgb:
        ramp = np.arange(256, dtype=np.uint8)[None, :, None]
        image = torch.empty(1, 3, 1, 256)
        to_srgb(np.repeat(ramp, 3, axis=2), profile, image)
        _check_levels(levels, from_srgb(image[0], profile)[:, 0].numpy())


def _check_levels(levels: np.ndarray, again: np.ndarray) -> None:
    lost = np.abs(again - levels).max() * 255
    if not lost <= MOST_LOST:  # also where it is not a number
        raise ProfileError(f"the profile cannot be turned round (values come back {lost:.0f} levels of 255 away)")


def _parse(data: bytes) -> Profile:
    if len(data) < 132 or data[36:40] != b"acsp":
        raise ProfileError("the profile has no ICC header")
    space = {b"RGB ": "rgb", b"GRAY": "gray", b"CMYK": "cmyk"}.get(data[16:20])
    if space is None:
        raise ProfileError(f"the profile is for {data[16:20]!r} colors")
    tags = _tags(data)
    if b"A2B0" in tags or b"A2B1" in tags or space == "cmyk":
        return Profile(data, space)
    if space == "gray":
        return Profile(data, space, (_curve(_need(tags, b"kTRC")),))
    curves = tuple(_curve(_need(tags, name)) for name in (b"rTRC", b"gTRC", b"bTRC"))
    if data[20:24] != b"XYZ ":
        raise ProfileError("the profile has a matrix but does not lead to XYZ")
    columns = [struct.unpack(">3i", _need(tags, name)[8:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    matrix = np.array(columns, dtype=np.float64).T / 65536
    if abs(np.linalg.det(matrix)) < 1e-4 or matrix[1].sum() < 0.5:
        raise ProfileError("the profile's primaries are not three colors")
    return Profile(data, space, curves, matrix, _is_srgb(curves, matrix))


def _tags(data: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack(">I", data[128:132])
    if count > 200:
        raise ProfileError("the profile is damaged (over 200 tags)")
    tags = {}
    for i in range(count):
        name, offset, size = struct.unpack(">4sII", data[132 + 12 * i : 144 + 12 * i])
        if offset + size > len(data):
            raise ProfileError("the profile is cut short")
        tags[name] = data[offset : offset + size]
    return tags


def _need(tags: dict[bytes, bytes], name: bytes) -> bytes:
    if name not in tags:
        raise ProfileError(f"the profile lacks {name.decode()}")
    return tags[name]


def _curve(data: bytes) -> Curve:
    """A curve tag: ICC.1:2022 10.6 (``curv``) or 10.18 (``para``)."""
    if data[:4] == b"curv":
        (count,) = struct.unpack(">I", data[8:12])
        values = np.frombuffer(data[12 : 12 + 2 * count], dtype=">u2").astype(np.float64)
        if len(values) != count:
            raise ProfileError("a curve of the profile is cut short")
        if count == 0:
            return Curve()
        if count == 1:
            return _parametric(values[0] / 256, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        if values.max() == values.min():
            raise ProfileError("a curve of the profile is flat")
        if np.diff(values).min() < -655:  # 1 % of the range
            raise ProfileError("a curve of the profile falls")
        return Curve(np.maximum.accumulate(values) / 65535)  # a small dip has no inverse
    if data[:4] != b"para":
        raise ProfileError(f"a curve of the profile has the unknown type {data[:4]!r}")
    (kind,) = struct.unpack(">H", data[8:10])
    if kind > 4:
        raise ProfileError(f"a curve of the profile has the unknown form {kind}")
    p = [v / 65536 for v in struct.unpack(f">{(1, 3, 4, 5, 7)[kind]}i", data[12 : 12 + 4 * (1, 3, 4, 5, 7)[kind]])]
    if kind == 0:
        return _parametric(p[0], 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    g, a, b = p[:3]
    if a == 0:
        raise ProfileError("a curve of the profile is flat")
    if kind in (1, 2):
        offset = p[3] if kind == 2 else 0.0
        return _parametric(g, a, b, 0.0, -b / a, offset, offset)
    c, d = p[3:5]
    e, f = p[5:7] if kind == 4 else (0.0, 0.0)
    return _parametric(g, a, b, c, d, e, f)


def _parametric(*parameters: float) -> Curve:
    if not 0.1 <= parameters[0] <= 10 or parameters[1] <= 0 or parameters[3] < 0:
        raise ProfileError(f"a curve of the profile does not rise (gamma {parameters[0]:.3g})")
    return Curve(None, parameters)


def _is_srgb(curves: tuple[Curve, ...], matrix: np.ndarray) -> bool:
    x = np.linspace(0, 1, 256)
    near = all(np.abs(curve(x) - srgb_decode(x)).max() < 0.002 for curve in curves)
    return near and bool(np.abs(matrix - SRGB_TO_PCS).max() < 0.002)


def _invert_table(table: np.ndarray, y: Tensor) -> Tensor:
    """The device value at which the piecewise linear ``table`` reaches ``y``."""
    rising = np.concatenate(([True], np.diff(table) > 0))  # of a flat run, keep its start
    values = torch.from_numpy(np.ascontiguousarray(table[rising])).to(y)
    places = torch.from_numpy(np.linspace(0, 1, len(table))[rising]).to(y)
    if len(values) < 2:
        return torch.zeros_like(y)
    i = torch.searchsorted(values, y.contiguous()).clamp(1, len(values) - 1)
    share = ((y - values[i - 1]) / (values[i] - values[i - 1])).clamp(0, 1)
    return places[i - 1] + share * (places[i] - places[i - 1])


def to_srgb(pixels: np.ndarray, profile: Profile, image: Tensor) -> None:
    """Fill ``image`` with the sRGB values of ``pixels``; colors outside sRGB are clipped to it.

    Args:
        pixels: (H, W, 1 or 3), uint8 or uint16, in the colors of ``profile`` (matrix or gray).
        profile: a gray profile goes with one channel; an RGB one with one or three.
        image: (1, 3, H, W) float32, written.
    """
    convert = srgb_converter(profile, pixels.dtype, pixels.shape[2])
    height, width = pixels.shape[:2]
    step = max(1, _BAND // width)
    for top in range(0, height, step):
        image[0, :, top : top + step] = convert(pixels[top : top + step])


def srgb_converter(profile: Profile, dtype: np.dtype, channels: int) -> Callable[[np.ndarray], Tensor]:
    """What turns rows of pixels, (h, W, channels) of ``dtype``, into sRGB, (3, h, W) float32; see ``to_srgb``."""
    levels = np.linspace(0, 1, np.iinfo(dtype).max + 1)
    tables = [torch.from_numpy(curve(levels).astype(np.float32)) for curve in profile.curves]
    if channels == 1 and len(tables) == 1:
        table = srgb_encode(tables[0].double().clamp(0, 1)).float()
        return lambda rows: table[torch.from_numpy(rows[..., 0].astype(np.int32))].expand(3, -1, -1)
    if profile.matrix is None:
        raise ProfileError("a gray profile cannot describe an RGB picture")
    matrix = torch.from_numpy(np.linalg.solve(SRGB_TO_PCS, profile.matrix).astype(np.float32))
    channel = [0, 0, 0] if channels == 1 else [0, 1, 2]

    def convert(rows: np.ndarray) -> Tensor:
        index = torch.from_numpy(rows.astype(np.int32))
        linear = torch.stack([tables[i][index[..., channel[i]]] for i in range(3)])
        return srgb_encode(torch.einsum("ij,jhw->ihw", matrix, linear).clamp_(0, 1))

    return convert


def from_srgb(image: Tensor, profile: Profile) -> Tensor:
    """Device values of ``profile`` (an RGB matrix profile) for sRGB values ``image``, (3, H, W) in [0, 1]."""
    if profile.matrix is None:
        raise ProfileError("only a matrix profile can be applied in float")
    matrix = torch.from_numpy(np.linalg.solve(profile.matrix, SRGB_TO_PCS)).to(image)
    linear = torch.where(image <= 0.04045, image / 12.92, ((image.clamp_min(0) + 0.055) / 1.055).pow(2.4))
    linear = torch.einsum("ij,jhw->ihw", matrix, linear).clamp_(0, 1)
    return torch.stack([curve.inverse(plane) for curve, plane in zip(profile.curves, linear)])
