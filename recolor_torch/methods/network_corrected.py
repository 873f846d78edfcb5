r"""An estimate of a network corrected by hints: two Levin systems, see ``correct`` and ``combine``.

Both hold the prior by C: the trust in the network, where it is as sure as can be, times how sure it is.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from recolor_torch.methods.levin import Spread, spread_chroma
from recolor_torch.resize import resize, working_size

# How soon what an estimate still lacks at the hints fades, as a share of C. On 12 held-out training pictures with 1, 5,
# 20 and 100 true points 0.01, 0.005 and 0.003 have 26.18, 27.77, 29.49, 31.79 dB; 26.19, 27.82, 29.52, 31.79; 26.19,
# 27.84, 29.53, 31.79. Of 24 garments with a point of another color the change far outside is 14, 16 and 18 % of that
# inside.
FADING = 0.005
# C where the network is sure. On 12 held-out training pictures with 1, 5, 20 and 100 true points 0.01 has 26.18, 27.78,
# 29.49, 31.80 dB, 0.001 has 25.96, 27.58, 29.29, 31.49, and without kriging 25.92, 27.43, 29.15, 31.42. More of it
# blurs the borders that strokes are painted along.
TRUST = 0.01
# The longest side up to which C is as stated, as for the pull of LevinEnergy.
TRUST_SIDE = 256
# Standard deviation of luminance around a place at which C is half of what it is elsewhere, in a square of so many
# pixels, at TRUST_SIDE. What is this flat is one thing, a wall or a sky, and a stroke colors all of it; the estimate,
# which knows the stroke near it alone, would make a halo of it. Points of the true color have the same error with and
# without it (up to 0.01 dB, 12 pictures).
FLAT = 0.006
_FLAT_WINDOW = 15
# C in a region without any structure, as a share.
_LEAST_HOLD = 0.03


def combine(
    luminance: Tensor, hints: Tensor, mask: Tensor, chroma: Tensor, trust: Tensor, spread: Spread = spread_chroma
) -> Tensor:
    """Hints exactly, and elsewhere an estimate that they correct: chroma, (B, 2, H, W). Without hints the estimate.

    The corrected estimate is the soft prior of Levin propagation, which follows the edges of the luminance where hints
    are near, and the prior where they are far. In flat regions hints are near everywhere.

    Args:
        luminance: (B, 1, H, W), [0, 1].
        hints: chroma, (B or 1, 2, H, W), read where ``mask`` is over one half.
        mask: (B or 1, 1, H, W).
        chroma: the estimate, (B, 2, H, W).
        trust: C in a picture of at most 256 pixels, (B, 1, H, W), >= 0.
        spread: what spreads chroma: ``spread_chroma``, or one that remembers the last solve.
    """
    corrected = correct(luminance, hints, mask, chroma, trust, spread)
    hold = _at_size(trust) * held(luminance)
    combined = spread(luminance, hints, mask, prior=corrected, confidence=hold)
    return torch.where((mask > 0.5).flatten(1).any(1).view(-1, 1, 1, 1), combined, chroma)


def correct(
    luminance: Tensor, hints: Tensor, mask: Tensor, chroma: Tensor, trust: Tensor, spread: Spread = spread_chroma
) -> Tensor:
    """The first of the two solves of ``combine``: the estimate and what it lacks at the hints, spread along luminance.

    Args:
        luminance, hints, mask, chroma, trust, spread: as for ``combine``.
    """
    none = torch.zeros_like(chroma[:1])
    return chroma + spread(luminance, hints - chroma, mask, prior=none, confidence=FADING * _at_size(trust))


def held(luminance: Tensor) -> Tensor:
    """How far the estimate holds against hints by what is around a place, (B, 1, H, W): little in flat regions.

    It is v / (v + FLAT^2), v the variance of luminance in a square, but never less than 0.03.

    Args:
        luminance: (B, 1, H, W), [0, 1].
    """
    height, width = size = luminance.shape[-2:]
    small = resize(luminance, working_size(height, width, TRUST_SIDE))
    around = small - small.mean((-2, -1), keepdim=True)  # smaller numbers, whose squares lose less
    mean, power = (
        F.avg_pool2d(x, _FLAT_WINDOW, 1, _FLAT_WINDOW // 2, count_include_pad=False) for x in (around, around.square())
    )
    variance = (power - mean.square()).clamp_min(0)
    share = (variance / (variance + FLAT**2)).clamp_min(_LEAST_HOLD)
    return F.interpolate(share, size=size, mode="bilinear", align_corners=False)


def _at_size(trust: Tensor) -> Tensor:
    """C at the size of the picture: pictures of all sizes are corrected as far, in shares of their sides."""
    return min(1.0, TRUST_SIDE / max(trust.shape[-2:])) ** 2 * trust
