"""Correspondence: known answers on pictures whose correspondence is known."""

import numpy as np
import pytest
import torch

from recolor_torch.color import fit_gamut, rgb_to_yuv
from recolor_torch.errors import WeightsMissing
from recolor_torch.evaluation import color_error
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import Correspondence, HistogramTransfer, NetworkColorization
from recolor_torch.methods.correspondence import agreement, search
from recolor_torch.methods.correspondence.confidence import (
    NOISE_VARIANCE,
    Candidates,
    blend_candidates,
    regress_chroma,
    slope_of,
    within_locations,
)
from recolor_torch.methods.correspondence.detail import split_parts
from recolor_torch.methods.correspondence.features import (
    make_descriptors,
    pad_reflecting,
    pool_window,
    working_picture,
)
from recolor_torch.methods.correspondence.method import FILL_VIVIDNESS
from recolor_torch.methods.correspondence.mood import in_mood
from recolor_torch.pipeline import recolor


@pytest.fixture
def method(vgg19_path):
    return Correspondence(side=96, weights=str(vgg19_path))


@pytest.fixture(scope="module")
def photos(shared):
    """Two photographs at 96 pixels."""
    from recolor_torch.pictures import read_picture
    from recolor_torch.resize import resize

    folder = shared / "data" / "pairs" / "multi_view"
    return [resize(read_picture(folder / f"{n}_target.jpg").image, (72, 96)).clamp(0, 1) for n in ("cones", "hill")]


def gray_of(image):
    return rgb_to_yuv(image)[:, :1].expand(-1, 3, -1, -1)


@pytest.mark.parametrize("level", [0.0, 0.5, 0.8])
def test_a_blank_page_and_a_blank_reference(level):
    """All locations look alike: products of rank 1, for which LAPACK fails in float32 or returns NaN."""
    method = Correspondence()
    for size in ((64, 64), (40, 8), (8, 8)):
        for reference in (torch.full((1, 3, n, n), level) for n in (1, 8)):
            page = torch.full((1, 3, *size), level)
            out = recolor(page, method, Guide((Reference(reference),)))
            torch.testing.assert_close(rgb_to_yuv(out)[:, :1], page[:, :1], atol=1e-5, rtol=0)


def test_a_picture_gets_its_own_colors_from_its_mirror_cut_apart(method, photos):
    """The halves change places: what a table of luminances cannot know and correspondence does."""
    picture = photos[0]
    swapped = torch.cat((picture[..., 48:], picture[..., :48]), 3)
    guide = Guide((Reference(swapped),))
    gray = color_error(gray_of(picture), picture)
    found = color_error(recolor(picture, method, guide), picture)
    table = color_error(recolor(picture, HistogramTransfer(), guide), picture)
    assert found < 0.4 * gray
    assert found < 0.6 * table


def test_an_unrelated_reference_is_rejected(method, photos):
    target, other = photos
    guide = Guide((Reference(other),))
    careful, credulous = (Correspondence(side=96, rejection=r, fill="none", weights=method.weights) for r in (3.0, 0.0))
    results = [recolor(target, m, guide) for m in (careful, credulous)]
    chroma = [rgb_to_yuv(x)[:, 1:].abs().mean() for x in results]
    assert chroma[0] < 0.6 * chroma[1]
    assert color_error(results[0], target) < color_error(results[1], target) - 1


def test_a_mood_is_the_mean_and_about_the_spread_of_the_references(photos):
    target, other = (rgb_to_yuv(x) for x in photos)
    pale = 0.3 * target[:, 1:]
    moved = in_mood(target[:, :1], pale, (Reference(other),), 1.0)
    for wanted, before, found in zip(other[0, 1:].flatten(1), pale[0].flatten(1), moved[0].flatten(1)):
        torch.testing.assert_close(found.mean(), wanted.mean(), atol=1e-4, rtol=0)
        # A spread that is hardly there is not taken for one, so not all of the way is gone.
        assert abs(found.std() - wanted.std()) < 0.8 * abs(before.std() - wanted.std())
    half = in_mood(target[:, :1], pale, (Reference(other), Reference(target, weight=0.0)), 0.5)
    torch.testing.assert_close(half, 0.5 * (pale + moved))
    assert in_mood(target[:, :1], pale, (Reference(other, weight=0.0),), 1.0) is pale


