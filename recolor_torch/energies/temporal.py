r"""Chroma that stays with what it lies on: estimates of single frames joined along the motion.

Along the path of a thing through a shot, with the chroma u of its pixels, estimates p with precision c of some frames,
and ties T from each frame to the one before:

.. math:: E = \sum_t c_t\,|u_t - p_t|^2 + \sum_t T_t\,|u_t - u_{t-1}|^2

Precisions are reciprocals of variances, in units of 1 / chroma². One pass forward and one backward give its minimum
exactly on every path (the two-filter form of Rauch, Tung and Striebel (1965)): a frame's ``Belief`` says what the
passes know, and how surely. Where a path ends or begins, at the rim of the picture and where something comes into view,
T is next to nothing, and the new pixels are free to take the estimate of their own frames, and keep it from then on.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_image, check_mask
from recolor_torch.filters.motion import warp

# Variance (chroma², one 8-bit level is 1.5e-5) that a frame adds to what is carried along a motion that is sure.
STEP_VARIANCE = 2e-6
# Variance that it adds where the motion is not to be believed: chroma of unrelated things.
LOST_VARIANCE = 1.0
# Difference of luminance along the motion at which the trust in it has fallen to exp(-1/2).
LUMINANCE_SIGMA = 0.04
# Pixels that motion there and back may miss, and its share of the motion's length.
RETURN_PIXELS, RETURN_SHARE = 0.6, 0.1


@dataclass(frozen=True)
class Belief:
    """What is known of a frame's chroma.

    Args:
        chroma: (1, 2, H, W).
        precision: (1, 1, H, W), reciprocal of the variance of each component; 0 where nothing is known.
    """

    chroma: Tensor
    precision: Tensor

    @classmethod
    def nothing(cls, like: Tensor) -> "Belief":
        """No knowledge, for frames of the size of ``like``."""
        return cls(like.new_zeros(1, 2, *like.shape[-2:]), like.new_zeros(1, 1, *like.shape[-2:]))


def join_beliefs(a: Belief, b: Belief) -> Belief:
    """What two independent sources know together: the mean by precision."""
    total = a.precision + b.precision
    share = b.precision / total.clamp(min=1e-12)
    return Belief(torch.lerp(a.chroma, b.chroma, share), total)


def carry_belief(belief: Belief, flow: Tensor, tie: Tensor) -> Belief:
    """What is known of the next frame from this one alone.

    Args:
        belief: of this frame.
        flow: from the next frame's pixels to their places in this one, (1, 2, H, W).
        tie: T of the next frame's pixels, as :func:`find_ties` gives it, (1, 1, H, W).
    """
    check_image(flow, "flow", channels=2)
    check_mask(tie, "tie", flow)
    # The variance is interpolated, not the precision: between a sure and an unsure pixel little is sure.
    variance = 1 / belief.precision.clamp(min=1e-6)
    moved, _ = warp(variance, flow)
    return Belief(warp_sharply(belief.chroma, flow), 1 / (moved + 1 / tie))


def warp_sharply(image: Tensor, flow: Tensor) -> Tensor:
    """``image`` at the places where the flow leads: bicubic, held within the values around each place.

    Bilinear interpolation would blur what is carried through hundreds of frames.
    """
    check_image(image, "image")
    check_image(flow, "flow", channels=2)
    height, width = image.shape[-2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), -1)
    sharp = F.grid_sample(image, grid, mode="bicubic", padding_mode="border", align_corners=False)
    most = F.max_pool2d(image, 3, 1, 1)
    least = -F.max_pool2d(-image, 3, 1, 1)
    bounds = F.grid_sample(
        torch.cat((least, most), 1), grid, mode="nearest", padding_mode="border", align_corners=False
    )
    least, most = bounds.chunk(2, 1)
    return sharp.clamp(least, most)


def find_ties(here: Tensor, there: Tensor, flow: Tensor, back: Tensor) -> Tensor:
    """The tie T of each pixel of ``here`` to the place in ``there`` that the flow leads to.

    It is 1 / ``STEP_VARIANCE`` where the luminance agrees and the motion back returns to the pixel, and falls to
    1 / ``LOST_VARIANCE`` where one of the two fails or the place lies outside.

    Args:
        here: luminance of the frame, (B, 1, H, W).
        there: luminance of the other frame.
        flow: from ``here`` to ``there``, (B, 2, H, W).
        back: from ``there`` to ``here``.

    Returns:
        (B, 1, H, W), in 1 / chroma².
    """
    check_image(here, "here", channels=1)
    moved, inside = warp(torch.cat((there, back), 1), flow)
    gap = _smooth(moved[:, :1] - here) / LUMINANCE_SIGMA
    length = flow.norm(dim=1, keepdim=True)
    miss = (flow + moved[:, 1:]).norm(dim=1, keepdim=True) / (RETURN_PIXELS + RETURN_SHARE * length)
    # A product of likelihoods, on a scale of variances: each unit of doubt adds to the logarithm.
    doubt = 0.5 * gap.square() + 0.5 * miss.square() + (1 - inside) * 1e3
    span = torch.log(torch.tensor(LOST_VARIANCE / STEP_VARIANCE, dtype=here.dtype, device=here.device))
    return torch.exp(-torch.minimum(doubt, span)) / STEP_VARIANCE


def _smooth(x: Tensor) -> Tensor:
    """The mean of 3 x 3 pixels: grain is no sign of a wrong motion."""
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
