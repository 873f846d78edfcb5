"""Links: a region takes its colors from the region that a person chose."""

from dataclasses import replace

import pytest
import torch

from recolor_torch.color import rgb_to_yuv
from recolor_torch.guide import Guide, Link, Reference
from recolor_torch.methods import Correspondence, SemiInteractive
from recolor_torch.methods.correspondence.search import region_locations
from recolor_torch.pipeline import recolor

SIZE = (64, 96)


def box(size, top, bottom, left, right):
    mask = torch.zeros(1, 1, *size)
    mask[..., top:bottom, left:right] = 1
    return mask


@pytest.fixture(scope="module")
def scene():
    """Gray noise, and a reference of which the left half is red and the right half blue, alike in luminance."""
    dice = torch.Generator().manual_seed(3)
    gray = torch.rand(1, 1, 16, 24, generator=dice)
    gray = torch.nn.functional.interpolate(gray, SIZE, mode="bicubic").clamp(0, 1) * 0.3 + 0.3
    reference = gray.expand(-1, 3, -1, -1).clone()
    reference[:, 0, :, :48] += 0.2
    reference[:, 2, :, 48:] += 0.2
    return gray.expand(-1, 3, -1, -1).clone(), reference.clamp(0, 1)


@pytest.fixture
def method(vgg19_path):
    return Correspondence(side=96, weights=str(vgg19_path))


RIGHT = box(SIZE, 0, 64, 48, 96)
PLACE = box(SIZE, 8, 40, 8, 40)


def warmth(image, mask):
    """Mean of V - U in a region: more is redder, less is bluer."""
    chroma = rgb_to_yuv(image)[:, 1:]
    return float(((chroma[:, 1:] - chroma[:, :1]) * mask).sum() / mask.sum())


def test_a_link_overrules_the_match_in_its_region_alone(method, scene):
    target, reference = scene
    plain = recolor(target, method, Guide((Reference(reference),)))
    guide = Guide((Reference(reference),), links=(Link(0, PLACE, RIGHT),))
    linked = recolor(target, method, guide)
    assert warmth(plain, PLACE) > 0.05  # left matches left, which is red
    assert warmth(linked, PLACE) < -0.05
    away = box(SIZE, 0, 64, 60, 96)
    assert warmth(linked, away) == pytest.approx(warmth(plain, away), abs=0.02)
    # What was said last counts.
    left = 1 - RIGHT
    again = recolor(target, method, replace(guide, links=(*guide.links, Link(0, PLACE, left))))
    assert warmth(again, PLACE) > 0.05


@pytest.mark.parametrize("several", ["all", "best"])
def test_a_reference_of_no_weight_counts_in_its_link_alone(several, vgg19_path, scene):
    target, reference = scene
    blue = target * torch.tensor([0.7, 0.9, 1.4]).view(1, 3, 1, 1)
    method = Correspondence(side=96, several=several, weights=str(vgg19_path))
    red = Guide((Reference(reference),))
    both = Guide((Reference(reference), Reference(blue.clamp(0, 1), weight=0.0)), links=(Link(1, PLACE, 1 - RIGHT),))
    plain, linked = recolor(target, method, red), recolor(target, method, both)
    assert warmth(linked, PLACE) < -0.05
    away = box(SIZE, 44, 64, 0, 40)
    assert warmth(linked, away) == pytest.approx(warmth(plain, away), abs=0.03)


def test_a_link_alone_leaves_the_rest_to_what_fills(vgg19_path, scene):
    target, reference = scene
    method = Correspondence(side=96, fill="none", weights=str(vgg19_path))
    alone = Guide((Reference(reference, weight=0.0),), links=(Link(0, PLACE, RIGHT),))
    result = recolor(target, method, alone)
    assert warmth(result, PLACE) < -0.05
    assert abs(warmth(result, box(SIZE, 0, 64, 70, 96))) < 0.04
    with pytest.raises(ValueError, match="weights"):
        recolor(target, method, Guide((Reference(reference, weight=0.0),)))


def test_hints_come_before_a_link_and_a_link_before_the_odds(vgg19_path, scene):
    """The hints say that the reference is wrong: what a person linked to it is taken from it nonetheless."""
    target, reference = scene
    method = SemiInteractive(weights=str(vgg19_path))
    hints = target.clone()
    hints[:, 1] += 0.3  # green, unlike the reference
    mask = torch.zeros_like(RIGHT)
    mask[..., ::9, 50::9] = 1
    mask[..., 20:23, 20:23] = 1
    guide = Guide((Reference(reference),), hints=hints.clamp(0, 1), hint_mask=mask, links=(Link(0, PLACE, RIGHT),))
    result = recolor(target, method, guide)
    assert warmth(result, PLACE * (1 - box(SIZE, 15, 28, 15, 28))) < -0.03
    given = rgb_to_yuv(hints.clamp(0, 1))[:, 1:, 21, 21]
    torch.testing.assert_close(rgb_to_yuv(result)[:, 1:, 21, 21], given, atol=0.02, rtol=0)


def test_no_hints_but_a_link(vgg19_path, scene):
    target, reference = scene
    nothing = torch.zeros_like(target)
    guide = Guide((Reference(reference),), hints=nothing, hint_mask=nothing[:, :1], links=(Link(0, PLACE, RIGHT),))
    result = recolor(target, SemiInteractive(weights=str(vgg19_path)), guide)
    alone = recolor(target, Correspondence(weights=str(vgg19_path)), guide)
    torch.testing.assert_close(result, alone, atol=0.05, rtol=0)


def test_pictures_of_a_batch_have_their_own_links(method, scene):
    target, reference = scene
    masks = torch.cat((PLACE, torch.zeros_like(PLACE)))
    guide = Guide((Reference(reference),), links=(Link(0, masks, RIGHT),))
    chroma, confidence = method.estimate(rgb_to_yuv(target).expand(2, -1, -1, -1), _in_yuv(guide))
    one, certain = method.estimate(rgb_to_yuv(target), _in_yuv(guide.select(0)))
    torch.testing.assert_close(chroma[:1], one, atol=1e-4, rtol=0)
    torch.testing.assert_close(confidence[:1], certain, atol=1e-3, rtol=0)
    plain, _ = method.estimate(rgb_to_yuv(target), _in_yuv(replace(guide, links=())))
    torch.testing.assert_close(chroma[1:], plain, atol=1e-4, rtol=0)


def _in_yuv(guide):
    return replace(guide, references=tuple(replace(r, image=rgb_to_yuv(r.image)) for r in guide.references))


def test_a_small_region_has_a_location():
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 5, 5] = 1
    assert region_locations(mask, (16, 16)).nonzero().tolist() == [[0, 16 + 1]]
    assert not region_locations(mask * 0, (16, 16)).any()
    assert region_locations(torch.ones(1, 1, 64, 64), (16, 16)).all()


def test_a_link_needs_its_reference(scene):
    with pytest.raises(ValueError, match="names reference 1, and there are 1"):
        Guide((Reference(scene[1]),), links=(Link(1, PLACE, RIGHT),))
    with pytest.raises(ValueError, match="target of a link"):
        recolor(scene[0], Correspondence(), Guide((Reference(scene[1]),), links=(Link(0, PLACE[..., :9], RIGHT),)))
