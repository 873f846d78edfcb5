"""The report's figures, a function each; importing this package registers them."""

from scripts.figures import color, edges, given, gram, points, wavelet
from scripts.figures.registry import FIGURES, Entry, Pictures

__all__ = ["FIGURES", "Entry", "Pictures", "color", "edges", "given", "gram", "points", "wavelet"]
