"""Figures 4 and 5: what a method is given (report, section 1)."""

import torch
from matplotlib.figure import Figure

from recolor_torch.color import rgb_to_luminance
from recolor_torch.evaluation.protocols import points_of, random_numbers
from recolor_torch.plots.figures import plot_strip
from scripts.figures.registry import Pictures, figure

STYLE = "same_kind/photo_57"
PHOTO = "multi_view/hill"


@figure(4, "A target and a picture whose style is wanted")
def style_pair(pictures: Pictures) -> dict[str, Figure]:
    """The luminance of the target stays; the colors of the reference are wanted. Targets are gray photographs, or
    photographs in other colors, whose own are dropped first unless the user keeps them."""
    panels = {
        "a photograph": pictures.target(STYLE),
        "its luminance, the target": pictures.gray(STYLE),
        "the reference": pictures.reference(STYLE),
    }
    return {"": plot_strip(panels)}


@figure(5, "A target, a mask, and the known colors")
def known_colors(pictures: Pictures) -> dict[str, Figure]:
    """Colors may be known at some pixels: a mask says at which. Here they are 40 small squares of the photograph."""
    color, gray = pictures.target(PHOTO), pictures.gray(PHOTO)
    _, mask = points_of(color.cpu(), 40, random_numbers(0, PHOTO))
    mask = mask.to(color)
    known = torch.where(mask > 0.5, color, 0.6 + 0.4 * rgb_to_luminance(color))
    return {"": plot_strip({"target": gray, "mask": mask, "known colors": known})}
