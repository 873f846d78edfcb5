import pytest
import torch
import torch.nn.functional as F

from recolor_torch.color import rgb_to_yuv
from recolor_torch.color.ab import ab_to_chroma
from recolor_torch.color.bins import ab_bins
from recolor_torch.errors import WeightsMissing
from recolor_torch.guide import Guide
from recolor_torch.methods import LevinColorization, network
from recolor_torch.methods.network import LARGER, NetworkColorization
from recolor_torch.methods.network_samples import coherent_noise, sheet
from recolor_torch.pipeline import recolor


@pytest.fixture(autouse=True)
def own_size(monkeypatch):
    """The network sees these small pictures as they are."""
    monkeypatch.setattr(network, "LEAST_SIDE", 1)


@pytest.fixture
def image():
    return torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def build(network_path):
    def build(**settings):
        return NetworkColorization(
            weights=str(network_path), **{"vividness": 0.0, "finish": False, "copies": 1, **settings}
        )

    return build


@pytest.fixture
def points(image):
    mask = torch.zeros_like(image[:, :1])
    mask[..., 9:15, 20:26] = 1
    hints = torch.zeros_like(image) + torch.tensor([0.6, 0.4, 0.3]).view(1, 3, 1, 1)
    return Guide(hints=hints, hint_mask=mask)


def test_without_hints_it_is_the_network(build, image):
    method = build()
    yuv = rgb_to_yuv(image)
    out = method(yuv, Guide())
    assert torch.equal(out[:, :1], yuv[:, :1])
    with torch.no_grad():
        torch.testing.assert_close(out[:, 1:], method.loaded(yuv[:, :1]).chroma)


def test_color_of_the_input_is_not_read(build, image):
    method, yuv = build(), rgb_to_yuv(image)
    gray = torch.cat((yuv[:, :1], torch.zeros_like(yuv[:, 1:])), 1)
    assert torch.equal(method(yuv, Guide()), method(gray, Guide()))


def test_large_pictures_are_seen_small(build, image):
    method = build(side=32)
    seen = []
    method.prepare()
    method.loaded.register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape)))
    out = method(rgb_to_yuv(image), Guide())
    assert seen == [(2, 1, 23, 32)]
    assert out.shape == image.shape


@pytest.mark.parametrize(("side", "least", "seen"), [(384, 256, (80, 112)), (384, 100, (71, 100)), (90, 256, (64, 90))])
def test_small_pictures_are_enlarged(build, image, monkeypatch, side, least, seen):
    """To twice their size, to the least side, to the side that is wanted."""
    monkeypatch.setattr(network, "LEAST_SIDE", least)
    method, sizes = build(side=side), []
    method.prepare()
    method.loaded.register_forward_pre_hook(lambda _, args: sizes.append(tuple(args[0].shape[-2:])))
    out = method(rgb_to_yuv(image), Guide())
    assert sizes == [seen]
    assert out.shape == image.shape


def test_hints_are_exact_and_the_network_fills_the_rest(build, image, points):
    yuv = rgb_to_yuv(image)
    hints = rgb_to_yuv(points.hints)
    known = points.hint_mask.expand(-1, 2, -1, -1) > 0.5
    guide = Guide(hints=hints, hint_mask=points.hint_mask)
    out = build()(yuv, guide)[:, 1:]
    torch.testing.assert_close(out[known], hints[:, 1:][known])
    # With all the trust there is, what is not given is the estimate; a network alone has not the hints.
    trusting = build(trust=1e6)
    estimate, _ = trusting.prior(yuv[:, :1], hints[:, 1:], points.hint_mask)
    torch.testing.assert_close(trusting(yuv, guide)[:, 1:][~known], estimate[~known], atol=1e-3, rtol=0)
    alone = build(propagate=False)(yuv, guide)[:, 1:]
    assert not torch.allclose(alone[known], hints[:, 1:][known], atol=1e-2)


