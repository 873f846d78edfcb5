"""What an optimiser may change of a picture: R, G and B in [0, 1], or chroma that fits a given luminance."""

from typing import Protocol

import torch
from torch import Tensor

from recolor_torch.checks import check_image
from recolor_torch.color import chroma_to_rgb_offset, rgb_to_yuv
from recolor_torch.color.yuv import BLUE, GREEN, RED, U_SCALE, V_SCALE


class ConvexSet(Protocol):
    """A convex set of variables, each of which stands for a picture, affinely."""

    def to_rgb(self, variable: Tensor) -> Tensor:
        """The sRGB picture of a variable."""
        ...

    def from_rgb(self, image: Tensor) -> Tensor:
        """The variable whose picture comes nearest to ``image``."""
        ...

    def pull_back(self, gradient: Tensor) -> Tensor:
        """The gradient in the variable of a loss with this gradient in sRGB."""
        ...

    def project(self, variable: Tensor) -> Tensor:
        """The nearest point of the region; one inside comes back as it is."""
        ...


class RgbBox:
    """All of R, G and B, in [0, 1]."""

    def to_rgb(self, variable: Tensor) -> Tensor:
        """The variable is the picture."""
        return variable

    def from_rgb(self, image: Tensor) -> Tensor:
        """The picture, clipped."""
        return image.clamp(0, 1)

    def pull_back(self, gradient: Tensor) -> Tensor:
        """The gradient is that of the picture."""
        return gradient

    def project(self, variable: Tensor) -> Tensor:
        """Each value to the nearest in [0, 1]."""
        return variable.clamp(0, 1)


class ChromaRegion:
    r"""U and V whose color has exactly a given luminance and lies in the gamut.

    In each pixel :math:`0 \le Y + M\,(U, V) \le 1` are three strips: R bounds V, B bounds U, and G bounds
    a sum of both. The nearest point of their section is exact, in closed form.

    Args:
        luminance: Y, (B, 1, H, W) in [0, 1].
    """

    # G = Y - (U_SHARE U + V_SHARE V)
    U_SHARE = BLUE / (GREEN * U_SCALE)
    V_SHARE = RED / (GREEN * V_SCALE)

    def __init__(self, luminance: Tensor) -> None:
        check_image(luminance, "luminance", channels=1)
        self.y = luminance.clamp(0, 1)
        scales = _pair(U_SCALE, V_SCALE, luminance)
        self.low, self.high = -self.y * scales, (1 - self.y) * scales
        self._shares = _pair(self.U_SHARE, self.V_SHARE, luminance)
        self._norm = self.U_SHARE**2 + self.V_SHARE**2

    def to_rgb(self, variable: Tensor) -> Tensor:
        """Luminance and chroma as sRGB."""
        return self.y + chroma_to_rgb_offset(variable)

    def from_rgb(self, image: Tensor) -> Tensor:
        """The nearest chroma that fits."""
        return self.project(rgb_to_yuv(image)[:, 1:])

    def pull_back(self, gradient: Tensor) -> Tensor:
        """The transpose of ``chroma_to_rgb_offset``."""
        red, green, blue = gradient.split(1, dim=1)
        u = blue / U_SCALE - self.U_SHARE * green
        v = red / V_SCALE - self.V_SHARE * green
        return torch.cat((u, v), 1)

    def project(self, variable: Tensor) -> Tensor:
        """The nearest chroma of the gamut, pixel by pixel."""
        boxed = torch.minimum(torch.maximum(variable, self.low), self.high)
        total = (boxed * self._shares).sum(1, keepdim=True)
        # G in [0, 1] means total in [Y - 1, Y]; where the box's point breaks that, the nearest lies on the line.
        bound = torch.minimum(torch.maximum(total, self.y - 1), self.y)
        gap = (variable * self._shares).sum(1, keepdim=True) - bound
        foot = variable - gap / self._norm * self._shares
        u, v = foot.split(1, dim=1)
        (u_low, v_low), (u_high, v_high) = self.low.split(1, dim=1), self.high.split(1, dim=1)
        # Along the line by t (-V_SHARE, U_SHARE), as far as the box lets.
        least = torch.maximum((u - u_high) / self.V_SHARE, (v_low - v) / self.U_SHARE)
        most = torch.minimum((u - u_low) / self.V_SHARE, (v_high - v) / self.U_SHARE)
        t = torch.zeros_like(least).maximum(least).minimum(most)
        on_line = torch.cat((u - t * self.V_SHARE, v + t * self.U_SHARE), 1)
        return torch.where(bound == total, boxed, on_line)


def _pair(u: float, v: float, like: Tensor) -> Tensor:
    return torch.tensor([u, v], dtype=like.dtype, device=like.device).view(1, 2, 1, 1)
