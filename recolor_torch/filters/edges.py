"""Edges: the report's kernels, an edge probability, and its distances of content and of style (2.3)."""

from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from recolor_torch.checks import check_choice, check_image, check_mask, check_same_size, one_or_many
from recolor_torch.filters.smoothing import Border, gauss_filter
from recolor_torch.filters.soft_histogram import soft_cdf
from recolor_torch.lazy import LazyModule
from recolor_torch.precision import HALF, in_float32

if TYPE_CHECKING:
    import kornia.filters as kf
else:
    kf = LazyModule("kornia.filters")


EdgeKernel = Literal["across", "down", "cross", "square"]
EdgeDetector = Literal["across", "down", "cross", "square", "sobel", "canny"]

EDGE_KERNELS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "across": ((0, 0, 0), (-1, 2, -1), (0, 0, 0)),
    "down": ((0, -1, 0), (0, 2, 0), (0, -1, 0)),
    "cross": ((0, -1, 0), (-1, 4, -1), (0, -1, 0)),
    "square": ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
}

# Responses below this are noise of pictures without edges: about half a level of 8 bits after the filter.
_NOISE = 0.002
# Values from which the quantile of a picture is taken; torch.quantile stops at 16 million.
_SAMPLE = 1 << 20


@one_or_many
def edge_filter(x: Tensor, kernel: EdgeKernel = "cross", border: Border = "replicate") -> Tensor:
    """Filter with one of the report's four edge kernels; the answer has both signs.

    Args:
        x: (B, C, H, W).
        kernel: "across" is [-1, 2, -1] along a row (upright edges), "down" along a column, "cross" their sum,
            "square" takes all eight neighbours.
        border: what lies past the borders, in the words of ``torch.nn.functional.pad``.

    Raises:
        TypeError: ``x`` is not a floating point tensor.
        ValueError: a wrong shape or an unknown kernel.

    Example:
        >>> edge_filter(torch.tensor([[[[0.0, 0, 1, 1]]]]), "across")
        tensor([[[[ 0., -1.,  1.,  0.]]]])
    """
    check_image(x, "x")
    check_choice(kernel, "kernel", tuple(EDGE_KERNELS))
    weights = torch.tensor(EDGE_KERNELS[kernel], dtype=x.dtype, device=x.device)[None]
    return kf.filter2d(x, weights, border)


