import numpy as np
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.filters import blockiness
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods.histogram_chroma import transfer_chroma
from recolor_torch.methods.histogram_tables import match_histograms
from recolor_torch.methods.wavelet import WaveletMerging, merge_wavelets, place_references, splice_wavelets
from recolor_torch.methods.wavelet_schedule import schedule_weights
from recolor_torch.pictures import read_picture
from recolor_torch.pipeline import recolor

TRANSFORMS = ["dwt", "stationary"]


def guide(image, **more):
    return Guide(references=(Reference(image),), **more)


def test_schedules_by_name():
    assert schedule_weights("hard:4", (64, 64)) == (0, 1, 1, 1)
    assert schedule_weights("linear:0.4,0.2", (64, 64)) == pytest.approx((0.4, 0.6, 0.8, 1, 1, 1, 1))
    assert schedule_weights([0, 0.5, 1], (64, 64)) == (0, 0.5, 1)
    # The report's 11 components of figure 13 are those of a picture of 1024 pixels.
    assert schedule_weights("linear:0,0.3", (1024, 2000)) == pytest.approx((0, 0.3, 0.6, 0.9, *[1] * 7))


def test_named_schedules_are_cut_at_the_levels_of_the_size():
    assert schedule_weights("hard:9", (8, 100)) == (0, 1, 1, 1)
    assert schedule_weights("linear:0,0.1", (8, 100)) == pytest.approx((0, 0.1, 0.2, 0.3))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2)])
@pytest.mark.parametrize("wavelet", ["haar", "db8"])
def test_tiny_pictures_are_mixed_as_they_are(size, wavelet):
    image, reference = torch.rand(1, 3, *size), torch.rand(1, 3, *size)
    out = WaveletMerging("linear:0.25,0", "rgb", "none", wavelet=wavelet)(image, guide(reference))
    torch.testing.assert_close(out, 0.25 * image + 0.75 * reference)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("wavelet", ["haar", "db2", "bior2.2"])
def test_all_ones_return_the_target_and_all_zeros_the_source(transform, wavelet):
    target, source = torch.rand(2, 1, 3, 61, 83, generator=torch.Generator().manual_seed(0))
    ones, zeros = (merge_wavelets(target, source, [v] * 3, wavelet, transform=transform) for v in (1, 0))
    assert (ones - target).abs().max() < 1e-5
    assert (zeros - source).abs().max() < 1e-5


def test_hand_checked_merge():
    # One level of Haar on 2 x 2 pixels. The mean of the target is 4, of the source 10. The target's rows differ by 4,
    # its columns by 2; the source is flat. With weights (0.5, 1) the mean becomes 7 and the details are the target's.
    target = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])
    merged = merge_wavelets(target, torch.full_like(target, 10.0), (0.5, 1))
    torch.testing.assert_close(merged, torch.tensor([[[[4.0, 6.0], [8.0, 10.0]]]]))


