"""Differences of eq. 3 and the mean and Gauss filters of eq. 5, with borders said aloud."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_image, one_or_many

Border = Literal["constant", "reflect", "replicate", "circular"]
Axis = Literal["down", "across"]


@one_or_many
def difference(x: Tensor, axis: Axis) -> Tensor:
    r"""Central difference along an axis, :math:`\partial a = (a_{i+1} - a_{i-1}) / 2`.

    It is half the sum of two one-sided differences; at a border the one with a missing neighbour is left out.

    Args:
        x: (B, C, H, W).
        axis: "down" the rows (the report's x, its index i) or "across" the columns (its y, its j).

    Example:
        >>> difference(torch.tensor([[[[0.0, 1, 4, 9]]]]), "across")
        tensor([[[[0.5000, 2.0000, 4.0000, 2.5000]]]])
    """
    before, after = _steps(x, axis)
    return (before + after) / 2


@one_or_many
def second_difference(x: Tensor, axis: Axis) -> Tensor:
    r"""Second difference along an axis, :math:`a_{i+1} - 2 a_i + a_{i-1}`; as ``difference`` at borders.

    Example:
        >>> second_difference(torch.tensor([[[[0.0, 1, 4, 9]]]]), "across")
        tensor([[[[ 1.,  2.,  2., -5.]]]])
    """
    before, after = _steps(x, axis)
    return after - before


@one_or_many
def laplacian(x: Tensor) -> Tensor:
    """Five-point Laplacian: the sum of both second differences.

    Example:
        >>> laplacian(torch.tensor([[[[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]]]))[0, 0]
        tensor([[ 0.,  1.,  0.],
                [ 1., -4.,  1.],
                [ 0.,  1.,  0.]])
    """
    return second_difference(x, "down") + second_difference(x, "across")


def _steps(x: Tensor, axis: Axis) -> tuple[Tensor, Tensor]:
    """Each pixel minus the one before it, and the one after it minus the pixel; 0 where there is none."""
    check_image(x, "x")
    step = x.diff(dim=-2 if axis == "down" else -1)
    if axis == "down":
        return F.pad(step, (0, 0, 1, 0)), F.pad(step, (0, 0, 0, 1))
    return F.pad(step, (1, 0)), F.pad(step, (0, 1))


@one_or_many
def mean_filter(x: Tensor, radius: int = 1, border: Border = "replicate") -> Tensor:
    """Mean of the (2 radius + 1)² pixels around each pixel.

    Args:
        x: (B, C, H, W).
        radius: N of the report; 0 leaves the picture as it is.
        border: what lies past the borders, in the words of ``torch.nn.functional.pad``.

    Example:
        >>> mean_filter(torch.tensor([[[[0.0, 0, 9, 0, 0]]]]), 1)
        tensor([[[[0., 3., 3., 3., 0.]]]])
    """
    check_image(x, "x")
    return _separable(x, torch.full((2 * radius + 1,), 1 / (2 * radius + 1), dtype=x.dtype, device=x.device), border)


@one_or_many
def gauss_filter(x: Tensor, radius: int = 2, beta: float = 0.5, border: Border = "replicate") -> Tensor:
    r"""Gauss filter :math:`\alpha \exp(-\beta (s^2 + t^2))` for s, t from -radius to radius, with the sum 1.

    Args:
        x: (B, C, H, W).
        radius: where the kernel ends.
        beta: 1 / (2 σ²): 0.5 is a standard deviation of one pixel.
        border: what lies past the borders, in the words of ``torch.nn.functional.pad``.

    Example:
        >>> gauss_filter(torch.tensor([[[[0.0, 0, 1, 0, 0]]]]), 1).round(decimals=3)
        tensor([[[[0.0000, 0.2740, 0.4520, 0.2740, 0.0000]]]])
    """
    check_image(x, "x")
    s = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-beta * s**2)
    return _separable(x, kernel / kernel.sum(), border)


def _separable(x: Tensor, kernel: Tensor, border: Border) -> Tensor:
    """``x`` convolved with a symmetric kernel across and down. (kornia's takes a tenth of a second to import.)"""
    radius = len(kernel) // 2
    padded = F.pad(x, (radius, radius, radius, radius), border)
    taps = kernel.expand(x.shape[1], 1, -1)
    rows = F.conv2d(padded, taps[:, :, None, :], groups=x.shape[1])
    return F.conv2d(rows, taps[:, :, :, None], groups=x.shape[1])
