"""Links: a region of the target that takes its colors from a region of a reference."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

import numpy as np

from recolor_torch.text import short

MOST_LINKS = 200
Kind = Literal["rectangle", "polygon", "stroke"]
_KEYS = {"target", "reference", "name", "reference_size", "region"}
_SHAPES = 'a rectangle [x, y, width, height], {"polygon": [[x, y], ...]} or {"stroke": [[x, y], ...], "radius": r}'


@dataclass(frozen=True)
class Region:
    """A part of a picture.

    Args:
        kind: what ``points`` are: the upper left corner with width and height, the corners of a polygon, or the line of
            a round brush.
        points: (x, y) in pixels; the first pixel reaches from 0 to 1.
        radius: of the brush.
    """

    kind: Kind
    points: tuple[tuple[float, float], ...]
    radius: float = 0.0

    def to_data(self) -> Any:
        """As a file holds it."""
        if self.kind == "rectangle":
            return [*self.points[0], *self.points[1]]
        data: dict[str, Any] = {self.kind: [list(p) for p in self.points]}
        return data | ({"radius": self.radius} if self.kind == "stroke" else {})

    @property
    def outline(self) -> tuple[tuple[float, float], ...]:
        """Points between which the region lies, but for the radius."""
        if self.kind != "rectangle":
            return self.points
        (x, y), (width, height) = self.points
        return (x, y), (x + width, y + height)

    def scaled(self, fx: float, fy: float) -> "Region":
        """The same part of the picture at another size."""
        return replace(
            self, points=tuple((x * fx, y * fy) for x, y in self.points), radius=self.radius * (fx * fy) ** 0.5
        )

    def rasterize(self, picture: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """Pixels of which the center lies in the region, (H, W) bool; at least the one nearest to its middle.

        Args:
            picture: (width, height) that the points are for.
            size: (height, width) of the raster.
        """
        rows, columns = size
        x = (np.arange(columns) + 0.5) * (picture[0] / columns)
        y = (np.arange(rows)[:, None] + 0.5) * (picture[1] / rows)
        if self.kind == "rectangle":
            (x0, y0), (x1, y1) = self.outline
            mask = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
        elif self.kind == "polygon":
            mask = _inside_polygon(self.points, x, y)
        else:
            mask = _near_line(self.points, max(self.radius, 0.5), x, y)
        middle_x, middle_y = np.mean(self.outline, axis=0)
        if not mask.any() and 0 <= middle_x <= picture[0] and 0 <= middle_y <= picture[1]:
            mask[np.abs(y[:, 0] - middle_y).argmin(), np.abs(x - middle_x).argmin()] = True
        return mask


@dataclass(frozen=True)
class LinkShape:
    """A region of the target that takes its colors from a region of a reference.

    Args:
        target: in pixels of the hints' ``size``.
        reference: in pixels of ``reference_size``, or of the reference itself.
        name: file of the reference, see :func:`resolve_names`.
        reference_size: (width, height) of the picture that ``reference`` was drawn on, where that is not the file's.
    """

    target: Region
    reference: Region
    name: str
    reference_size: tuple[int, int] | None = None

    def to_data(self) -> dict[str, Any]:
        """As a file holds it; ``parse_links`` reads it."""
        size = {} if self.reference_size is None else {"reference_size": list(self.reference_size)}
        return {"target": self.target.to_data(), "reference": self.reference.to_data(), "name": self.name, **size}


def parse_links(data: Any) -> tuple[LinkShape, ...]:
    """Links of decoded JSON; older files have ``reference`` and ``region`` for ``name`` and ``reference``.

    Raises:
        ValueError: one clause that says where the mistake is: "links[0].target must be ...".

    Example:
        >>> parse_links([{"target": [0, 0, 9, 9], "reference": [3, 4, 5, 6], "name": "park.jpg"}])[0].reference.points
        ((3.0, 4.0), (5.0, 6.0))
    """
    if not isinstance(data, list):
        raise ValueError(f'"links" must be a list, got {short(data)}')
    if len(data) > MOST_LINKS:
        raise ValueError(f'"links" has {len(data)} entries, and {MOST_LINKS} are allowed')
    return tuple(_link(raw, f"links[{i}]") for i, raw in enumerate(data))


def unknown_keys(data: list[Any]) -> list[str]:
    """Keys of links that mean nothing here."""
    return [key for raw in data if isinstance(raw, dict) for key in raw if key not in _KEYS]


def resolve_names(names: Sequence[str], references: Sequence[Path], folder: Path) -> list[Path]:
    """The file that each name stands for.

    A name is a path, absolute or from the folder of the hints, or the last parts of the path of a reference: its
    file name, mostly. A file that is none of the references may be named by its path.

    Args:
        names: as links hold them, with ``/`` or ``\\``.
        references: those of the run.
        folder: of the hints file.

    Raises:
        ValueError: a name stands for no file, or for several references; one clause.
    """
    return [_resolve(name, references, folder, f"links[{i}].name") for i, name in enumerate(names)]


def _resolve(name: str, references: Sequence[Path], folder: Path, where: str) -> Path:
    parts = (PureWindowsPath if "\\" in name else PurePosixPath)(name).parts
    path = Path(*parts)
    exact = {os.path.realpath(folder / path), os.path.realpath(path)}
    for reference in references:
        if os.path.realpath(reference) in exact:
            return reference
    # ".." and "." say nothing of a path's end.
    tail = tuple(p for p in parts if p not in (".", ".."))
    named = [r for r in references if tail and r.absolute().parts[-len(tail) :] == tail]
    if len({os.path.realpath(r) for r in named}) > 1:
        raise ValueError(f"{where} fits several references, {named[0]} and {named[1]}: name a longer path")
    if named:
        return named[0]
    if os.path.isfile(folder / path):
        return folder / path
    known = ", ".join(r.name for r in references[:5]) + (", ..." if len(references) > 5 else "")
    others = f"none of the references ({known})" if references else "no reference of this run"
    raise ValueError(f"{where} is {short(name)}, which is {others} and no file beside these hints")


def _link(raw: Any, where: str) -> LinkShape:
    if not isinstance(raw, dict):
        raise ValueError(f"{where} must have the keys target, reference and name, got {short(raw)}")
    if "region" in raw and "name" not in raw:
        raw = {**raw, "name": raw.get("reference"), "reference": raw["region"]}
    target, reference = (_region(raw.get(key), f"{where}.{key}") for key in ("target", "reference"))
    name = raw.get("name")
    if not isinstance(name, str) or not name.strip() or len(name) > 4096 or "\0" in name:
        raise ValueError(f"{where}.name must be the file of a reference, got {short(name)}")
    size = raw.get("reference_size")
    if size is not None:
        if not isinstance(size, list) or len(size) != 2 or not all(type(n) is int and 1 <= n < 2**31 for n in size):
            raise ValueError(f"{where}.reference_size must be [width, height] in pixels, got {short(size)}")
        size = (size[0], size[1])
    return LinkShape(target, reference, name, size)


def _region(data: Any, where: str) -> Region:
    if isinstance(data, list):
        if len(data) != 4 or not all(map(_is_number, data)):
            raise ValueError(f"{where} must be {_SHAPES}, got {short(data)}")
        x, y, width, height = map(float, data)
        if width <= 0 or height <= 0:
            raise ValueError(f"{where} must have a positive width and height, got {short(data)}")
        return Region("rectangle", ((x, y), (width, height)))
    kind: Kind = "polygon" if isinstance(data, dict) and "polygon" in data else "stroke"
    if not isinstance(data, dict) or kind not in data:
        raise ValueError(f"{where} must be {_SHAPES}, got {short(data)}")
    points = data[kind]
    least = 3 if kind == "polygon" else 1
    if not isinstance(points, list) or not least <= len(points) <= 10_000:
        raise ValueError(f"{where}.{kind} must have {least} to 10000 points, got {short(points)}")
    for i, point in enumerate(points):
        if not isinstance(point, list) or len(point) != 2 or not all(map(_is_number, point)):
            raise ValueError(f"{where}.{kind}[{i}] must be [x, y], got {short(point)}")
    radius = data.get("radius", 0.0)
    if not _is_number(radius) or radius < 0:
        raise ValueError(f"{where}.radius must be 0 or more, got {short(radius)}")
    line = tuple((float(x), float(y)) for x, y in points)
    return Region(kind, line, float(radius) if kind == "stroke" else 0.0)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e9


def _inside_polygon(points: tuple[tuple[float, float], ...], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Even-odd: a ray to the right crosses an odd number of sides."""
    inside = np.zeros((len(y), len(x)), bool)
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1]):
        if y0 == y1:
            continue
        crossed = (y >= min(y0, y1)) & (y < max(y0, y1))
        inside ^= crossed & (x < x0 + (y - y0) * ((x1 - x0) / (y1 - y0)))
    return inside


def _near_line(points: tuple[tuple[float, float], ...], radius: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    mask = np.zeros((len(y), len(x)), bool)
    for (x0, y0), (x1, y1) in zip(points, points[1:] or points):
        dx, dy = x1 - x0, y1 - y0
        length = dx * dx + dy * dy
        along = np.clip(((x - x0) * dx + (y - y0) * dy) / length, 0, 1) if length > 0 else 0.0
        mask |= (x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2 <= radius * radius
    return mask
