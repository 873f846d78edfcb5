"""Gradients through the answer of a solve, not through its iterations."""

from collections.abc import Callable

import torch
from torch import Tensor


class ImplicitStep(torch.autograd.Function):
    r"""The identity ``x``, differentiable as the solution of residual = 0.

    At the solution A x = b, the residual R(x, p) = b(p) - A(p) x is 0 whatever the parameters p, so
    dx = A⁻¹ dR with x held fixed. Backward therefore solves Aᵀ λ = dL/dx once and gives λ as the
    gradient of the residual; autograd carries it on to the parameters.

    Args:
        residual: the residual at ``x`` as a differentiable function of the parameters, ``x`` detached.
        x: the solution.
        adjoint: λ = A⁻ᵀ g for a given g.
    """

    @staticmethod
    def forward(ctx, residual: Tensor, x: Tensor, adjoint: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.adjoint = adjoint
        return x.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return ctx.adjoint(grad), None, None
