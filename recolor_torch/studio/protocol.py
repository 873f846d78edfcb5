"""The messages between the page and the server, checked at the door."""

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from recolor_torch.studio.painted import Marks, parse_marks

LONGEST_MESSAGE = 16 * 2**20
LONGEST_TEXT = 2000
KINDS = ("automatic", "reference", "plain")


@dataclass(frozen=True)
class Recipe:
    """What the strokes correct.

    Args:
        kind: automatic (the network), reference (pictures whose colors are wanted), or plain (strokes alone).
        sample: of the automatic proposals: 0 the most likely one.
        references: keys of references.
        strength: 0 the target as it was, 1 the full result.
        trust: factor on the trust in the automatic proposal.
        text: colors for things, as "red dress, green lawn", in the automatic proposal.
    """

    kind: str = "automatic"
    sample: int = 0
    references: tuple[str, ...] = ()
    strength: float = 1.0
    trust: float = 1.0
    text: str = ""


@dataclass(frozen=True)
class Paint:
    """All strokes as they are now; ``moving`` while the brush is down."""

    seq: int
    moving: bool
    marks: Marks


@dataclass(frozen=True)
class Choose:
    """Another recipe."""

    seq: int
    recipe: Recipe


@dataclass(frozen=True)
class Suggest:
    """Which colors are likely at a place, in pixels of the picture."""

    id: int
    x: float
    y: float


@dataclass(frozen=True)
class Stop:
    """Whatever is slow may stop."""


Message = Paint | Choose | Suggest | Stop


def parse_message(text: str, size: tuple[int, int]) -> Message:
    """Read a message of the page.

    Args:
        text: JSON.
        size: (width, height) of the picture.

    Raises:
        ValueError: one sentence that says what is wrong.
    """
    if len(text) > LONGEST_MESSAGE:
        raise ValueError(f"A message may have {LONGEST_MESSAGE} characters, got {len(text)}.")
    try:
        data = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError("The message is not JSON.") from error
    if not isinstance(data, dict):
        raise ValueError("A message must be an object.")
    kind = data.get("type")
    try:
        if kind == "paint":
            return Paint(_whole(data, "seq"), data.get("moving") is True, parse_marks(data.get("marks"), size))
        if kind == "recipe":
            return Choose(_whole(data, "seq"), parse_recipe(data.get("recipe")))
        if kind == "suggest":
            x, y = _number(data, "x", 0, size[0]), _number(data, "y", 0, size[1])
            return Suggest(_whole(data, "id"), x, y)
        if kind == "stop":
            return Stop()
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The message of type {kind!r} cannot be used: {error}.") from error
    raise ValueError("The message has no known type. Known types: paint, recipe, suggest, stop.")


def parse_recipe(data: Any) -> Recipe:
    """Read a recipe.

    Raises:
        ValueError: one clause that says what is wrong.
    """
    if not isinstance(data, dict):
        raise ValueError("recipe must be an object")
    kind, references = data.get("kind", "automatic"), data.get("references", [])
    if kind not in KINDS:
        raise ValueError(f"recipe.kind must be one of {', '.join(KINDS)}")
    if not isinstance(references, list) or len(references) > 16 or not all(isinstance(r, str) for r in references):
        raise ValueError("recipe.references must be a list of at most 16 keys")
    sample = _whole(data, "sample", 0)
    if sample > 15:
        raise ValueError("sample must be at most 15")
    strength, trust = _number(data, "strength", 0, 1, 1.0), _number(data, "trust", 0.01, 100, 1.0)
    text = data.get("text", "")
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        raise ValueError(f"recipe.text must be a text of at most {LONGEST_TEXT} letters")
    return Recipe(kind, sample, tuple(references), strength, trust, " ".join(text.split()))


def encode_chroma(header: dict[str, Any], chroma: np.ndarray) -> bytes:
    """A frame of colors: length of the header, header as JSON, then U and V of each pixel as float16.

    Args:
        header: what the page has to know; the size is added.
        chroma: (2, H, W) float.
    """
    head = json.dumps({**header, "width": chroma.shape[2], "height": chroma.shape[1]}).encode()
    head += b" " * (-len(head) % 4)
    pixels = np.ascontiguousarray(chroma.transpose(1, 2, 0), dtype="<f2")
    return struct.pack("<I", len(head)) + head + pixels.tobytes()


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _whole(data: dict[str, Any], name: str, default: int | None = None) -> int:
    value = data.get(name, default)
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(f"{name} must be a whole number, 0 or more")
    return value


def _number(data: dict[str, Any], name: str, low: float, high: float, default: float | None = None) -> float:
    value = data.get(name, default)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}")
    return float(value)
