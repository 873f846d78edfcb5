"""The multilevel 2-D wavelet transform and its inverse, as PyWavelets computes them, with gradients.

One axis at a time. A strided convolution with one input channel leaves a processor mostly idle, so the signal is
read as blocks of ``2m`` samples and a block's ``m`` outputs are two matrix products, of it and of the next block with
a banded matrix. The products give low and high pass as contiguous planes and are as exact as the dtype (convolutions
on a GPU round to TF32 by default, matrix products only where ``torch.set_float32_matmul_precision`` asks for it).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recolor_torch.checks import check_image
from recolor_torch.filters.haar import Details, analyze_haar, is_haar, synthesize_haar
from recolor_torch.filters.wavelet_bank import (
    Boundary,
    FilterBank,
    check_boundary,
    check_levels,
    extend,
    filter_bank,
    max_levels,
)
from recolor_torch.lazy import constant

# Outputs of a block along columns and rows: what was fastest on a CPU with AVX-512.
_BLOCK = {-2: 8, -1: 16}


class Pyramid(NamedTuple):
    """Wavelet coefficients: the approximation, and details from the coarsest level to the finest.

    ``details[k]`` is (horizontal, vertical, diagonal), PyWavelets' order: rough along columns and smooth along rows,
    the other way round, rough along both. All are (B, C, h, w).
    """

    approximation: Tensor
    details: tuple[Details, ...]


def dwt2(x: Tensor, wavelet: str = "haar", levels: int | None = None, mode: Boundary = "symmetric") -> Pyramid:
    """Decompose pictures into wavelet coefficients; equal to ``pywt.wavedec2``.

    Args:
        x: (B, C, H, W), any size.
        wavelet: a discrete wavelet of PyWavelets by name.
        levels: how often the picture is halved; as often as its size allows where it is None.
        mode: how the picture goes on past its borders.

    Returns:
        ``Pyramid`` in the dtype of ``x``; its coefficients may be views of larger tensors.

    Raises:
        TypeError: ``x`` is not a floating point tensor.
        ValueError: a wrong shape, an unknown wavelet or mode, or more levels than the size allows.

    Example:
        >>> pyramid = dwt2(torch.ones(1, 1, 4, 4), "haar", levels=2)
        >>> pyramid.approximation.round(decimals=4)
        tensor([[[[4.]]]])
        >>> [tuple(horizontal.shape) for horizontal, _, _ in pyramid.details]
        [(1, 1, 1, 1), (1, 1, 2, 2)]
    """
    check_image(x, "x")
    check_boundary(mode)
    bank = filter_bank(wavelet)
    size = (x.shape[-2], x.shape[-1])
    levels = max_levels(size, wavelet) if levels is None else levels
    check_levels(levels, size, wavelet)
    details: list[Details] = []
    with torch.autocast(x.device.type, enabled=False):
        for _ in range(levels):
            x, level = _analyze_plane(x, bank, mode)
            details.insert(0, level)
    return Pyramid(x, tuple(details))


def idwt2(
    pyramid: Pyramid, wavelet: str = "haar", mode: Boundary = "symmetric", size: tuple[int, int] | None = None
) -> Tensor:
    """Put pictures together from their coefficients; equal to ``pywt.waverec2``.

    Args:
        pyramid: what ``dwt2`` returned, or something of the same shapes.
        wavelet: the wavelet it was made with.
        mode: the mode it was made with; only whether it is "periodization" matters.
        size: height and width of the picture. Without it an odd side comes back with one sample more, as from
            PyWavelets.

    Returns:
        (B, C, H, W). With coefficients from ``dwt2`` it is the picture to rounding, except for "dmey", whose filters
        are truncated.

    Raises:
        ValueError: coefficients of one level with different shapes, or levels that do not follow each other.

    Example:
        >>> x = torch.arange(15.0).reshape(1, 1, 3, 5)
        >>> idwt2(dwt2(x, "haar"), "haar", size=(3, 5)).round(decimals=4)[0, 0, 2]
        tensor([10., 11., 12., 13., 14.])
    """
    check_boundary(mode)
    bank = filter_bank(wavelet)
    x = pyramid.approximation
    check_image(x, "approximation")
    with torch.autocast(x.device.type, enabled=False):
        for level in pyramid.details:
            h, w = level[0].shape[-2:]
            # An odd side was halved upwards and comes back with one sample too many.
            x = x[..., : h if x.shape[-2] == h + 1 else None, : w if x.shape[-1] == w + 1 else None]
            if any(d.shape != x.shape for d in level):
                shapes = ", ".join(str(tuple(d.shape)) for d in (x, *level))
                raise ValueError(f"The coefficients of one level must have one shape, got {shapes}.")
            x = _synthesize_plane(x, level, bank, mode)
    return x if size is None else x[..., : size[0], : size[1]]


def _analyze_plane(x: Tensor, bank: FilterBank, mode: str) -> tuple[Tensor, Details]:
    if is_haar(bank):
        return analyze_haar(x, mode)
    smooth, rough = _analyze(x, -2, bank, mode)
    approximation, vertical = _analyze(smooth, -1, bank, mode)
    horizontal, diagonal = _analyze(rough, -1, bank, mode)
    return approximation, (horizontal, vertical, diagonal)


def _synthesize_plane(approximation: Tensor, details: Details, bank: FilterBank, mode: str) -> Tensor:
    if is_haar(bank):
        return synthesize_haar(approximation, details)
    horizontal, vertical, diagonal = details
    smooth = _synthesize(approximation, vertical, -1, bank, mode)
    rough = _synthesize(horizontal, diagonal, -1, bank, mode)
    return _synthesize(smooth, rough, -2, bank, mode)


def _analyze(x: Tensor, dim: int, bank: FilterBank, mode: str) -> tuple[Tensor, Tensor]:
    """Low and high pass of every second sample along ``dim``: y[k] = sum_j f[j] x[2k + s - j]."""
    n, length = x.shape[dim], len(bank.dec_lo)
    if mode == "periodization":
        count, left = (n + 1) // 2, length // 2 - 1
    else:
        count, left = (n + length - 1) // 2, length - 2
    m = _block(dim, length)
    blocks = -(-count // m) + (length > 2)
    blocks_of = _blocks(extend(x, dim, left, blocks * 2 * m - left - n, mode), dim, 2 * m)
    low, high = (
        _unblock(_banded(((blocks_of, f),), dim, m, 2 * m), x, dim).narrow(dim, 0, count)
        for f in _analysis_matrices(bank.name, m, x.dtype, x.device)
    )
    return low, high


def _synthesize(low: Tensor, high: Tensor, dim: int, bank: FilterBank, mode: str) -> Tensor:
    """Adjoint order of ``_analyze``: y[t] = sum_k low[k] f[t + s - 2k] + high[k] g[t + s - 2k]."""
    n, length = low.shape[dim], len(bank.dec_lo)
    if mode == "periodization":
        count, left = 2 * n, length // 4
        skip = 2 * left - (length // 2 - 1)
    else:
        count, left, skip = 2 * n - length + 2, 0, 0
    m = _block(dim, length)
    blocks = -(-(count + skip) // (2 * m)) + (length > 2)
    right = blocks * m - left - n
    # Past the end only what is cut off below would be read, except where the signal is periodic.
    ext = "periodic" if mode == "periodization" else "zero"
    if right < 0:
        low, high, right = low.narrow(dim, 0, n + right), high.narrow(dim, 0, n + right), 0
    parts = [_blocks(extend(c, dim, left, right, ext), dim, m) for c in (low, high)]
    pairs = tuple(zip(parts, _synthesis_matrices(bank.name, m, low.dtype, low.device)))
    return _unblock(_banded(pairs, dim, 2 * m, m), low, dim).narrow(dim, skip, count)


def _block(dim: int, length: int) -> int:
    # A block and its neighbour have to hold all that a filter reads.
    return max(_BLOCK[dim], (length - 1) // 2)


def _blocks(x: Tensor, dim: int, size: int) -> Tensor:
    """(N, size) rows, or (N, size, W) stripes, of a contiguous tensor; the batch is a part of N."""
    return x.view(-1, size) if dim == -1 else x.view(-1, size, x.shape[-1])


def _unblock(y: Tensor, like: Tensor, dim: int) -> Tensor:
    b, c, h, w = like.shape
    return y.view(b, c, h, -1) if dim == -1 else y.view(b, c, -1, w)


def _banded(pairs: tuple[tuple[Tensor, tuple[Tensor, Tensor | None]], ...], dim: int, m: int, k: int) -> Tensor:
    """Sum over pairs of: each block times a matrix plus the block after it times another, (N, m) or (N, m, W).

    The last block of a picture has the first one of the next picture after it: the caller cuts it off.
    """
    y: Tensor | None = None
    for x, (own, after) in pairs:
        if dim == -1:
            y = x @ own if y is None else y.addmm_(x, own)
            if after is not None:
                y[:-1].addmm_(x[1:], after)
        else:
            stripes = own.t().expand(len(x), m, k)
            y = torch.bmm(stripes, x) if y is None else y.baddbmm_(stripes, x)
            if after is not None:
                y[:-1].baddbmm_(after.t().expand(len(x) - 1, m, k), x[1:])
    assert y is not None
    return y


Matrices = tuple[tuple[Tensor, Tensor | None], ...]


@constant
def _analysis_matrices(wavelet: str, m: int, dtype: torch.dtype, device: torch.device) -> Matrices:
    return _kept_analysis_matrices(wavelet, m, dtype, device)


@lru_cache(maxsize=256)
def _kept_analysis_matrices(wavelet: str, m: int, dtype: torch.dtype, device: torch.device) -> Matrices:
    bank = filter_bank(wavelet)

    def build(f: tuple[float, ...]) -> tuple[Tensor, Tensor | None]:
        band = np.zeros((4 * m, m))
        for k in range(m):
            band[2 * k : 2 * k + len(f), k] = f[::-1]
        return _halves(band, dtype, device)

    return build(bank.dec_lo), build(bank.dec_hi)


@constant
def _synthesis_matrices(wavelet: str, m: int, dtype: torch.dtype, device: torch.device) -> Matrices:
    return _kept_synthesis_matrices(wavelet, m, dtype, device)


@lru_cache(maxsize=256)
def _kept_synthesis_matrices(wavelet: str, m: int, dtype: torch.dtype, device: torch.device) -> Matrices:
    bank = filter_bank(wavelet)

    def build(f: tuple[float, ...]) -> tuple[Tensor, Tensor | None]:
        tap = np.arange(2 * m) + len(f) - 2 - 2 * np.arange(2 * m)[:, None]
        band = np.where((tap >= 0) & (tap < len(f)), np.asarray(f)[tap.clip(0, len(f) - 1)], 0)
        return _halves(band, dtype, device)

    return build(bank.rec_lo), build(bank.rec_hi)


def _halves(band: np.ndarray, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """The rows for a block and those for the block after it, ``None`` where those are all zero."""
    own, after = np.split(band, 2)
    # Tensors made in inference mode could never be part of a gradient, and these are kept.
    with torch.inference_mode(False):
        return (
            torch.as_tensor(own, dtype=dtype, device=device),
            torch.as_tensor(after, dtype=dtype, device=device) if after.any() else None,
        )
