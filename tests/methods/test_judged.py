"""A reference beside the network: matches and hints say how far it is believed; it gains from every hint."""

import pytest
import torch

from recolor_torch.guide import Link
from recolor_torch.methods import NetworkColorization
from recolor_torch.methods.base import Transferred
from recolor_torch.methods.judged import Judged, color_judged, judge, linked_region, read_beside
from recolor_torch.methods.network import FILL_VIVIDNESS


@pytest.fixture
def known():
    """A luminance with an edge, its true chroma with another one, and two hinted places: (1, ., 24, 32)."""
    luminance = torch.full((1, 1, 24, 32), 0.4)
    luminance[..., 16:] = 0.6
    chroma = torch.full((1, 2, 24, 32), 0.05)
    chroma[..., 12:, :] = -0.1
    mask = torch.zeros(1, 1, 24, 32)
    mask[..., 4, 4] = 1
    mask[..., 17, 25] = 1
    return luminance, chroma, mask


@pytest.fixture
def network(network_path, monkeypatch):
    monkeypatch.setenv("RECOLOR_NETWORK", str(network_path))
    return NetworkColorization()


def share_of(network, known, reference, bare, belief, linked=None, places=1.0):
    luminance, chroma, mask = known
    one = torch.ones_like(mask)
    found = Transferred(reference, one, belief * one)
    return judge(network, luminance, chroma, places * mask, found, (bare, one), (bare, one), linked).share


def test_one_place_is_compared_with_what_knows_none(known, network):
    _, chroma, mask = known
    mask[..., 17, 25] = 0
    aside = torch.tensor([0.05, 0.0]).view(1, 2, 1, 1)
    found = share_of(network, known, chroma + aside, chroma + 2 * aside, 0.6)
    # Nothing else is shown, so the errors are those of the estimates, each with 0.004 more.
    odds = 6 * (0.6 - 0.55 / 2) + 2 * torch.tensor(0.104 / 0.054).log()
    torch.testing.assert_close(found, odds.sigmoid().expand_as(mask))


def test_a_better_match_and_better_agreement_are_believed_more(known, network):
    _, chroma, _ = known
    near, far = chroma + 0.01, chroma + 0.1

    def share(reference, bare, belief):
        return float(share_of(network, known, reference, bare, belief).mean())

    assert share(far, far, 0.95) > 0.95
    assert share(far, far, 0.0) < 0.2
    assert share(far, near, 0.6) < share(far, far, 0.6) < share(near, far, 0.6)
    # What the hints bear out alike is decided by the matches.
    assert share(far, far, 0.38) < 0.5 < share(far, far, 0.45)


def test_one_place_cannot_take_the_picture_from_a_doubtful_reference(known, network):
    _, chroma, mask = known
    far = chroma + 0.1
    two = float(share_of(network, known, far, far, 0.35).mean())
    mask[..., 17, 25] = 0
    assert two < 0.5 < float(share_of(network, known, far, far, 0.35).mean())
    # What it says against the reference at its own place does.
    assert float(share_of(network, known, far, chroma + 0.02, 0.35).mean()) < 0.2


def test_without_hints_and_where_a_person_linked_the_reference_is_all(known, network):
    luminance, chroma, mask = known
    assert (share_of(network, known, chroma + 0.2, chroma, 0.0, places=0.0) == 1).all()
    target = torch.zeros_like(mask)
    target[..., :8, :8] = 1
    linked = linked_region((Link(0, target, torch.ones_like(mask)),), luminance)
    found = share_of(network, known, chroma + 0.2, chroma, 0.0, linked)
    assert (found[..., :8, :8] == 1).all()
    assert found[..., 8:, 8:].max() < 0.02


def test_a_believed_reference_keeps_borders_that_luminance_does_not_show(known, network):
    luminance, chroma, mask = known
    one = torch.ones_like(mask)
    judged = Judged((chroma, one), (torch.zeros_like(chroma), 0.5 * one), one)
    result = color_judged(network, luminance, chroma, mask, judged)
    torch.testing.assert_close(result, chroma, atol=1e-4, rtol=0)


def test_hints_are_exact_and_correct_nearby_whatever_the_share(known, network):
    luminance, chroma, mask = known
    one = torch.ones_like(mask)
    off = chroma + torch.tensor([0.08, -0.04]).view(1, 2, 1, 1)
    for share in (0.0, 0.4, 1.0):
        judged = Judged((off, 0.5 * one), (torch.zeros_like(chroma), 0.5 * one), share * one)
        result = color_judged(network, luminance, chroma, mask, judged)
        there = mask.expand_as(result) > 0.5
        torch.testing.assert_close(result[there], chroma[there], atol=1e-5, rtol=0)
        if share == 1:
            assert ((result - chroma).norm(dim=1) < (off - chroma).norm(dim=1)).all()


def test_a_share_of_nothing_is_the_network_and_a_text_is_in_both(known, network):
    luminance, chroma, mask = known
    one = torch.ones_like(mask)
    judged = Judged((chroma + 0.3, one), (0.5 * chroma, 0.5 * one), 0 * one)
    points = network.combine(luminance, chroma, mask, 0.5 * chroma, 0.5 * one)
    torch.testing.assert_close(color_judged(network, luminance, chroma, mask, judged), points)
    painted = judged.painted(torch.full_like(chroma, 0.2), torch.cat((one[..., :16], 0 * one[..., 16:]), 3))
    for (new, sure), (old, _) in ((painted.reference, judged.reference), (painted.hinted, judged.hinted)):
        assert (new[..., :16] == 0.2).all()
        assert (sure[..., :16] == 1).all()
        torch.testing.assert_close(new[..., 16:], old[..., 16:])


def test_what_a_reference_leaves_moves_with_the_hints_and_what_it_knows_does_not(known, network):
    luminance, chroma, mask = known
    one = torch.ones_like(mask)
    belief = torch.cat((one[..., :16], 0 * one[..., 16:]), 3)
    found = Transferred(chroma, 0.5 * one, belief)
    judged = judge(network, luminance, chroma, mask, found, (0 * chroma, one), (0.3 * chroma, one))
    torch.testing.assert_close(judged.reference[0][..., :16], chroma[..., :16])
    torch.testing.assert_close(judged.reference[0][..., 16:], 1.3 * chroma[..., 16:])
    with pytest.raises(ValueError, match="got no belief"):
        judge(network, luminance, chroma, mask, Transferred(chroma, one), (chroma, one), (chroma, one))


def test_one_hint_makes_the_network_no_more_vivid_than_it_fills(known, network):
    luminance, chroma, mask = known
    estimate = network.estimate(luminance, chroma, mask)
    alone = mask.clone()
    alone[..., 17, 25] = 0
    pale = NetworkColorization(vividness=FILL_VIVIDNESS).read(estimate, luminance)[0]
    torch.testing.assert_close(read_beside(estimate, luminance, alone)[0], pale)
    torch.testing.assert_close(
        read_beside(estimate, luminance, torch.ones_like(mask))[0], network.read(estimate, luminance)[0]
    )
    assert not torch.allclose(pale, network.read(estimate, luminance)[0], atol=1e-4)
