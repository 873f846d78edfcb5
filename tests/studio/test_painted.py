"""Marks: the page's strokes as a file of hints."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studios import SIZE, numbers, strokes

from recolor_torch.hints.links import LinkShape, Region
from recolor_torch.hints.shapes import Stroke, parse_shapes
from recolor_torch.studio.painted import MOST_POINTS, Mark, Marks, parse_file, parse_marks, scaled

flags = st.frozensets(st.sampled_from(["neutral", "hidden", "point"]))
rectangles = st.builds(
    lambda x, y, w, h: Region("rectangle", ((x, y), (w, h))),
    *[numbers] * 2,
    *[st.floats(1, 9).map(lambda x: round(x, 2))] * 2,
)
marks = st.builds(
    Marks,
    st.just(SIZE),
    st.lists(st.builds(Mark, strokes, flags), max_size=6).map(tuple),
    st.lists(st.builds(LinkShape, rectangles, rectangles, st.just("r0.png")), max_size=2).map(tuple),
)


@given(marks)
def test_page_and_file_hold_the_same_marks(m):
    assert parse_marks(json.loads(json.dumps(m.to_page())), SIZE) == m
    assert parse_file(m.to_file()) == m


@given(marks)
def test_every_reader_of_hints_sees_the_shown_strokes_alone(m):
    assert parse_shapes(m.to_file()).strokes == m.strokes


def test_scaled_marks_cover_the_same_part():
    mark = Mark(Stroke(((10, 10), (50, 30)), 4, "#ff0000"))
    large = scaled(Marks(SIZE, (mark,)), (120, 80))
    assert large.items[0].stroke == Stroke(((20, 20), (100, 60)), 8, "#ff0000")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "size"),
        ({"size": [9, 9]}, "size"),
        ({"size": [60, 40], "strokes": 3}, "list"),
        ({"size": [60, 40], "strokes": [{"points": [], "color": "#ff0000"}]}, "points"),
        ({"size": [60, 40], "strokes": [{"points": [[1, "x"]], "color": "#ff0000"}]}, "number"),
        ({"size": [60, 40], "strokes": [{"points": [[1, 1]], "color": "red"}]}, "rrggbb"),
        ({"size": [60, 40], "strokes": [{"points": [[1, 1]] * (MOST_POINTS + 1), "color": "#ff0000"}]}, "allowed"),
        ({"size": [60, 40], "links": [{"name": "r0", "target": [0, 0, 1]}]}, "rectangle"),
        (
            {"size": [60, 40], "links": [{"name": "r0", "target": [0, 0, 0, 1], "reference": [0, 0, 1, 1]}]},
            "positive",
        ),
    ],
)
def test_bad_marks_are_refused_with_a_reason(data, message):
    with pytest.raises(ValueError, match=message):
        parse_marks(data, SIZE)