def test_a_network_without_opinion_leaves_levin(build, image, points):
    method = build(trust=1e-9)
    method.prepare()
    torch.nn.init.zeros_(method.loaded.mean[0].weight)
    torch.nn.init.zeros_(method.loaded.mean[0].bias)
    expected = recolor(image, LevinColorization(), points)
    torch.testing.assert_close(recolor(image, method, points), expected, atol=1 / 255, rtol=0)


def test_an_empty_mask_is_no_hint(build, image):
    method, yuv = build(), rgb_to_yuv(image)
    empty = Guide(hints=yuv, hint_mask=torch.zeros_like(yuv[:, :1]))
    torch.testing.assert_close(method(yuv, empty), method(yuv, Guide()))


@pytest.mark.parametrize(("temperature", "share"), [(1.0, 0.6), (0.5, 0.6**2 / (0.6**2 + 0.4**2)), (0.01, 1.0)])
def test_the_distribution_by_its_temperature(build, image, temperature, share):
    method = build(head="distribution", temperature=temperature)
    method.prepare()
    last, shares = method.loaded.distribution[-1], torch.full((313,), 1e-12)
    shares[[40, 200]] = torch.tensor([0.6, 0.4])  # the same two colors everywhere
    torch.nn.init.zeros_(last.weight)
    last.bias.data.copy_(shares.log() + method.loaded.log_weights)
    first, second = ab_bins()[[40, 200]]
    yuv = rgb_to_yuv(image)
    ab = (share * first + (1 - share) * second).view(1, 2, 1, 1).expand(2, -1, 40, 56)
    torch.testing.assert_close(method(yuv, Guide())[:, 1:], ab_to_chroma(yuv[:, :1], ab), atol=1e-4, rtol=0)


def test_samples_differ_and_are_on_a_sheet(build, image):
    yuv = rgb_to_yuv(image)
    method = build(head="distribution", samples=4)
    method.keep_stages = True
    first = method(yuv, Guide())
    assert method.stages["samples"].shape == (2, 3, 2 * 44 + 4, 2 * 60 + 4)
    assert method.stages["confidence"].shape == image.shape
    third = build(head="distribution", samples=4, sample=2)(yuv, Guide())
    assert (first - third).abs().max() > 0.02
    assert torch.equal(third, build(head="distribution", samples=6, sample=2)(yuv, Guide()))
    # With the other heads a sample is their estimate, and how the draw differs from the distribution's own color.
    drawn, own = third[:, 1:], build(head="distribution")(yuv, Guide())[:, 1:]
    bare, found = (build(samples=6, sample=k)(yuv, Guide())[:, 1:] for k in (0, 2))
    torch.testing.assert_close(found - bare, drawn - own, atol=1e-6, rtol=0)
    torch.testing.assert_close(first, build(head="distribution")(yuv, Guide()))


def test_noise_draws_from_the_distribution():
    """Two bins far apart with shares of 0.7 and 0.3 are chosen as often as that."""
    noise = torch.cat(coherent_noise(4000)).flatten(1)
    distance = torch.cdist(ab_bins(), ab_bins())
    i, j = divmod(int(distance.argmax()), 313)
    chosen = (noise[:, i] + torch.log(torch.tensor(0.7))) > (noise[:, j] + torch.log(torch.tensor(0.3)))
    assert chosen.double().mean().item() == pytest.approx(0.7, abs=0.03)
    assert noise[:, i].mean().item() == pytest.approx(0.5772, abs=0.06)
    near = int(distance[i].argsort()[1])
    assert torch.corrcoef(noise[:, [i, near]].T)[0, 1] > 0.8
    assert coherent_noise(0) == []


def test_sheet_is_padded_to_whole_rows():
    pictures = [torch.full((1, 3, 5, 6), v) for v in (0.1, 0.2, 0.3)]
    out = sheet(pictures, gap=2)
    assert out.shape == (1, 3, 2 * 7 + 2, 2 * 8 + 2)
    assert out[0, 0, 2, 2] == pytest.approx(0.1)
    assert out[0, 0, 9, 2] == pytest.approx(0.3)
    assert out[0, 0, 9, 10] == 1


