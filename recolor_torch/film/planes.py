"""Planes of a film's frames, and the step from chroma of ``color.yuv`` to the U and V of a file's own matrix."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.color.yuv import chroma_to_rgb_offset
from recolor_torch.film.color_tags import MATRICES
from recolor_torch.film.probing import FilmInfo

# Semi-planar formats: U and V in turn in one plane. Their samples stand in the upper bits of 16.
_UPPER_BITS = ("p010le", "p012le", "p210le", "p212le", "p410le", "p412le")


def get_planes(frame: Any) -> list[np.ndarray]:
    """Copies of a frame's Y and, where it has them, U and V: (H, W) and the chroma's size, uint8 or uint16."""
    frame = _plain(frame)
    form = frame.format
    kind = np.uint16 if form.components[0].bits > 8 else np.uint8
    down = 16 - form.components[0].bits if form.name in _UPPER_BITS else 0
    planes: list[np.ndarray] = []
    for component in form.components[: 3 if len(form.components) > 2 else 1]:
        width, height = component.width, component.height
        plane = _array(frame.planes[component.plane], kind)
        shared = sum(c.plane == component.plane for c in form.components)
        if shared == 1:
            part = plane[:height, :width]
        else:
            place = sum(c.plane == component.plane for c in form.components[: len(planes)])
            part = plane[:height, place : 2 * width : 2]
        planes.append((part >> down) if down else part.copy())
    if form.name in ("nv21", "nv42"):
        planes[1:] = planes[:0:-1]
    return planes


def _plain(frame: Any) -> Any:
    """The frame as planes of native byte order; RGB and palettes as YUV 4:4:4 of BT.709, full range."""
    form = frame.format
    if form.is_rgb or form.has_palette or not any(c.is_luma for c in form.components):
        depth = 8 if form.has_palette else max(c.bits for c in form.components)
        wanted = "yuv444p" if depth == 8 else f"yuv444p{min(16, depth + depth % 2)}le"
        return frame.reformat(format=wanted, dst_colorspace="ITU709", dst_color_range="JPEG")
    if form.is_big_endian:
        return frame.reformat(format=form.name.removesuffix("be") + "le")
    if len({c.plane for c in form.components}) == 1 and len(form.components) > 1:  # packed, such as yuyv422
        across = form.components[1].width < form.components[0].width
        wanted = f"yuv4{'22' if across else '44'}p" + ("" if form.components[0].bits == 8 else "10le")
        return frame.reformat(format=wanted)
    return frame


def set_planes(frame: Any, planes: list[np.ndarray]) -> None:
    """Fill a planar frame."""
    for plane, values in zip(frame.planes, planes):
        _array(plane, values.dtype)[: values.shape[0], : values.shape[1]] = values


def _array(plane: Any, kind: Any) -> np.ndarray:
    """A plane as rows; padding included. Bottom-up rows do not occur after decoding."""
    size = np.dtype(kind).itemsize
    return np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // size)


def luma_to_luminance(luma: np.ndarray, info: FilmInfo) -> Tensor:
    """Y of the file as luminance in [0, 1], (1, 1, H, W); blacker than black and whiter than white are cut off."""
    black, span = luma_levels(info)
    return torch.from_numpy(luma.astype(np.float32)).sub_(black).div_(span).clamp_(0, 1)[None, None]


def luma_levels(info: FilmInfo) -> tuple[int, int]:
    """The level of black, and how many levels white is above it."""
    if info.full_range:
        return 0, 2**info.depth - 1
    unit = 2 ** (info.depth - 8)
    return 16 * unit, 219 * unit


def rgb_to_planes(image: Tensor, info: FilmInfo) -> list[np.ndarray]:
    r"""The planes of a film's frame from a picture: Y, and U and V where ``info`` has chroma.

    With the weights k of the film's matrix, on the values as they are in sRGB,

    .. math::
        Y = \mathrm{round}(b + s \, (k_R R + k_G G + k_B B))

    where black is b and white b + s (``luma_levels``). In full range a gray picture of the same depth is its own Y.

    Args:
        image: sRGB, (1, 3, H, W) in [0, 1].
        info: matrix, range, depth and subsampling.
    """
    _, red, blue = MATRICES[info.matrix]
    gray = red * image[:, :1] + (1 - red - blue) * image[:, 1:2] + blue * image[:, 2:]
    kind, top = (np.uint8 if info.depth == 8 else np.uint16), 2**info.depth - 1
    black, span = luma_levels(info)
    planes = [(gray * span + black).round_().clamp_(0, top)[0, 0].numpy().astype(kind)]
    if info.has_chroma:
        own = torch.cat(((image[:, 2:] - gray) / (2 * (1 - blue)), (image[:, :1] - gray) / (2 * (1 - red))), 1)
        height, width = image.shape[-2:]
        size = (-(-height // 2 ** info.shift[1]), -(-width // 2 ** info.shift[0]))
        neutral, levels = chroma_levels(info)
        values = _sited(own, size, info.shift[0], width).mul_(levels).add_(neutral).round_().clamp_(0, top)
        planes += [plane.astype(kind) for plane in values[0].numpy()]
    return planes


def chroma_levels(info: FilmInfo) -> tuple[int, float]:
    """The level of neutral, and the levels of a chroma of 1 (from -0.5 to 0.5)."""
    if info.full_range:
        return 2 ** (info.depth - 1), 2**info.depth - 1
    unit = 2 ** (info.depth - 8)
    return 128 * unit, 224 * unit


def matrix_of(info: FilmInfo) -> Tensor:
    r"""The 2 x 2 matrix from U, V of ``color.yuv`` to those of the file's matrix.

    A chroma adds an offset d to the gray pixel. In the file's matrix with weights k the pixel keeps its luma Y, so its
    color is :math:`Y + d - k \cdot d`, which is linear in U and V. For BT.601 the matrix is the identity.
    """
    _, red, blue = MATRICES[info.matrix]
    weights = torch.tensor([red, 1 - red - blue, blue], dtype=torch.float64)
    columns = []
    for unit in ((1.0, 0.0), (0.0, 1.0)):
        offset = chroma_to_rgb_offset(torch.tensor(unit, dtype=torch.float64).view(1, 2, 1, 1)).flatten()
        offset = offset - weights @ offset
        columns.append(torch.stack((offset[2] / (2 * (1 - blue)), offset[0] / (2 * (1 - red)))))
    return torch.stack(columns, 1)


def chroma_to_planes(chroma: Tensor, luma: np.ndarray, info: FilmInfo, shift: tuple[int, int]) -> list[np.ndarray]:
    """U and V planes of the file for a frame.

    Args:
        chroma: of ``color.yuv``, (1, 2, h, w), any size; enlarged by bicubic interpolation to the sites of the file's
            chroma samples (in the middle between columns for 4:2:0 and 4:2:2 only where FFmpeg's default, the left, is
            not).
        luma: the frame's Y, for the gamut.
        info: matrix, range and depth.
        shift: the subsampling of the output, as in ``FilmInfo``.
    """
    height, width = luma.shape
    size = (-(-height // 2 ** shift[1]), -(-width // 2 ** shift[0]))
    gray = luma_to_luminance(luma, info)
    gray = F.avg_pool2d(gray, (2 ** shift[1], 2 ** shift[0]), ceil_mode=True, count_include_pad=False)
    placed = _sited(chroma.float(), size, shift[0], width)
    _, factor = _offset(placed, gray, info)
    own = torch.einsum("ij,bjhw->bihw", matrix_of(info).float(), placed)
    neutral, levels = chroma_levels(info)
    lowest = 0 if info.full_range else 16 * 2 ** (info.depth - 8)
    top = 2**info.depth - 1 if info.full_range else 240 * 2 ** (info.depth - 8)
    values = (own * factor * levels + neutral).round_().clamp_(lowest, top)[0].numpy()
    kind = np.uint8 if info.depth == 8 else np.uint16
    return [values[0].astype(kind), values[1].astype(kind)]


def chroma_to_rgb(chroma: Tensor, luma: np.ndarray, info: FilmInfo) -> Tensor:
    """The frame in RGB, (1, 3, H, W) in [0, 1], with the file's Y by its own matrix.

    Args:
        chroma: of ``color.yuv``, (1, 2, h, w), any size.
        luma: the frame's Y.
        info: matrix, range and depth.
    """
    gray = luma_to_luminance(luma, info)
    offset, factor = _offset(_sited(chroma.float(), luma.shape, 0, luma.shape[1]), gray, info)
    return (gray + factor * offset).clamp(0, 1)


def _offset(chroma: Tensor, gray: Tensor, info: FilmInfo) -> tuple[Tensor, Tensor]:
    """What a chroma adds to gray, (1, 3, H, W), and the share of it that RGB has room for, (1, 1, H, W)."""
    offset = chroma_to_rgb_offset(chroma)
    _, red, blue = MATRICES[info.matrix]
    offset = offset - (red * offset[:, :1] + (1 - red - blue) * offset[:, 1:2] + blue * offset[:, 2:])
    room = torch.where(offset > 0, 1 - gray, gray)
    return offset, (room / offset.abs().clamp(min=1e-6)).amin(1, keepdim=True).clamp(0, 1)


def planes_to_chroma(planes: list[np.ndarray], info: FilmInfo, size: tuple[int, int]) -> Tensor:
    """The chroma of ``color.yuv`` that U and V planes hold, (1, 2, h, w) at ``size``; for references and measuring."""
    neutral, levels = chroma_levels(info)
    own = torch.stack([torch.from_numpy(p.astype(np.float32)) for p in planes[1:]])[None].sub(neutral).div(levels)
    chroma = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(matrix_of(info)).float(), own)
    if tuple(chroma.shape[-2:]) == tuple(size):
        return chroma
    return F.interpolate(chroma, size=size, mode="bicubic", align_corners=False, antialias=True)


def _sited(chroma: Tensor, size: tuple[int, int], across: int, width: int) -> Tensor:
    """Bicubic at the sites of the chroma samples: with halved columns, at the left of the two, as MPEG-2 has it."""
    if tuple(chroma.shape[-2:]) == size:
        return chroma
    if chroma.shape[-2] > size[0] or chroma.shape[-1] > size[1]:
        return F.interpolate(chroma, size=size, mode="bicubic", align_corners=False, antialias=True)
    step = 2**across
    x = (torch.arange(size[1]) * step + 0.5 if step > 1 else torch.arange(size[1]) + 0.5) * (2 / width) - 1
    y = (torch.arange(size[0]) + 0.5) * (2 / size[0]) - 1
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None].to(chroma)
    return F.grid_sample(chroma, grid, mode="bicubic", padding_mode="border", align_corners=False)
