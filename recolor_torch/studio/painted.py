"""What a person has painted on one picture: the page's strokes, and the file of hints."""

import json
from dataclasses import dataclass, replace
from typing import Any

from recolor_torch.hints.links import LinkShape, parse_links
from recolor_torch.hints.shapes import HintShapes, Stroke, parse_shapes

MOST_STROKES = 5000
MOST_POINTS = 200_000
# What the page writes beside the shape of a stroke.
_FLAGS = ("neutral", "hidden", "point")


@dataclass(frozen=True)
class Mark:
    """A stroke of the page.

    Args:
        stroke: its line, radius and color; a point is a stroke of one place.
        flags: of "neutral" (it keeps gray), "hidden" (it is left out), "point" (it was set as a point).
    """

    stroke: Stroke
    flags: frozenset[str] = frozenset()

    @property
    def hidden(self) -> bool:
        """Whether it is left out of the picture."""
        return "hidden" in self.flags

    def to_page(self) -> dict[str, Any]:
        """As the page holds it."""
        s = self.stroke
        plain: dict[str, Any] = {"points": [list(p) for p in s.points], "radius": s.radius, "color": s.color}
        return plain | dict.fromkeys(sorted(self.flags), True)


@dataclass(frozen=True)
class Marks:
    """All strokes in their order, and the links.

    Args:
        size: (width, height) of the picture.
        items: later ones lie over earlier ones.
        links: from regions of references.
    """

    size: tuple[int, int]
    items: tuple[Mark, ...] = ()
    links: tuple[LinkShape, ...] = ()

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        """Those that count."""
        return tuple(m.stroke for m in self.items if not m.hidden)

    @property
    def shapes(self) -> HintShapes:
        """The shapes that ``read_hints`` finds in the file."""
        return HintShapes(self.size, strokes=self.strokes, links=self.links)

    def to_page(self) -> dict[str, Any]:
        """As the page holds it; ``parse_marks`` reads it."""
        links = [link.to_data() for link in self.links]
        return {"size": list(self.size), "strokes": [m.to_page() for m in self.items], "links": links}

    def to_file(self, start: dict[str, Any] | None = None) -> str:
        """The text of a hints file: hidden strokes lie apart, where no method draws them.

        Args:
            start: what the studio starts from, which methods pass over.
        """
        shown, hidden = [], []
        for at, mark in enumerate(self.items):
            item = mark.to_page()
            if item.pop("hidden", False):
                hidden.append({"at": at, **item})
            else:
                shown.append(item)
        parts = {"strokes": shown, "links": [link.to_data() for link in self.links], "hidden": hidden}
        lines = [f'{{"size": {json.dumps(list(self.size))}, "points": []']
        for name, items in parts.items():
            if items or name == "strokes":
                body = ",\n".join(f"  {json.dumps(item)}" for item in items)
                lines.append(f',\n "{name}": [\n{body}\n ]')
        if start:
            lines.append(f',\n "start": {json.dumps(start)}')
        return "".join(lines) + "}\n"


def parse_marks(data: Any, size: tuple[int, int]) -> Marks:
    """Read what the page holds.

    Args:
        data: decoded JSON.
        size: (width, height) of the picture, which the marks have to be for.

    Raises:
        ValueError: one clause that says where the mistake is.
    """
    if not isinstance(data, dict) or data.get("size") != list(size):
        raise ValueError(f"marks must be an object with the size {list(size)}")
    strokes = data.get("strokes", [])
    if not isinstance(strokes, list) or len(strokes) > MOST_STROKES:
        raise ValueError(f"marks.strokes must be a list of at most {MOST_STROKES}")
    count = sum(len(s["points"]) for s in strokes if isinstance(s, dict) and isinstance(s.get("points"), list))
    if count > MOST_POINTS:
        raise ValueError(f"the strokes have {count} points, and {MOST_POINTS} are allowed")
    shapes = parse_shapes(json.dumps({"size": list(size), "strokes": strokes}))
    flags = [frozenset(f for f in _FLAGS if raw.get(f) is True) for raw in strokes]
    return Marks(size, tuple(map(Mark, shapes.strokes, flags)), parse_links(data.get("links", [])))


def parse_file(text: str) -> Marks:
    """Read a hints file of the JSON form, the studio's own parts included.

    Raises:
        ValueError: one clause that says where the mistake is.
    """
    shapes = parse_shapes(text)
    data = json.loads(text)
    flags = [frozenset(f for f in _FLAGS if raw.get(f) is True) for raw in data.get("strokes", [])]
    items = list(map(Mark, shapes.strokes, flags))
    items += [Mark(Stroke(((p.x, p.y),), p.radius, p.color), frozenset({"point"})) for p in shapes.points]
    hidden = data.get("hidden", [])
    if not isinstance(hidden, list) or not all(isinstance(h, dict) for h in hidden):
        raise ValueError('"hidden" must be a list of strokes')
    hidden_shapes = parse_shapes(json.dumps({"size": list(shapes.size), "strokes": hidden})).strokes
    for raw, stroke in zip(hidden, hidden_shapes):
        at = raw.get("at")
        own = frozenset(f for f in _FLAGS if raw.get(f) is True) | {"hidden"}
        items.insert(at if type(at) is int and 0 <= at <= len(items) else len(items), Mark(stroke, own))
    return Marks(shapes.size, tuple(items), parse_links(data.get("links", [])))


def scaled(marks: Marks, size: tuple[int, int]) -> Marks:
    """The marks on the same picture at another size, (width, height)."""
    if marks.size == size:
        return marks
    fx, fy = size[0] / marks.size[0], size[1] / marks.size[1]
    items = []
    for mark in marks.items:
        s = mark.stroke
        line = tuple((x * fx, y * fy) for x, y in s.points)
        items.append(Mark(Stroke(line, s.radius * (fx * fy) ** 0.5, s.color), mark.flags))
    links = tuple(replace(k, target=k.target.scaled(fx, fy)) for k in marks.links)
    return Marks(size, tuple(items), links)
