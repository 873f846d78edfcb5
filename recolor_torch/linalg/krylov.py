"""Conjugate gradients and BiCGSTAB for batches of pictures and channels at once.

Each (image, channel) is a system of its own with the operator of its image: the scalars of the
iteration are (B, C, 1, ...) tensors, and nothing in an iteration waits for the device.
"""

from collections.abc import Callable

import torch
from torch import Tensor

# A step of BiCGSTAB leaves about this share of the error, or less, where the preconditioner is any good.
LEFT = 0.5

Operator = Callable[[Tensor], Tensor]


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products over the pixels, (B, C, 1, ...)."""
    product = torch.linalg.vecdot(a.flatten(2), b.flatten(2))
    return product.view(product.shape + (1,) * (a.ndim - 2))


def peak(a: Tensor) -> Tensor:
    """Largest absolute value over the pixels, (B, C)."""
    low, high = torch.aminmax(a.flatten(2), dim=-1)
    return torch.maximum(-low, high)


def divide(a: Tensor, b: Tensor) -> Tensor:
    """``a / b``, and 0 where ``b`` is 0: a channel that has converged, or that was zero, stays as it is."""
    return torch.where(b == 0, torch.zeros_like(b), a / torch.where(b == 0, torch.ones_like(b), b))


class ConjugateGradients:
    """Preconditioned conjugate gradients, one ``step`` at a time (Saad 2003, Algorithm 9.1).

    ``z`` is the preconditioned residual, an estimate of the error of ``x``.

    Args:
        operator: symmetric and positive definite on the free pixels.
        preconditioner: likewise.
        rhs: (B, C, H, W).
        x: where to start, 0 by default. It is overwritten.
    """

    def __init__(self, operator: Operator, preconditioner: Operator, rhs: Tensor, x: Tensor | None = None) -> None:
        self.operator, self.preconditioner = operator, preconditioner
        self.x = torch.zeros_like(rhs) if x is None else x
        self.residual = rhs.clone() if x is None else rhs - operator(x)
        self.z = preconditioner(self.residual)
        self.direction = self.z.clone()
        self.power = dot(self.residual, self.z)
        self.steps = 0
        # The Lanczos matrix of the preconditioned operator, for the estimate of its smallest eigenvalue.
        self.alphas: list[Tensor] = []
        self.betas: list[Tensor] = []

    def step(self) -> None:
        image = self.operator(self.direction)
        alpha = divide(self.power, dot(self.direction, image))
        self.x.addcmul_(alpha, self.direction)
        self.residual.addcmul_(alpha, image, value=-1)
        del image
        self.z = self.preconditioner(self.residual)
        power = dot(self.residual, self.z)
        beta = divide(power, self.power)
        self.direction = torch.addcmul(self.z, beta, self.direction, out=self.direction)
        self.power = power
        self.steps += 1
        self.alphas.append(alpha)
        self.betas.append(beta)

    def error(self) -> Tensor:
        """Estimate of the largest error of ``x``, (B, C): max |z| over the smallest Ritz value.

        The error is (M A)⁻¹ z; the smallest Ritz value tells how much of it z may hide.
        """
        if not self.alphas:
            return peak(self.z)
        return peak(self.z) / self.smallest_ritz_value().clamp(max=1)

    def smallest_ritz_value(self) -> Tensor:
        """Smallest eigenvalue of the Lanczos matrix so far, (B, C) (Saad 2003, section 6.7.3)."""
        alphas = torch.stack(self.alphas, -1).flatten(2).double()
        betas = torch.stack(self.betas, -1).flatten(2).double()
        # A converged channel has alpha 0: its rows become large and leave the smallest value alone.
        inverse = torch.where(alphas > 0, 1 / alphas.clamp_min(1e-30), torch.full_like(alphas, 1e6))
        diagonal = inverse.clone()
        diagonal[..., 1:] += (betas * inverse)[..., :-1]
        side = (betas.clamp_min(0).sqrt() * inverse)[..., :-1]
        side = torch.where(alphas[..., 1:] > 0, side, torch.zeros_like(side))
        tri = torch.diag_embed(diagonal) + torch.diag_embed(side, 1) + torch.diag_embed(side, -1)
        return torch.linalg.eigvalsh(tri)[..., 0].clamp_min(1e-6).to(self.x.dtype)


class BiCGStab:
    """Preconditioned BiCGSTAB, one ``step`` at a time (Saad 2003, Algorithm 7.7, right preconditioning).

    Args:
        operator: any regular operator on the free pixels.
        preconditioner: close to its inverse.
        rhs: (B, C, H, W).
        x: where to start, 0 by default. It is overwritten.
    """

    def __init__(self, operator: Operator, preconditioner: Operator, rhs: Tensor, x: Tensor | None = None) -> None:
        self.operator, self.preconditioner = operator, preconditioner
        self.x = torch.zeros_like(rhs) if x is None else x
        self.residual = rhs.clone() if x is None else rhs - operator(x)
        self.shadow = self.residual.clone()
        self.rho = self.alpha = self.omega = torch.ones_like(dot(rhs, rhs))
        self.v, self.direction = torch.zeros_like(rhs), torch.zeros_like(rhs)
        self.steps = 0
        self.last: Tensor | None = None

    def step(self) -> None:
        rho = dot(self.shadow, self.residual)
        beta = divide(rho * self.alpha, self.rho * self.omega)
        self.direction.addcmul_(self.omega, self.v, value=-1).mul_(beta).add_(self.residual)
        first = self.preconditioner(self.direction)
        self.v = self.operator(first)
        self.rho, self.alpha = rho, divide(rho, dot(self.shadow, self.v))
        self.residual.addcmul_(self.alpha, self.v, value=-1)
        self.x.addcmul_(self.alpha, first)
        self.last = first.mul_(self.alpha)
        second = self.preconditioner(self.residual)
        image = self.operator(second)
        self.omega = divide(dot(image, self.residual), dot(image, image))
        self.x.addcmul_(self.omega, second)
        self.residual.addcmul_(self.omega, image, value=-1)
        self.last.addcmul_(self.omega, second)
        self.steps += 1

    def error(self) -> Tensor:
        """Estimate of the largest error of ``x``, (B, C): a share of the last step."""
        if self.last is None:
            return peak(self.preconditioner(self.residual))
        return LEFT * peak(self.last)
