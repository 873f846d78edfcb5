"""Hints as points and strokes: the JSON form, and the one way in which shapes become pixels."""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from recolor_torch.hints.links import LinkShape, parse_links, unknown_keys
from recolor_torch.text import parse_json, short

# A stroke thinner than this half width (pixels of the raster) would have gaps.
LEAST_HALF_WIDTH = 0.5
# Of a file, and of a point or stroke; those that only the studio reads are among them.
_KEYS = {"size", "points", "strokes", "links", "hidden", "start"}
_ITEM_KEYS = {"x", "y", "radius", "color", "points", "neutral", "point"}
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Point:
    """A disk of one color.

    Args:
        x: position across, in pixels of ``HintShapes.size``; the centre of the first pixel is at .5.
        y: position down.
        radius: a pixel is covered where its centre is at most this far; the pixel that holds the point always is.
        color: "#rrggbb", sRGB.
    """

    x: float
    y: float
    radius: float
    color: str


@dataclass(frozen=True)
class Stroke:
    """A line through ``points`` (x, y), drawn with a round brush; see ``Point`` for the rest."""

    points: tuple[tuple[float, float], ...]
    radius: float
    color: str


@dataclass(frozen=True)
class HintShapes:
    """What a JSON file of hints holds.

    Args:
        size: (width, height) of the picture that the positions are for.
        points: drawn after the strokes, each over what came before.
        strokes: drawn in their order.
        links: regions that take their colors from regions of references.
        unknown: keys of the file that mean nothing here.
    """

    size: tuple[int, int]
    points: tuple[Point, ...] = ()
    strokes: tuple[Stroke, ...] = ()
    links: tuple[LinkShape, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the file does not count, a clause each."""
        width, height = self.size
        points = sum(not self.touches([(p.x, p.y)], p.radius) for p in self.points)
        strokes = sum(not self.touches(s.points, s.radius) for s in self.strokes)
        links = sum(not self.touches(k.target.outline, k.target.radius) for k in self.links)
        notes = []
        all_of = ((points, self.points, "points"), (strokes, self.strokes, "strokes"), (links, self.links, "links"))
        for count, total, what in all_of:
            if count:
                notes.append(f"{count} of {len(total)} {what} lie outside of {width} x {height} and do not count")
        if self.unknown:
            notes.append(f"unknown keys were passed over: {', '.join(self.unknown)}")
        return tuple(notes)

    def touches(self, points: Iterable[tuple[float, float]], radius: float) -> bool:
        """Whether the box around a shape reaches into the picture."""
        across, down = zip(*points)
        width, height = self.size
        return (
            min(across) - radius < width
            and max(across) + radius > 0
            and min(down) - radius < height
            and max(down) + radius > 0
        )

    def rasterize(
        self, size: tuple[int, int] | None = None, rows: tuple[int, int] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The pixels: colors (H, W, 3) uint8, and a mask (H, W), both for ``size``, (height, width).

        Distances are measured in the shapes' own pixels, so that a shape covers the same part of the
        picture at every size. Nothing is blended: a pixel has one shape's color or none.

        Args:
            size: of the picture; the shapes' own without it.
            rows: from and to, for these rows of the picture alone.
        """
        width, height = self.size
        full, columns = size or (height, width)
        canvas = _Canvas(rows or (0, full), columns, height / full, width / columns)
        for stroke in self.strokes:
            canvas.draw_stroke(stroke)
        for point in self.points:
            canvas.draw_point(point)
        return canvas.colors, canvas.mask

    def to_json(self) -> str:
        """The text of a file; ``parse_shapes`` reads it."""
        points = [{"x": p.x, "y": p.y, "radius": p.radius, "color": p.color} for p in self.points]
        strokes = [{"points": [list(p) for p in s.points], "radius": s.radius, "color": s.color} for s in self.strokes]
        lines = [f'{{"size": {json.dumps(list(self.size))},', ' "points": [', *_lines(points), " ],"]
        links = [link.to_data() for link in self.links]
        more = [" ],", ' "links": [', *_lines(links), " ]}"] if links else [" ]}"]
        return "\n".join([*lines, ' "strokes": [', *_lines(strokes), *more]) + "\n"


def parse_shapes(text: str) -> HintShapes:
    """Read the JSON form.

    Raises:
        ValueError: one clause that says where the mistake is: "points[3].color must be ...".

    Example:
        >>> parse_shapes('{"size": [4, 3], "points": [{"x": 1.5, "y": 1.5, "color": "#ff0000"}]}').points[0].radius
        0.0
    """
    data = parse_json(text)
    if not isinstance(data, dict) or "size" not in data:
        raise ValueError('it needs the keys "size" and "points" or "strokes"')
    size = data["size"]
    if not isinstance(size, list) or len(size) != 2 or not all(type(n) is int and 1 <= n < 2**31 for n in size):
        raise ValueError(f'"size" must be [width, height] in pixels, got {short(size)}')
    points = tuple(_point(p, f"points[{i}]") for i, p in enumerate(_list(data, "points")))
    strokes = tuple(_stroke(s, f"strokes[{i}]") for i, s in enumerate(_list(data, "strokes")))
    return HintShapes((size[0], size[1]), points, strokes, parse_links(data.get("links", [])), _unknown(data))


def _unknown(data: dict[str, Any]) -> tuple[str, ...]:
    """Keys that neither this form nor the studio knows, which are often slips: "color", "stroke"."""
    items = [item for key in ("points", "strokes") for item in data.get(key, []) if isinstance(item, dict)]
    found = dict.fromkeys(key for key in data if key not in _KEYS)
    found |= dict.fromkeys(key for item in items for key in item if key not in _ITEM_KEYS)
    found |= dict.fromkeys(unknown_keys(data.get("links", [])))
    return tuple(short(key) for key in list(found)[:5])


def shapes_from_pixels(colors: np.ndarray, mask: np.ndarray) -> HintShapes:
    """Shapes that give exactly these pixels back: a stroke for each run of one color in a row.

    Args:
        colors: (H, W, 3) uint8.
        mask: (H, W), true at hints.
    """
    height, width = mask.shape
    code = (colors.astype(np.int64) @ np.array([65536, 256, 1])) * mask - ~mask.astype(bool)
    change = np.ones((height, width), bool)
    change[:, 1:] = code[:, 1:] != code[:, :-1]
    flat, starts = code.ravel(), np.flatnonzero(change)
    ends = np.append(starts[1:], code.size) - 1
    points, strokes = [], []
    for start, end, value in zip(starts.tolist(), ends.tolist(), flat[starts].tolist()):
        if value < 0:
            continue
        y, color = start // width + 0.5, f"#{value:06x}"
        first, last = start % width + 0.5, end % width + 0.5
        if first == last:
            points.append(Point(first, y, LEAST_HALF_WIDTH, color))
        else:
            strokes.append(Stroke(((first, y), (last, y)), LEAST_HALF_WIDTH, color))
    return HintShapes((width, height), tuple(points), tuple(strokes))


class _Canvas:
    """Some rows of a raster whose pixel is ``dy`` by ``dx`` of the shapes' units."""

    def __init__(self, rows: tuple[int, int], columns: int, dy: float, dx: float) -> None:
        self.first, self.end = rows
        self.colors = np.zeros((self.end - self.first, columns, 3), np.uint8)
        self.mask = np.zeros((self.end - self.first, columns), bool)
        self.dy, self.dx = dy, dx

    def draw_point(self, point: Point) -> None:
        self._capsule(point.x, point.y, point.x, point.y, point.radius, point.color)
        self._pixel(point.x, point.y, point.color)

    def draw_stroke(self, stroke: Stroke) -> None:
        radius = max(stroke.radius, LEAST_HALF_WIDTH * max(self.dx, self.dy))
        # A stroke of one point is a disk; the pixels that hold its points always belong to a stroke.
        for (x0, y0), (x1, y1) in zip(stroke.points, stroke.points[1:] or stroke.points):
            self._capsule(x0, y0, x1, y1, radius, stroke.color)
        for x, y in stroke.points:
            self._pixel(x, y, stroke.color)

    def _pixel(self, x: float, y: float, color: str) -> None:
        """Cover the pixel that holds a position."""
        row, column = math.floor(y / self.dy), math.floor(x / self.dx)
        if self.first <= row < self.end and 0 <= column < self.mask.shape[1]:
            self.colors[row - self.first, column] = _rgb(color)
            self.mask[row - self.first, column] = True

    def _capsule(self, x0: float, y0: float, x1: float, y1: float, radius: float, color: str) -> None:
        """Cover the pixels whose centre is at most ``radius`` from the segment."""
        down, across = (self.first, self.end), (0, self.mask.shape[1])
        top, bottom = self._range(min(y0, y1) - radius, max(y0, y1) + radius, self.dy, down)
        left, right = self._range(min(x0, x1) - radius, max(x0, x1) + radius, self.dx, across)
        if top >= bottom or left >= right:
            return
        y = (np.arange(top, bottom) + 0.5)[:, None] * self.dy - y0
        x = (np.arange(left, right) + 0.5) * self.dx - x0
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        along = np.clip((x * (x1 - x0) + y * (y1 - y0)) / length, 0, 1) if length > 0 else 0.0
        distance = (x - along * (x1 - x0)) ** 2 + (y - along * (y1 - y0)) ** 2
        # A pixel centre right on the edge belongs to the shape, whatever the rounding.
        inside = distance <= radius**2 * (1 + 1e-9) + 1e-18
        here = slice(top - self.first, bottom - self.first), slice(left, right)
        self.colors[here][inside] = _rgb(color)
        self.mask[here] |= inside

    @staticmethod
    def _range(low: float, high: float, step: float, within: tuple[int, int]) -> tuple[int, int]:
        first = max(float(within[0]), math.floor(low / step) - 1.0)
        last = min(float(within[1]), math.ceil(high / step) + 1.0)
        return int(min(first, within[1])), int(max(last, within[0]))


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _list(data: dict[str, Any], key: str) -> list[Any]:
    value = data.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f'"{key}" must be a list, got {short(value)}')
    return value


