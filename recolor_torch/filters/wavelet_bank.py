"""Filters of the PyWavelets by name, how a signal goes on past its borders, and how often it can be halved."""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_choice
from recolor_torch.lazy import LazyModule, constant

if TYPE_CHECKING:
    import pywt
else:
    pywt = LazyModule("pywt")


Boundary = Literal["zero", "symmetric", "reflect", "periodization"]


@dataclass(frozen=True)
class FilterBank:
    """The four filters of a discrete wavelet, as PyWavelets has them; all have the same even length."""

    name: str
    dec_lo: tuple[float, ...]
    dec_hi: tuple[float, ...]
    rec_lo: tuple[float, ...]
    rec_hi: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.dec_lo)


@constant
def filter_bank(wavelet: str) -> FilterBank:
    """The filters of a discrete wavelet of PyWavelets, such as "haar", "db4", "sym8" or "bior2.2".

    Raises:
        ValueError: PyWavelets has no discrete wavelet of this name.

    Example:
        >>> filter_bank("haar").dec_lo
        (0.7071067811865476, 0.7071067811865476)
    """
    return _filter_bank(wavelet)


@lru_cache(maxsize=256)
def _filter_bank(wavelet: str) -> FilterBank:
    if wavelet == "haar":  # the one that needs no table: grain is measured with it, and PyWavelets stays unread
        h = 0.7071067811865476
        return FilterBank(wavelet, (h, h), (-h, h), (h, h), (h, -h))
    known = pywt.wavelist(kind="discrete")
    if wavelet not in known:
        near = get_close_matches(str(wavelet), known) or known[:6]
        raise ValueError(
            f"Unknown wavelet {wavelet!r}. Near it are {', '.join(near)}; pywt.wavelist(kind='discrete') has all."
        )
    return FilterBank(wavelet, *(tuple(f) for f in pywt.Wavelet(wavelet).filter_bank))


@constant
def max_levels(size: tuple[int, int], wavelet: str) -> int:
    """How often a picture of ``size`` (height, width) can be halved before the filter is longer than it.

    Example:
        >>> max_levels((480, 640), "haar"), max_levels((480, 640), "db4"), max_levels((4, 640), "db4")
        (8, 6, 0)
    """
    return int(pywt.dwtn_max_level(size, filter_bank(wavelet).name))


def check_levels(levels: int, size: tuple[int, int], wavelet: str) -> None:
    """Raise ``ValueError`` unless ``levels`` is between 1 and ``max_levels``."""
    most = max_levels(size, wavelet)
    if not 1 <= levels <= most:
        raise ValueError(
            f"A picture of {size[0]} x {size[1]} pixels (height x width) has room for 1 to {most} levels of "
            f"{wavelet!r}, got {levels}."
            if most
            else f"A picture of {size[0]} x {size[1]} pixels (height x width) is too small for a level of {wavelet!r}."
        )


def check_boundary(mode: str) -> None:
    """Raise ``ValueError`` unless ``mode`` is a ``Boundary``."""
    check_choice(mode, "mode", get_args(Boundary))


def extend(x: Tensor, dim: int, left: int, right: int, mode: str) -> Tensor:
    """``x`` gone on for ``left`` and ``right`` samples along ``dim`` (-1 or -2), however short it is.

    "periodization" repeats the last sample of an odd length first, as PyWavelets does; "periodic" does not.
    """
    if left == right == 0:
        return x.contiguous()
    if mode == "zero":
        return F.pad(x, (left, right) if dim == -1 else (0, 0, left, right))
    before, after = _borders(x.shape[dim], left, right, mode, x.device)
    return torch.cat((x.index_select(dim, before), x, x.index_select(dim, after)), dim)


@constant
def _borders(n: int, left: int, right: int, mode: str, device: torch.device) -> tuple[Tensor, Tensor]:
    return _kept_borders(n, left, right, mode, device)


@lru_cache(maxsize=1024)
def _kept_borders(n: int, left: int, right: int, mode: str, device: torch.device) -> tuple[Tensor, Tensor]:
    i = np.concatenate((np.arange(-left, 0), np.arange(n, n + right)))
    if mode == "symmetric":
        i = i % (2 * n)
        i = np.minimum(i, 2 * n - 1 - i)
    elif mode == "reflect":
        i = i % max(2 * n - 2, 1)
        i = np.minimum(i, 2 * n - 2 - i)
    elif mode == "periodization":
        i = np.minimum(i % (n + n % 2), n - 1)
    else:
        i = i % n
    # Tensors made in inference mode could never be part of a gradient, and these are kept.
    with torch.inference_mode(False):
        index = torch.as_tensor(i, device=device)
        return index[:left], index[left:]
