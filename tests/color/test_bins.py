"""Bins of ab against Zhang's definitions, written out naively."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recolor_torch.color import rgb_to_lab, rgb_to_luminance, rgb_to_yuv
from recolor_torch.color.ab import ab_to_chroma
from recolor_torch.color.bins import (
    ab_bins,
    annealed_mean,
    certainty,
    count_bins,
    nearest_bins,
    rebalancing_weights,
    soft_encode,
)


def test_bins_are_a_grid_in_the_gamut():
    bins = ab_bins()
    assert bins.shape == (313, 2)
    assert (bins % 10 == 0).all()
    assert len({tuple(b) for b in bins.tolist()}) == 313
    # Every color of sRGB is near one: the grid's cells have a half diagonal of 7.1.
    cube = torch.cartesian_prod(*[torch.linspace(0, 1, 17)] * 3).T.reshape(1, 3, 1, -1)
    assert nearest_bins(rgb_to_lab(cube)[:, 1:])[1].max().sqrt() < 11


def test_nearest_bins_is_a_search_by_distance():
    ab = 200 * torch.rand(2, 2, 3, 4, generator=torch.Generator().manual_seed(0)) - 100
    index, distance = nearest_bins(ab, 5)
    for b, i, j in [(0, 0, 0), (1, 2, 3), (0, 1, 2)]:
        all_ = (ab_bins() - ab[b, :, i, j]).square().sum(1)
        torch.testing.assert_close(distance[b, :, i, j], all_.sort().values[:5], atol=1e-2, rtol=1e-4)
        assert set(index[b, :, i, j].tolist()) == set(all_.argsort()[:5].tolist())


@given(st.floats(-128, 128), st.floats(-128, 128))
def test_shares_sum_to_one_and_fall_with_distance(a, b):
    index, share = soft_encode(torch.tensor([a, b]).view(1, 2, 1, 1))
    assert share.isfinite().all()
    assert share.sum().item() == pytest.approx(1, abs=1e-5)
    assert (share.flatten().diff() <= 1e-6).all()
    assert len(set(index.flatten().tolist())) == 5


def test_annealed_mean_between_mean_and_mode():
    logits = torch.full((1, 313, 1, 1), -1e4)
    red, blue = 300, 20
    logits[0, red], logits[0, blue] = 1.0, 0.0
    bins = ab_bins()
    for temperature in (1.0, 0.38, 0.01):
        p = 1 / (1 + math.exp(-1 / temperature))
        expected = p * bins[red] + (1 - p) * bins[blue]
        torch.testing.assert_close(annealed_mean(logits, temperature).flatten(), expected, atol=1e-3, rtol=1e-4)
    with pytest.raises(ValueError, match="temperature must be more than 0"):
        annealed_mean(logits, 0.0)


def test_autocast_leaves_bins_as_they_are(device):
    ab = 200 * torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(0)).to(device) - 100
    logits = torch.randn(1, 313, 8, 8, generator=torch.Generator().manual_seed(1)).to(device)
    plain = nearest_bins(ab, 5)[0], annealed_mean(logits)
    with torch.autocast(device.type, torch.bfloat16):
        assert torch.equal(nearest_bins(ab, 5)[0], plain[0])
        torch.testing.assert_close(annealed_mean(logits), plain[1])


def test_certainty_of_one_bin_and_of_all():
    sure = torch.full((1, 313, 1, 1), -100.0)
    sure[0, 7] = 100
    assert certainty(sure).item() == pytest.approx(1, abs=1e-6)
    assert certainty(torch.zeros(1, 313, 1, 1)).item() == pytest.approx(0, abs=1e-6)
    two = torch.full((1, 313, 1, 1), -1e4)
    two[0, :2] = 0
    assert certainty(two).item() == pytest.approx(1 - math.log(2) / math.log(313), abs=1e-5)


def test_counts_are_of_the_nearest_bin():
    ab = ab_bins()[[4, 4, 9]].T.reshape(1, 2, 1, 3) + 1.0
    counts = count_bins(ab)
    assert counts[4] == 2
    assert counts[9] == 1
    assert counts.sum() == 3


def test_rebalancing_weights_are_one_in_the_mean_and_favour_the_rare():
    counts = torch.ones(313, dtype=torch.int64)
    counts[100] = 10_000
    weights = rebalancing_weights(counts, mix=0.5)
    distance = (ab_bins() - ab_bins()[100]).norm(dim=1)
    assert weights[100] == weights.min()
    assert weights[distance > 60].min() > 50 * weights[100]
    # λ = 1 is no rebalancing.
    torch.testing.assert_close(rebalancing_weights(counts, mix=1), torch.ones(313))
    # The expected weight over the smoothed shares, written out.
    kernel = torch.exp(-(torch.cdist(ab_bins(), ab_bins()).double() ** 2) / 50)
    share = (kernel / kernel.sum(0)) @ (counts / counts.sum()).double()
    assert share.sum().item() == pytest.approx(1)
    assert (share * weights).sum().item() == pytest.approx(1, rel=1e-5)
    with pytest.raises(ValueError, match="counts must have shape"):
        rebalancing_weights(counts[:5])


def test_ab_to_chroma_undoes_lab(rgb):
    chroma = ab_to_chroma(rgb_to_luminance(rgb), rgb_to_lab(rgb)[:, 1:])
    torch.testing.assert_close(chroma, rgb_to_yuv(rgb)[:, 1:], atol=2e-3, rtol=0)


def test_ab_to_chroma_over_the_whole_gamut():
    cube = torch.cartesian_prod(*[torch.linspace(0, 1, 9)] * 3).T.reshape(1, 3, 1, -1)
    chroma = ab_to_chroma(rgb_to_luminance(cube), rgb_to_lab(cube)[:, 1:])
    error = (chroma - rgb_to_yuv(cube)[:, 1:]).abs()
    assert error.mean() < 5e-4
    assert error.max() < 0.01
