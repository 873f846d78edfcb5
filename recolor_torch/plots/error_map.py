"""Maps of color differences as pictures."""

import matplotlib as mpl
import torch
from torch import Tensor

from recolor_torch.checks import check_image

TOP = 30.0
"""The difference that is painted brightest, in CIEDE2000."""

COLORS = "inferno"


def paint_errors(difference: Tensor, top: float = TOP) -> Tensor:
    """A map of differences from dark (none) to bright.

    Args:
        difference: (1, 1, H, W), 0 or more.
        top: what is painted brightest, and all above it.

    Returns:
        sRGB, (1, 3, H, W), [0, 1].

    Example:
        >>> paint_errors(torch.zeros(1, 1, 1, 1)).flatten().mul(255).round()
        tensor([0., 0., 4.])
    """
    check_image(difference, "difference", channels=1)
    table = torch.tensor([color[:3] for color in color_table()]).to(difference)
    levels = (difference[:, 0] / top).clamp(0, 1).mul(len(table) - 1).round().long()
    return table[levels].movedim(-1, 1)


def color_table() -> list[tuple[float, float, float, float]]:
    """The colors of a map from dark to bright, RGBA in [0, 1]."""
    return [tuple(color) for color in mpl.colormaps[COLORS](range(256)).tolist()]
