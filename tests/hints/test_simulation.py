import pytest
import torch

from recolor_torch.hints.simulation import HintSimulation, gaussian_centres, paint_points


@pytest.fixture
def chroma():
    return torch.rand(2, 2, 20, 24, generator=torch.Generator().manual_seed(0)) - 0.5


def naive(chroma, rows, columns, widths, counts):
    hints, mask = torch.zeros_like(chroma), torch.zeros_like(chroma[:, :1])
    for b in range(len(chroma)):
        for k in range(int(counts[b])):
            y, x, w = (int(v[b, k]) for v in (rows, columns, widths))
            top, left = max(0, y - w // 2), max(0, x - w // 2)
            box = (b, slice(None), slice(top, y - w // 2 + w), slice(left, x - w // 2 + w))
            hints[box] = chroma[box].mean((1, 2))[:, None, None]
            mask[box] = 1
    return hints, mask


def test_patches_have_the_mean_color_and_the_last_is_on_top(chroma):
    g = torch.Generator().manual_seed(1)
    rows = torch.randint(0, 20, (2, 12), generator=g)
    columns = torch.randint(0, 24, (2, 12), generator=g)
    widths = torch.randint(1, 10, (2, 12), generator=g)
    counts = torch.tensor([12, 5])
    found = paint_points(chroma, rows, columns, widths, counts)
    for got, expected in zip(found, naive(chroma, rows, columns, widths, counts)):
        torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_centres_are_around_the_middle():
    rows, columns = gaussian_centres(2000, 10, 100, 200, torch.Generator().manual_seed(0))
    assert rows.min() >= 0
    assert rows.max() <= 99
    inner = rows[(rows > 0) & (rows < 99)].double()
    assert inner.mean().item() == pytest.approx(50, abs=1)
    assert ((rows > 25) & (rows < 75)).double().mean().item() == pytest.approx(0.683, abs=0.02)
    assert columns.double().mean().item() == pytest.approx(100, abs=2)


def test_numbers_are_geometric():
    # Patches one pixel wide on a large picture hardly overlap: the mask counts them.
    simulate = HintSimulation(means=(7.0,), none=0.0, all=0.0, widest=1)
    _, mask = simulate(torch.zeros(2000, 2, 48, 48), torch.Generator().manual_seed(0))
    counts = mask.sum((1, 2, 3))
    assert (counts == 0).double().mean().item() == pytest.approx(1 / 8, abs=0.02)
    assert (counts == 1).double().mean().item() == pytest.approx(7 / 64, abs=0.02)
    assert counts.mean().item() == pytest.approx(7, abs=0.5)


def test_none_and_all_and_the_seed(chroma):
    g = torch.Generator()
    assert HintSimulation(none=1.0, all=0.0)(chroma, g.manual_seed(0))[1].sum() == 0
    hints, mask = HintSimulation(all=1.0)(chroma, g.manual_seed(0))
    assert torch.equal(hints, chroma)
    assert mask.min() == 1
    simulate = HintSimulation(means=(5.0, 50.0))
    first, again = simulate(chroma, g.manual_seed(3)), simulate(chroma, g.manual_seed(3))
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert not torch.equal(first[0], simulate(chroma, g.manual_seed(4))[0])


def test_wrong_settings():
    with pytest.raises(ValueError, match="means must be more than 0"):
        HintSimulation(means=(0.0,))
    with pytest.raises(ValueError, match="sum is at most 1"):
        HintSimulation(none=0.8, all=0.4)
