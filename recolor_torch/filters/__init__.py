"""Differences, mean and Gauss filters, edges, wavelet transforms and histograms with gradients."""

from recolor_torch.filters.soft_histogram import soft_cdf, soft_histogram
from recolor_torch.filters.wavelet import Pyramid, dwt2, idwt2
from recolor_torch.filters.wavelet_bank import Boundary, FilterBank, filter_bank, max_levels

__all__ = [
    "Boundary",
    "FilterBank",
    "Pyramid",
    "dwt2",
    "filter_bank",
    "idwt2",
    "max_levels",
    "soft_cdf",
    "soft_histogram",
]
