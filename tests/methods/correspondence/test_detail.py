"""The parts of a location, against the formula written out, and on pictures whose parts are known."""

import pytest
import torch

from recolor_torch.color import rgb_to_yuv
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import Correspondence
from recolor_torch.methods.correspondence import detail, search
from recolor_torch.methods.correspondence.detail import (
    LIKE_PATCH,
    LOCAL_MEAN,
    PARTS,
    PATCH,
    RING,
    SHIFT_PENALTY,
    TEMPERATURE,
    WINDOW,
    beyond_locations,
    detail_of_matches,
    join_parts,
    split_parts,
)
from recolor_torch.methods.correspondence.features import STRIDE
from recolor_torch.methods.correspondence.match import Matches


def picture(h, w, seed, batch=1):
    """YUV noise, every part of its own; sides in locations."""
    dice = torch.Generator().manual_seed(seed)
    noise = torch.rand(batch, 3, PARTS * h, PARTS * w, generator=dice, dtype=torch.float64)
    noise[:, 1:] = 0.4 * noise[:, 1:] - 0.2
    side = STRIDE // PARTS
    return noise.repeat_interleave(side, 2).repeat_interleave(side, 3)


def matches_of(index, score=None):
    score = torch.zeros_like(index, dtype=torch.float64) if score is None else score
    return Matches(score, index, torch.zeros_like(index[..., 0]))


