"""From a color's Lab value to the chroma that a place of some luminance has in that color."""

from functools import lru_cache

import torch
from torch import Tensor

from recolor_torch.checks import check_image
from recolor_torch.color.lab import kc  # type: ignore[attr-defined]
from recolor_torch.color.yuv import rgb_to_yuv
from recolor_torch.text_guidance.color_table import Lab

# Lightnesses at which a color is worked out; in between it is interpolated.
_STEPS = 201
# Share of the largest chroma in sRGB that a color may have: at the very edge a color looks lit from within.
_GAMUT_SHARE = 0.94
_HALVINGS = 14


def chroma_in_light(luminance: Tensor, color: Lab) -> Tensor:
    r"""U and V of a thing of one color, where light and shade give it its luminance.

    In shade the chroma falls with the lightness, as that of a lit surface does:
    :math:`C = C_0 \min(1, (L + 16) / (L_0 + 16))`, because X, Y and Z fall together and Lab is a cube root of them. It
    never exceeds what sRGB holds at that lightness and hue. L is the lightness of the color that has the luminance.

    Args:
        luminance: (B, 1, H, W), [0, 1].
        color: L, a and b of the thing in good light.

    Returns:
        (B, 2, H, W).

    Example:
        >>> chroma_in_light(torch.tensor([0.1, 0.5]).view(1, 1, 1, 2), (45, 62, 40))[0, 1, 0].round(decimals=2)
        tensor([0.1200, 0.3200])
    """
    check_image(luminance, "luminance", channels=1)
    levels, chroma = (x.to(luminance) for x in _table(tuple(map(float, color))))
    y = luminance.clamp(0, 1)
    above = torch.bucketize(y.contiguous(), levels).clamp(1, len(levels) - 1)
    low, high = levels[above - 1], levels[above]
    share = ((y - low) / (high - low).clamp(min=1e-9)).clamp(0, 1)
    below, over = (chroma[i].squeeze(1).permute(0, 3, 1, 2) for i in (above - 1, above))
    return torch.lerp(below, over, share)


@lru_cache(maxsize=256)
def _table(color: Lab) -> tuple[Tensor, Tensor]:
    """Luminances, rising, and the U and V that belong to each: (N,) and (N, 2)."""
    l0, a0, b0 = color
    with torch.inference_mode(False), torch.no_grad():
        lightness = torch.linspace(0, 100, _STEPS, dtype=torch.float64)
        direction = torch.tensor((a0, b0), dtype=torch.float64)
        wanted = ((lightness + 16) / (l0 + 16)).clamp(max=1)
        room = _largest_share(lightness, direction)
        ab = direction * torch.minimum(wanted, _GAMUT_SHARE * room)[:, None]
        yuv = rgb_to_yuv(_rgb(lightness, ab).clamp(0, 1))[0, :, 0]
        levels, order = torch.cummax(yuv[0], 0)[0], slice(None)
        # Equal levels have no order; a hair's breadth sets them apart.
        levels = levels + torch.arange(_STEPS, dtype=torch.float64) * 1e-9
        return levels[order].float(), yuv[1:].T.contiguous().float()


def _largest_share(lightness: Tensor, direction: Tensor) -> Tensor:
    """For each lightness the largest share of (a, b) that sRGB holds, up to 2."""
    low, high = torch.zeros_like(lightness), torch.full_like(lightness, 2.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        rgb = _rgb(lightness, direction * middle[:, None])[0, :, 0]
        inside = ((rgb >= -1e-4) & (rgb <= 1 + 1e-4)).all(0)
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return low


def _rgb(lightness: Tensor, ab: Tensor) -> Tensor:
    """(N,) and (N, 2) to sRGB, (1, 3, 1, N), not clipped."""
    return kc.lab_to_rgb(torch.cat((lightness[:, None], ab), 1).T[None, :, None], clip=False)
