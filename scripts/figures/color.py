"""Figures 6 to 10: histogram transfer (report, section 2.1)."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from recolor_torch.color import rgb_to_yuv, yuv_to_rgb
from recolor_torch.guide import Reference
from recolor_torch.methods.histogram import match_in_space
from recolor_torch.methods.histogram_tables import match_histograms
from recolor_torch.plots.figures import plot_histogram, plot_strip
from scripts.figures.registry import Pictures, figure

FIRST = "multi_view/hill"
SECOND = "gray_target/exemplar_05"


@figure(6, "The look-up table in R, G and B")
def look_up_table(pictures: Pictures) -> dict[str, Figure]:
    """A gray photograph given the R, G and B histograms of a color photograph."""
    target, source = pictures.gray(FIRST), pictures.reference(FIRST)
    return {"": plot_strip({"target": target, "source": source, "result": match_histograms(target, source)})}


@figure(7, "Histograms after the look-up table")
def histograms(pictures: Pictures) -> dict[str, Figure]:
    """The result of figure 6 has the source's histograms, channel by channel, as far as the levels of the gray target
    allow: a level of the target stays one level."""
    target, source = pictures.gray(FIRST), pictures.reference(FIRST)
    return {"": plot_histogram(target, source, match_histograms(target, source))}


@figure(8, "Matching Y, U and V, the range not restored")
def yuv_alone(pictures: Pictures) -> dict[str, Figure]:
    """U and V of a gray picture are one level, which matching sends to the highest chroma of the source: why RGB goes
    first. Values outside [0, 1] are clipped."""
    target, source = pictures.gray(FIRST), pictures.reference(FIRST)
    shift = torch.tensor([0, 0.5, 0.5], device=target.device).view(1, 3, 1, 1)

    def match(image: Tensor) -> Tensor:
        matched = match_histograms(rgb_to_yuv(image) + shift, rgb_to_yuv(source) + shift)
        return yuv_to_rgb(matched - shift).clamp(0, 1)

    panels = {"YUV alone": match(target), "YUV after RGB, clipped": match(match_histograms(target, source))}
    return {"": plot_strip({"target": target, "source": source, **panels})}


@figure(9, "Matching Y, U and V after R, G and B")
def yuv_after_rgb(pictures: Pictures) -> dict[str, Figure]:
    """The range restored over the whole picture, as the report does it, or pixel by pixel along the hue."""
    target, source = pictures.gray(FIRST), pictures.reference(FIRST)
    results = {
        f"range restored: {way}": match_in_space(target, (Reference(source),), "yuv", restore=way)  # type: ignore[arg-type]
        for way in ("report", "gamut")
    }
    return {"": plot_strip({"target": target, "source": source, **results})}


@figure(10, "A second pair")
def second_pair(pictures: Pictures) -> dict[str, Figure]:
    """Gray, style, RGB and YUV on a pair of like pictures."""
    target, source = pictures.gray(SECOND), pictures.reference(SECOND)
    panels = {
        "target": target,
        "source": source,
        "RGB": match_histograms(target, source),
        "YUV after RGB": match_in_space(target, (Reference(source),), "yuv"),
    }
    return {"": plot_strip(panels)}