def written_out(luminance, image, index, score):
    """The formula for one target and one reference, part by part."""

    def pooled(x):
        side = STRIDE // PARTS
        return x.reshape(x.shape[0] // side, side, x.shape[1] // side, side).mean((1, 3))

    def free(y):
        half = WINDOW // 2
        means = torch.zeros_like(y)
        for r in range(y.shape[0]):
            for c in range(y.shape[1]):
                means[r, c] = y[max(0, r - half) : r + half + 1, max(0, c - half) : c + half + 1].mean()
        return y - LOCAL_MEAN * means

    def at(x, r, c):
        return x[min(max(r, 0), x.shape[0] - 1), min(max(c, 0), x.shape[1] - 1)]

    def patch(y, r, c):
        # Parts beyond the border repeat the patch at it.
        r, c = (min(max(i, 0), n - 1) for i, n in zip((r, c), y.shape))
        span = range(-(PATCH // 2), PATCH // 2 + 1)
        return torch.stack([at(y, r + i, c + j) for i in span for j in span])

    own, theirs = free(pooled(luminance)), free(pooled(image[0]))
    chroma = torch.stack((pooled(image[1]), pooled(image[2])), 2)
    width, wide = own.shape[1] // PARTS, theirs.shape[1] // PARTS
    found = torch.zeros(len(index), PARTS**2, 2, dtype=luminance.dtype)
    for n, (row, scores) in enumerate(zip(index.tolist(), score)):
        for p in range(PARTS**2):
            i, j = divmod(p, PARTS)
            mine = patch(own, n // width * PARTS + i, n % width * PARTS + j)
            odds, colors = [], []
            for m, s in zip(row, scores):
                for a in range(-RING, PARTS + RING):
                    for b in range(-RING, PARTS + RING):
                        r, c = m // wide * PARTS + a, m % wide * PARTS + b
                        apart = (mine - patch(theirs, r, c)).square().mean()
                        shift = (a - i) ** 2 + (b - j) ** 2
                        odds.append(s / TEMPERATURE - apart / (2 * LIKE_PATCH**2) - SHIFT_PENALTY * shift)
                        colors.append(at(chroma, r, c))
            found[n, p] = torch.stack(odds).softmax(0) @ torch.stack(colors)
    return found


def test_it_is_the_formula_written_out(monkeypatch):
    target, other = picture(2, 3, 1), picture(3, 2, 2)
    dice = torch.Generator().manual_seed(3)
    index = torch.randint(6, (1, 6, 2), generator=dice)
    score = torch.rand(1, 6, 2, generator=dice, dtype=torch.float64).mul(0.05).sort(2, descending=True).values
    found = detail_of_matches(target[:, :1], (Reference(other),), matches_of(index, score))
    torch.testing.assert_close(found[0], written_out(target[0, 0], other[0], index[0], score[0]))
    monkeypatch.setattr(detail, "CHUNK", 1000)
    torch.testing.assert_close(detail_of_matches(target[:, :1], (Reference(other),), matches_of(index, score)), found)


def test_a_part_finds_itself_though_it_lies_beside_its_match():
    """The target is moved by as many parts as the ring is wide."""
    x = picture(6, 8, 1)
    moved = x.roll(RING * STRIDE // PARTS, 3)
    found = detail_of_matches(moved[:, :1], (Reference(x),), matches_of(torch.arange(48).view(1, 48, 1)))
    wanted = split_parts(torch.nn.functional.avg_pool2d(moved[:, 1:], STRIDE // PARTS), (6, 8))
    near = (found - wanted).norm(dim=3).view(6, 8, PARTS, PARTS)
    inner = near[1:-1, 2:-2]
    assert inner.median() < 1e-3
    assert inner.mean() < 0.02


def test_each_picture_of_several_and_its_mask():
    x, y = picture(4, 5, 1), picture(5, 4, 2)
    index = torch.randint(20, (1, 20, 2), generator=torch.Generator().manual_seed(3))
    alone = detail_of_matches(x[:, :1], (Reference(y),), matches_of(index))
    second = detail_of_matches(x[:, :1], (Reference(x), Reference(y)), matches_of(index + 20))
    torch.testing.assert_close(second, alone)
    # Where the left half does not count, no color of it comes over.
    mask = torch.ones(1, 1, 20, 16, dtype=y.dtype)
    mask[..., :8] = 0
    loud = y.clone()
    loud[:, 1:, :, :8] = 9.0
    right = matches_of(torch.full((1, 20, 1), 2))
    assert detail_of_matches(x[:, :1], (Reference(loud),), right).max() > 0.3
    assert detail_of_matches(x[:, :1], (Reference(loud, mask=mask),), right).max() < 0.2


def test_samples_of_a_batch_are_their_own():
    x, y = picture(3, 4, 1, batch=2), picture(4, 3, 2)
    index = torch.randint(12, (2, 12, 2), generator=torch.Generator().manual_seed(3))
    both = detail_of_matches(x[:, :1], (Reference(y),), matches_of(index))
    for i in range(2):
        one = detail_of_matches(x[i : i + 1, :1], (Reference(y),), matches_of(index[i : i + 1]))
        torch.testing.assert_close(both[i : i + 1], one)


def test_gradients_reach_the_chroma():
    x, y = picture(2, 2, 1), picture(2, 2, 2)
    chroma = y[:, 1:].clone().requires_grad_()

    def found(chroma):
        reference = Reference(torch.cat((y[:, :1], chroma), 1))
        return detail_of_matches(x[:, :1], (reference,), matches_of(torch.tensor([[[0], [3], [1], [2]]])))

    assert torch.autograd.gradcheck(found, (chroma,))


def test_parts_are_split_and_joined():
    grid = torch.arange(2 * 3 * 12.0 * PARTS**2).view(2, 3, 4 * PARTS, 3 * PARTS)
    parts = split_parts(grid, (4, 3))
    assert torch.equal(parts[1, 4, :, 2], grid[1, 2, PARTS : 2 * PARTS, PARTS : 2 * PARTS].flatten())
    assert torch.equal(join_parts(parts, (4, 3)), grid)


def test_nothing_is_beyond_what_is_linear():
    """A slope of the chroma is what interpolation gives; a step is not."""
    ramp = torch.arange(8.0 * PARTS).view(1, 1, 1, -1).expand(1, 1, PARTS, -1)
    step = (ramp >= 4 * PARTS).float()
    left, found = (
        beyond_locations(split_parts(x, (1, 8)), torch.nn.functional.avg_pool2d(x, PARTS).flatten(2).mT, (1, 8))
        for x in (ramp, step)
    )
    assert left[:, 1:7].abs().max() < 1e-5  # but for the border
    assert found.abs().max() > 0.2


@pytest.mark.parametrize("sound", [0.0, 1.0])
def test_the_method_takes_parts_where_matches_hang_together(sound, vgg19_path, shared, monkeypatch):
    """A photograph with its own reference: colors are finer than with locations alone, if its matches are sound."""
    from recolor_torch.methods.correspondence import agreement
    from recolor_torch.pictures import read_picture
    from recolor_torch.resize import resize

    x = read_picture(shared / "data" / "pairs" / "multi_view" / "cones_target.jpg").image
    yuv = rgb_to_yuv(resize(x, (144, 192)).clamp(0, 1))
    method, guide = Correspondence(side=192, weights=str(vgg19_path)), Guide((Reference(yuv),))
    monkeypatch.setattr(agreement, "together", lambda closeness, size: torch.full_like(closeness, sound))

    def error():
        return float(
            (method(yuv[:, :1].expand(-1, 3, -1, -1) * torch.tensor([1.0, 0, 0]).view(3, 1, 1), guide) - yuv)
            .abs()
            .mean()
        )

    with_parts = error()
    real = search.detail_of_matches
    monkeypatch.setattr(search, "detail_of_matches", lambda *args: torch.zeros_like(real(*args)))
    monkeypatch.setattr(search, "beyond_locations", lambda parts, chroma, size: torch.zeros_like(parts))
    without = error()
    assert with_parts < 0.8 * without if sound else with_parts == pytest.approx(without, rel=0.25)
