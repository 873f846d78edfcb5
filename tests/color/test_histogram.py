import itertools

import numpy as np
import pytest
import torch

from recolor_torch.color import histogram as module
from recolor_torch.color.histogram import histogram, order_distance, style_distance


@pytest.fixture(params=[7, 1 << 20], ids=["many-chunks", "one-chunk"])
def chunk(request, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", request.param)


@pytest.mark.usefixtures("chunk")
def test_counts_are_those_of_numpy(rgb):
    counts = histogram(rgb, levels=256)
    for b, c in itertools.product(range(2), range(3)):
        levels = (rgb[b, c].cpu().numpy().astype(np.float64) * 255).round().astype(int)
        np.testing.assert_array_equal(counts[b, c].cpu().numpy(), np.bincount(levels.ravel(), minlength=256))


@pytest.mark.usefixtures("chunk")
def test_integer_pictures_are_counted_by_their_levels(device):
    g = torch.Generator().manual_seed(3)
    x = torch.randint(0, 256, (1, 2, 9, 5), generator=g).to(device)
    torch.testing.assert_close(histogram(x.to(torch.uint8)), histogram(x.to(torch.uint16), levels=256))
    assert histogram(x.to(torch.uint16)).shape[-1] == 65536


@pytest.mark.usefixtures("chunk")
def test_mask_and_nan_are_left_out(rgb):
    mask = torch.zeros_like(rgb[:1, :1])
    mask[..., :10, :] = 1
    holed = rgb.clone()
    holed[1, 2, 3, 4] = float("nan")
    counts = histogram(holed, levels=256, mask=mask)
    assert counts.sum(-1).tolist() == [[320, 320, 320], [320, 320, 319]]
    torch.testing.assert_close(counts[0], histogram(rgb[:1, :, :10], levels=256)[0])


def test_values_outside_count_at_the_ends():
    x = torch.tensor([-3.0, 0.0, 1.0, 9.0, float("inf")]).view(1, 1, 1, 5)
    assert histogram(x, levels=4).flatten().tolist() == [2, 0, 0, 3]


def test_style_distance_by_hand():
    # Cumulative fractions over three levels: (1/2, 1, 1) and (0, 1/2, 1); the distance is sqrt(1/4 + 1/4).
    x = torch.tensor([0.0, 0.5]).view(1, 1, 1, 2)
    assert abs(float(style_distance(x, x + 0.5, levels=3)) - 0.5**0.5) < 1e-12
    assert float(style_distance(x, x.flip(-1), levels=3)) == 0


def pairwise(x, y):
    """The definition, pair by pair."""
    count = 0
    for r, s in itertools.product(range(len(x)), repeat=2):
        broken = (y[r] < y[s] and x[r] > x[s]) or (y[r] > y[s] and x[r] < x[s])
        count += broken or (y[r] == y[s] and x[r] != x[s])
    return count


@pytest.mark.usefixtures("chunk")
def test_order_distance_is_that_of_all_pairs():
    g = torch.Generator().manual_seed(5)
    x = torch.randint(0, 5, (2, 2, 6, 7), generator=g).to(torch.uint8)
    y = torch.randint(0, 4, (2, 2, 6, 7), generator=g).to(torch.uint8)
    expected = [[pairwise(x[b, c].flatten().tolist(), y[b, c].flatten().tolist()) for c in (0, 1)] for b in (0, 1)]
    assert order_distance(x, y).tolist() == expected


def test_order_distance_of_a_monotonic_table_is_zero(rgb):
    levels = rgb.mul(255).round().div(255)
    assert (order_distance((levels * 3).floor() / 3, levels) == 0).all()
    assert (order_distance(1 - levels, levels) > 0).all()


def test_shapes_must_agree(rgb):
    with pytest.raises(ValueError, match="x and y must have one shape"):
        order_distance(rgb, rgb[:1])
