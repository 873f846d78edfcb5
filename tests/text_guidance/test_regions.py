import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.networks import ColorUNet
from recolor_torch.networks.loading import SHIPPED, load_network
from recolor_torch.text_guidance import regions
from recolor_torch.text_guidance.phrases import Phrase
from recolor_torch.text_guidance.regions import WORDS, RegionFinder, apart, claim_places, load_finder, save_finder
from recolor_torch.text_guidance.things import THINGS


def phrase(thing):
    return Phrase(f"red {thing}", thing, (45.0, 62.0, 40.0))


@pytest.fixture(scope="module")
def shipped():
    finder = RegionFinder()
    finder.prepare()
    return finder


def test_the_shipped_finder_belongs_to_the_shipped_network_and_is_small(shipped):
    assert len(shipped.digest) == 64
    assert WORDS.stat().st_size < 4e6


def test_a_sky_over_a_field_is_found_where_it_is(shipped):
    g = torch.Generator().manual_seed(0)
    y = torch.full((1, 1, 192, 256), 0.75)
    ground = torch.nn.functional.interpolate(torch.rand(1, 1, 96, 128, generator=g), size=(96, 256))
    y[..., 96:, :] = 0.25 + 0.25 * ground
    found = shipped.find(y, (phrase("sky"), phrase("dress")))
    assert found.found.tolist() == [[True, False]]
    sky = found.maps[0, 0]
    rows = sky.shape[0]
    assert sky[: rows // 3].mean() > 0.7
    assert sky[-rows // 3 :].mean() < 0.2


def test_near_things_stand_in_where_one_is_not_seen_and_nobody_names_them():
    seen = [thing in ("jacket", "animal") for thing in THINGS]
    names = ("coat", "horse", "dress")
    assert regions._things(seen, tuple(map(phrase, names))) == ("jacket", "animal", "dress")
    assert regions._things(seen, tuple(map(phrase, ("coat", "jacket")))) == ("coat", "jacket")
    worn = [thing == "clothes" for thing in THINGS]
    assert regions._things(worn, (phrase("coat"),)) == ("coat",)  # nobody is there
    worn = [thing in ("clothes", "person") for thing in THINGS]
    assert regions._things(worn, (phrase("coat"),)) == ("clothes",)


def odds_of(**places):
    """Log odds of all things in eight places: 4 where a thing is named for the place, else -4."""
    odds = torch.full((len(THINGS), 1, 8), -4.0)
    for thing, columns in places.items():
        odds[list(THINGS).index(thing), :, columns] = 4.0
    return odds


def test_a_hand_before_a_coat_is_no_coat():
    odds = odds_of(coat=[0, 1, 2, 3], skin=[3], clothes=[0, 1, 2, 3])
    odds[list(THINGS).index("skin"), :, 3] = 6.0
    claims, things = claim_places(odds, (phrase("coat"),), ("coat",))
    assert things == ("coat",)
    assert (claims[0, 0] > 0).tolist() == [True] * 3 + [False] * 5
    claims, _ = claim_places(odds, (phrase("coat"), phrase("skin")), ("coat", "skin"))
    assert claims[0, 0, 3] > 0  # where both are named, ``apart`` divides the place
    assert apart(claims[None], (phrase("coat"), phrase("skin")))[0, :, 0, 3].argmax() == 1


def test_clothes_of_no_kind_are_of_the_one_garment_that_is_named():
    odds = odds_of(shirt=[0], pants=[5], clothes=[0, 1, 2, 3, 4, 5])
    claims, things = claim_places(odds, (phrase("sweater"),), ("shirt",))
    assert things == ("clothes",)
    assert (claims[0, 0] > 0).tolist() == [True] * 5 + [False] * 3  # all but the pants
    two = (phrase("sweater"), phrase("coat"))
    claims, things = claim_places(odds, two, ("shirt", "coat"))
    assert things == ("shirt", "coat")
    assert (claims[:, 0] > 0).sum(1).tolist() == [1, 0]
    told = odds_of(shirt=[0, 1, 2, 3, 4], pants=[5], clothes=[0, 1, 2, 3, 4, 5])
    assert claim_places(told, (phrase("shirt"),), ("shirt",))[1] == ("shirt",)


def test_a_picture_is_found_alike_at_any_size(shipped):
    y = torch.rand(1, 1, 9, 12, generator=torch.Generator().manual_seed(0))
    y = torch.nn.functional.interpolate(y, size=(216, 288), mode="bicubic").clamp(0, 1)
    large = torch.nn.functional.interpolate(y, scale_factor=2, mode="bicubic").clamp(0, 1)
    a, b = (shipped.find(x, (phrase("sky"),)).maps for x in (y, large))
    assert a.shape == b.shape == (1, 1, 27, 36)
    assert (a - b).abs().mean() < 0.03
    for size in ((1, 1), (3, 500), (33, 31)):
        assert shipped.find(torch.rand(1, 1, *size), (phrase("sky"),)).maps.isfinite().all()


def test_shares_sum_to_one_at_most_and_parts_come_before_wholes():
    odds = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0)) * 4
    names = ("person", "clothes", "dress", "hat")
    shares = apart(odds, tuple(map(phrase, names)))
    assert shares.min() >= 0
    assert shares.sum(1).max() <= 1 + 1e-6
    sure = torch.tensor([9.0, 9.0, 9.0, -9.0]).view(1, 4, 1, 1)
    torch.testing.assert_close(
        apart(sure, tuple(map(phrase, names))).flatten(), torch.tensor([0.0, 0, 1, 0]), atol=1e-3, rtol=0
    )
    one = apart(sure[:, :1], (phrase("person"),))
    torch.testing.assert_close(one, sure[:, :1].sigmoid())


def test_files_that_do_not_belong(tmp_path):
    network, digest = load_network("unet", SHIPPED)
    assert isinstance(network, ColorUNet)
    with pytest.raises(WeightsMissing, match="without its finder"):
        load_finder(tmp_path / "none.safetensors", network, digest)
    finder, _ = load_finder(WORDS, network, digest)
    save_finder(finder, tmp_path / "same.safetensors", digest)
    again, _ = load_finder(tmp_path / "same.safetensors", network, digest)
    assert torch.equal(again.words, finder.words)
    with pytest.raises(UsageError, match="another network"):
        load_finder(tmp_path / "same.safetensors", network, "0" * 64)
    save_file(
        load_file(WORDS), tmp_path / "bare.safetensors", {"things": json.dumps(list(THINGS)[1:]), "network": digest}
    )
    with pytest.raises(UsageError, match="other words"):
        load_finder(tmp_path / "bare.safetensors", network, digest)


def test_a_copy_without_the_finder_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(regions, "WORDS", tmp_path / "none.safetensors")
    with pytest.raises(WeightsMissing):
        RegionFinder().prepare()
