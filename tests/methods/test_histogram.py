import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.exposure import match_histograms as skimage_match

from recolor_torch.color import from_rgb, rgb_to_luminance, rgb_to_yuv, to_rgb
from recolor_torch.color.histogram import histogram
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import HistogramTransfer
from recolor_torch.methods.color_maps import map_colors
from recolor_torch.methods.histogram import match_in_space, restore_range
from recolor_torch.methods.histogram_chroma import fit_chroma_table, transfer_chroma
from recolor_torch.methods.histogram_soft import match_histograms_soft
from recolor_torch.methods.histogram_tables import fit_lookup_table, match_histograms
from recolor_torch.pipeline import recolor


def test_report_table_worked_by_hand():
    # Four levels. Target pixels 0 0 0 1 2 2 3 3: cumulative fractions 3/8 4/8 6/8 8/8.
    # Source pixels 0 1 1 1 2 3 3 3: cumulative fractions 1/8 4/8 5/8 8/8.
    # LUT[i] = smallest j with F_source(j) >= F_target(i): 3/8 -> 1, 4/8 -> 1, 6/8 -> 3, 8/8 -> 3.
    target = torch.tensor([0, 0, 0, 1, 2, 2, 3, 3]).view(1, 1, 2, 4) / 3
    source = torch.tensor([0, 1, 1, 1, 2, 3, 3, 3]).view(1, 1, 4, 2) / 3
    table = fit_lookup_table(target, (Reference(source),), levels=4)
    assert (table.values * 3).flatten().tolist() == [1, 1, 3, 3]


def test_integers_equal_the_sorted_definition(device):
    g = torch.Generator().manual_seed(0)
    target = torch.randint(0, 200, (2, 3, 31, 17), generator=g).to(device, torch.uint8)
    source = torch.randint(20, 256, (1, 3, 13, 29), generator=g).to(device, torch.uint8)
    out = match_histograms(target, source)
    for b in range(2):
        for c in range(3):
            t, s = target[b, c].cpu().numpy().ravel(), np.sort(source[0, c].cpu().numpy().ravel())
            rank = np.searchsorted(np.sort(t), t, side="right")
            # smallest source value whose rank / size reaches the pixel's, in integers
            expected = s[-(-rank * s.size // t.size) - 1]
            np.testing.assert_array_equal(out[b, c].cpu().numpy().ravel(), expected)


def test_agrees_with_skimage_up_to_its_interpolation(rgb):
    ours = match_histograms(rgb[:1], rgb[1:]).cpu().double().numpy()[0].transpose(1, 2, 0)
    theirs = skimage_match(*(x.cpu().double().numpy().transpose(1, 2, 0) for x in rgb), channel_axis=2)
    # skimage interpolates between ranks, we take the next value: at most a gap between sorted values apart.
    gap = np.diff(np.sort(rgb[1].cpu().double().numpy().reshape(3, -1), axis=1), axis=1).max()
    assert np.abs(ours - theirs).max() <= gap + 1e-4


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 40))
def test_table_is_monotonic_and_matching_to_itself_is_the_identity(seed, n, m):
    g = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (1, 1, 1, n), generator=g).to(torch.uint8)
    y = torch.randint(0, 256, (1, 1, 1, m), generator=g).to(torch.uint8)
    assert (fit_lookup_table(x, (Reference(y),)).values.diff() >= 0).all()
    assert torch.equal(match_histograms(x, x), x)
    matched = match_histograms(x, y)
    assert set(matched.flatten().tolist()) <= set(y.flatten().tolist())


def test_masks_on_both_sides_and_nan(rgb):
    target, source = rgb[:1].clone(), rgb[1:].clone()
    target[..., 12:, :] = 0.5
    source[..., 12:, :] = 0.1
    source[0, 0, 0, 0] = float("nan")
    top = torch.zeros_like(rgb[:1, :1])
    top[..., :12, :] = 1
    out = match_histograms(target, (Reference(source, top),), top)
    expected = match_histograms(target[..., :12, :], source[..., :12, :])
    torch.testing.assert_close(out[..., :12, :], expected)
    torch.testing.assert_close(out[..., 12:, :], target[..., 12:, :])


