"""Messages: what is right is read, and whatever is wrong is one sentence."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recolor_torch.studio.protocol import (
    LONGEST_MESSAGE,
    Choose,
    Paint,
    Recipe,
    Stop,
    Suggest,
    encode_chroma,
    parse_message,
)

SIZE = (60, 40)
STROKE = {"points": [[1, 2], [3, 4]], "radius": 2, "color": "#ff0000"}
PAINT = {"type": "paint", "seq": 3, "moving": True, "marks": {"size": [60, 40], "strokes": [STROKE]}}


def test_messages_are_read():
    paint = parse_message(json.dumps(PAINT), SIZE)
    assert isinstance(paint, Paint)
    assert paint.moving
    assert paint.marks.strokes[0].points == ((1, 2), (3, 4))
    recipe = {"kind": "reference", "references": ["r0"], "strength": 0.5}
    choose = parse_message(json.dumps({"type": "recipe", "seq": 1, "recipe": recipe}), SIZE)
    assert choose == Choose(1, Recipe("reference", 0, ("r0",), 0.5))
    assert parse_message('{"type": "suggest", "id": 7, "x": 1.5, "y": 40}', SIZE) == Suggest(7, 1.5, 40)
    assert parse_message('{"type": "stop"}', SIZE) == Stop()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def refusal(text):
    """Why a message is refused, or None where it is read; any other error is a failure."""
    try:
        parse_message(text, SIZE)
    except ValueError as error:
        return str(error)
    return None


def paths(value, at=()):
    yield at
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*at, key))
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from paths(part, (*at, i))


@settings(max_examples=300)
@given(st.sampled_from(list(paths(PAINT))[1:]), json_values, st.booleans())
def test_a_message_with_anything_at_any_place_is_read_or_refused(path, value, drop):
    data = json.loads(json.dumps(PAINT))
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    reason = refusal(json.dumps(data))
    assert reason is None or (reason.endswith(".") and "\n" not in reason)


@settings(max_examples=300)
@given(st.text(max_size=60) | json_values.map(json.dumps) | st.sampled_from(["[" * 100_000, "9" * 10_000, '{"type":']))
def test_any_text_is_read_or_refused(text):
    assert refusal(text) != ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * (LONGEST_MESSAGE + 1), "characters"),
        ("{", "not JSON"),
        ("[]", "object"),
        ('{"type": "eval"}', "known type"),
        ('{"type": "suggest", "id": 1, "x": 61, "y": 1}', "x must be a number from 0 to 60"),
        ('{"type": "suggest", "id": 1, "x": NaN, "y": 1}', "not JSON"),
        ('{"type": "suggest", "id": 1, "x": 1e999, "y": 1}', "x must be"),
        ('{"type": "suggest", "id": true, "x": 1, "y": 1}', "id must be"),
        ('{"type": "recipe", "seq": 1, "recipe": {"kind": "shell"}}', "kind"),
        ('{"type": "recipe", "seq": 1, "recipe": {"strength": 2}}', "strength"),
        ('{"type": "recipe", "seq": 1, "recipe": {"text": 3}}', "text"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(ValueError, match=message):
        parse_message(text, SIZE)


def test_chroma_comes_with_its_header():
    chroma = np.linspace(-0.5, 0.5, 2 * 3 * 5, dtype=np.float32).reshape(2, 3, 5)
    data = encode_chroma({"seq": 4}, chroma)
    (length,) = struct.unpack_from("<I", data)
    assert length % 4 == 0  # the page reads half floats in place
    assert json.loads(data[4 : 4 + length]) == {"seq": 4, "width": 5, "height": 3}
    pixels = np.frombuffer(data, "<f2", offset=4 + length).reshape(3, 5, 2)
    assert np.abs(pixels.transpose(2, 0, 1) - chroma).max() < 3e-4
