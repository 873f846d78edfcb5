"""What the sources say of a place, joined."""

import pytest
import torch

from recolor_torch.energies.temporal import Belief
from recolor_torch.film.joining import CLAIM, FrameEstimate, ShotColors, mean_of_sources

SIZE = (40, 56)
LUMINANCE = torch.full((1, 1, *SIZE), 0.5)


def said(chroma, precision, claim=None):
    """A belief; with a claim it is a source's other than given colors."""
    third = torch.ones(1, 1, *SIZE) if claim is None else torch.full((1, 1, *SIZE), claim / CLAIM)
    return Belief(torch.cat((torch.full((1, 2, *SIZE), chroma), third), 1), torch.full((1, 1, *SIZE), precision))


@pytest.mark.parametrize(("precision", "least", "most"), [(1e3, 0.9, 1.0), (4e4, 0.1, 0.3), (2e5, 0.0, 0.02)])
def test_correspondence_has_a_say_only_where_given_colors_are_unsure(precision, least, most):
    beliefs = {"given": said(0.0, precision), "matched": said(1.0, 2.0, claim=2e4)}
    mean, _ = mean_of_sources(LUMINANCE, beliefs)
    assert least < float(mean.mean()) < most


def test_without_given_colors_correspondence_counts_as_it_claims():
    mean, confidence = mean_of_sources(LUMINANCE, {"matched": said(1.0, 1e6, claim=300.0)})
    assert float(mean.mean()) == pytest.approx(1.0)
    assert 0.008 < float(confidence.mean()) < 0.015  # it is spread along the picture


@pytest.mark.parametrize("frames", [1, 8])
def test_colors_that_are_given_are_not_blurred_where_luminance_shows_no_edge(tmp_path, frames):
    texture = torch.rand(1, 1, 10, 14, generator=torch.Generator().manual_seed(0))
    luminance = torch.nn.functional.interpolate(texture, SIZE, mode="bicubic", align_corners=False).clamp(0, 1)
    chroma = torch.zeros(1, 2, *SIZE)
    chroma[..., 28:] = 0.1  # an edge of color alone
    given = FrameEstimate(chroma, torch.full_like(luminance, 1e8), torch.full_like(luminance, 1e8))
    with ShotColors(tmp_path, SIZE, ("given",)) as colors:
        for t in range(frames + 1):
            colors.forward(luminance, {"given": given} if t == 0 else {})
        list(colors.backward())
        assert float((colors.get(frames) - chroma).abs().max()) < 0.004


@pytest.mark.parametrize(("period", "amount"), [(3, 1.0), (8, 0.0)])
def test_words_color_what_most_frames_show_and_alike_on_all(tmp_path, period, amount):
    """A thing is found on all but every third frame that is looked at, or on every eighth alone."""
    color = torch.tensor([-0.1, 0.2]).view(1, 2, 1, 1).expand(1, 2, *SIZE)
    nothing, ones = torch.zeros(1, 2, *SIZE), torch.ones(1, 1, *SIZE)
    guess = FrameEstimate(nothing, 300 * ones, ones)
    with ShotColors(tmp_path, SIZE, ("worded", "guessed")) as colors:
        for t in range(24):
            share = float((t % period == 0) == (period == 8)) * ones
            words = FrameEstimate(share * color, CLAIM * share, ones)
            colors.forward(LUMINANCE, {"worded": words, "guessed": guess})
        list(colors.backward())
        found = torch.cat([colors.get(t) for t in range(24)])
    assert float((found - amount * color).abs().max()) < 0.03
    assert float(found.std(0).max()) < 0.01


@pytest.mark.parametrize(("name", "precision", "share"), [("given", 1e5, 0.02), ("matched", 2.0, 0.99)])
def test_given_colors_come_before_words_and_words_before_references(name, precision, share):
    words = Belief(torch.ones(1, 3, *SIZE), torch.full((1, 1, *SIZE), 5.0))
    mean, _ = mean_of_sources(LUMINANCE, {name: said(0.0, precision, claim=2e4), "worded": words})
    assert float(mean.mean()) == pytest.approx(share, abs=0.02)
