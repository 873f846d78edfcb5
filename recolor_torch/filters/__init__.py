"""Differences, mean and Gauss filters, edges, wavelet transforms and histograms with gradients."""

from recolor_torch.filters.soft_histogram import soft_cdf, soft_histogram

__all__ = ["soft_cdf", "soft_histogram"]
