"""Pixels that are kept are those that are drawn from scratch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from studios import SIZE, strokes

from recolor_torch.hints.read import hints_from_shapes
from recolor_torch.hints.shapes import HintShapes, Stroke
from recolor_torch.resize import resize_hints
from recolor_torch.studio import drawing as module
from recolor_torch.studio.drawing import Reduction, StrokeRaster

states = st.lists(st.lists(strokes, max_size=5).map(tuple), min_size=1, max_size=4)


@settings(deadline=None)
@given(states)
def test_a_raster_that_is_kept_is_a_raster_from_scratch(states):
    raster = StrokeRaster((20, 30))
    for state in states:
        colors, mask = raster.draw(HintShapes(SIZE, strokes=state))
        wanted, where = HintShapes(SIZE, strokes=state).rasterize((20, 30))
        assert np.array_equal(mask, where)
        assert np.array_equal(colors[mask], wanted[where])


def test_a_growing_stroke_is_drawn_anew_and_those_before_are_not():
    raster = StrokeRaster((40, 60))
    first = Stroke(((5, 5), (30, 5)), 2, "#ff0000")
    for end in range(10, 50, 10):
        growing = Stroke(((5, 20), (end, 20)), 2, "#0000ff")
        raster.draw(HintShapes(SIZE, strokes=(first, growing)))
    assert raster.drawn == (first,)


@settings(deadline=None)
@given(states, st.sampled_from([(40, 60), (13, 20), (27, 41), (1, 1)]), st.sampled_from([100, 700, 10**6]))
def test_hints_in_bands_are_those_of_the_whole_picture(states, size, band):
    reduction = Reduction((40, 60), size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BAND", band)
        for state in states:
            shapes = HintShapes(SIZE, strokes=state)
            hints = hints_from_shapes(shapes)
            colors, mask = resize_hints(hints.image, hints.mask, size)
            found, known = reduction.draw(shapes)
            assert torch.equal(known, mask)
            torch.testing.assert_close(found * known, colors * mask, rtol=0, atol=1e-6)


def test_a_stroke_of_a_large_picture_is_reduced_where_it_lies_alone():
    reduction = Reduction((3000, 4000), (300, 400))
    first = Stroke(((100, 100), (900, 120)), 20, "#ff0000")
    reduction.draw(HintShapes((4000, 3000), strokes=(first,)))
    before = dict(reduction.kept)
    reduction.draw(HintShapes((4000, 3000), strokes=(first, Stroke(((100, 2800), (900, 2820)), 20, "#0000ff"))))
    changed = [top for top, known in reduction.kept.items() if known is not before[top]]
    assert 0 < len(changed) <= 3