def test_where_no_reference_is_believed_the_network_colors(method, photos):
    target, other = photos
    wall = Guide((Reference(torch.full_like(other, 0.5)),))
    alone = recolor(target, NetworkColorization(vividness=FILL_VIVIDNESS), Guide())
    filled = recolor(target, Correspondence(side=96, rejection=1e6, weights=method.weights), wall)
    empty = recolor(target, Correspondence(side=96, rejection=1e6, fill="none", weights=method.weights), wall)
    assert color_error(filled, alone) < 0.1 * color_error(empty, alone)
    assert rgb_to_yuv(empty)[:, 1:].abs().max() < 0.01


def test_a_target_in_color_keeps_its_own_where_no_reference_is_believed(method, photos):
    target, other = photos
    careful = Correspondence(side=96, rejection=1e6, weights=method.weights)
    kept = recolor(target, careful, Guide((Reference(other),)), target="color")
    assert color_error(kept, target) < 0.2 * color_error(gray_of(target), target)
    gray = gray_of(target)
    as_color, as_gray = (recolor(gray, careful, Guide((Reference(other),)), target=t) for t in ("color", "gray"))
    torch.testing.assert_close(as_color, as_gray, atol=1 / 255, rtol=0)


def test_trust_orders_how_much_color_a_reference_gives(method, photos):
    target, other = photos

    def chroma(trust, found=False):
        m = Correspondence(side=96, trust=trust, fill="none", weights=method.weights)
        result = recolor(target, m, Guide((Reference(other, found=found),)))
        return float(rgb_to_yuv(result)[:, 1:].norm(dim=1).mean())

    low, normal, high = (chroma(t) for t in ("low", "normal", "high"))
    assert low < normal < high
    assert chroma("normal", found=True) < normal


def test_grain_takes_little_away(method, photos):
    """The target is given grain of 10 levels; its colors come from a clean copy with its halves changed."""
    picture = photos[0]
    swapped = torch.cat((picture[..., 48:], picture[..., :48]), 3)
    noise = 10 / 255 * torch.randn(gray_of(picture)[:, :1].shape, generator=torch.Generator().manual_seed(0))
    grainy = (picture + noise).clamp(0, 1)
    gray = gray_of(grainy)
    result = recolor(gray, method, Guide((Reference(swapped),)))
    clean = recolor(gray_of(picture), method, Guide((Reference(swapped),)))
    # The chroma alone is compared: the luminance of the result is the target's own, grain and all.
    true = rgb_to_yuv(picture)[:, 1:]
    loss = [(rgb_to_yuv(x)[:, 1:] - true).norm(dim=1).mean() / true.norm(dim=1).mean() for x in (result, clean)]
    assert loss[1] < 0.15
    assert loss[0] < 0.25


def test_what_is_rejected_takes_the_prior(method, photos):
    target, other = photos
    prior = rgb_to_yuv(target)[:, 1:]
    one = torch.ones_like(prior[:, :1])
    alone = recolor(target, method, Guide((Reference(other),)))
    helped = recolor(target, method, Guide((Reference(other),), prior=prior, confidence=one))
    assert color_error(helped, target) < 0.7 * color_error(alone, target)


def test_masked_pixels_of_a_reference_give_no_color(method, photos):
    """Half of the reference is there twice, the second time in false colors and masked."""
    half = photos[0][..., :48]
    false = half.flip(1)
    mask = torch.cat((torch.ones_like(half[:, :1]), torch.zeros_like(half[:, :1])), 3)
    references = [Reference(torch.cat((half, false), 3), m) for m in (mask, None)]
    believing = Correspondence(side=96, rejection=0.0, weights=method.weights)
    masked, plain = (recolor(half, believing, Guide((r,))) for r in references)
    assert color_error(masked, half) < 0.8 * color_error(plain, half)


