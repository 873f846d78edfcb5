"""Film grain: how strong it is, and a copy of a picture without it."""

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_image, one_or_many
from recolor_torch.filters.stationary import stationary_bands

# Standard deviation of white noise of 1 in the detail bands of the Haar transform, the finest first: the norms of the
# kernels of ``stationary_bands``.
_BAND_NOISE = (0.8004, 0.2729, 0.1198, 0.0578)
# Side of the window in which the variance of a band is measured.
_WINDOW = 5
# The variance of the noise is taken so many times: means over few pixels scatter, and what is left shows as spots.
_CAUTION = 1.5
# A standard normal variable has this median of its absolute value.
_NORMAL_MEDIAN = 0.6745
# Noise counts in full from this standard deviation on, and not at all below the first: what is weaker is fine texture
# of a clean photograph as often as it is grain. In units of luminance.
_LEAST, _FULL = 2.5 / 255, 6.0 / 255


@one_or_many
def measure_noise(luminance: Tensor) -> Tensor:
    r"""Standard deviation of the noise of gray pictures.

    .. math::
        \sigma = \frac{1}{6} \min_c \frac{\mathrm{median} |m * x|}{0.6745}, \quad
        m = [1, -2, 1]^T [1, -2, 1]

    The kernel m leaves nothing of planes and straight edges (Immerkaer, "Fast Noise Variance Estimation", 1996), and
    :math:`6 \sigma` of white noise. The median over a picture leaves edges out; so that texture is left out too, the
    least of the medians over a grid of cells c, 4 x 4 where the picture has the room, is averaged with the median
    of all.

    Args:
        luminance: (B, 1, H, W), [0, 1].

    Returns:
        (B,), in units of luminance; 0 for pictures under 8 pixels a side.

    Raises:
        TypeError, ValueError: ``luminance`` is no gray picture.
    """
    check_image(luminance, "luminance", channels=1)
    height, width = luminance.shape[-2:]
    if min(height, width) < 8:
        return luminance.new_zeros(len(luminance))
    x = luminance.detach()
    x = x[..., 2:, :] - 2 * x[..., 1:-1, :] + x[..., :-2, :]
    x = (x[..., 2:] - 2 * x[..., 1:-1] + x[..., :-2]).abs()
    cell_h, cell_w = max(6, x.shape[-2] // 4), max(6, x.shape[-1] // 4)
    cells = [p for row in x.split(cell_h, -2) for p in row.split(cell_w, -1) if p.shape[-2:].numel() >= 36]
    medians = torch.stack([p.flatten(1).median(1).values for p in cells])
    # Black and white that are clipped have no grain: such cells say nothing.
    medians = torch.where(medians > 0, medians, torch.inf).amin(0)
    whole = x.flatten(1).median(1).values
    return (0.5 * (whole + torch.minimum(medians, whole))) / (6 * _NORMAL_MEDIAN)


@one_or_many
def denoise(luminance: Tensor, noise: Tensor | None = None, levels: int = 4) -> Tensor:
    r"""A copy of gray pictures without their grain, of the strength that was measured.

    Each stationary wavelet band is weighed by the local Wiener factor

    .. math::
        \frac{\max(\bar{w^2} - 1.5 \sigma_k^2, 0)}{\bar{w^2}}

    with the mean over 5 x 5 pixels (Mihcak et al., "Low-complexity image denoising based on statistical modeling of
    wavelet coefficients", 1999), :math:`\sigma_k` the noise in the band. Pictures whose noise is weaker than 2.5
    levels of 255 come back as they are.

    Args:
        luminance: (B, 1, H, W), [0, 1].
        noise: standard deviation of the noise, (B,). ``None``: as ``measure_noise`` finds it.
        levels: bands, at most 4; fewer where the picture is small.

    Returns:
        (B, 1, H, W).
    """
    check_image(luminance, "luminance", channels=1)
    noise = measure_noise(luminance) if noise is None else noise.to(luminance)
    room = max(0, min(luminance.shape[-2:]).bit_length() - 3)
    levels = min(levels, room, len(_BAND_NOISE))
    if levels == 0:
        return luminance
    approximation, *details = stationary_bands(luminance, "haar", levels)
    strength = ((noise - _LEAST) / (_FULL - _LEAST)).clamp(0, 1)
    result = approximation
    for detail, factor in zip(details, _BAND_NOISE[levels - 1 :: -1]):
        variance = ((factor * noise) ** 2).view(-1, 1, 1, 1)
        power = F.avg_pool2d(detail.square(), _WINDOW, 1, _WINDOW // 2, count_include_pad=False)
        kept = (power - _CAUTION * variance).clamp(min=0) / power.clamp(min=1e-12)
        result = result + detail * torch.lerp(torch.ones_like(kept), kept, strength.view(-1, 1, 1, 1))
    return result.clamp(0, 1)