@settings(deadline=None, max_examples=20)
@given(
    h=st.integers(20, 50),
    w=st.integers(20, 50),
    wavelet=st.sampled_from(["haar", "db2", "sym4", "bior2.2"]),
    mode=st.sampled_from(["zero", "symmetric", "reflect", "periodization"]),
    data=st.data(),
)
def test_merge_is_the_rule_of_the_report_with_pywavelets(h, w, wavelet, mode, data):
    levels = pywt.dwtn_max_level((h, w), wavelet)
    weights = data.draw(st.lists(st.floats(0, 1), min_size=levels + 1, max_size=levels + 1))
    t, s = np.random.default_rng(h * w).random((2, h, w))
    a, b = (pywt.wavedec2(x, wavelet, mode, levels) for x in (t, s))
    mixed = [weights[0] * a[0] + (1 - weights[0]) * b[0]]
    mixed += [tuple(u * p + (1 - u) * q for p, q in zip(x, y)) for u, x, y in zip(weights[1:], a[1:], b[1:])]
    expected = pywt.waverec2(mixed, wavelet, mode)[:h, :w]
    ours = merge_wavelets(torch.tensor(t)[None, None], torch.tensor(s)[None, None], weights, wavelet, mode)
    np.testing.assert_allclose(ours[0, 0].numpy(), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_gradient(transform, device):
    g = torch.Generator().manual_seed(0)
    inputs = [x.to(device).requires_grad_() for x in torch.rand(2, 1, 1, 5, 6, generator=g, dtype=torch.float64)]
    weights = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64, device=device, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t, s, u: merge_wavelets(t, s, u, transform=transform), (*inputs, weights))


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_splice_in_a_region_of_all_or_nothing(transform, rgb):
    target, source, weights = rgb, rgb.flip(0), (0.2, 0.5, 1)
    ones = torch.ones_like(rgb[:, :1])
    merged = merge_wavelets(target, source, weights, transform=transform)
    torch.testing.assert_close(splice_wavelets(target, source, ones, weights, transform=transform), merged)
    torch.testing.assert_close(splice_wavelets(target, source, 0 * ones, weights, transform=transform), source)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_splice_keeps_the_source_far_away_and_its_color_inside(transform):
    target = 0.2 + 0.1 * torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    source = torch.full_like(target, 0.8)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 8:24, 8:24] = 1
    merged = splice_wavelets(target, source, mask, [0, 1, 1], transform=transform)
    torch.testing.assert_close(merged[..., 32:, 32:], source[..., 32:, 32:])
    inside = merged[..., 12:20, 12:20]
    torch.testing.assert_close(inside.mean(), torch.tensor(0.8), rtol=0, atol=0.01)
    torch.testing.assert_close(inside.std(), target[..., 12:20, 12:20].std(), rtol=0.15, atol=0)
    # A flat target leaves no trace of the border: its coarse color is the source's, and it has no details.
    flat = splice_wavelets(torch.full_like(target, 0.2), source, mask, [0, 1, 1], transform=transform)
    torch.testing.assert_close(flat, source)


def test_references_are_weighed_and_masked(rgb):
    target = rgb[:1]
    one, two = torch.full_like(target, 0.2), torch.full_like(target, 0.6)
    both = place_references(target, (Reference(one, weight=1), Reference(two, weight=3)))
    torch.testing.assert_close(both, torch.full_like(target, 0.5))
    left = torch.zeros_like(target[:, :1])
    left[..., :16] = 1
    placed = place_references(target, (Reference(one, mask=left),))
    torch.testing.assert_close(placed[..., :16], one[..., :16])
    torch.testing.assert_close(placed[..., 16:], target[..., 16:])


@pytest.mark.parametrize("channels", ["rgb", "yuv", "uv"])
@pytest.mark.parametrize("match", ["none", "rgb", "yuv", "chroma"])
def test_module_on_every_choice(rgb, channels, match):
    method = WaveletMerging(channels=channels, match=match, contrast=1.5)
    method.keep_stages = True
    image = rgb if channels == "rgb" else rgb_to_yuv(rgb)
    reference = image.flip(0)[..., :17, :30]
    out = method(image, guide(reference))
    assert out.shape == image.shape
    assert out.dtype == image.dtype
    if channels == "uv":
        torch.testing.assert_close(out[:, :1], image[:, :1])
    assert set(method.stages) == {"matched", "source"}


def test_module_equals_the_function(rgb):
    image, reference = rgb_to_yuv(rgb), rgb_to_yuv(rgb.flip(0))
    out = WaveletMerging("linear:0.2,0.3", match="none")(image, guide(reference))
    weights = schedule_weights("linear:0.2,0.3", (24, 32))
    merged = merge_wavelets(image[:, 1:], reference[:, 1:], weights, transform="stationary")
    torch.testing.assert_close(out, torch.cat((image[:, :1], merged), 1))


def test_all_ones_after_matching_are_the_matching(rgb):
    reference = rgb.flip(0)
    out = WaveletMerging([1, 1], "rgb", "rgb")(rgb, guide(reference))
    torch.testing.assert_close(out, match_histograms(rgb, reference))
    yuv, yuv_reference = rgb_to_yuv(rgb), rgb_to_yuv(reference)
    out = WaveletMerging([1, 1])(yuv, guide(yuv_reference))
    torch.testing.assert_close(out, transfer_chroma(yuv, (Reference(yuv_reference),)))


