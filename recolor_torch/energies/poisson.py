"""Poisson merging (report, eq. 7): keep the target and its gradients, with some pixels given."""

import torch
from torch import Tensor

from recolor_torch.checks import check_batch, check_image, check_mask, check_same_size
from recolor_torch.linalg.linear_system import GridSystem
from recolor_torch.linalg.stencil import FULL_4, HALF_4, differences


class PoissonEnergy:
    r"""The picture x with given values on a mask, near the target t in value and in gradient.

    .. math::
        E(x) = \sum_r (x_r - t_r)^2 + \lambda \sum_{\{r,s\}} \big((x_r - x_s) - (t_r - t_s)\big)^2

    over unordered pairs of 4-neighbours (``order=1``), or with Σ (Δx - Δt)² in place of the second sum
    (``order=2``), Δ the five-point Laplacian without the terms that leave the picture. The system is
    solved for x - t and divided by max(1, λ): at λ = 1e10 nothing is lost to rounding in float32.

    Args:
        target: (B, 3, H, W) (any number of channels).
        values: (B or 1, 3, H, W), read where ``mask`` is over one half.
        mask: (B or 1, 1, H, W); without a given pixel the target comes back.
        lam: λ, 0 or more: a number, or a tensor of one element for a gradient.
        order: 1 for gradients, 2 for Laplacians.

    Raises:
        TypeError: a tensor is not floating point.
        ValueError: a shape does not fit, λ is negative, or ``order`` is neither 1 nor 2.
    """

    def __init__(
        self,
        target: Tensor,
        values: Tensor,
        mask: Tensor,
        *,
        lam: float | Tensor = 1e3,
        order: int = 1,
    ) -> None:
        check_image(target, "target")
        check_image(values, "values", target.shape[1])
        check_same_size(values, "values", target, "target")
        check_batch(values, "values", target, "target")
        check_mask(mask, "mask", target, "target")
        if not isinstance(lam, Tensor) and not 0 <= lam < float("inf"):
            raise ValueError(f"lam must be finite and 0 or more, got {lam}.")
        if order not in (1, 2):
            raise ValueError(f"order must be 1 or 2, got {order}.")
        self.target, self.values, self.mask, self.lam, self.order = target, values, mask, lam, order

    def system(self) -> GridSystem:
        """The linear system for x - t, divided by max(1, λ)."""
        b, c, h, w = self.target.shape
        lam = torch.as_tensor(self.lam).to(self.target)
        scale = 1 / lam.detach().clamp_min(1)
        one = torch.ones_like(self.target[:, :1])
        # Squared systems apply the weights twice.
        tie = one * (lam * scale if self.order == 1 else (lam * scale).sqrt())
        offsets = HALF_4 if self.order == 1 else FULL_4
        return GridSystem(
            weights=(tie,) * len(offsets),
            offsets=offsets,
            symmetric=self.order == 1,
            squared=self.order == 2,
            mass=one * scale,
            source=self.target.new_zeros(1, 1, 1, 1).expand_as(self.target),
            fixed=(self.mask > 0.5).expand(b, 1, h, w),
            values=(self.values - self.target).expand(b, c, h, w),
            mild=True,
        )

    def restore(self, x: Tensor) -> Tensor:
        """From x - t to x; given pixels have their value exactly."""
        return torch.where(self.mask > 0.5, self.values, self.target + x)

    def value(self, image: Tensor) -> Tensor:
        """The energy of ``image``, one number an image and channel, (B, C)."""
        change = image - self.target
        one = torch.ones_like(change[:, :1])
        if self.order == 1:
            spread = differences(change, (one, one), HALF_4, True) * change
        else:
            spread = differences(change, (one,) * 4, FULL_4, False).square()
        return (change.square() + torch.as_tensor(self.lam).to(change) * spread).sum((-2, -1))