def test_weights_mix_references(rgb):
    dark, light = Reference(rgb[1:] * 0.2, weight=3), Reference(rgb[1:] * 0.2 + 0.8, weight=1)
    out = match_histograms(rgb[:1], (dark, light))
    share = (out > 0.5).double().mean()
    assert abs(float(share) - 0.25) < 0.01
    only = match_histograms(rgb[:1], (dark, Reference(light.image, weight=0)))
    torch.testing.assert_close(only, match_histograms(rgb[:1], dark.image), atol=2e-5, rtol=0)


def test_equal_references_are_one(rgb):
    out = match_histograms(rgb[:1], (Reference(rgb[1:], weight=0.3), Reference(rgb[1:], weight=0.7)))
    torch.testing.assert_close(out, match_histograms(rgb[:1], rgb[1:]))


@pytest.mark.parametrize("weights", [(0, 0), (-1, 2), (float("nan"), 1)])
def test_bad_weights(rgb, weights):
    with pytest.raises(ValueError, match="weights must be 0 or more and not all 0"):
        match_histograms(rgb, tuple(Reference(rgb[1:], weight=w) for w in weights))


def test_restore_range_by_hand():
    # Channel 0 is lifted by .2, then divided by 1.4; channel 1 is inside; channel 2 is divided by 2.
    x = torch.tensor([[-0.2, 1.2], [0.1, 0.9], [0.5, 2.0]]).view(1, 3, 1, 2)
    expected = torch.tensor([[0.0, 1.0], [0.1, 0.9], [0.25, 1.0]]).view(1, 3, 1, 2)
    torch.testing.assert_close(restore_range(x), expected)


@pytest.mark.parametrize("space", ["yuv", "lab"])
def test_matching_in_a_space_brings_its_histograms_close(rgb, space):
    out = match_in_space(rgb[:1], (Reference(rgb[1:]),), space, restore="gamut")
    before = match_histograms(rgb[:1], rgb[1:])
    wanted = from_rgb(rgb[1:], space).flatten(2).sort().values
    distance = [(from_rgb(x, space).flatten(2).sort().values - wanted).abs().mean() for x in (out, before)]
    assert distance[0] < distance[1]
    assert out.min() >= 0
    assert out.max() <= 1


def test_yuv_by_the_formula_in_numpy(rgb):
    out = match_in_space(rgb[:1], (Reference(rgb[1:]),), "yuv")
    first, source = (rgb_to_yuv(x).cpu().double() for x in (match_histograms(rgb[:1], rgb[1:]), rgb[1:]))
    matched = []
    for c in range(3):
        t, s = first[0, c].numpy().ravel(), np.sort(source[0, c].numpy().ravel())
        rank = np.searchsorted(np.sort(t), t, side="right")
        matched.append(s[rank - 1].reshape(24, 32))  # equal sizes: the value of equal rank
    y, u, v = matched
    red, blue = y + v * 2 * (1 - 0.299), y + u * 2 * (1 - 0.114)
    planes = [red, (y - 0.299 * red - 0.114 * blue) / 0.587, blue]
    planes = [p - min(p.min(), 0) for p in planes]
    planes = [p / max(p.max(), 1) for p in planes]
    difference = (out[0].cpu().double() - torch.from_numpy(np.stack(planes))).abs()
    # Two values that share one of the 65,536 levels share a rank, which here is 1 of 768: a few pixels differ.
    assert difference.max() < 0.01
    assert (difference < 1e-4).double().mean() > 0.95


def test_chroma_table_is_the_mean_at_each_luminance(device):
    # Luminance 0 has chroma (.1, 0) and (.3, 0), luminance 1 has (0, -.2); nothing lies between.
    pixels = torch.tensor([[0.0, 0.1, 0.0], [0.0, 0.3, 0.0], [1.0, 0.0, -0.2]], device=device).T.reshape(1, 3, 1, 3)
    values = fit_chroma_table((Reference(pixels),), smoothing=0).values[0]
    torch.testing.assert_close(values[:, 0], torch.tensor([0.2, 0.0], device=device).double(), atol=1e-7, rtol=0)
    torch.testing.assert_close(values[:, 255], torch.tensor([0.0, -0.2], device=device).double(), atol=1e-7, rtol=0)
    middle = torch.tensor([0.2 * 155 / 255, -0.2 * 100 / 255], device=device).double()
    torch.testing.assert_close(values[:, 100], middle, atol=1e-7, rtol=0)


