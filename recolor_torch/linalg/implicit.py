"""Gradients through the answer of a solve, not through its iterations; of any order."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# The residual of an equation at a solution, as a differentiable function of (solution, parameters).
Residual = Callable[..., Tensor]
# Solves with the operator (False) or its transpose (True), for a right-hand side.
Solve = Callable[[Tensor, bool], Tensor]


class ImplicitSolution(torch.autograd.Function):
    r"""The solution x of residual(x, p) = 0, differentiable in the parameters p.

    The residual is R(x, p) = b(p) - A(p) x, and at the solution dx = A⁻¹ dR with x held fixed. Backward
    solves Aᵀ λ = dL/dx and gives :math:`\lambda^\top \partial R / \partial p`. λ is the solution of such an
    equation too, with parameters p and dL/dx, and is made by this class: so derivatives of every order exist.

    Args:
        x: the solution.
        residual: R.
        multiply: (y, transposed, p) -> A y or Aᵀ y, differentiable.
        solve: A⁻¹ or A⁻ᵀ of a right-hand side.
        transposed: whether the operator is Aᵀ.
        parameters: p.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Residual,
        multiply: Callable[..., Tensor],
        solve: Solve,
        transposed: bool,
        *parameters: Tensor,
    ) -> Tensor:
        out = x.clone()
        ctx.save_for_backward(out, *parameters)
        ctx.residual, ctx.multiply, ctx.solve, ctx.transposed = residual, multiply, solve, transposed
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, *parameters = ctx.saved_tensors
        residual, multiply, solve, transposed = ctx.residual, ctx.multiply, ctx.solve, ctx.transposed
        again = torch.is_grad_enabled()
        with torch.no_grad():
            adjoint = solve(grad.detach(), not transposed)
        if again:

            def rest(y: Tensor, g: Tensor, *p: Tensor) -> Tensor:
                return g - multiply(y, not transposed, p)

            adjoint = ImplicitSolution.apply(adjoint, rest, multiply, solve, not transposed, grad, *parameters)
        needed = ctx.needs_input_grad[5:]
        with torch.enable_grad():
            # Views, or copies without history: what x itself owes to the parameters does not count here.
            inner = [p.view_as(p) if again else p.detach().requires_grad_(need) for p, need in zip(parameters, needed)]
            left = residual(x if again else x.detach(), *inner)
            asked = [p for p, need in zip(inner, needed) if need]
            found = iter(torch.autograd.grad(left, asked, adjoint, create_graph=again, allow_unused=True))
        return (None, None, None, None, None, *(next(found) if need else None for need in needed))
