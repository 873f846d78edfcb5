"""The pixels of what was painted: drawn anew only where strokes are new."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.hints.shapes import HintShapes, Stroke

# Pixels of a picture that are drawn at a time.
BAND = 1_000_000


@dataclass
class StrokeRaster:
    """The pixels of strokes at one size, drawn anew only where strokes are new.

    Args:
        size: (height, width) of the raster.
    """

    size: tuple[int, int]
    drawn: tuple[Stroke, ...] = ()
    picture: tuple[int, int] = (0, 0)
    colors: np.ndarray = field(init=False)
    mask: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.colors = np.zeros((*self.size, 3), np.uint8)
        self.mask = np.zeros(self.size, bool)
        self.drawn = ()

    def draw(self, shapes: HintShapes) -> tuple[np.ndarray, np.ndarray]:
        """Colors (H, W, 3) uint8 and mask (H, W) of ``shapes``, as ``HintShapes.rasterize`` gives them."""
        strokes = shapes.strokes
        if self.picture != shapes.size or strokes[: len(self.drawn)] != self.drawn:
            self._clear()
            self.picture = shapes.size
        # The last stroke is the one that grows: it is drawn on a copy.
        settled = max(len(self.drawn), len(strokes) - 1)
        self._add(self.colors, self.mask, strokes[len(self.drawn) : settled])
        self.drawn = strokes[:settled]
        colors, mask = self.colors.copy(), self.mask.copy()
        self._add(colors, mask, strokes[settled:])
        return colors, mask

    def _add(self, colors: np.ndarray, mask: np.ndarray, strokes: tuple[Stroke, ...]) -> None:
        if strokes:
            new, where = HintShapes(self.picture, strokes=strokes).rasterize(self.size)
            colors[where] = new[where]
            mask |= where


@dataclass
class Reduction:
    """Hints of a large picture at a smaller size, as ``resize_hints`` makes them of its pixels, a few rows at a time.

    The pixels of a picture of 24 megapixels are never held: bands of rows are drawn, reduced and kept by the strokes
    that reach into them.

    Args:
        full: (height, width) of the picture.
        size: (height, width) of the result.
    """

    full: tuple[int, int]
    size: tuple[int, int]
    kept: dict[int, tuple[tuple[Stroke, ...], Tensor, Tensor]] = field(default_factory=dict)

    def draw(self, shapes: HintShapes) -> tuple[Tensor, Tensor]:
        """Colors in sRGB, (1, 3, h, w) in [0, 1], and mask, (1, 1, h, w), of ``shapes``."""
        height = self.size[0]
        step = max(1, BAND * height // (self.full[0] * self.full[1]))
        boxes = [_rows_of(s, shapes.size[1], self.full[0]) for s in shapes.strokes]
        bands = []
        for top in range(0, height, step):
            first, last = _source(top, min(height, top + step), self.full[0], height)
            strokes = tuple(s for s, (low, high) in zip(shapes.strokes, boxes) if low < last and high > first)
            known = self.kept.get(top)
            if known is None or known[0] != strokes:
                known = strokes, *self._band(HintShapes(shapes.size, strokes=strokes), top, min(height, top + step))
                self.kept[top] = known
            bands.append(known[1:])
        colors, masks = zip(*bands)
        return torch.cat(colors, 2), torch.cat(masks, 2)

    def _band(self, shapes: HintShapes, top: int, bottom: int) -> tuple[Tensor, Tensor]:
        width = self.size[1]
        colors, known = torch.zeros(1, 3, bottom - top, width), torch.zeros(1, 1, bottom - top, width)
        if not shapes.strokes:
            return colors, known
        first, last = _source(top, bottom, *(n[0] for n in (self.full, self.size)))
        pixels, mask = shapes.rasterize(self.full, rows=(first, last))
        for row in range(top, bottom):
            a, b = (n - first for n in _source(row, row + 1, self.full[0], self.size[0]))
            if not mask[a:b].any():
                continue
            painted = torch.from_numpy(mask[a:b])[None, None].float()
            image = torch.from_numpy(pixels[a:b]).permute(2, 0, 1)[None].float() / 255
            share = F.adaptive_avg_pool2d(painted, (1, width))
            colors[:, :, row - top] = (F.adaptive_avg_pool2d(image * painted, (1, width)) / share.clamp(min=1e-12))[
                ..., 0, :
            ]
            known[:, :, row - top] = (share > 0).float()[..., 0, :]
        return colors, known


def _source(top: int, bottom: int, height: int, rows: int) -> tuple[int, int]:
    """The rows of ``height`` that are averaged to the rows from ``top`` to before ``bottom`` of ``rows``."""
    return top * height // rows, -(-bottom * height // rows)


def _rows_of(stroke: Stroke, own: int, rows: int) -> tuple[float, float]:
    """The rows of the picture that a stroke may reach, with room to spare, in a picture of ``rows``."""
    unit, down = rows / own, [y for _, y in stroke.points]
    return (min(down) - stroke.radius - 1) * unit - 2, (max(down) + stroke.radius + 1) * unit + 2
