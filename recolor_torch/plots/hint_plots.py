"""A figure of what was understood of a file of hints."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from recolor_torch.checks import check_image, check_mask, check_same_size
from recolor_torch.color import fit_gamut, rgb_to_luminance, rgb_to_yuv
from recolor_torch.plots.labels import plain

_WIDTH = 3.6


def plot_hints(target: Tensor | None, hints: Tensor, mask: Tensor, caption: str = "") -> Figure:
    """Draw the target, the hints as a method sees them (chroma over the faded target), and their mask.

    Args:
        target: sRGB, (1, 3, H, W), or None where there is none: hints are then drawn on gray.
        hints: sRGB, (1, 3, H, W), read where ``mask`` is over one half.
        mask: (1, 1, H, W).
        caption: a line below, such as ``Hints.describe()``.

    Returns:
        A figure; ``write_figure`` writes it.
    """
    check_image(hints, "hints", channels=3)
    check_mask(mask, "mask", hints)
    if target is not None:
        check_image(target, "target", channels=3)
        check_same_size(hints, "hints", target, "target")
    panels = [("hints", draw_hints(target, hints, mask)), ("mask", (mask > 0.5).to(hints).expand_as(hints))]
    if target is not None:
        panels.insert(0, ("target", target))
    height = _WIDTH * hints.shape[-2] / hints.shape[-1]
    figure = Figure(figsize=(_WIDTH * len(panels), min(max(height, 1.0), 4 * _WIDTH) + 0.7), layout="constrained")
    for axes, (title, picture) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels):
        axes.imshow(picture[0].permute(1, 2, 0).clamp(0, 1).cpu().numpy(), interpolation="nearest")
        axes.set_title(plain(title), fontsize=10)
        axes.set_axis_off()
    if caption:
        figure.supxlabel(plain(caption), fontsize=8, wrap=True)
    return figure


def draw_hints(target: Tensor | None, hints: Tensor, mask: Tensor) -> Tensor:
    """The hints over the faded target, sRGB (1, 3, H, W); arguments as for ``plot_hints``."""
    gray = rgb_to_luminance(hints if target is None else target)
    # Chroma counts and luminance does not: drawn at a middle luminance, every hint shows its color.
    drawn = fit_gamut(0.3 + 0.4 * gray, rgb_to_yuv(hints)[:, 1:])
    faded = (0.65 + 0.35 * gray if target is not None else torch.full_like(gray, 0.85)).expand_as(hints)
    return torch.where(mask > 0.5, drawn, faded)