def test_the_best_of_several_is_the_one_that_fits(vgg19_path, photos):
    target, other = photos
    best = Correspondence(side=96, several="best", weights=str(vgg19_path))
    best.keep_stages = True
    right = recolor(target, best, Guide((Reference(target),)))
    both = recolor(target, best, Guide((Reference(other), Reference(target))))
    torch.testing.assert_close(both, right, atol=1 / 255, rtol=0)
    first, second = best.stages["references.txt"].split()
    assert "*" not in first
    assert second.endswith("*")


def test_a_weight_of_zero_leaves_a_reference_out(method, photos):
    target, other = photos
    alone = recolor(target, method, Guide((Reference(target),)))
    left_out = recolor(target, method, Guide((Reference(target), Reference(other, weight=0.0))))
    torch.testing.assert_close(left_out, alone, atol=1 / 255, rtol=0)


def test_mirrors_find_what_faces_the_other_way(vgg19_path, photos):
    target = photos[0]
    guide = Guide((Reference(target.flip(3)),))
    plain, mirrored = (
        recolor(target, Correspondence(side=96, mirrors=m, weights=str(vgg19_path)), guide) for m in (False, True)
    )
    assert color_error(mirrored, target) < color_error(plain, target)


def test_stages(method, photos):
    method.keep_stages = True
    recolor(photos[0], method, Guide((Reference(photos[1]),)))
    assert set(method.stages) == {"matches", "belief", "confidence", "prior", "result"}
    assert all(x.shape == (1, 3, 72, 96) for x in method.stages.values())


def test_gradients_reach_the_reference(method, photos):
    reference = photos[0].clone().requires_grad_()
    recolor(photos[0], method, Guide((Reference(reference),))).square().sum().backward()
    assert reference.grad.abs().sum() > 0
    assert reference.grad.isfinite().all()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 3)])
def test_tiny_pictures(method, size):
    target, reference = torch.rand(1, 3, *size), torch.rand(1, 3, 7, 2)
    out = recolor(target, method, Guide((Reference(reference),)))
    assert out.shape == target.shape
    assert out.isfinite().all()


def test_flat_pictures_stay_finite(method):
    flat = torch.full((1, 3, 20, 20), 0.5)
    assert recolor(flat, method, Guide((Reference(flat),))).isfinite().all()


def test_without_weights_it_takes_the_slim_network(monkeypatch, tmp_path, rgb):
    monkeypatch.delenv("RECOLOR_VGG19", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    method = Correspondence()
    assert recolor(rgb, method, Guide((Reference(rgb),))).isfinite().all()
    assert set(method.provenance()) == {"slim_vgg", "network"}
    monkeypatch.setenv("RECOLOR_VGG19", str(tmp_path / "gone.pth"))
    with pytest.raises(WeightsMissing, match="gone.pth: there is no such file"):
        recolor(rgb, "correspondence", Guide((Reference(rgb),)))


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="Unknown several 'most'"):
        Correspondence(several="most")
    with pytest.raises(ValueError, match="Unknown trust 'blind'"):
        Correspondence(trust="blind")
    with pytest.raises(ValueError, match="Unknown fill 'gray'"):
        Correspondence(fill="gray")
    with pytest.raises(ValueError, match="side must be 16 or more, got 3"):
        Correspondence(side=3)


def test_descriptors_are_unit_and_keep_the_inner_products():
    g = torch.Generator().manual_seed(0)
    a, b = ([torch.randn(2, c, 5, 6, generator=g) for c in (8, 30)] for _ in range(2))
    whole = make_descriptors(a, [b], (1, 2), (8, 30))
    torch.testing.assert_close(whole[0].norm(dim=2), torch.ones(2, 30))
    less = make_descriptors(a, [b], (1, 2), (8, 27))
    torch.testing.assert_close(less[0] @ less[1].mT, whole[0] @ whole[1].mT, atol=0.1, rtol=0)
    assert less[0].shape == (2, 30, 35)


