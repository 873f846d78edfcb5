"""A picture recolored in strips is the picture recolored whole, for every method and setting."""

import pytest
import torch

from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import HistogramTransfer, build_method
from recolor_torch.pipeline import recolor, recolor_strips
from recolor_torch.resize import resize, resize_hints, working_size
from recolor_torch.strips import strips

H, W = 70, 50


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    monkeypatch.setattr(strips, "__defaults__", (W * 9,))


def picture(seed, height=H, width=W):
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 5, generator=g)
    return (resize(coarse, (height, width)) + 0.02 * torch.randn(1, 3, height, width, generator=g)).clamp(0, 1)


def guide_for(mask=False):
    hint_mask = torch.zeros(1, 1, H, W)
    hint_mask[..., 10:14, 10:14] = hint_mask[..., 50:54, 30:34] = 1
    references = (Reference(picture(1, 40, 44)), Reference(picture(2, 30, 31), weight=2.0))
    where = (picture(3)[:, :1] > 0.5).float() if mask else None
    return Guide(references, where, picture(4), hint_mask)


def in_strips(image, method, guide, **options):
    size = working_size(H, W, method.working_side(options.get("max_side")))
    hints, hint_mask = resize_hints(guide.hints, guide.hint_mask, size)
    mask = guide.target_mask
    small = None if mask is None else resize(mask, size).clamp(0, 1)
    rows = recolor_strips(
        lambda a, b: image[..., a:b, :],
        (H, W),
        method,
        Guide(guide.references, small, hints, hint_mask),
        mask=None if mask is None else lambda a, b: mask[..., a:b, :],
        **options,
    )
    return torch.cat([rows(a, b) for a, b in strips(H, W)], 2)


OPTIONS = [
    {},
    {"keep": "none"},
    {"strength": 0.4, "target": "color"},
    {"max_side": 33},
    {"max_side": 33, "keep": "none", "strength": 0.7},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("name", ["histogram", "wavelet", "levin", "poisson"])
def test_strips_are_the_whole(name, mask, options):
    torch.manual_seed(0)
    image, guide = picture(0), guide_for(mask)
    whole = recolor(image, build_method(name), guide, **options)
    found = in_strips(image, build_method(name), guide, **options)
    assert float((found - whole).abs().max()) < 2e-5


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize(
    "settings",
    [{"rank": True}, {"mode": "rgb"}, {"mode": "yuv"}, {"mode": "lab"}, {"edge_threshold": 0.2}, {"smoothing": 0.0}],
)
def test_tables_of_histogram_transfer(settings, mask):
    image, guide = picture(0), guide_for(mask)
    whole = recolor(image, HistogramTransfer(**settings), guide, keep="none")
    found = in_strips(image, HistogramTransfer(**settings), guide, keep="none")
    assert float((found - whole).abs().max()) < 1e-6


def test_a_table_never_sees_the_whole_picture():
    seen = []

    def rows(top, bottom):
        seen.append(bottom - top)
        return picture(0)[..., top:bottom, :]

    for settings in ({}, {"rank": True}, {"mode": "rgb"}):
        result = recolor_strips(rows, (H, W), HistogramTransfer(**settings), guide_for())
        result(0, 9)
    assert max(seen) <= 9