def test_chroma_of_a_function_of_luminance_is_recovered(rgb):
    y = rgb[:1, :1]
    colored = torch.cat([y, 0.3 * y - 0.1, 0.1 - 0.2 * y], dim=1)
    gray = torch.cat([y, torch.zeros_like(y), torch.zeros_like(y)], dim=1)
    out = transfer_chroma(gray, (Reference(colored),), smoothing=1.0)
    torch.testing.assert_close(out, colored, atol=0.004, rtol=0)
    assert torch.equal(out[:, :1], y)


def test_rank_follows_exposure(rgb):
    y = rgb[:1, :1]
    colored = torch.cat([y, 0.3 * y - 0.1, 0.1 - 0.2 * y], dim=1)
    dark = torch.cat([y * 0.4, torch.zeros_like(y), torch.zeros_like(y)], dim=1)
    out = transfer_chroma(dark, (Reference(colored),), rank=True, smoothing=1.0)
    torch.testing.assert_close(out[:, 1:], colored[:, 1:], atol=0.006, rtol=0)


def test_chroma_counts_neither_nan_nor_what_is_masked(rgb):
    yuv = rgb_to_yuv(rgb[:1])
    mask = torch.ones_like(yuv[:, :1])
    mask[..., 12:, :] = 0
    spoilt = yuv.clone()
    spoilt[..., 12:, :] = 0.5
    spoilt[:, 1, 0, 0] = float("nan")
    clean_mask = mask.clone()
    clean_mask[..., 0, 0] = 0
    a = fit_chroma_table((Reference(spoilt, mask),)).values
    torch.testing.assert_close(a, fit_chroma_table((Reference(yuv, clean_mask),)).values)


def test_soft_matching_is_close_to_the_exact_one(rgb):
    # The kernel of one bin of 128 blurs the histograms, so agreement is to a bin or so.
    soft, exact = match_histograms_soft(rgb[:1], rgb[1:]), match_histograms(rgb[:1], rgb[1:])
    assert (soft - exact).abs().mean() < 0.01
    torch.testing.assert_close(match_histograms_soft(rgb, rgb), rgb, atol=1e-4, rtol=0)


