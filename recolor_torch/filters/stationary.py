"""The stationary (undecimated, à trous) wavelet transform as bands that add up to the picture.

The decimated transform treats a pixel by its place in blocks of 2, 4, 8, ...: where coefficients are changed, the
blocks show. Here nothing is thrown away, and every pixel is treated alike.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from recolor_torch.checks import check_image
from recolor_torch.filters.wavelet_bank import (
    Boundary,
    check_boundary,
    check_levels,
    extend,
    filter_bank,
    max_levels,
)
from recolor_torch.lazy import constant

# Values in a strip: a quarter of a megabyte in float32.
_STRIP = 1 << 18


def stationary_bands(
    x: Tensor, wavelet: str = "haar", levels: int | None = None, mode: Boundary = "symmetric"
) -> tuple[Tensor, ...]:
    r"""Split pictures into an approximation and detail bands of their own size, whose sum they are.

    .. math::
        c_0 = x, \quad c_k = (a_k \otimes a_k) * c_{k-1}, \quad w_k = c_{k-1} - c_k, \quad
        x = c_K + w_K + \dots + w_1

    where :math:`a_k` is the wavelet's low pass of decomposition convolved with that of reconstruction, halved, with
    :math:`2^{k-1} - 1` zeros between its taps ([1, 2, 1] / 4 for "haar"). So :math:`w_k` is what ``pywt.iswt2`` makes
    of the three detail planes of level k that ``pywt.swt2`` found (with mode "periodization" and sides that
    :math:`2^K` divides; other modes and sides are not offered there).

    Args:
        x: (B, C, H, W), any size.
        wavelet: a discrete wavelet of PyWavelets by name.
        levels: number of detail bands K; as many as ``max_levels`` where it is None.
        mode: how a band goes on past its borders; "periodization" is plainly periodic.

    Returns:
        K + 1 tensors of the shape of ``x``: approximation, then details from the coarsest to the finest.

    Raises:
        TypeError: ``x`` is not a floating point tensor.
        ValueError: a wrong shape, an unknown wavelet or mode, or more levels than the size allows.

    Example:
        >>> x = torch.tensor([[[[0.0, 0, 4, 0, 0, 0]] * 2]])
        >>> approximation, detail = stationary_bands(x, "haar", levels=1)
        >>> approximation[0, 0, 0]
        tensor([0., 1., 2., 1., 0., 0.])
    """
    levels = _check(x, wavelet, levels, mode)
    bands: list[Tensor] = []
    for k in range(levels):
        smooth = _smooth(x, wavelet, 2**k, mode)
        bands.insert(0, x - smooth)
        x = smooth
    return (x, *bands)


def weigh_stationary_bands(
    x: Tensor, weights: Sequence[float] | Tensor, wavelet: str = "haar", mode: Boundary = "symmetric"
) -> Tensor:
    """Sum of the ``stationary_bands`` times ``weights`` (the approximation's first), holding one band at a time.

    Args:
        x: (B, C, H, W), any size.
        weights: levels + 1 numbers, or a tensor of them (then differentiable), coarsest first.
        wavelet: a discrete wavelet of PyWavelets by name.
        mode: as in ``stationary_bands``.

    Returns:
        (B, C, H, W).

    Example:
        >>> x = torch.tensor([[[[0.0, 0, 4, 0, 0, 0]] * 2]])
        >>> weigh_stationary_bands(x, (1, 0), "haar")[0, 0, 0]
        tensor([0., 1., 2., 1., 0., 0.])
    """
    levels = _check(x, wavelet, len(weights) - 1, mode)
    # Summed by parts, so that equal weights of neighbouring bands cost nothing: sum w_k (c_(k-1) - c_k) has c_k
    # with the weight w_(k+1) - w_k.
    total = x * weights[levels]
    for k in range(levels):
        x = _smooth(x, wavelet, 2**k, mode)
        step = weights[levels - k - 1] - weights[levels - k]
        if isinstance(step, Tensor):
            total = total + x * step
        elif step:
            total.add_(x, alpha=step)
    return total


def _check(x: Tensor, wavelet: str, levels: int | None, mode: str) -> int:
    check_image(x, "x")
    check_boundary(mode)
    size = (x.shape[-2], x.shape[-1])
    levels = max_levels(size, wavelet) if levels is None else levels
    check_levels(levels, size, wavelet)
    return levels


def _smooth(x: Tensor, wavelet: str, step: int, mode: str) -> Tensor:
    """Low pass of both axes with ``step - 1`` zeros between the taps."""
    taps = _low_pass(wavelet)
    reach = len(taps) // 2 * step
    mode = "periodic" if mode == "periodization" else mode
    height = x.shape[-2]
    # On a CPU a strip of rows stays in the cache while the taps pass over it.
    strip = max(4, _STRIP * height // x.numel()) if x.device.type == "cpu" else height
    wide = extend(x, -2, reach, reach, mode)
    rows = [(start, min(strip, height - start)) for start in range(0, height, strip)]
    down = (_convolve([wide.narrow(-2, a + k * step, n) for k in range(len(taps))], taps) for a, n in rows)
    parts = (_across(part, taps, step, reach, mode) for part in down)
    if wide.requires_grad:
        return torch.cat(list(parts), -2)
    out = torch.empty_like(x)
    for (start, count), part in zip(rows, parts):
        out.narrow(-2, start, count).copy_(part)
    return out


def _across(x: Tensor, taps: tuple[float, ...], step: int, reach: int, mode: str) -> Tensor:
    wide = extend(x, -1, reach, reach, mode)
    return _convolve([wide.narrow(-1, k * step, x.shape[-1]) for k in range(len(taps))], taps)


def _convolve(shifted: list[Tensor], taps: tuple[float, ...]) -> Tensor:
    middle = len(taps) // 2
    y = shifted[middle] * taps[middle]
    for x, tap in zip(shifted, taps):
        if tap and x is not shifted[middle]:
            y.add_(x, alpha=tap)
    return y


@constant
def _low_pass(wavelet: str) -> tuple[float, ...]:
    return _kept_low_pass(wavelet)


@lru_cache(maxsize=256)
def _kept_low_pass(wavelet: str) -> tuple[float, ...]:
    bank = filter_bank(wavelet)
    taps = np.convolve(bank.dec_lo, bank.rec_lo) / 2
    # Every second tap but the middle one is 0 up to the rounding of the tables.
    return tuple(float(t) if abs(t) > 1e-12 else 0.0 for t in taps)
