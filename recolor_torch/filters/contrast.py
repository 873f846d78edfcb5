"""Local contrast from the statistics of tiles."""

from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_image, one_or_many


@one_or_many
def amplify_contrast(luminance: Tensor, gain: float = 2.0, tiles: int = 8, spread: float = 0.2) -> Tensor:
    r"""Raise the contrast where a picture has little of it.

    .. math::
        y = m + g \, (x - m), \qquad g = \min(gain, \max(1, spread / \sigma))

    with the mean m and the standard deviation σ of a grid of tiles, interpolated between their centres. (kornia's
    ``equalize_clahe`` equalises the histograms of such tiles; a gain keeps the shape of details, which merging is to
    take over, and has gradients.)

    Args:
        luminance: (B, C, H, W) in [0, 1]; every channel has its own statistics.
        gain: the most by which contrast grows; 1 returns the picture.
        tiles: tiles along the height and along the width.
        spread: standard deviation that a tile is brought to, if the gain allows.

    Returns:
        (B, C, H, W), clipped to [0, 1].

    Raises:
        TypeError: ``luminance`` is not a floating point tensor.
        ValueError: a wrong shape, a gain below 1 or less than one tile.

    Example:
        >>> import torch
        >>> amplify_contrast(torch.tensor([[[[0.4, 0.6], [0.6, 0.4]]]]), gain=1.5, tiles=1)[0, 0].round(decimals=4)
        tensor([[0.3500, 0.6500],
                [0.6500, 0.3500]])
    """
    check_image(luminance, "luminance")
    if gain < 1 or tiles < 1:
        raise ValueError(f"Contrast needs a gain of 1 or more and a tile or more, got gain {gain}, tiles {tiles}.")
    size = (luminance.shape[-2], luminance.shape[-1])
    grid = (min(tiles, size[0]), min(tiles, size[1]))
    mean = F.adaptive_avg_pool2d(luminance, grid)
    # Squares about a first mean: without it small variances drown in rounding.
    middle = luminance.mean((-2, -1), keepdim=True)
    variance = F.adaptive_avg_pool2d((luminance - middle).square(), grid) - (mean - middle).square()
    factor = (spread * (variance + 1e-6).rsqrt()).clamp(1, gain)
    mean, factor = (F.interpolate(x, size, mode="bilinear", align_corners=False) for x in (mean, factor))
    return (mean + factor * (luminance - mean)).clamp(0, 1)
