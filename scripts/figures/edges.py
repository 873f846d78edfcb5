"""Figure 17: edges (report, section 2.3)."""

from matplotlib.figure import Figure

from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import HistogramTransfer
from recolor_torch.plots.figures import plot_edges, plot_strip
from scripts.figures.registry import Pictures, figure

PAIR = "gray_target/exemplar_03"


@figure(17, "Edge kernels and edge probability")
def edges(pictures: Pictures) -> dict[str, Figure]:
    """The first three kernels, the probability of an edge, and what it leaves out. Below: the look-up table with all
    pixels, and with the statistics of those off the edges of both pictures."""
    target, source = pictures.gray(PAIR), pictures.reference(PAIR)
    guide = Guide(references=(Reference(source),))
    panels = {
        "target": target,
        "source": source,
        "RGB, all pixels": HistogramTransfer("rgb")(target, guide),
        "RGB, pixels off edges": HistogramTransfer("rgb", edge_threshold=0.2)(target, guide),
    }
    return {"": plot_edges(target), "matching": plot_strip(panels)}
