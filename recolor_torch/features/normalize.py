"""Activation normalisation: each filter's mean activation over a set of images becomes one."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from recolor_torch.features.layers import feature_index
from recolor_torch.features.vgg import VGG19
from recolor_torch.features.weights import VggWeights


def normalize_activations(
    weights: VggWeights, images: Iterable[Tensor], pooling: Literal["average", "max"] = "average"
) -> VggWeights:
    r"""Scale each filter so that its mean activation after ReLU is 1 over images and positions.

    .. math::
        w'^l_{oi} = w^l_{oi} \, m^{l-1}_i / m^l_o, \qquad b'^l_o = b^l_o / m^l_o

    with :math:`m^l_o` the mean of filter o of layer l over all images and positions (Gatys et al.,
    2016; the report, 4.2.1). ReLU and pooling let positive scales pass through, so the network computes
    the same features but for these scales, and one pass over the images is enough. A filter that never
    responds keeps its scale.

    Args:
        weights: the network to normalise, as deep as it is.
        images: batches of sRGB in [0, 1], (B, 3, H, W), of any sizes.
        pooling: the means are one under this pooling. (The network that Gatys et al. published has unit
            means under max pooling, and about 0.6 at conv3_1 under average pooling.)

    Raises:
        ValueError: there are no images.
    """
    names = [f"relu_{k}" for k in weights.convolutions]
    vgg: VGG19 | None = None
    sums: dict[str, Tensor] = {}
    counts = dict.fromkeys(names, 0)
    with torch.no_grad():
        for batch in images:
            vgg = (vgg or VGG19(weights, names, pooling)).to(batch)
            for name, x in vgg(batch).items():
                total = x.sum((0, 2, 3), dtype=torch.float64)
                sums[name] = total if name not in sums else sums[name] + total
                counts[name] += x.shape[0] * x.shape[2] * x.shape[3]
    if vgg is None:
        raise ValueError("normalize_activations needs at least one image, got none.")
    state: dict[str, Tensor] = {}
    before = torch.ones(3, dtype=torch.float64)
    for k, name in zip(weights.convolutions, names):
        mean = (sums[name] / counts[name]).to(before.device)
        mean = torch.where(mean > 0, mean, 1.0)
        key = f"features.{feature_index(k)}"
        weight, bias = weights.state[f"{key}.weight"].double(), weights.state[f"{key}.bias"].double()
        state[f"{key}.weight"] = (weight * before[None, :, None, None] / mean[:, None, None, None]).float()
        state[f"{key}.bias"] = (bias / mean).float()
        before = mean
    return replace(weights, state=state, source=f"{weights.source}, activations normalised")
