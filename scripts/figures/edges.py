"""Figure 17: edges (report, section 2.3)."""

from matplotlib.figure import Figure

from figures.registry import Pictures, figure
from recolor_torch.filters import edge_free, edge_probability
from recolor_torch.methods import Reference
from recolor_torch.methods.histogram import fit_lookup_table, match_histograms
from recolor_torch.output.plots import plot_edges, plot_strip

PAIR = "gray_target/exemplar_03"


@figure(17, "Edge kernels and edge probability")
def edges(pictures: Pictures) -> dict[str, Figure]:
    """The first three kernels, the probability of an edge, and what it leaves out. Below: the look-up table with all
    pixels, and with the statistics of those off the edges of both pictures."""
    target, source = pictures.gray(PAIR), pictures.reference(PAIR)
    free = edge_free(edge_probability(target[:, :1]), 0.2)
    off_edges = edge_free(edge_probability(source.mean(1, keepdim=True)), 0.2)
    panels = {
        "target": target,
        "source": source,
        "RGB, all pixels": match_histograms(target, source),
        "RGB, pixels off edges": fit_lookup_table(target, (Reference(source, mask=off_edges),), free).apply(target),
    }
    return {"": plot_edges(target), "matching": plot_strip(panels)}
