"""Propagation that remembers, against ``spread_chroma`` itself."""

import pytest
import torch
from torch.nn import functional as F

from recolor_torch.methods.levin import spread_chroma
from recolor_torch.methods.levin.live import Cancelled, LiveSpread


@pytest.fixture
def luminance() -> torch.Tensor:
    y = torch.linspace(0.2, 0.8, 96).expand(64, 96).clone()
    y[20:44, 30:70] = 0.95
    return y[None, None]


def hints_at(luminance, *places):
    mask, hints = torch.zeros_like(luminance), torch.zeros_like(luminance).expand(-1, 2, -1, -1).clone()
    for row, column, u in places:
        mask[..., row : row + 3, column : column + 12] = 1
        hints[:, :1, row : row + 3, column : column + 12] = u
    return hints, mask


def test_it_is_spread_chroma_for_each_of_two_priors_in_turn(luminance):
    live = LiveSpread(luminance)
    prior = torch.full((1, 2, 64, 96), 0.05)
    strong, weak = torch.full_like(luminance, 1e-3), torch.full_like(luminance, 1e-5)
    for places in ([(30, 40, 0.3)], [(30, 40, 0.3), (5, 5, -0.2)], [(5, 5, -0.2)]):
        hints, mask = hints_at(luminance, *places)
        live.begin()
        for confidence in (weak, strong):
            got = live(luminance, hints, mask, prior=prior, confidence=confidence)
            want = spread_chroma(luminance, hints, mask, prior=prior, confidence=confidence, tolerance=0.1)
            assert (got - want).abs().max() * 255 < 0.5
    assert len(live.entries) == 2


def test_a_coarser_copy_gives_the_start(luminance):
    small = F.avg_pool2d(luminance, 2)
    coarse = LiveSpread(small)
    fine = LiveSpread(luminance, coarse)
    for places in ([(30, 40, 0.3)], [(30, 40, -0.1), (6, 6, 0.2)]):
        hints, mask = hints_at(luminance, *places)
        coarse.begin(tolerance=2)
        coarse(small, F.avg_pool2d(hints, 2), (F.avg_pool2d(mask, 2) > 0.6).float())
        fine.begin()
        got = fine(luminance, hints, mask)
        assert (got - spread_chroma(luminance, hints, mask, tolerance=0.1)).abs().max() * 255 < 0.5


def test_a_stale_solve_is_cancelled_and_the_next_is_right(luminance):
    live = LiveSpread(luminance)
    hints, mask = hints_at(luminance, (30, 40, 0.3))
    live.begin(cancelled=lambda: True)
    with pytest.raises(Cancelled):
        live(luminance, hints, mask)
    live.begin()
    assert (live(luminance, hints, mask) - spread_chroma(luminance, hints, mask)).abs().max() * 255 < 0.8


def test_another_picture_is_refused(luminance):
    live = LiveSpread(luminance)
    with pytest.raises(ValueError, match="another picture"):
        live(luminance[..., :-1], *hints_at(luminance))
