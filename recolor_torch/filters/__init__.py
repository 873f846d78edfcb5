"""Differences, mean and Gauss filters, edges, wavelet transforms and histograms with gradients."""

from recolor_torch.filters.blockiness import blockiness
from recolor_torch.filters.contrast import amplify_contrast
from recolor_torch.filters.denoising import denoise, measure_noise
from recolor_torch.filters.edges import (
    EDGE_KERNELS,
    EdgeDetector,
    EdgeKernel,
    edge_content_distance,
    edge_filter,
    edge_free,
    edge_free_style_distance,
    edge_probability,
)
from recolor_torch.filters.smoothing import (
    Border,
    difference,
    gauss_filter,
    laplacian,
    mean_filter,
    second_difference,
)
from recolor_torch.filters.soft_histogram import soft_cdf, soft_histogram
from recolor_torch.filters.stationary import stationary_bands, weigh_stationary_bands
from recolor_torch.filters.wavelet import Pyramid, dwt2, idwt2
from recolor_torch.filters.wavelet_bank import Boundary, FilterBank, filter_bank, max_levels

__all__ = [
    "EDGE_KERNELS",
    "Border",
    "Boundary",
    "EdgeDetector",
    "EdgeKernel",
    "FilterBank",
    "Pyramid",
    "amplify_contrast",
    "blockiness",
    "denoise",
    "difference",
    "dwt2",
    "edge_content_distance",
    "edge_filter",
    "edge_free",
    "edge_free_style_distance",
    "edge_probability",
    "filter_bank",
    "gauss_filter",
    "idwt2",
    "laplacian",
    "max_levels",
    "mean_filter",
    "measure_noise",
    "second_difference",
    "soft_cdf",
    "soft_histogram",
    "stationary_bands",
    "weigh_stationary_bands",
]
