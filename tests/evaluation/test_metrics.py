"""Metrics against scikit-image and the formulas written out in NumPy."""

import numpy as np
import pytest
import torch
from skimage import data
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from recolor_torch.evaluation import METRICS, chroma_psnr, colorfulness, psnr, score, ssim
from recolor_torch.evaluation.metrics import LARGEST_PSNR, percentile

# Metrics that take a network's weights.
JUDGED = {"lpips", "recognized", "same_class"}


def array(x):
    return x.double().cpu().numpy().transpose(1, 2, 0)


def yuv(a):
    y = a @ [0.299, 0.587, 0.114]
    return np.stack([y, 0.5 * (a[..., 2] - y) / (1 - 0.114), 0.5 * (a[..., 0] - y) / (1 - 0.299)], -1)


def hasler(a, absolute=False):
    """Hasler and Suesstrunk (2003), section 7, or its variant."""
    r, g, b = np.moveaxis(255 * a, -1, 0)
    rg, yb = r - g, 0.5 * (r + g) - b
    if absolute:
        rg, yb = abs(rg), abs(yb)
    return np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())


def blocks(chroma, period=8):
    on, off = [], []
    for axis in (0, 1):
        step = abs(np.diff(chroma, axis=axis))
        lines = np.arange(1, chroma.shape[axis]) % period == 0
        on.append(np.compress(lines, step, axis).ravel())
        off.append(np.compress(~lines, step, axis).ravel())
    return np.concatenate(on).mean() / np.concatenate(off).mean()


def test_every_metric_equals_an_independent_one(rgb):
    result, truth, target = rgb[:1], rgb[1:], rgb[1:].flip(-1)
    a, b, t = (array(x[0]) for x in (result, truth, target))
    difference = deltaE_ciede2000(rgb2lab(b), rgb2lab(a))
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = {
        "ciede2000": difference.mean(),
        "ciede2000_p95": np.percentile(difference, 95),
        "psnr": peak_signal_noise_ratio(b, a, data_range=1),
        "chroma_psnr": peak_signal_noise_ratio(yuv(b)[..., 1:], yuv(a)[..., 1:], data_range=1),
        "ssim": structural_similarity(b, a, channel_axis=2, data_range=1, **window),
        "luminance_error": 255 * abs(yuv(a)[..., 0] - yuv(t)[..., 0]).mean(),
        "colorfulness": hasler(a),
        "colorfulness_abs": hasler(a, absolute=True),
        "colorfulness_gap": abs(hasler(a) - hasler(b)),
        "blockiness": blocks(yuv(a)[..., 1:]),
    }
    got = score(result, truth, target)
    assert set(got) == set(METRICS) - JUDGED
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, rel=5e-5, abs=2e-6), name


def test_on_a_photograph(shared):
    from recolor_torch.pictures import read_picture

    truth = read_picture(shared / "data/photos/kodak/kodim10.png").image
    gray = (truth * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True).expand(-1, 3, -1, -1)
    got, (a, b) = score(gray, truth, gray), (array(x[0]) for x in (gray, truth))
    difference = deltaE_ciede2000(rgb2lab(b), rgb2lab(a))
    assert got["ciede2000"] == pytest.approx(difference.mean(), rel=5e-5)
    assert got["ciede2000_p95"] == pytest.approx(np.percentile(difference, 95), rel=5e-5)
    assert got["psnr"] == pytest.approx(peak_signal_noise_ratio(b, a, data_range=1), rel=5e-5)
    assert got["colorfulness_gap"] == pytest.approx(hasler(b), rel=5e-5)
    assert got["luminance_error"] < 1e-4


def test_the_two_forms_of_colorfulness_differ(rgb):
    assert (colorfulness(rgb) > 1.02 * colorfulness(rgb, "absolute")).all()


def test_what_cannot_be_measured_is_left_out(rgb):
    without = score(rgb[:1], None, rgb[:1])
    assert set(without) == {name for name, metric in METRICS.items() if not metric.needs_truth} - JUDGED
    small = score(rgb[:1, :, :5, :6], rgb[1:, :, :5, :6], rgb[:1, :, :5, :6])
    assert set(METRICS) - set(small) == {"ssim", "blockiness"} | JUDGED


def test_equal_pictures(rgb):
    got = score(rgb[:1], rgb[:1], rgb[:1])
    assert got["psnr"] == got["chroma_psnr"] == LARGEST_PSNR
    assert got["ssim"] == pytest.approx(1)
    assert got["ciede2000"] == got["ciede2000_p95"] == got["luminance_error"] == got["colorfulness_gap"] == 0


def test_a_batch_is_its_pictures(rgb):
    for function in (psnr, chroma_psnr, ssim):
        together = function(rgb, rgb.flip(0))
        torch.testing.assert_close(together[1:], function(rgb[1:], rgb[:1]))


def test_percentile_of_any_number(rgb):
    x = rgb.flatten().double().cpu()
    for share in (0, 0.3, 0.95, 1):
        assert float(percentile(x, share)) == pytest.approx(np.percentile(x.numpy(), 100 * share))


def test_wrong_shapes_are_named(rgb):
    with pytest.raises(ValueError, match="truth must be"):
        psnr(rgb, rgb[..., :3])
    with pytest.raises(ValueError, match="target must be"):
        score(rgb[:1], None, rgb[:1, :, :3])
    with pytest.raises(ValueError, match="Unknown form 'sined'"):
        colorfulness(rgb, "sined")


def test_ssim_of_flat_and_of_bright_pictures():
    one, other = 0.99, 0.98
    flat = torch.full((1, 3, 16, 16), one)
    expected = (2 * one * other + 1e-4) / (one**2 + other**2 + 1e-4)  # no variance: the second factor is 1
    assert float(ssim(flat, torch.full_like(flat, other))) == pytest.approx(expected, abs=1e-8)
    generator = torch.Generator().manual_seed(0)
    page = (0.98 + 0.01 * torch.rand(1, 3, 40, 50, generator=generator)).float()
    marked = page - 0.03 * (torch.rand(1, 3, 40, 50, generator=generator) > 0.95)
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = structural_similarity(array(page[0]), array(marked[0]), channel_axis=2, data_range=1, **window)
    assert float(ssim(page, marked)) == pytest.approx(expected, abs=1e-12)


def test_ssim_needs_a_whole_window():
    with pytest.raises(ValueError, match="11 pixels or more for SSIM, got 10 x 30"):
        ssim(torch.rand(1, 3, 10, 30), torch.rand(1, 3, 10, 30))


def test_ssim_has_the_value_of_ipol():
    """A photograph of scikit-image with noise of deviation 20 (seed 5): the mean SSIM that ``imdiff`` gives.

    Getreuer, "Linear Methods for Image Interpolation", Image Processing On Line 1 (2011); its value
    for the picture of 2020 is in the discussion of scikit-image's pull request 4913. It treats borders in another way,
    so three digits count.
    """
    picture = data.camera()
    noise = np.random.RandomState(5).randn(*picture.shape)
    noisy = (picture + 20.0 * noise).clip(0, 255).astype(picture.dtype)
    one, other = (torch.from_numpy(x / 255.0).expand(1, 3, -1, -1) for x in (picture, noisy))
    assert float(ssim(one, other)) == pytest.approx(0.357959091663361, abs=1e-3)
