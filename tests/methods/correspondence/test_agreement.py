"""Odd matches give way to what their likes say, where they do not hang together, and there alone."""

import pytest
import torch

from recolor_torch.methods.correspondence import agreement
from recolor_torch.methods.correspondence.agreement import LEAST_VOICE, blend_agreeing, mean_of_likes, together
from recolor_torch.methods.correspondence.confidence import CLOSENESS, EVIDENCE, Candidates, blend_candidates
from recolor_torch.methods.correspondence.detail import PARTS
from recolor_torch.methods.correspondence.search import Places

SIZE = (16, 24)
BROWN, GREEN, PINK = (torch.tensor(x) for x in ((-0.16, 0.2), (-0.1, -0.1), (-0.14, 0.28)))


def places_of(size, gray, like, chroma):
    """Locations that are their own reference."""
    within, counted = like.new_zeros(*chroma.shape[:2], 3), like.new_ones(chroma.shape[:2])
    whole = gray.repeat_interleave(4, 2).repeat_interleave(4, 3)
    beyond = like.new_ones(*chroma.shape[:2], PARTS**2, 1)
    return Places(size, whole, gray, beyond, like, like, like, like, chroma, within, counted, ())


def two_surfaces(batch=1, dtype=torch.float32):
    """Wood on the left, grass on the right, told apart by descriptors; a patch of the wood is pink."""
    h, w = SIZE
    wood = (torch.arange(w) < w // 2).expand(h, w)
    patch = torch.zeros(h, w, dtype=torch.bool)
    patch[4:8, 2:6] = True
    like = torch.stack((wood, ~wood), 2).to(dtype).flatten(0, 1).expand(batch, -1, -1)
    chroma = torch.where(wood.unsqueeze(2), BROWN, GREEN)
    chroma = torch.where(patch.unsqueeze(2), PINK, chroma).to(dtype).flatten(0, 1).expand(batch, -1, -1)
    places = places_of(SIZE, torch.full((batch, 1, h, w), 0.5, dtype=dtype), like, chroma)
    return places, chroma, wood.flatten(), patch.flatten()


def candidates_of(chroma, closeness):
    evidence = torch.zeros(*chroma.shape[:2], EVIDENCE)
    evidence[..., CLOSENESS] = closeness
    detail = torch.full_like(chroma, 3.0).unsqueeze(2).expand(-1, -1, PARTS**2, -1)
    return Candidates(chroma.unsqueeze(2).expand(-1, -1, 3, -1), evidence, torch.ones_like(chroma), detail)


def test_a_patch_that_its_likes_contradict_gives_way():
    places, chroma, wood, patch = two_surfaces()
    found = candidates_of(chroma, 0.0)
    plain, agreed = blend_candidates(found), blend_agreeing(places, found)
    wanted = torch.where(wood.unsqueeze(1), BROWN, GREEN)

    def off(blend):
        """The share of the distance to the color of the surface that is left of what the matches say."""
        rest = blend.shares[0, :, 1:3].sum(1, keepdim=True) * chroma[0]
        matched = (blend.chroma[0] - rest) / blend.shares[0, :, :1]
        return (matched - wanted).norm(dim=1) / (PINK - BROWN).norm()

    torch.testing.assert_close(off(plain)[patch], torch.ones(16), atol=1e-4, rtol=0)
    assert off(agreed)[patch].max() < 0.15
    assert off(agreed)[~patch].max() < 0.05
    # What was doubted is known less well.
    assert (agreed.error > 1.2 * plain.error)[0, patch].all()
    torch.testing.assert_close(agreed.error[0, ~patch], plain.error[0, ~patch], rtol=0.05, atol=0)


def test_a_patch_whose_matches_hang_together_stays():
    places, chroma, _, _ = two_surfaces()
    found = candidates_of(chroma, 1.0)
    plain, agreed = blend_candidates(found), blend_agreeing(places, found)
    torch.testing.assert_close(agreed.chroma, plain.chroma)
    torch.testing.assert_close(agreed.error, plain.error)


def test_the_mean_of_likes_is_that_of_its_formula(monkeypatch):
    """All weights at once in float64, two rounds of Geman and McClure's weights; in pieces it is the same."""
    g = torch.Generator().manual_seed(0)
    places, chroma, _, _ = two_surfaces(2, torch.float64)
    chroma = chroma + 0.02 * torch.randn(chroma.shape, generator=g, dtype=torch.float64)
    voice = torch.rand(chroma.shape[:2], generator=g, dtype=torch.float64)
    h, w = SIZE
    y, x = (torch.arange(h) / w).repeat_interleave(w), (torch.arange(w) / w).repeat(h)
    apart = (y[:, None] - y).square() + (x[:, None] - x).square()
    kernel = (places.target @ places.target.mT / 0.1 - apart / (2 * 0.15**2)).exp()
    some = torch.arange(h * w).view(h, w)[::2, ::2].flatten()
    heard = voice[:, some].clamp(min=LEAST_VOICE)
    voices = heard

    def mean(rows):
        weights = kernel[:, rows][..., some] * voices.unsqueeze(1)
        return weights @ chroma[:, some] / weights.sum(2, keepdim=True)

    for _ in range(2):
        voices = heard / (1 + (chroma[:, some] - mean(some)).square().sum(2) / 0.03**2)
    wanted = mean(torch.arange(h * w))
    torch.testing.assert_close(mean_of_likes(places, chroma, voice), wanted)
    monkeypatch.setattr(agreement, "CHUNK", 1000)
    torch.testing.assert_close(mean_of_likes(places, chroma, voice), wanted)


def test_matches_hang_together_by_the_mean_of_a_window():
    close = torch.zeros(1, 12 * 9)
    close[0, :54] = 1
    found = together(close, (12, 9)).view(12, 9)
    assert (found[:4] == 1).all()
    torch.testing.assert_close(found[5:8, 0], torch.tensor([0.6, 0.4, 0.2]) / 0.75)
    assert (found[8:] == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2)])
def test_few_places(size):
    n = size[0] * size[1]
    like, chroma = torch.rand(2, n, 3), torch.rand(2, n, 2)
    places = places_of(size, torch.rand(2, 1, *size), like, chroma)
    assert blend_agreeing(places, candidates_of(chroma, 0.0)).chroma.isfinite().all()


def test_gradients_reach_the_chroma_that_was_doubted():
    places, chroma, _, patch = two_surfaces()
    chroma = chroma.clone().requires_grad_()
    blend_agreeing(places, candidates_of(chroma, 0.0)).chroma[0, patch].sum().backward()
    assert chroma.grad.isfinite().all()
    assert chroma.grad[0, ~patch].abs().sum() > 0


def test_parts_follow_their_matches_as_far_as_those_hang_together():
    """The slope gives parts 1 and the matches 3: a mean closeness of half of what is sound is half way."""
    places, chroma, wood, _ = two_surfaces()
    chroma = torch.where(wood.unsqueeze(1), BROWN, GREEN).unsqueeze(0)  # nothing is odd, so nothing gives way
    for closeness, wanted in ((0.0, 1.0), (agreement.SOUND_CLOSENESS / 2, 2.0), (1.0, 3.0)):
        found = blend_agreeing(places, candidates_of(chroma, closeness))
        parts = found.detail / found.shares[..., :1, None]
        torch.testing.assert_close(parts, torch.full_like(parts, wanted), rtol=0.02, atol=0)
