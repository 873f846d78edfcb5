"""Poisson merging (report, section 3.1): given colors spread through the gradients of the target."""

from typing import ClassVar

from torch import Tensor

from recolor_torch.checks import check_image
from recolor_torch.color import chroma_to_rgb_offset, rgb_to_luminance, rgb_to_yuv
from recolor_torch.energies.poisson import PoissonEnergy
from recolor_torch.guide import Guide
from recolor_torch.linalg.solve import solve
from recolor_torch.methods.base import Recolorizer
from recolor_torch.methods.levin import LevinColorization, checked, given
from recolor_torch.precision import HALF, in_float32


def merge_poisson(
    target: Tensor,
    values: Tensor,
    mask: Tensor,
    lam: float | Tensor = 1e3,
    order: int = 1,
    tolerance: float = 0.5,
) -> Tensor:
    """The picture near ``target`` in value and gradient that has given values on a mask; see ``PoissonEnergy``.

    Args:
        target: (B, C, H, W).
        values: (B or 1, C, H, W), read where ``mask`` is over one half; they come back there exactly.
        mask: (B or 1, 1, H, W).
        lam: weight of the gradients against the values; the larger, the farther a given color spreads.
        order: 1 keeps gradients, 2 Laplacians.
        tolerance: largest error of the solve, in 8-bit levels.

    Returns:
        (B, C, H, W), not clipped.

    Raises:
        NotConverged: the solve failed; the message says by how much.
        ValueError: a shape is wrong, or values are not finite.
    """
    if target.dtype in HALF:
        return in_float32(merge_poisson, target, values, mask, lam, order, tolerance)
    return checked(solve(PoissonEnergy(target, values, mask, lam=lam, order=order), atol=tolerance / 255), tolerance)


MOST_LAMBDA = 1e12
"""Largest weight of the hints: from 1e4 on they are met to less than a level of 8 bits."""


class PoissonMerging(Recolorizer):
    """Spread the colors of hints evenly in R, G and B, keeping the gradients of the target.

    A given color spreads in all directions alike, across edges too: the report's first method, which
    ``levin`` improves on. The hints' chroma counts; their luminance is the target's.

    Args:
        lam: weight of the gradients, 0 to 1e10: the larger, the farther colors spread (about its root, in pixels).
        order: 1 keeps gradients, 2 Laplacians.
        tolerance: largest error of the solve, in 8-bit levels.
    """

    space = "rgb"
    needs = ("hints",)
    bytes_per_pixel = 230
    largest_side: ClassVar[int | None] = LevinColorization.largest_side

    def __init__(self, lam: float = 1e10, order: int = 1, tolerance: float = 0.5) -> None:
        super().__init__()
        self.whole_batches = True  # ``solve`` takes them one by one
        if not 0 <= lam <= MOST_LAMBDA:
            raise ValueError(f"lam must be 0 to {MOST_LAMBDA:g}, got {lam:g}.")
        if order not in (1, 2):
            raise ValueError(f"order must be 1 or 2, got {order}.")
        if not 0 < tolerance < float("inf"):
            raise ValueError(f"tolerance must be more than 0, got {tolerance:g}.")
        self.lam, self.order, self.tolerance = lam, order, tolerance

    def forward(self, image: Tensor, guide: Guide) -> Tensor:
        """Merge the hints into ``image``, sRGB (B, 3, H, W)."""
        self.require(guide)
        check_image(image, "image", channels=3)
        hints, mask = given(image, guide)
        values = rgb_to_luminance(image) + chroma_to_rgb_offset(rgb_to_yuv(hints)[:, 1:])
        return merge_poisson(image, values, mask, self.lam, self.order, self.tolerance)