def test_soft_matching_gradcheck():
    g = torch.Generator().manual_seed(2)
    x = (0.1 + 0.8 * torch.rand(1, 2, 3, 3, generator=g, dtype=torch.float64)).requires_grad_()
    y = (0.1 + 0.8 * torch.rand(1, 2, 4, 3, generator=g, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: match_histograms_soft(a, b, bins=5, bandwidth=1.0), (x, y))


@pytest.mark.parametrize("mode", ["chroma", "rgb", "yuv", "lab", "soft"])
def test_module_is_the_function(rgb, mode):
    method = HistogramTransfer(mode=mode)
    image = from_rgb(rgb, method.space)
    references = (Reference(from_rgb(rgb.flip(0), method.space)),)
    out = method(image, Guide(references))
    expected = {
        "chroma": lambda: transfer_chroma(image, references),
        "rgb": lambda: match_histograms(image, references),
        "yuv": lambda: match_in_space(image, references, "yuv"),
        "lab": lambda: match_in_space(image, references, "lab"),
        "soft": lambda: match_histograms_soft(image, references),
    }[mode]()
    torch.testing.assert_close(out, expected)


def test_auto_takes_a_map_where_there_is_color(rgb):
    reference = (Reference(rgb.flip(0)),)
    mixed = torch.cat((rgb[:1], rgb_to_luminance(rgb[1:]).expand(-1, 3, -1, -1)))
    out = HistogramTransfer()(mixed, Guide(reference))
    torch.testing.assert_close(out[:1], map_colors(mixed, reference, "monge")[:1])
    pictures = (Reference(from_rgb(rgb.flip(0), "yuv")),)
    chroma = to_rgb(transfer_chroma(from_rgb(mixed, "yuv"), pictures), "yuv")
    torch.testing.assert_close(out[1:], chroma[1:])
    alone = HistogramTransfer()(mixed[1:], Guide((Reference(rgb.flip(0)[1:]),)))
    torch.testing.assert_close(alone, out[1:])


def test_bad_settings():
    with pytest.raises(ValueError, match="Unknown mode 'rbg'. Known: auto, chroma, "):
        HistogramTransfer(mode="rbg")
    with pytest.raises(ValueError, match="smoothing must be 0 or more"):
        HistogramTransfer(smoothing=-1)


def test_batches_of_references_must_fit(rgb):
    with pytest.raises(ValueError, match="batch of 1 or of 2"):
        match_histograms(rgb, torch.rand(3, 3, 4, 4).to(rgb))


@pytest.mark.parametrize("mode", ["chroma", "rgb", "yuv", "soft"])
def test_edges_are_left_out_of_the_statistics(device, mode):
    # Dark and light halves; what lies at the step between them in the reference has a color of its own.
    def step(edge_color):
        image = torch.full((1, 3, 24, 24), 0.2, device=device)
        image[..., 12:] = 0.8
        image[..., 11:13] = torch.tensor(edge_color, device=device).view(3, 1, 1)
        return image

    def difference(threshold):
        method = HistogramTransfer(mode=mode, edge_threshold=threshold, smoothing=1.0)
        target = from_rgb(step((0.5, 0.5, 0.5)), method.space)
        pictures = [from_rgb(step(color), method.space) for color in ((0.5, 0.5, 0.5), (0.9, 0.1, 0.1))]
        one, other = (method(target, Guide((Reference(p),))) for p in pictures)
        return (one - other).abs()

    assert difference(0.2)[..., 2:8].max() < 0.002
    assert difference(None).max() > 0.05


def test_edge_threshold_must_be_a_probability():
    with pytest.raises(ValueError, match=r"edge_threshold must be in \(0, 1\], got 2"):
        HistogramTransfer(edge_threshold=2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_white_in_16_bits_is_white(dtype):
    white = torch.ones(1, 3, 2, 2, dtype=dtype)
    assert torch.equal(match_histograms(white, white), white)
    assert histogram(white)[0, :, -1].tolist() == [4, 4, 4]


def test_what_a_reference_must_be(rgb):
    target = rgb[:1]
    nothing = Reference(rgb[1:], torch.zeros_like(rgb[1:, :1]))
    unknown = Reference(torch.full_like(rgb[1:], float("nan")))
    for reference in (nothing, unknown):
        for transfer in (match_histograms, transfer_chroma):
            for references in ((reference,), (Reference(rgb[1:]), reference)):
                with pytest.raises(ValueError, match="no pixel that counts"):
                    transfer(target, references)
    with pytest.raises(ValueError, match="no pixel that counts"):
        match_histograms_soft(target, (nothing,))
    with pytest.raises(ValueError, match="as many channels as image, 3, got the shape"):
        match_histograms(target, rgb[1:, :1])
    pixels = (target * 255).to(torch.uint8)
    for image, reference in ((pixels, rgb[1:]), (target, pixels), (pixels, pixels.to(torch.int32).to(torch.uint16))):
        with pytest.raises(ValueError, match="reference must be of the type of image"):
            match_histograms(image, reference)
    with pytest.raises(ValueError, match="levels from 0 to 65535, got integers from -3 to 4"):
        match_histograms(torch.tensor([-3, 4]).view(1, 1, 1, 2), torch.tensor([0, 4]).view(1, 1, 1, 2))


def test_a_mask_of_nothing_changes_nothing(rgb):
    nothing = torch.zeros_like(rgb[:1, :1])
    assert torch.equal(match_histograms(rgb[:1], rgb[1:], nothing), rgb[:1])
    levels = fit_lookup_table(rgb[:1], (Reference(rgb[1:]),), nothing).values
    assert torch.equal(levels, (torch.arange(65536).double() / 65535).to(levels.device).expand_as(levels))


def test_the_short_way_of_a_gray_target_is_the_long_one(rgb):
    method = HistogramTransfer()
    guide = Guide((Reference(rgb.flip(0)),))
    short = recolor(rgb, method, guide)
    long = recolor(rgb, HistogramTransfer(rank=False), guide_with_mask(guide, rgb))
    assert method.chroma_table(guide) is method.chroma_table(guide)
    torch.testing.assert_close(short, long, atol=0.2 / 255, rtol=0)


def test_a_reference_changed_in_place_is_counted_again(rgb):
    method, reference = HistogramTransfer(), rgb.clone()
    before = recolor(rgb, method, reference=reference)
    reference[:, 0] = 1.0
    assert (recolor(rgb, method, reference=reference) - before).abs().max() > 0.1


def guide_with_mask(guide, like):
    return Guide(guide.references, target_mask=torch.ones_like(like[:, :1]))
