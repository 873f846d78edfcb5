"""Colors by words in a method, with regions that are known."""

import pytest
import torch

from recolor_torch.color import rgb_to_lab, rgb_to_luminance, rgb_to_yuv
from recolor_torch.guide import Guide
from recolor_torch.methods import build_method
from recolor_torch.methods import words as painting
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.methods.words import to_edges
from recolor_torch.pipeline import recolor
from recolor_torch.text_guidance.color_table import COLORS
from recolor_torch.text_guidance.regions import Regions


@pytest.fixture
def image():
    """Dark on the left, light on the right."""
    y = torch.rand(2, 1, 48, 64, generator=torch.Generator().manual_seed(0)) * 0.05 + 0.3
    y[..., 32:] += 0.35
    return y.expand(-1, 3, -1, -1).contiguous()


@pytest.fixture(autouse=True)
def regions(monkeypatch):
    """A dress on the left half; no hat."""

    class Finder:
        def find(self, luminance, phrases):
            maps = torch.zeros(len(luminance), len(phrases), 6, 8)
            maps[:, [i for i, p in enumerate(phrases) if p.thing == "dress"], :, :4] = 1
            found = torch.tensor([[p.thing == "dress" for p in phrases]] * len(luminance))
            return Regions(maps.to(luminance), found, (tuple(p.thing for p in phrases),) * len(luminance))

    monkeypatch.setattr(painting, "region_finder", Finder)


@pytest.fixture
def method(network_path):
    return NetworkColorization(weights=str(network_path), side=64)


def hue_off(rgb, name):
    a, b = rgb_to_lab(rgb)[0, 1:].flatten(1).mean(1)
    wanted = torch.tensor(COLORS[name][1:], dtype=rgb.dtype)
    return (torch.atan2(b, a) - torch.atan2(wanted[1], wanted[0])).rad2deg().abs()


@pytest.mark.parametrize("name", ["red", "green", "blue"])
def test_a_phrase_colors_its_own_thing_and_nothing_else(method, image, name):
    plain, out = recolor(image, method), recolor(image, method, text=f"{name} dress")
    assert method.notes == [(), ()]
    torch.testing.assert_close(rgb_to_luminance(out), rgb_to_luminance(image), atol=1e-5, rtol=0)
    assert hue_off(out[:1, :, :, 4:26], name) < 25
    inside = (out - plain)[..., :28].abs().mean()
    outside = (out - plain)[..., 36:].abs().mean()
    assert outside < 0.02 * inside


def test_what_is_not_found_changes_nothing_and_is_said(method, image):
    out = recolor(image, method, text="red hat, qwerty")
    assert torch.equal(out, recolor(image, method))
    method.notes = []
    recolor(image[:1], method, text="red hat, qwerty")
    (notes,) = method.notes
    assert notes == ("text: the word 'qwerty' is not known.", "text: 'red hat' was not used: no hat was found.")
    with pytest.warns(UserWarning, match="no hat was found"):
        recolor(image[:1], "network", text="red hat")


def test_hints_come_before_words(method, image):
    mask = torch.zeros_like(image[:, :1])
    mask[..., 10:14, 10:14] = 1
    hints = torch.tensor([0.2, 0.3, 0.6]).view(1, 3, 1, 1).expand_as(image)
    out = recolor(image, method, text="red dress", hints=(hints, mask))
    there = mask.expand_as(out) > 0
    wanted = rgb_to_yuv(hints)[:, 1:]
    torch.testing.assert_close(rgb_to_yuv(out)[:, 1:][there[:, 1:]], wanted[there[:, 1:]], atol=5e-3, rtol=0)


def test_a_batch_is_its_pictures_and_the_guide_keeps_the_text(method, image):
    both = recolor(image, method, text="red dress")
    assert torch.equal(both[1:], recolor(image[1:], method, Guide(text="red dress")))
    assert torch.equal(both[1], recolor(image[1], method, text="red dress"))
    assert Guide(text="a").select(0).text == Guide(text="a").to(image).text == "a"


def test_stages_show_the_regions(method, image):
    method.keep_stages = True
    recolor(image[:1], method, text="red dress")
    region = method.stages["text_1_dress"]
    assert region.shape == image[:1].shape
    assert region[..., :24].mean() > 0.9
    assert region[..., 40:].mean() < 0.05
    assert method.stages["text"].shape == image[:1].shape


def test_methods_that_do_not_read_a_text_say_which_do(image):
    for name in ("histogram", "levin", "poisson", "wavelet", "gram"):
        with pytest.raises(ValueError, match="does not read a text: network, correspondence and semi_interactive do"):
            build_method(name).require_text("red dress")
    with pytest.raises(ValueError, match="names no color"):
        build_method("network").require_text("red")


def test_maps_are_brought_to_edges():
    y = torch.full((1, 1, 64, 96), 0.2)
    y[..., 40:] = 0.8
    maps = torch.tensor([1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).expand(1, 3, 8, 12)
    shares = to_edges(y, maps * torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1))
    assert shares.shape == (1, 3, 64, 96)
    assert shares[0, 0, :, 4:34].min() > 0.8
    assert shares[0, 0, :, 46:].max() < 0.2
    assert shares[0, 1:].max() < 1e-3
    assert shares.sum(1).max() <= 1 + 1e-5


@pytest.mark.parametrize("name", ["correspondence", "semi_interactive"])
def test_with_a_reference_words_color_their_region_alone(image, name):
    reference = torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros_like(image[:1, :1])
    mask[..., 20:24, 50:54] = 1
    hints = (torch.tensor([0.5, 0.6, 0.7]).view(1, 3, 1, 1).expand_as(image[:1]), mask)
    given = {"reference": reference, **({"hints": hints} if name == "semi_interactive" else {})}
    method = build_method(name)
    plain, out = recolor(image[:1], method, **given), recolor(image[:1], method, text="red dress", **given)
    assert hue_off(out[..., 4:20], "red") < 30
    assert (out - plain)[..., 44:].abs().mean() < 0.1 * (out - plain)[..., 4:20].abs().mean()