def test_target_mask_keeps_what_is_outside(rgb):
    mask = torch.zeros_like(rgb[:1, :1])
    mask[..., :12, :] = 1
    image = rgb_to_yuv(rgb)
    out = WaveletMerging()(image, guide(image.flip(0), target_mask=mask))
    torch.testing.assert_close(out[..., 12:, :], image[..., 12:, :], rtol=0, atol=0)
    assert (out - image)[..., :12, :].abs().max() > 0.01


def test_contrast_raises_faint_details(rgb):
    faint = 0.5 + 0.05 * (rgb - 0.5)
    plain, raised = (
        WaveletMerging([0, 1, 1], "rgb", "none", contrast=c)(faint, guide(torch.full_like(faint, 0.5))) for c in (1, 2)
    )
    ratio = rgb_to_luminance(raised).std((1, 2, 3)) / rgb_to_luminance(plain).std((1, 2, 3))
    assert ((ratio > 1.7) & (ratio <= 2.01)).all()


def test_hard_schedule_shows_squares_and_the_default_does_not():
    g = torch.Generator().manual_seed(0)
    target, reference = (
        torch.nn.functional.interpolate(torch.rand(1, 3, n, n, generator=g), (192, 256), mode="bicubic").clamp(0, 1)
        for n in (40, 6)
    )
    hard = recolor(target, WaveletMerging("hard:5", match="none", transform="dwt"), guide(reference))
    default = recolor(target, WaveletMerging(), guide(reference))
    for k in (2, 3, 4):
        own = blockiness(target, 2**k)
        assert (blockiness(default, 2**k) <= 1.05 * own).all()
    assert (blockiness(rgb_to_yuv(hard)[:, 1:], 16) > 10).all()
    assert (blockiness(hard, 16) > 1.1 * blockiness(target, 16)).all()


@pytest.mark.parametrize("name", ["multi_view/cones", "video/goat", "same_kind/photo_31", "gray_target/legacy_03"])
def test_blockiness_on_real_pairs(shared, name):
    target, reference = (
        read_picture(shared / "data" / "pairs" / f"{name}_{what}.jpg").image for what in ("target", "ref")
    )
    default = recolor(target, WaveletMerging(), guide(reference))
    hard = recolor(target, WaveletMerging("hard:7", match="none", transform="dwt"), guide(reference))
    for k in (3, 4, 5, 6):
        assert blockiness(default, 2**k) <= 1.05 * blockiness(target, 2**k)
    assert blockiness(rgb_to_yuv(hard)[:, 1:], 64) > 20


def test_errors():
    yuv = torch.zeros(1, 3, 16, 16)
    for schedule, words in {
        "hard:1": "Unknown schedule 'hard:1'. Known: hard:d with d components",
        "linear:2,0": "Unknown schedule 'linear:2,0'",
        "cubic:1": "Unknown schedule 'cubic:1'",
    }.items():
        with pytest.raises(ValueError, match=words):
            WaveletMerging(schedule)
    with pytest.raises(ValueError, match=r"weights must lie in \[0, 1\], got 1\.5"):
        WaveletMerging([0, 1.5])
    with pytest.raises(ValueError, match="a weight or more, coarsest first, got none"):
        WaveletMerging([])
    with pytest.raises(
        ValueError, match=r"7 weights ask for 6 levels, but 16 x 16 pixels .* have room for 4 of 'haar'"
    ):
        WaveletMerging([0.5] * 7)(yuv, guide(yuv))
    with pytest.raises(ValueError, match="Unknown wavelet 'hair'"):
        WaveletMerging(wavelet="hair")
    with pytest.raises(ValueError, match="contrast must be 1 or more"):
        WaveletMerging(contrast=0.5)
    with pytest.raises(ValueError, match="wavelet needs a reference"):
        WaveletMerging()(yuv, Guide())
    with pytest.raises(ValueError, match="Unknown transform 'swt'"):
        merge_wavelets(yuv, yuv, (0, 1), transform="swt")
    with pytest.raises(ValueError, match="source must be 16 x 16 pixels"):
        merge_wavelets(yuv, yuv[..., :8], (0, 1))
