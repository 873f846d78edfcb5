"""Conjugate gradients and GMRES for batches of pictures and channels at once.

Each (image, channel) is a system of its own with the operator of its image: the scalars of the
iteration are (B, C, 1, ...) tensors, and nothing in an iteration waits for the device.
"""

from collections.abc import Callable

import torch
from torch import Tensor

# GMRES starts again from its best solution once it holds this many vectors: more than a solve should need.
BASIS = 16
# Singular values below this share of the largest one belong to a channel that has converged, or was zero.
RANK = 1e-6

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
        # Its entries of the steps since the last look, and before that, on the CPU.
        self.alphas: list[Tensor] = []
        self.betas: list[Tensor] = []
        self.lanczos: list[tuple[Tensor, Tensor]] = []

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
        """Estimate of the largest error of ``x``, (B, C), on the CPU: max |z| over the smallest Ritz value.

        The error is (M A)⁻¹ z; the smallest Ritz value tells how much of it z may hide. All that a look needs comes
        over in one copy, and the tiny matrices are the processor's: on a GPU they would be dozens of launches and a
        second wait.
        """
        size = self.z.shape[:2]
        fresh = [s.view(size) for part in zip(self.alphas, self.betas) for s in part]
        self.alphas, self.betas = [], []
        seen = torch.stack([peak(self.z), *fresh]).cpu()
        self.lanczos += [(alpha, beta) for alpha, beta in zip(seen[1::2], seen[2::2])]
        return seen[0] / self._smallest_ritz_value().clamp(max=1) if self.lanczos else seen[0]

    def _smallest_ritz_value(self) -> Tensor:
        """Smallest eigenvalue of the Lanczos matrix so far, (B, C), on the CPU (Saad 2003, section 6.7.3)."""
        alphas, betas = (torch.stack(part, -1).double() for part in zip(*self.lanczos))
        # A converged channel has alpha 0: its rows become large and leave the smallest value alone.
        inverse = torch.where(alphas > 0, 1 / alphas.clamp_min(1e-30), torch.full_like(alphas, 1e6))
        diagonal = inverse.clone()
        diagonal[..., 1:] += (betas * inverse)[..., :-1]
        side = (betas.clamp_min(0).sqrt() * inverse)[..., :-1]
        side = torch.where(alphas[..., 1:] > 0, side, torch.zeros_like(side))
        tri = torch.diag_embed(diagonal) + torch.diag_embed(side, 1) + torch.diag_embed(side, -1)
        return torch.linalg.eigvalsh(tri)[..., 0].clamp_min(1e-6).to(self.x.dtype)


