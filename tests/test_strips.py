"""Work in strips against the whole picture, by torch's own functions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from recolor_torch import strips as module
from recolor_torch.strips import pool, resized_rows, shrink, strips


def bicubic(x, size):
    return F.interpolate(x, size=size, mode="bicubic", align_corners=False, antialias=True)


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    monkeypatch.setattr(strips, "__defaults__", (200,))


def picture(height, width, seed=0):
    return torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Of a picture one pixel wide or high torch 2.14 itself takes the wrong rows.
sizes = st.tuples(*[st.integers(2, 60)] * 4)


@given(sizes)
@settings(max_examples=60, deadline=None)
def test_shrink_and_pool_are_those_of_the_whole(size):
    height, width, h, w = size
    h, w = min(h, height), min(w, width)
    x = picture(height, width)

    def rows(top, bottom):
        return x[..., top:bottom, :]

    torch.testing.assert_close(shrink(rows, (height, width), (h, w)), bicubic(x, (h, w)), atol=1e-12, rtol=0)
    expected = F.adaptive_avg_pool2d(x, (h, w))
    torch.testing.assert_close(pool(rows, (height, width), (h, w)), expected, atol=1e-12, rtol=0)


@given(sizes, st.integers(0, 59), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_rows_of_an_enlarged_picture(size, top, count):
    height, width, h, w = size
    x = picture(height, width)
    top = top % h
    bottom = min(h, top + count)
    expected = bicubic(x, (h, w))[..., top:bottom, :]
    torch.testing.assert_close(resized_rows(x, (h, w), top, bottom), expected, atol=1e-12, rtol=0)


def test_float32_is_near_enough_for_8_and_16_bits():
    x = picture(500, 40).float()
    whole = bicubic(x, (123, 17))
    found = shrink(lambda a, b: x[..., a:b, :], (500, 40), (123, 17))
    assert float((found - whole).abs().max()) < 2e-6
    assert found.dtype == torch.float32


def test_strips_cover_a_picture_once():
    found = list(strips(1001, 33))
    assert [a for a, _ in found[1:]] == [b for _, b in found[:-1]]
    assert (found[0][0], found[-1][1]) == (0, 1001)
    assert list(strips(3, 10**9)) == [(0, 1), (1, 2), (2, 3)]
    assert module.PIXELS >= 1 << 18
