"""What is measured of a result, and how: each metric with its protocol."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from recolor_torch.checks import check_choice, check_image, check_same_size
from recolor_torch.color import rgb_to_lab, rgb_to_luminance, rgb_to_yuv
from recolor_torch.color.difference import LARGEST_PSNR, ciede2000, psnr
from recolor_torch.evaluation.lpips import Lpips
from recolor_torch.evaluation.recognition import Classifier
from recolor_torch.filters.blockiness import blockiness

SSIM_SIDE = 11
BLOCK = 8


@dataclass(frozen=True)
class Metric:
    """A number that is reported of a result.

    Args:
        title: for tables.
        better: ``lower`` or ``higher``; ``""`` where neither is better by itself.
        protocol: how it is computed, in words that let another program give the same number.
        needs_truth: it compares with the true colors.
    """

    title: str
    better: Literal["lower", "higher", ""]
    protocol: str
    needs_truth: bool = True


METRICS: dict[str, Metric] = {
    "ciede2000": Metric(
        "CIEDE2000", "lower", "mean over the pixels of CIEDE2000 (k = 1), Lab of sRGB under D65, 2 degrees"
    ),
    "ciede2000_p95": Metric("95 %", "lower", "95th percentile over the pixels of CIEDE2000, linear between ranks"),
    "psnr": Metric("PSNR", "higher", f"dB, over R, G and B in [0, 1]; at most {LARGEST_PSNR:g}, for equal pictures"),
    "chroma_psnr": Metric(
        "chroma PSNR",
        "higher",
        f"dB, over U and V of full-range BT.601, whose range is 1; at most {LARGEST_PSNR:g}",
    ),
    "ssim": Metric(
        "SSIM",
        "higher",
        f"mean over R, G and B, Gauss window of {SSIM_SIDE} pixels with sigma 1.5, K1 .01, K2 .03, without a margin of "
        f"{SSIM_SIDE // 2} pixels; none for smaller pictures",
    ),
    "lpips": Metric("LPIPS", "lower", "Zhang et al. 2018, version 0.1, input in [-1, 1] at the size of the comparison"),
    "luminance_error": Metric(
        "luminance off by", "", "mean over the pixels of |Y - Y of the gray target|, in levels of 255", False
    ),
    "colorfulness": Metric(
        "colorful",
        "",
        "Hasler and Suesstrunk 2003: rg = R - G and yb = (R + G) / 2 - B with signs, 0 to 255",
        False,
    ),
    "colorfulness_abs": Metric(
        "colorful, abs.", "", "the variant of newer papers: |R - G| and |(R + G) / 2 - B|, 0 to 255", False
    ),
    "colorfulness_gap": Metric("colorful off by", "lower", "|colorfulness - that of the truth|, the form with signs"),
    "blockiness": Metric(
        "blocks",
        "",
        f"of U and V: mean step across the lines of a grid of {BLOCK} pixels over that elsewhere; 1 is no grid",
        False,
    ),
    "recognized": Metric(
        "recognized", "higher", "1 where the likeliest ImageNet class of the classifier is the picture's own", False
    ),
    "same_class": Metric("class as in true", "higher", "1 where that class is the likeliest in the true colors too"),
}
"""All metrics by name, in the order of the tables."""


def score(
    result: Tensor,
    truth: Tensor | None,
    target: Tensor,
    lpips: Lpips | None = None,
    classifier: Classifier | None = None,
    label: int | None = None,
) -> dict[str, float]:
    """Every metric that can be computed, by name.

    Args:
        result: sRGB, (1, 3, H, W), [0, 1].
        truth: the true colors, of the same size, or None where they are not known.
        target: the picture that was colored, whose luminance should have been kept.
        lpips: the network, where its weights are there.
        classifier: of the recognition test.
        label: the number of the ImageNet class that the picture shows, where it is known.

    Returns:
        A number for each name in ``METRICS`` that has one here.

    Raises:
        TypeError: an argument is not a floating point tensor.
        ValueError: shapes are wrong or differ.
    """
    check_image(result, "result", channels=3)
    check_same_size(target, "target", result, "result")
    result, target = result.double(), target.double()
    values = {
        "luminance_error": 255 * (rgb_to_luminance(result) - rgb_to_luminance(target)).abs().mean(),
        "colorfulness": colorfulness(result),
        "colorfulness_abs": colorfulness(result, "absolute"),
    }
    if max(result.shape[-2:]) > BLOCK:
        chroma = rgb_to_yuv(result)[:, 1:]
        # What rounding leaves of no chroma has no blocks.
        values["blockiness"] = blockiness(torch.where(chroma.abs() < 1e-9, 0, chroma), BLOCK)
    if truth is not None:
        check_same_size(truth, "truth", result, "result")
        values |= _compare(result, truth.double(), lpips)
    if classifier is not None:
        values |= _recognize(result, truth, classifier, label)
    return {name: float(values[name]) for name in METRICS if name in values}


def _recognize(result: Tensor, truth: Tensor | None, classifier: Classifier, label: int | None) -> dict[str, Tensor]:
    seen = classifier(result).argmax(1)
    values = {} if label is None else {"recognized": (seen == label).float()}
    if truth is not None:
        values["same_class"] = (seen == classifier(truth).argmax(1)).float()
    return values


def _compare(result: Tensor, truth: Tensor, lpips: Lpips | None) -> dict[str, Tensor]:
    difference = ciede2000(rgb_to_lab(result), rgb_to_lab(truth))
    values = {
        "ciede2000": difference.mean(),
        "ciede2000_p95": percentile(difference, 0.95),
        "psnr": psnr(result, truth).clamp_max(LARGEST_PSNR),
        "chroma_psnr": chroma_psnr(result, truth).clamp_max(LARGEST_PSNR),
        "colorfulness_gap": (colorfulness(result) - colorfulness(truth)).abs(),
    }
    if min(result.shape[-2:]) >= SSIM_SIDE:
        values["ssim"] = ssim(result, truth)
    if lpips is not None and min(result.shape[-2:]) >= lpips.smallest_side:
        values["lpips"] = lpips(result.float(), truth.float())
    return values


def chroma_psnr(image: Tensor, truth: Tensor) -> Tensor:
    """PSNR in dB of U and V alone, of sRGB pictures (B, 3, H, W): (B,). Their range is 1 too."""
    return psnr(rgb_to_yuv(image)[:, 1:], rgb_to_yuv(truth)[:, 1:])


def ssim(image: Tensor, truth: Tensor) -> Tensor:
    r"""Structural similarity of R, G and B for each of the batch: (B,), float64.

    .. math::
        \frac{(2 \mu_x \mu_y + C_1)(2 \sigma_{xy} + C_2)}{(\mu_x^2 + \mu_y^2 + C_1)(\sigma_x^2 + \sigma_y^2 + C_2)},
        \quad C_i = K_i^2

    with the mean over the windows that lie inside of the picture: Wang et al., "Image Quality Assessment: From Error
    Visibility to Structural Similarity" (2004). Variances are differences of large sums where a page is bright, so all
    is computed in float64.

    Args:
        image: sRGB, (B, 3, H, W), [0, 1], 11 pixels or more in height and width.
        truth: of the same size.

    Raises:
        TypeError: an argument is not a floating point tensor.
        ValueError: a shape is wrong, or a side is shorter than the window.

    Example:
        >>> flat = torch.full((1, 3, 11, 11), 0.99)
        >>> round(float(ssim(flat, flat - 0.01)), 6)  # (2 xy + C1) / (x^2 + y^2 + C1)
        0.999948
    """
    check_image(image, "image", channels=3)
    check_same_size(truth, "truth", image)
    if min(image.shape[-2:]) < SSIM_SIDE:
        height, width = image.shape[-2:]
        raise ValueError(f"image must have sides of {SSIM_SIDE} pixels or more for SSIM, got {height} x {width}.")
    x, y = image.double(), truth.double()
    mean_x, mean_y = _gauss_mean(x), _gauss_mean(y)
    variance = _gauss_mean(x * x) - mean_x**2 + _gauss_mean(y * y) - mean_y**2
    covariance = _gauss_mean(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return (likeness / ((mean_x**2 + mean_y**2 + c1) * (variance + c2))).mean((1, 2, 3))


def _gauss_mean(x: Tensor, sigma: float = 1.5) -> Tensor:
    """Means under the windows of SSIM that lie inside of the picture."""
    # Shifted sums: a convolution in float64 takes four times as long.
    shares = [math.exp(-0.5 * ((i - SSIM_SIDE // 2) / sigma) ** 2) for i in range(SSIM_SIDE)]
    for dim in (-2, -1):
        length = x.shape[dim] - SSIM_SIDE + 1
        total = x.narrow(dim, 0, length) * (shares[0] / sum(shares))
        for i in range(1, SSIM_SIDE):
            total = total.add_(x.narrow(dim, i, length), alpha=shares[i] / sum(shares))
        x = total
    return x


def colorfulness(image: Tensor, form: Literal["signed", "absolute"] = "signed") -> Tensor:
    r"""How colorful a picture looks, from 0 for gray to about 110.

    .. math::
        \sqrt{\sigma_{rg}^2 + \sigma_{yb}^2} + 0.3 \sqrt{\mu_{rg}^2 + \mu_{yb}^2},
        \quad rg = R - G, \quad yb = \tfrac{1}{2}(R + G) - B

    of levels 0 to 255: Hasler and Suesstrunk, "Measuring colorfulness in natural images" (2003).

    Args:
        image: sRGB, (B, 3, H, W), [0, 1].
        form: ``signed`` is the published one; ``absolute``, used by newer papers, takes |rg| and |yb| first.

    Returns:
        (B,).

    Example:
        >>> float(colorfulness(torch.full((1, 3, 2, 2), 0.5)))
        0.0
    """
    check_image(image, "image", channels=3)
    check_choice(form, "form", ("signed", "absolute"))
    red, green, blue = (255 * image).unbind(1)
    opponents = torch.stack((red - green, (red + green) / 2 - blue), 1)
    if form == "absolute":
        opponents = opponents.abs()
    variance, mean = torch.var_mean(opponents, dim=(-2, -1), correction=0)
    return variance.sum(1).sqrt() + 0.3 * mean.square().sum(1).sqrt()


def percentile(x: Tensor, share: float) -> Tensor:
    """The value below which ``share`` of all values lie, linear between ranks; of any number of values."""
    values = x.flatten().sort().values  # torch.quantile stops at 16 million
    place = share * (values.numel() - 1)
    low = int(place)
    return torch.lerp(values[low], values[min(low + 1, values.numel() - 1)], place - low)