def _point(data: Any, where: str) -> Point:
    if not isinstance(data, dict):
        raise ValueError(f"{where} must have the keys x, y, radius and color, got {short(data)}")
    x, y = _number(data.get("x"), f"{where}.x"), _number(data.get("y"), f"{where}.y")
    return Point(x, y, *_brush(data, where))


def _stroke(data: Any, where: str) -> Stroke:
    if not isinstance(data, dict) or not isinstance(data.get("points"), list) or not data["points"]:
        raise ValueError(f"{where} must have the keys points, radius and color, got {short(data)}")
    points = []
    for i, point in enumerate(data["points"]):
        if not isinstance(point, list) or len(point) != 2:
            raise ValueError(f"{where}.points[{i}] must be [x, y], got {short(point)}")
        points.append((_number(point[0], f"{where}.points[{i}]"), _number(point[1], f"{where}.points[{i}]")))
    return Stroke(tuple(points), *_brush(data, where))


def _brush(data: dict[str, Any], where: str) -> tuple[float, str]:
    radius = _number(data.get("radius", 0.0), f"{where}.radius")
    if radius < 0:
        raise ValueError(f"{where}.radius must be 0 or more, got {radius:g}")
    color = data.get("color")
    if not isinstance(color, str) or not _COLOR.fullmatch(color):
        raise ValueError(f'{where}.color must be "#rrggbb", got {short(color)}')
    return radius, color.lower()


def _number(value: Any, where: str) -> float:
    if type(value) not in (int, float) or not abs(value) < 1e9:
        raise ValueError(f"{where} must be a number, got {short(value)}")
    return float(value)


def _lines(items: list[dict[str, Any]]) -> list[str]:
    return [f"  {json.dumps(item)}{',' if i + 1 < len(items) else ''}" for i, item in enumerate(items)]
