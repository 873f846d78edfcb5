"""What an energy hands to a solver, and what a solver hands back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from recolor_torch.lazy import LazyModule
from recolor_torch.linalg.stencil import (
    Offset,
    Weights,
    differences,
    differences_transposed,
    neighbour_sum,
    windows,
)

if TYPE_CHECKING:
    import scipy.sparse as sp
else:
    sp = LazyModule("scipy.sparse")


class NotConverged(ArithmeticError):
    """A solve that did not reach its tolerance. There is no result rather than a wrong one."""


@dataclass(frozen=True)
class Solution:
    """What a solve returns.

    Args:
        x: the solution, (B, C, H, W); pixels that were fixed have their value exactly.
        converged: whether the estimated error is below the tolerance that was asked for.
        steps: iterations done; 0 for a direct solve.
        error: estimate of the largest error of ``x``, in units of ``x``.
        method: what produced ``x``: "geometric", "aggregation", "sweeps", or "direct" (also where that was the
            fallback).
    """

    x: Tensor
    converged: bool
    steps: int
    error: float
    method: str = "direct"


@dataclass(frozen=True)
class GridSystem:
    r"""A linear system over the pixels of a batch of pictures.

    With L the weighted differences of ``stencil.py``, m the mass, s the source and f the fixed values,
    the unknown u satisfies u = f where ``fixed`` is true, and elsewhere

    .. math:: L u + m u = s, \quad\text{or}\quad L^T L u + m u = s \text{ for a squared system.}

    Args:
        weights: one (B, 1, H, W) tensor for each offset, 0 or more.
        offsets: the neighbours, half of them for a symmetric system.
        symmetric: whether each pair counts both ways with the same weight.
        squared: whether the operator is LᵀL + m.
        mass: (B, 1, H, W), 0 or more.
        source: (B, C, H, W).
        fixed: (B, 1, H, W), boolean.
        values: (B, C, H, W), read where ``fixed`` is true.
        mild: whether the weights vary little, so that a geometric hierarchy serves.
    """

    weights: Weights
    offsets: tuple[Offset, ...]
    symmetric: bool
    squared: bool
    mass: Tensor
    source: Tensor
    fixed: Tensor
    values: Tensor
    mild: bool = False

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything that a gradient may be asked for."""
        return (*self.weights, self.mass, self.source, self.values)

    def detach(self) -> GridSystem:
        """The same system without its history."""
        return replace(
            self,
            weights=tuple(w.detach() for w in self.weights),
            mass=self.mass.detach(),
            source=self.source.detach(),
            values=self.values.detach(),
        )

    def with_tensors(self, tensors: tuple[Tensor, ...]) -> GridSystem:
        """The same system with these in place of its ``tensors``."""
        *weights, mass, source, values = tensors
        return replace(self, weights=tuple(weights), mass=mass, source=source, values=values)

    def to(self, like: torch.dtype | torch.device) -> GridSystem:
        """The same system in another type, or on another device."""
        moved = self.with_tensors(tuple(t.to(like) for t in self.tensors))
        return moved if isinstance(like, torch.dtype) else replace(moved, fixed=self.fixed.to(like))

    def select(self, image: int) -> GridSystem:
        """The system of one image of the batch."""

        def one(x: Tensor) -> Tensor:
            return x if x.shape[0] == 1 else x[image : image + 1]

        return replace(self.with_tensors(tuple(one(t) for t in self.tensors)), fixed=one(self.fixed))

    def operate(self, u: Tensor) -> Tensor:
        """``L u + m u`` (or ``LᵀL u + m u``) at every pixel, fixed or not; differentiable."""
        y = differences(u, self.weights, self.offsets, self.symmetric)
        if self.squared:
            y = differences_transposed(y, self.weights, self.offsets, self.symmetric)
        return torch.addcmul(y, self.mass, u)

    def insert(self, x: Tensor) -> Tensor:
        """``x`` with the fixed values put in; differentiable."""
        return torch.where(self.fixed, self.values, x)

    def residual(self, x: Tensor) -> Tensor:
        """``s - (L + m) u`` with u = ``x`` and the fixed values; 0 at fixed pixels; differentiable."""
        return (self.source - self.operate(self.insert(x))).masked_fill(self.fixed, 0)

    def multiply(self, x: Tensor, transposed: bool = False) -> Tensor:
        """The operator on the free pixels alone (``x`` is 0 at fixed pixels), or its transpose."""
        if transposed and not self.squared:
            y = differences_transposed(x, self.weights, self.offsets, self.symmetric)
            y = torch.addcmul(y, self.mass, x)
        else:
            y = self.operate(x)
        return y.masked_fill(self.fixed, 0)

    def diagonal(self) -> Tensor:
        """The diagonal of the operator, (B, 1, H, W); 1 at fixed pixels."""
        diag = neighbour_sum(self.weights, self.offsets, self.symmetric)
        if self.squared:
            squares = tuple(w.square() for w in self.weights)
            incoming = torch.zeros_like(diag)
            for square, offset in zip(squares, self.offsets):
                here, there = windows(offset, diag.shape)
                incoming[there] += square[here]
                if self.symmetric:
                    incoming[here] += square[here]
            diag = diag.square() + incoming
        return (diag + self.mass).masked_fill(self.fixed, 1)

    def matrix(self, image: int) -> tuple[sp.csc_matrix, torch.Tensor]:
        """The matrix of the free pixels of one image in float64, and their positions in the picture."""
        mass = self.mass[min(image, self.mass.shape[0] - 1)].detach().reshape(-1).double().cpu().numpy()
        part, keep = self.root(image)
        part = part.T @ part if self.squared else part[keep]
        return (part + sp.diags(mass[keep])).tocsc(), torch.from_numpy(keep)

    def root(self, image: int = 0) -> tuple[sp.csr_matrix, np.ndarray]:
        """The matrix of L of one image in float64: all rows, the columns of the free pixels; and their positions."""
        height, width = self.fixed.shape[-2:]
        n = height * width
        number = torch.arange(n).view(height, width)
        rows, cols, data = [], [], []
        for weight, offset in zip(self.weights, self.offsets):
            here, there = windows(offset, self.fixed.shape)
            r, s = number[here[1:]].reshape(-1), number[there[1:]].reshape(-1)
            w = weight[min(image, weight.shape[0] - 1), 0][here[1:]].reshape(-1).detach().double().cpu()
            rows += [r, r]
            cols += [s, r]
            data += [-w, w]
            if self.symmetric:
                rows += [s, s]
                cols += [r, s]
                data += [-w, w]
        keep = (~self.fixed[min(image, self.fixed.shape[0] - 1), 0]).reshape(-1).cpu().numpy().nonzero()[0]
        matrix = sp.csr_matrix((torch.cat(data).numpy(), (torch.cat(rows).numpy(), torch.cat(cols).numpy())), (n, n))
        return matrix[:, keep], keep


class Energy(Protocol):
    """What ``solve`` needs of an energy."""

    def system(self) -> GridSystem:
        """The linear system whose solution minimises the energy."""
        ...

    def restore(self, x: Tensor) -> Tensor:
        """From the unknown of the system to what the caller wants."""
        ...
