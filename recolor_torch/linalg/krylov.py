"""Conjugate gradients and GMRES for batches of pictures and channels at once.

Each (image, channel) is a system of its own with the operator of its image: the scalars of the
iteration are (B, C, 1, ...) tensors, and nothing in an iteration waits for the device.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from recolor_torch.linalg.recording import Recording, recordable

# GMRES starts again from its best solution once it holds this many vectors: more than a solve should need.
BASIS = 16
# Singular values below this share of the largest one belong to a channel that has converged, or was zero.
RANK = 1e-6

Operator = Callable[[Tensor], Tensor]


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products over the pixels, (B, C, 1, ...)."""
    # On a GPU ``vecdot`` is a batch of matrix products of one row and one column, which leaves most of it idle.
    cpu = a.device.type == "cpu"
    product = torch.linalg.vecdot(a.flatten(2), b.flatten(2)) if cpu else (a * b).flatten(2).sum(-1)
    return product.view(product.shape + (1,) * (a.ndim - 2))


def peak(a: Tensor) -> Tensor:
    """Largest absolute value over the pixels, (B, C)."""
    low, high = torch.aminmax(a.flatten(2), dim=-1)
    return torch.maximum(-low, high)


def divide(a: Tensor, b: Tensor) -> Tensor:
    """``a / b``, and 0 where ``b`` is 0: a channel that has converged, or that was zero, stays as it is."""
    return (a / b).masked_fill_(b == 0, 0)


class ConjugateGradients:
    """Preconditioned conjugate gradients, one ``step`` at a time (Saad 2003, Algorithm 9.1).

    The preconditioned residual z is an estimate of the error of ``x``.

    Args:
        operator: symmetric and positive definite on the free pixels.
        preconditioner: likewise.
        rhs: (B, C, H, W).
        kind: steps with the same code behind ``operator`` and ``preconditioner`` share it, see ``recording.py``.
    """

    def __init__(self, operator: Operator, preconditioner: Operator, rhs: Tensor, kind: str = "any") -> None:
        self.operator, self.preconditioner = operator, preconditioner
        self.x, self.residual, self.direction = (torch.empty_like(rhs) for _ in range(3))
        self.power = rhs.new_empty(rhs.shape[:2] + (1,) * (rhs.ndim - 2))
        # What a look needs of a step: max |z| and the step's alpha and beta, (3, B, C).
        self.seen = rhs.new_zeros(3, *rhs.shape[:2])
        self.advance = Recording(rhs, f"CG {kind}")
        self.start(rhs)

    def start(self, rhs: Tensor) -> None:
        """Begin anew from 0 with another right-hand side of the same shape."""
        self.x.zero_()
        self.residual.copy_(rhs)
        z = self.preconditioner(self.residual)
        self.direction.copy_(z)
        self.power.copy_(dot(self.residual, z))
        self.seen[0] = peak(z)
        self.steps = 0
        # ``seen`` of the steps since the last look.
        self.fresh: list[Tensor] = []
        self.last: Tensor | None = None
        # The Lanczos matrix of the preconditioned operator, for the estimate of its smallest eigenvalue: its entries
        # of the steps before the last look, on the CPU.
        self.lanczos: list[tuple[Tensor, Tensor]] = []

    def step(self) -> None:
        self.advance(self._advance)
        self.steps += 1
        self.fresh.append(self.seen.clone())

    def _advance(self) -> None:
        image = self.operator(self.direction)
        alpha = divide(self.power, dot(self.direction, image))
        self.x.addcmul_(alpha, self.direction)
        self.residual.addcmul_(alpha, image, value=-1)
        del image
        z = self.preconditioner(self.residual)
        power = dot(self.residual, z)
        beta = divide(power, self.power)
        torch.addcmul(z, beta, self.direction, out=self.direction)
        self.power.copy_(power)
        self.seen[0] = peak(z)
        self.seen[1] = alpha.view(self.seen.shape[1:])
        self.seen[2] = beta.view(self.seen.shape[1:])

    def error(self) -> Tensor:
        """Estimate of the largest error of ``x``, (B, C), on the CPU: max |z| over the smallest Ritz value.

        The error is (M A)⁻¹ z; the smallest Ritz value tells how much of it z may hide. All that a look needs comes
        over in one copy, and the tiny matrices are the processor's: on a GPU they would be dozens of launches and a
        second wait.
        """
        if self.fresh:
            seen = torch.stack(self.fresh).cpu()
            self.fresh = []
            self.last = seen[-1, 0]
            self.lanczos += list(zip(seen[:, 1], seen[:, 2]))
        if self.last is None:
            self.last = self.seen[0].cpu()
        return self.last / self._smallest_ritz_value().clamp(max=1) if self.lanczos else self.last

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
        kind: as for ``ConjugateGradients``.
    """

    def __init__(self, operator: Operator, preconditioner: Operator, rhs: Tensor, kind: str = "any") -> None:
        self.operator, self.preconditioner = operator, preconditioner
        self.fixed: tuple[Tensor, Tensor] | None = None
        if recordable(rhs.device):  # recordings read and write the same place each time
            self.fixed = (torch.empty_like(rhs), torch.empty_like(rhs))
            self.advance = Recording(rhs, f"GMRES {kind}")
        self.start(rhs)

    def start(self, rhs: Tensor) -> None:
        """Begin anew from 0 with another right-hand side of the same shape."""
        self.steps = 0
        self.before: Tensor | None = None
        self._start(self.preconditioner(rhs))
        self.looked = (0, torch.zeros(()))

    def _advance(self) -> None:
        assert self.fixed is not None
        self.fixed[1].copy_(self.preconditioner(self.operator(self.fixed[0])))

    def _next(self, v: Tensor) -> Tensor:
        """The preconditioned operator applied to ``v``, to be overwritten."""
        if self.fixed is None:
            return self.preconditioner(self.operator(v))
        self.fixed[0].copy_(v)
        self.advance(self._advance)
        return self.fixed[1]

    def _start(self, z: Tensor) -> None:
        self.size = dot(z, z).sqrt()
        self.basis = [divide(z, self.size)]
        self.columns: list[Tensor] = []
        self.solved: Tensor | None = None

    def step(self) -> None:
        if len(self.columns) == BASIS:
            self.before = self.x
            self._start(self._combine(_least_squares(*self._hessenberg(self._packed()))[1]))
        w = self._next(self.basis[-1])
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
