"""One level of the Haar transform by sums and differences: its blocks do not overlap, so nothing has to be padded."""

import torch
from torch import Tensor

from recolor_torch.filters.wavelet_bank import FilterBank, extend, filter_bank

Details = tuple[Tensor, Tensor, Tensor]


def is_haar(bank: FilterBank) -> bool:
    """Whether a bank has the filters of "haar", as "db1" and "bior1.1" do."""
    haar = filter_bank("haar")
    return (bank.dec_lo, bank.dec_hi, bank.rec_lo, bank.rec_hi) == (haar.dec_lo, haar.dec_hi, haar.rec_lo, haar.rec_hi)


def analyze_haar(x: Tensor, mode: str) -> tuple[Tensor, Details]:
    """Approximation and details of (B, C, H, W); equal to ``pywt.dwt2(x, "haar", mode)``."""
    for dim in (-2, -1):
        if x.shape[dim] % 2:
            x = extend(x, dim, 0, 1, mode)
    top, bottom = x[..., 0::2, :], x[..., 1::2, :]
    # Both axes' factors of 1 / sqrt(2) at once: half the sum, and the upper row less that is half the difference.
    smooth = torch.lerp(top, bottom, 0.5)
    rough = top - smooth
    (left, right), (rough_left, rough_right) = ((y[..., 0::2], y[..., 1::2]) for y in (smooth, rough))
    return left + right, (rough_left + rough_right, left - right, rough_left - rough_right)


def synthesize_haar(approximation: Tensor, details: Details) -> Tensor:
    """The inverse of ``analyze_haar``, (B, C, 2 h, 2 w)."""
    horizontal, vertical, diagonal = details
    smooth = _interleave(approximation + vertical, approximation - vertical)
    rough = _interleave(horizontal + diagonal, horizontal - diagonal)
    top = torch.lerp(smooth, rough, 0.5)
    return torch.stack((top, smooth - top), -2).flatten(-3, -2)


def _interleave(even: Tensor, odd: Tensor) -> Tensor:
    """Columns in turns. Real and imaginary parts lie side by side, and writing those is far quicker than a stack."""
    if even.dtype in (torch.float32, torch.float64):
        return torch.view_as_real(torch.complex(even, odd)).flatten(-2)
    return torch.stack((even, odd), -1).flatten(-2)