def test_weights_are_recorded_and_missed(build, image, tmp_path, monkeypatch):
    method = build()
    assert method.provenance() == {}
    method.prepare()
    assert len(method.provenance()["weights"]) == 64
    with pytest.raises(WeightsMissing, match=r"no\.pth: there is no such file"):
        recolor(image, NetworkColorization(weights=str(tmp_path / "no.pth")), Guide())


def test_wrong_settings_are_sentences():
    for settings, message in (
        ({"network": "vgg"}, "Unknown network 'vgg'"),
        ({"side": 8}, "side must be 32 or more"),
        ({"temperature": 0.0}, "temperature must be more than 0"),
        ({"samples": 3, "sample": 3}, "sample must be from 0 to samples - 1"),
        ({"trust": -1.0}, "trust must be more than 0"),
    ):
        with pytest.raises(ValueError, match=message):
            NetworkColorization(**settings)


def test_copies_are_averaged(build, image):
    """Without hints the mean of the answers for two copies; hints add what they change in the answer for one."""
    luminance = rgb_to_yuv(image)[:, :1]
    several, single = build(copies=2), build()
    bare = several.estimate(luminance)
    one = single.estimate(luminance).chroma
    large = F.interpolate(luminance.flip(-1), (54, 76), mode="bicubic", antialias=True).clamp(0, 1)
    other = build(side=400).estimate(large).chroma.flip(-1)
    assert other.shape[-2:] == (round(LARGER * 40), round(LARGER * 56))
    torch.testing.assert_close(bare.chroma, (one + F.interpolate(other, (40, 56), mode="bicubic", antialias=True)) / 2)
    hints, mask = torch.full((1, 2, 40, 56), 0.2), torch.zeros(1, 1, 40, 56)
    mask[..., 9:15, 20:26] = 1
    hinted = several.estimate(luminance, hints, mask)
    change = single.estimate(luminance, hints, mask).chroma - one
    torch.testing.assert_close(hinted.chroma, bare.chroma + change)
    assert change.abs().max() > 1e-3
    # No hint at all is no change.
    none = several.estimate(luminance, hints, torch.zeros_like(mask))
    torch.testing.assert_close(none.chroma, bare.chroma, atol=1e-6, rtol=0)


def test_a_picture_that_hints_cover_is_seen_once(build, image, monkeypatch):
    """The larger copy counts less the more is known, for each picture of a batch, and is left out where it counts 0."""
    luminance = rgb_to_yuv(image)[:1, :1].expand(3, -1, -1, -1)
    hints, mask = torch.full((3, 2, 40, 56), 0.2), torch.zeros(3, 1, 40, 56)
    for picture, rows in enumerate((8, 16, 28)):  # 0.2, 0.4 and 0.7 of the picture
        mask[picture, :, :rows] = 1
    several, single = build(copies=2), build()
    after = single.estimate(luminance, hints, mask).chroma
    larger = several.estimate(luminance).chroma - single.estimate(luminance).chroma
    found = several.estimate(luminance, hints, mask).chroma
    for picture, share in enumerate((1.0, 0.5, 0.0)):
        torch.testing.assert_close(found[picture], after[picture] + share * larger[picture])
    assert larger.abs().amax((1, 2, 3)).min() > 1e-4
    assert torch.equal(several.estimate(luminance, hints, mask > 0).chroma, found)  # a mask may be of bool
    seen: list[torch.Tensor] = []
    alone = build(copies=2)
    monkeypatch.setattr(alone, "_see", lambda *a, see=alone._see: seen.append(a[0]) or see(*a))
    last = alone.estimate(luminance[2:], hints[2:], mask[2:])
    torch.testing.assert_close(last.chroma, found[2:], atol=1e-6, rtol=0)
    assert len(seen) == 1
