"""Links: read, checked, drawn, written again."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.draw import polygon2mask

from recolor_torch.hints.links import LinkShape, Region, parse_links, resolve_names
from recolor_torch.hints.read import HintError, encode_hints, read_hints
from recolor_torch.hints.shapes import HintShapes, parse_shapes

BOX = [2, 3, 10, 5]
LINK = {"target": BOX, "reference": [0, 0, 4, 4], "name": "park.jpg"}
numbers = st.floats(-20, 80).map(lambda x: round(x, 3))
sides = st.floats(0.01, 50).map(lambda x: round(x, 3))
places = st.tuples(numbers, numbers)
regions = st.one_of(
    st.builds(lambda *p: Region("rectangle", p), places, st.tuples(sides, sides)),
    st.lists(places, min_size=3, max_size=6).map(lambda p: Region("polygon", tuple(p))),
    st.builds(lambda p, r: Region("stroke", tuple(p), r), st.lists(places, min_size=1, max_size=4), sides),
)
sizes = st.none() | st.tuples(st.integers(1, 99), st.integers(1, 99))
links = st.builds(LinkShape, regions, regions, st.text(min_size=1).filter(lambda s: s.strip() and "\0" not in s), sizes)


@given(st.lists(links, max_size=3).map(tuple))
def test_a_file_gives_the_links_back(some):
    assert parse_shapes(HintShapes((60, 40), links=some).to_json()).links == some


def test_the_older_form_is_read():
    old = {"target": BOX, "reference": "park.jpg", "region": [0, 0, 4, 4]}
    assert parse_links([old]) == parse_links([LINK])


@given(st.integers(0, 19), st.integers(0, 14), st.integers(1, 20), st.integers(1, 15))
def test_a_rectangle_covers_its_pixels(x, y, width, height):
    mask = Region("rectangle", ((x, y), (width, height))).rasterize((20, 15), (15, 20))
    wanted = np.zeros((15, 20), bool)
    wanted[y : y + height, x : x + width] = True
    assert np.array_equal(mask, wanted)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), min_size=3, max_size=7))
def test_a_polygon_is_that_of_skimage(corners):
    # A shift of less than a half keeps centers of pixels off the sides, where the two may round apart.
    shifted = [(x + 0.137, y + 0.2411) for x, y in corners]
    mask = Region("polygon", tuple(shifted)).rasterize((32, 22), (22, 32))
    wanted = polygon2mask((22, 32), np.array([(y - 0.5, x - 0.5) for x, y in shifted]))
    if wanted.any():
        assert (mask != wanted).sum() <= 1  # a center may still fall on a side


def test_a_stroke_covers_what_is_near_its_line():
    mask = Region("stroke", ((5, 10), (15, 10)), 3).rasterize((20, 20), (20, 20))
    y, x = np.mgrid[:20, :20] + 0.5
    assert np.array_equal(mask, np.hypot(x - np.clip(x, 5, 15), y - 10) <= 3)


@given(regions.filter(lambda r: r.kind != "stroke"))
def test_a_region_covers_the_same_part_at_twice_the_size(region):
    small = region.rasterize((60, 40), (40, 60))
    large = region.rasterize((60, 40), (120, 180))[1::3, 1::3]  # the middle one of nine has the same center
    if large.any():
        assert (small == large).all()


def test_a_thin_region_has_a_pixel_and_one_outside_has_none():
    assert Region("rectangle", ((4.6, 4.6), (0.1, 0.1))).rasterize((9, 9), (9, 9)).sum() == 1
    assert not Region("rectangle", ((40, 4), (10, 1))).rasterize((9, 9), (9, 9)).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (3, r"links\[0\] must have the keys target, reference and name, got 3"),
        ({"target": [0, 0, 1]}, r"links\[0\].target must be a rectangle \[x, y, width, height\], .*got \[0, 0, 1\]"),
        ({"target": [0, 0, 0, 1]}, r"links\[0\].target must have a positive width and height"),
        ({"target": [0, 0, True, 1]}, r"links\[0\].target must be a rectangle"),
        ({"target": {"circle": []}}, r"links\[0\].target must be a rectangle"),
        ({"target": {"polygon": [[1, 1], [2, 2]]}}, r"links\[0\].target.polygon must have 3 to 10000 points"),
        ({"reference": {"stroke": [[1, "x"]]}}, r"links\[0\].reference.stroke\[0\] must be \[x, y\]"),
        ({"reference": {"stroke": [[1, 1]], "radius": -1}}, r"links\[0\].reference.radius must be 0 or more"),
        ({"name": ""}, r"links\[0\].name must be the file of a reference, got \"\""),
        ({"name": None}, r"links\[0\].name must be the file of a reference, got nothing"),
        ({"reference_size": [0, 4]}, r"links\[0\].reference_size must be \[width, height\]"),
    ],
)
def test_mistakes_are_named(change, message, tmp_path):
    link = {**LINK, **change} if isinstance(change, dict) else change
    (tmp_path / "h.json").write_text(json.dumps({"size": [32, 24], "links": [link]}))
    with pytest.raises(HintError, match=r"h.json: cannot read these hints: " + message):
        read_hints(tmp_path / "h.json")


@pytest.mark.parametrize("data", [{}, 3, [LINK] * 201])
def test_no_list_of_links(data):
    with pytest.raises(ValueError, match="links"):
        parse_links(data)


def test_links_alone_are_hints(tmp_path):
    (tmp_path / "h.json").write_text(json.dumps({"size": [32, 24], "links": [LINK]}))
    hints = read_hints(tmp_path / "h.json")
    assert (hints.count, len(hints.links), hints.notes) == (0, 1, ())
    again = read_hints(tmp_path / "h.json", size=(48, 64))
    data = json.loads(encode_hints(again, "json"))
    assert data["size"] == [64, 48]
    assert data["links"] == [{**LINK, "target": [4, 6, 20, 10], "reference": [0, 0, 4, 4]}]
    (tmp_path / "h.json").write_text(json.dumps({"size": [32, 24], "links": [{**LINK, "target": [40, 0, 3, 3]}]}))
    with pytest.raises(HintError, match="1 of 1 links lie outside of 32 x 24 and do not count"):
        read_hints(tmp_path / "h.json")
    (tmp_path / "h.json").write_text(json.dumps({"size": [32, 24], "links": [{**LINK, "rename": 3}]}))
    assert read_hints(tmp_path / "h.json").notes == ('unknown keys were passed over: "rename"',)


def test_names_of_files(tmp_path):
    for name in ("a/park.jpg", "b/park.jpg", "c/sea.jpg", "old.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    park, other, sea = (tmp_path / n for n in ("a/park.jpg", "b/park.jpg", "c/sea.jpg"))
    given = [park, sea]
    for name, path in (("park.jpg", park), ("a/park.jpg", park), ("a\\park.jpg", park), (str(sea), sea)):
        assert resolve_names([name], given, tmp_path) == [path]
    assert resolve_names(["../c/sea.jpg"], given, tmp_path / "a") == [sea]
    assert resolve_names(["old.jpg"], given, tmp_path) == [tmp_path / "old.jpg"]  # beside the hints
    with pytest.raises(ValueError, match=r"links\[0\].name fits several references"):
        resolve_names(["park.jpg"], [park, other], tmp_path)
    with pytest.raises(ValueError, match=r'links\[1\].name is "x.jpg", which is none of the references \(park.jpg'):
        resolve_names(["park.jpg", "x.jpg"], given, Path("/"))