class GMRES:
    """Preconditioned GMRES, one ``step`` at a time (Saad 2003, Algorithm 9.4, left preconditioning), restarted.

    It makes the preconditioned residual, an estimate of the error, as small as it can be. The solution is
    put together when it is asked for.

    Args:
        operator: any regular operator on the free pixels.
        preconditioner: close to its inverse.
        rhs: (B, C, H, W).
    """

    def __init__(self, operator: Operator, preconditioner: Operator, rhs: Tensor) -> None:
        self.operator, self.preconditioner = operator, preconditioner
        self.steps = 0
        self.before: Tensor | None = None
        self._start(preconditioner(rhs))
        self.looked = (0, torch.zeros(()))

    def _start(self, z: Tensor) -> None:
        self.size = dot(z, z).sqrt()
        self.basis = [divide(z, self.size)]
        self.columns: list[Tensor] = []
        self.solved: Tensor | None = None

    def step(self) -> None:
        if len(self.columns) == BASIS:
            self.before = self.x
            self._start(self._combine(_least_squares(*self._hessenberg(self._packed()))[1]))
        w = self.preconditioner(self.operator(self.basis[-1]))
        column = []
        for v in self.basis:
            share = dot(w, v)
            w.addcmul_(share, v, value=-1)
            column.append(share)
        length = dot(w, w).sqrt()
        self.basis.append(divide(w, length))
        self.columns.append(torch.stack([*column, length], -1).flatten(2))
        self.solved = None
        self.steps += 1

    @property
    def x(self) -> Tensor:
        """The solution so far."""
        if not self.columns:
            return torch.zeros_like(self.basis[0]) if self.before is None else self.before
        if self.solved is None:
            self.solved = _least_squares(*self._hessenberg(self._packed()))[0]
        x = self._combine(self.solved)
        return x if self.before is None else x.add_(self.before)

    def error(self) -> Tensor:
        """Estimate of the largest error of ``x``, (B, C), on the CPU: max |z| over what a step takes from the slowest
        error.

        That is the smallest singular value so far, or the share by which z fell since the last look: an error
        that the steps have not found yet shows as a z that stays. As in ``ConjugateGradients.error``, one copy brings
        over all that a look needs, and the tiny matrices are the processor's.
        """
        if not self.columns:
            return peak(self.basis[0] * self.size).cpu()
        hessenberg, size = self._hessenberg(self._packed().cpu())
        y, left = _least_squares(hessenberg, size)
        slowest = _smallest_singular_value(hessenberg).to(left.dtype)
        self.solved = y.to(self.size.device, non_blocking=True)
        norm, (steps, before) = left.norm(dim=-1), self.looked
        if 0 < steps < self.steps:
            fallen = divide(norm, before).pow(1 / (self.steps - steps))
            slowest = torch.minimum(slowest, (1 - fallen).clamp_min(1e-3))
        self.looked = (self.steps, norm)
        return peak(self._combine(left.to(self.size.device, non_blocking=True))).cpu() / slowest.clamp(max=1)

    def _packed(self) -> Tensor:
        """The first residual's size and the columns of the Hessenberg matrix, one after the other, (B, C, ...)."""
        return torch.cat([self.size.flatten(1).unsqueeze(-1), *self.columns], -1)

    def _hessenberg(self, packed: Tensor) -> tuple[Tensor, Tensor]:
        """The matrix, (B, C, n + 1, n), and the size, (B, C), where ``packed`` lies."""
        n, start = len(self.columns), 1
        hessenberg = packed.new_zeros(*packed.shape[:2], n + 1, n, dtype=torch.float64)
        for j in range(n):
            hessenberg[..., : j + 2, j] = packed[..., start : start + j + 2]
            start += j + 2
        return hessenberg, packed[..., 0]

    def _combine(self, weights: Tensor) -> Tensor:
        out = torch.zeros_like(self.basis[0])
        for weight, v in zip(weights.unbind(-1), self.basis):
            out.addcmul_(weight.view(self.size.shape), v)
        return out


def _least_squares(hessenberg: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the solution and of z in the basis, (B, C, n) and (B, C, n + 1); nothing waits for the device."""
    first = torch.zeros_like(hessenberg[..., :1])
    first[..., 0, 0] = size
    # Singular values lie between the share of the slowest error, some hundredths, and a few: the normal
    # equations lose little in float64. A share of RANK² stands in for those of a channel that is done.
    normal = hessenberg.mT @ hessenberg
    ridge = normal.diagonal(dim1=-2, dim2=-1).amax(-1, keepdim=True) * RANK**2
    normal.diagonal(dim1=-2, dim2=-1).add_(torch.where(ridge > 0, ridge, 1))
    root, _ = torch.linalg.cholesky_ex(normal)
    y = torch.linalg.solve_triangular(root, hessenberg.mT @ first, upper=False)
    y = torch.linalg.solve_triangular(root.mT, y, upper=True)
    left = first - hessenberg @ y
    return y[..., 0].to(size.dtype), left[..., 0].to(size.dtype)


def _smallest_singular_value(hessenberg: Tensor) -> Tensor:
    """(B, C), leaving out what belongs to a channel that is done."""
    s = torch.linalg.svdvals(hessenberg)
    return s.masked_fill(s <= RANK * s[..., :1], torch.inf).amin(-1)
