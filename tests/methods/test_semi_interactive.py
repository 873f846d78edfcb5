"""Hints with a prior from a reference: hints win, and decide how far the reference is believed."""

import pytest
import torch

from recolor_torch.color import rgb_to_yuv
from recolor_torch.evaluation import color_error
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import LevinColorization, NetworkColorization, SemiInteractive
from recolor_torch.methods.semi_interactive import choose_strength, spread_with_prior
from recolor_torch.pipeline import recolor
from recolor_torch.resize import resize


@pytest.fixture
def scene():
    """A picture of 48 x 64 whose color changes where its luminance hardly does, and true points on it."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 48), torch.linspace(0, 1, 64), indexing="ij")
    picture = torch.stack((0.4 + 0.2 * (x > 0.5) + 0.1 * y, 0.5 - 0.1 * (x > 0.5), 0.4 + 0.2 * (y > 0.5)))[None]
    mask = torch.zeros(1, 1, 48, 64)
    for row, column in ((5, 5), (10, 50), (24, 20), (40, 10), (42, 55), (15, 30), (30, 40)):
        mask[..., row : row + 2, column : column + 2] = 1
    return picture, mask


def parts(scene):
    picture, mask = scene
    yuv = rgb_to_yuv(picture)
    return yuv[:, :1], yuv[:, 1:], mask


def test_hints_are_exact(scene):
    picture, mask = scene
    method = SemiInteractive(transfer="histogram")
    guide = Guide((Reference(1 - picture),), hints=picture, hint_mask=mask)
    out = recolor(picture, method, guide)
    there = mask.expand_as(out) > 0.5
    torch.testing.assert_close(out[there], picture[there], atol=1e-5, rtol=0)


def test_a_true_prior_is_believed_and_a_false_one_dropped(scene):
    luminance, chroma, mask = parts(scene)
    one = torch.ones_like(luminance)
    both = torch.cat((chroma, -3 * chroma.flip(1) + 0.2))
    strength = choose_strength(luminance.expand(2, -1, -1, -1), chroma, mask, both, one.expand(2, -1, -1, -1))
    assert strength[0] > 0
    assert strength[1] == 0


def test_a_wrong_reference_falls_back_to_the_network(scene, network, vgg19_path):
    picture, mask = scene
    colors = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    guide = Guide((Reference(resize(colors, (96, 96)).clamp(0, 1)),), hints=picture, hint_mask=mask)
    method = SemiInteractive(weights=str(vgg19_path))
    found = color_error(recolor(picture, method, guide), picture)
    points = color_error(recolor(picture, network, Guide(hints=picture, hint_mask=mask)), picture)
    assert found <= 1.001 * points
    assert method.provenance()["network"] == network.digest


def test_trust_reaches_the_reference_method():
    assert SemiInteractive(trust="high").bare().trust == "high"
    with pytest.raises(ValueError, match="Unknown trust 'blind'"):
        SemiInteractive(trust="blind")


def test_without_strength_it_is_levin(scene):
    luminance, chroma, mask = parts(scene)
    off = torch.zeros(1, 1, 1, 1)
    found = spread_with_prior(luminance, chroma, mask, -chroma, torch.ones_like(luminance), off)
    image = torch.cat((luminance, torch.zeros_like(chroma)), 1)
    levin = LevinColorization()(image, Guide(hints=torch.cat((luminance, chroma), 1), hint_mask=mask))
    torch.testing.assert_close(found, levin[:, 1:], atol=1 / 255, rtol=0)


def test_a_good_reference_helps_and_a_bad_one_does_no_harm(scene):
    picture, mask = scene
    levin = color_error(recolor(picture, "levin", Guide(hints=picture, hint_mask=mask)), picture)
    method = SemiInteractive(transfer="wavelet")
    good, bad = (
        color_error(recolor(picture, method, Guide((Reference(r),), hints=picture, hint_mask=mask)), picture)
        for r in (picture, 1 - picture)
    )
    assert good < 0.6 * levin
    assert bad < 1.001 * levin


@pytest.mark.parametrize("transfer", ["correspondence", "wavelet", "auto"])
def test_transfers_of_other_spaces(scene, vgg19_path, transfer):
    picture, mask = scene
    method = SemiInteractive(transfer=transfer, weights=str(vgg19_path))
    method.keep_stages = True
    out = recolor(picture, method, Guide((Reference(picture),), hints=picture, hint_mask=mask))
    assert out.isfinite().all()
    assert {"reference_1", "confidence", "prior", "result"} <= set(method.stages)
    assert ("matches" in method.stages) == (transfer != "wavelet")


@pytest.fixture
def network(network_path, monkeypatch):
    monkeypatch.setenv("RECOLOR_NETWORK", str(network_path))
    return NetworkColorization()


def test_without_a_reference_the_network_stands_in(scene, network):
    picture, mask = scene
    guide = Guide(hints=picture, hint_mask=mask)
    method = SemiInteractive(strength=100.0)
    out = recolor(picture, method, guide)
    there = mask.expand_as(out) > 0.5
    torch.testing.assert_close(out[there], picture[there], atol=1e-5, rtol=0)
    # So strong a prior is hardly corrected away from the hints: what is left is the network's estimate.
    network.trust = 1e6
    alone = recolor(picture, network, guide)
    far = torch.nn.functional.max_pool2d(mask, 9, 1, 4).expand_as(out) < 0.5
    assert (out - alone)[far].abs().max() < 0.02
    assert method.provenance() == {"transfer": "NetworkColorization", "network": network.digest}


def test_hints_and_the_networks_estimate_are_as_the_network_has_them(scene, network):
    picture, mask = scene
    guide = Guide(hints=picture, hint_mask=mask)
    out = recolor(picture, "semi_interactive", guide)
    # The least confidence makes what is left of a difference.
    torch.testing.assert_close(out, recolor(picture, network, guide), atol=0.03, rtol=0)


@pytest.mark.parametrize("transfer", ["histogram", "correspondence"])
def test_a_transfer_from_the_networks_result(scene, network, vgg19_path, transfer):
    picture, mask = scene
    guide = Guide(hints=picture, hint_mask=mask)
    method = SemiInteractive(transfer=transfer, strength=1.0, weights=str(vgg19_path))
    method.keep_stages = True
    out = recolor(picture, method, guide)
    made = recolor(picture, network, Guide())
    torch.testing.assert_close(rgb_to_yuv(method.stages["reference_1"]), rgb_to_yuv(made), atol=0.02, rtol=0)
    given = SemiInteractive(transfer=transfer, strength=1.0, weights=str(vgg19_path))
    again = recolor(picture, given, Guide((Reference(method.stages["reference_1"]),), hints=picture, hint_mask=mask))
    torch.testing.assert_close(out, again, atol=1 / 255, rtol=0)
    assert method.provenance()["network"] == network.digest


def test_a_batch_without_references_is_its_pictures_one_by_one(scene, network):
    picture, mask = scene
    both = torch.cat((picture, picture.flip(3)))
    guide = Guide(hints=both, hint_mask=torch.cat((mask, mask.flip(3))))
    together = recolor(both, "semi_interactive", guide)
    for i in range(2):
        one = Guide(hints=guide.hints[i : i + 1], hint_mask=guide.hint_mask[i : i + 1])
        alone = recolor(both[i : i + 1], "semi_interactive", one)
        torch.testing.assert_close(together[i : i + 1], alone, atol=1 / 255, rtol=0)


def test_hints_are_needed(scene):
    with pytest.raises(ValueError, match="semi_interactive needs hints, got none"):
        recolor(scene[0], "semi_interactive", Guide((Reference(scene[0]),)))


@pytest.mark.parametrize("transfer", ["levin", "semi_interactive"])
def test_a_transfer_needs_a_reference_alone(transfer):
    with pytest.raises(ValueError, match=f"needs a reference alone, got '{transfer}'"):
        SemiInteractive(transfer=transfer).prepare()
    with pytest.raises(ValueError, match="Unknown method 'magic'"):
        SemiInteractive(transfer="magic").prepare()
