import pytest
import torch

from recolor_torch.color import fit_gamut, rgb_to_lab, rgb_to_luminance
from recolor_torch.text_guidance.color_table import COLORS
from recolor_torch.text_guidance.colors import chroma_in_light

LEVELS = torch.linspace(0.02, 0.98, 49).view(1, 1, 1, -1)


@pytest.mark.parametrize("name", ["red", "yellow", "green", "blue", "purple", "brown", "pink"])
def test_the_hue_is_the_words_in_light_and_shade(name):
    rgb = fit_gamut(LEVELS, chroma_in_light(LEVELS, COLORS[name]))
    torch.testing.assert_close(rgb_to_luminance(rgb), LEVELS, atol=2e-3, rtol=0)
    _, a, b = rgb_to_lab(rgb)[0, :, 0]
    wanted = torch.atan2(torch.tensor(float(COLORS[name][2])), torch.tensor(float(COLORS[name][1])))
    off = torch.remainder(torch.atan2(b, a) - wanted + torch.pi, 2 * torch.pi) - torch.pi
    assert off.rad2deg().abs().max() < 4


def test_chroma_falls_in_the_shade_and_never_exceeds_the_word():
    rgb = fit_gamut(LEVELS, chroma_in_light(LEVELS, COLORS["green"]))
    lightness, a, b = rgb_to_lab(rgb)[0, :, 0]
    chroma = (a * a + b * b).sqrt()
    l0, a0, b0 = COLORS["green"]
    full = (a0**2 + b0**2) ** 0.5
    assert chroma.max() <= full + 0.5
    middle = (lightness > 30) & (lightness < l0)
    torch.testing.assert_close(chroma[middle], full * (lightness[middle] + 16) / (l0 + 16), atol=0.6, rtol=0.02)


def test_words_without_color_give_none():
    for name in ("black", "white", "gray"):
        assert chroma_in_light(LEVELS, COLORS[name]).abs().max() < 2e-3


def test_shape_type_and_ends():
    y = torch.rand(2, 1, 3, 5, dtype=torch.float64)
    out = chroma_in_light(y, COLORS["red"])
    assert out.shape == (2, 2, 3, 5)
    assert out.dtype == y.dtype
    ends = chroma_in_light(torch.tensor([0.0, 1.0]).view(1, 1, 1, 2), COLORS["red"])
    assert ends.isfinite().all()
    assert ends.abs().max() < 0.01
    with pytest.raises(ValueError, match="luminance"):
        chroma_in_light(torch.rand(1, 3, 2, 2), COLORS["red"])
