"""Gram matrices of features."""

from torch import Tensor

from recolor_torch.checks import check_image
from recolor_torch.precision import HALF, in_float32


def gram_matrix(features: Tensor) -> Tensor:
    r"""Inner products of the channels of each sample, over all positions.

    .. math::
        G = \frac{F F^\top}{c\,h\,w}

    Gatys et al., "Image Style Transfer Using Convolutional Neural Networks" (2016), with the report's
    normalisation by channels and positions (per sample: a batch changes nothing).

    Args:
        features: (B, C, H, W).

    Returns:
        (B, C, C), symmetric and positive semidefinite.

    Example:
        >>> import torch
        >>> gram_matrix(torch.ones(1, 2, 3, 4))
        tensor([[[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
    """
    check_image(features, "features")
    if features.dtype in HALF:  # sums of squares leave the range of float16
        return in_float32(gram_matrix, features)
    b, c, h, w = features.shape
    flat = features.reshape(b, c, h * w)
    return flat @ flat.transpose(1, 2) / (c * h * w)