@one_or_many
def edge_probability(
    luminance: Tensor,
    detector: EdgeDetector = "sobel",
    radius: int = 2,
    beta: float = 0.5,
    quantile: float = 0.95,
) -> Tensor:
    r"""How sure it is that a pixel lies on an edge, in [0, 1].

    .. math::
        P_e = \min(1, |r| / s), \qquad r = k * G(Y)

    with :math:`G` the Gauss filter against noise, :math:`k` the detector and :math:`s` a high quantile of
    :math:`|r|` over the picture (not its maximum, which one speck decides), at least 0.002, so that a picture
    without edges has none found in it.

    Args:
        luminance: (B, 1, H, W) in [0, 1].
        detector: one of the report's kernels (``edge_filter``), or kornia's Sobel magnitude or Canny (which answers
            0 or 1 and passes no gradient).
        radius: of the Gauss filter; 0 leaves it out.
        beta: of the Gauss filter, 1 / (2 σ²).
        quantile: share of the pixels whose response is below "certain".

    Returns:
        (B, 1, H, W).

    Raises:
        TypeError: ``luminance`` is not a floating point tensor.
        ValueError: a wrong shape or an unknown detector.

    Example:
        >>> edge_probability(torch.tensor([[[[0.0] * 3 + [1.0] * 3] * 6]]), radius=0)[0, 0, 2]
        tensor([0., 0., 1., 1., 0., 0.])
    """
    check_image(luminance, "luminance", channels=1)
    check_choice(detector, "detector", get_args(EdgeDetector))
    if luminance.dtype in HALF:
        return in_float32(edge_probability, luminance, detector, radius, beta, quantile)
    x = gauss_filter(luminance, radius, beta) if radius else luminance
    if detector == "canny":
        return kf.canny(x)[1].to(luminance.dtype)
    # Sobel's root needs a floor for its gradient; the floor is taken off again, so that flat is 0.
    if detector == "sobel":
        floor = 1e-10
        response = (kf.sobel(x, eps=floor) - floor**0.5).clamp_min(0)
    else:
        response = edge_filter(x, detector).abs()
    values = response.flatten(1)
    values = values[:, :: max(1, values.shape[1] // _SAMPLE)]
    scale = values.quantile(quantile, dim=1).clamp_min(_NOISE).reshape(-1, 1, 1, 1)
    return (response / scale).clamp_max(1)


@one_or_many
def edge_free(edges: Tensor, threshold: float, softness: float = 0.0) -> Tensor:
    """Mask of the pixels that lie on no edge: 1 where ``edges`` < ``threshold``.

    Args:
        edges: edge probability, (B, 1, H, W).
        threshold: the report's t.
        softness: width of a smooth step in place of the hard one, which has no gradient.

    Example:
        >>> edge_free(torch.tensor([[[[0.1, 0.2, 0.9]]]]), 0.2)
        tensor([[[[1., 0., 0.]]]])
    """
    check_image(edges, "edges", channels=1)
    if softness > 0:
        return torch.sigmoid((threshold - edges) / softness)
    return (edges < threshold).to(edges.dtype)


def edge_content_distance(luminance: Tensor, target: Tensor, detector: EdgeDetector = "sobel") -> Tensor:
    r"""The report's content distance, :math:`\|P_e(Y(X)) - P_e(T)\|^2`, as the mean over the pixels.

    Args:
        luminance: Y of the result, (B, 1, H, W).
        target: the gray target, (B or 1, 1, H, W).
        detector: as in ``edge_probability``.

    Returns:
        (B,). Differentiable, except with "canny".

    Example:
        >>> y = torch.tensor([[[[0.0] * 3 + [1.0] * 3] * 6]])
        >>> edge_content_distance(y, y), edge_content_distance(0 * y, y).round(decimals=3)
        (tensor([0.]), tensor([0.4070]))
    """
    check_mask(target, "target", luminance, "luminance")
    gap = edge_probability(luminance, detector) - edge_probability(target, detector)
    return gap.square().mean((1, 2, 3))


def edge_free_style_distance(
    image: Tensor,
    reference: Tensor,
    image_edges: Tensor,
    reference_edges: Tensor,
    threshold: float = 0.2,
    bins: int = 256,
    bandwidth: float = 1.0,
    softness: float = 0.0,
) -> Tensor:
    r"""The report's style distance without edge pixels, :math:`\sum_c \|h(c(X)^-) - h(c(S)^-)\|^2` over R, G, B.

    :math:`h` is the cumulative histogram (the soft one, so that gradients pass) and :math:`X^-` the pixels with
    :math:`P_e < t`. The squares are averaged over the bins.

    Args:
        image: (B, C, H, W) in [0, 1].
        reference: (B or 1, C, H', W'), any size.
        image_edges: edge probability of ``image``, (B or 1, 1, H, W).
        reference_edges: edge probability of ``reference``.
        threshold: the report's t.
        bins: of the histograms.
        bandwidth: of the histograms, in bins.
        softness: as in ``edge_free``; above 0 the gradient passes through the edges too.

    Returns:
        (B,).

    Example:
        >>> x, edges = torch.full((1, 3, 4, 4), 0.5), torch.zeros(1, 1, 4, 4)
        >>> edge_free_style_distance(x, x, edges, edges)
        tensor([0.])
    """
    check_image(image, "image")
    check_image(reference, "reference", channels=image.shape[1])
    check_same_size(image_edges, "image_edges", image)
    check_same_size(reference_edges, "reference_edges", reference, "reference")
    cdf_image, cdf_reference = (
        soft_cdf(x, bins, bandwidth=bandwidth, mask=edge_free(e, threshold, softness))
        for x, e in ((image, image_edges), (reference, reference_edges))
    )
    return (cdf_image - cdf_reference).square().mean(-1).sum(-1)
