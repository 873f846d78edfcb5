"""The frame whose colors were given, looked up again from later frames: what is carried far does not drift away."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.energies.temporal import LOST_VARIANCE, Belief, warp_sharply
from recolor_torch.filters.motion import refine_flow, warp

# Every so many frames the anchor is looked up again; luminance is compared by the means of windows of so many pixels.
ANCHOR_EVERY, WINDOW = 4, 9
# Standard deviation of chroma that is read at a place: at least, for what is left between the windows of luminance
# (to the power of 1.5), and for the difference of their means beyond a change of the light on all of the frame. From
# the errors on films and moved photographs that are reported nowhere.
SURE_SIGMA, MISS_SIGMA, GAP_SIGMA = 0.0018, 0.06, 0.5
# Pixels by which a place strays from those around it, at which that variance is as said; the power with which it grows
# with them; and its least share. Places that hang together are right more often, false ones lie about.
STRAY, STRAY_POWER, LEAST_DOUBT, MOST_STRAY = 0.3, 0.8, 0.6, 20.0
# Variance of that chroma that each frame between adds: things turn and their light changes. In real films 100 frames
# away a place that fits has a standard deviation of 0.005 to 0.008, in moved photographs of 0.001. Tried: 0 to 4e-7.
AGE_VARIANCE = 4e-7


@dataclass(frozen=True)
class Anchor:
    """A frame with given colors, and where the pixels of another frame lie in it.

    Motion from frame to frame is a little wrong each time, and its errors add up. The place of a pixel in the anchor
    can be checked: there the luminance must be that of the pixel.

    Args:
        luminance: of the anchor, (1, 1, H, W).
        belief: what is known of its chroma.
        places: displacement from a pixel of the other frame to its place in the anchor, (1, 2, H, W).
        age: frames from the anchor to the other frame.
    """

    luminance: Tensor
    belief: Belief
    places: Tensor
    age: int = 0

    @classmethod
    def at(cls, luminance: Tensor, belief: Belief) -> "Anchor":
        """The anchor as it is seen from its own frame."""
        return cls(luminance, belief, luminance.new_zeros(1, 2, *luminance.shape[-2:]))

    def carried(self, flow: Tensor) -> "Anchor":
        """The anchor as it is seen from the next frame; ``flow`` leads from its pixels to their places in this one."""
        return replace(self, places=flow + warp_sharply(self.places, flow), age=self.age + 1)

    def found_again(self, luminance: Tensor) -> tuple["Anchor", Belief]:
        """The anchor with its places mended by the frame's luminance, and the chroma that is read there."""
        places, miss = refine_flow(luminance, self.luminance, self.places)
        moved, inside = warp(torch.cat((1 / self.belief.precision.clamp(min=1e-6), self.luminance), 1), places)
        gap = _around(moved[:, 1:] - luminance)
        gap = gap - gap.median()
        stray = _around((places - _around(places)).norm(dim=1, keepdim=True).clamp(max=MOST_STRAY))
        doubt = (MISS_SIGMA * miss.pow(1.5)).square() + (GAP_SIGMA * gap).square()
        doubt = doubt * (stray / STRAY).pow(STRAY_POWER).clamp(min=LEAST_DOUBT)
        doubt = doubt + SURE_SIGMA**2 + AGE_VARIANCE * self.age
        variance = moved[:, :1] + torch.where(inside > 0, doubt, LOST_VARIANCE).clamp(max=LOST_VARIANCE)
        return replace(self, places=places), Belief(warp_sharply(self.belief.chroma, places), 1 / variance)


def _around(x: Tensor) -> Tensor:
    """The mean of the window around each place."""
    return F.avg_pool2d(x, WINDOW, 1, WINDOW // 2, count_include_pad=False)