def test_regression_recovers_a_linear_rule():
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(1, 50, 6, generator=g), torch.randn(1, 80, 6, generator=g)
    rule = 0.02 * torch.randn(6, 2, generator=g)
    torch.testing.assert_close(regress_chroma(a, b, b @ rule + 0.1, ridge=1e-9), a @ rule + 0.1, atol=1e-4, rtol=0)


def test_good_evidence_is_believed_and_bad_is_not():
    chroma = torch.tensor([[0.1, 0.1], [0.2, 0.0], [0.0, 0.2]]).expand(1, 2, 3, 2)
    good = torch.tensor([2.0, 1, 1, -2, -2, 1.5, 1, -2])
    evidence = torch.stack((good, torch.tensor([-2.0, 0, 0, 1, 1, -2, 0, 1])))[None]
    candidates = Candidates(chroma, evidence, torch.ones(1, 2, 2), torch.ones(1, 2, 4, 2))
    found = blend_candidates(candidates)
    assert found.shares[0, 0, 3] < 0.1
    assert found.shares[0, 1, 3] > 0.7
    assert found.error[0, 0] < 0.5 * found.error[0, 1]
    torch.testing.assert_close(found.shares.sum(2), torch.ones(1, 2))
    torch.testing.assert_close(found.slope[..., 0], found.shares[..., 0])
    assert (blend_candidates(candidates, rejection=0.0).shares[..., 3] == 0).all()


def test_slopes_are_those_of_numpy(photos):
    yuv = rgb_to_yuv(photos[0]).double()
    found = slope_of(within_locations(yuv, 4).flatten(2).mT)[0].view(18, 24, 2)
    for row, column in ((0, 0), (7, 20), (17, 3)):
        y, u, v = yuv[0, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].flatten(1).numpy()
        wanted = [np.cov(y, c, bias=True)[0, 1] / (y.var() + NOISE_VARIANCE) for c in (u, v)]
        np.testing.assert_allclose(found[row, column], wanted, rtol=1e-6, atol=1e-9)


def test_colors_follow_luminance_within_a_location(method, monkeypatch):
    """Stripes of two pixels, half as wide as a location: blue where dark, orange where light; a plain reference."""
    stripes = (torch.arange(96) % 4 < 2).float().expand(1, 1, 96, 96)
    stripes = 0.4 + 0.2 * stripes
    striped = fit_gamut(stripes, torch.cat((0.5 - stripes, stripes - 0.5), 1))

    def error():
        return color_error(recolor(gray_of(striped), method, Guide((Reference(striped),))), striped)

    by_parts = error()
    monkeypatch.setattr(
        search, "detail_of_matches", lambda *args: 0 * split_parts(args[0].expand(-1, 2, -1, -1), (24, 24))
    )
    monkeypatch.setattr(agreement, "together", lambda closeness, size: torch.zeros_like(closeness))
    by_slope = error()
    monkeypatch.setattr(search, "slope_of", lambda within: torch.zeros_like(within[..., 1:]))
    coarse = error()
    assert by_parts < 0.5 * coarse
    assert by_slope < 0.5 * coarse


def test_padding_reflects_as_often_as_it_takes():
    x = torch.arange(12.0).view(1, 1, 3, 4)
    torch.testing.assert_close(pad_reflecting(x, 2), torch.nn.functional.pad(x, (2,) * 4, mode="reflect"))
    assert pad_reflecting(x[..., :1], 5)[0, 0, 5].tolist() == [0.0] * 11
    assert pad_reflecting(x[..., :2], 3)[0, 0, 3].tolist() == [1.0, 0, 1, 0, 1, 0, 1, 0]
    torch.testing.assert_close(pool_window(torch.ones(1, 2, 3, 4), 9), torch.ones(1, 2, 3, 4))


def test_working_pictures_are_bounded_multiples_of_four():
    assert working_picture(torch.zeros(1, 1, 3000, 2000), 512).shape == (1, 1, 512, 340)
    assert working_picture(torch.zeros(1, 1, 50, 30), 512).shape == (1, 1, 100, 60)
