"""VGG-19 up to the deepest layer that is asked for."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.checks import check_image
from recolor_torch.features.layers import POOLED_AFTER, feature_index, layer_depth, layer_name
from recolor_torch.features.weights import VggWeights


class VGG19(nn.Module):
    """Features of named layers; frozen, truncated at the deepest, gradients reach the image alone.

    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition"
    (2015), configuration E, with zero padding. Average pooling, as Gatys et al. have it, passes the
    scales of an activation-normalised network through; so does max pooling.

    Args:
        weights: from ``find_vgg19``, at least as deep as the deepest layer.
        layers: names as ``layer_name`` knows them; the features come back under the names given.
        pooling: ``average`` or ``max``, over 2x2; an odd last row or column is dropped.

    Raises:
        ValueError: a layer is unknown, or the weights do not reach it.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, weights: VggWeights, layers: Sequence[str], pooling: Literal["average", "max"] = "average"
    ) -> None:
        super().__init__()
        if not layers:
            raise ValueError("layers must name at least one layer, got none.")
        self.layers = tuple(layers)
        self.depth = max(layer_depth(name) for name in layers)
        if weights.depth < self.depth:
            raise ValueError(f"The weights end at conv_{weights.depth}, and conv_{self.depth} is needed.")
        self.pooling = pooling
        self._wanted = {layer_name(name) for name in layers}
        self.convolutions = nn.ModuleList(_convolution(weights, k + 1) for k in range(self.depth))
        self.register_buffer("mean", torch.tensor(weights.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(weights.std).view(1, 3, 1, 1) / weights.scale, persistent=False)
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)
        self.eval()

    @property
    def smallest_side(self) -> int:
        """The least height and width that leave a pixel at every pooling."""
        last = max(self._wanted, key=lambda name: (layer_depth(name), name.startswith("pool")))
        poolings = sum(k < self.depth or last.startswith("pool") for k in POOLED_AFTER if k <= self.depth)
        return 2**poolings

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Features of ``image``, sRGB in [0, 1], (B, 3, H, W), in the module's dtype, by layer: (B, C, h, w).

        Raises:
            ValueError: the picture is too small for the poolings on the way.
        """
        check_image(image, "image", channels=3)
        if min(image.shape[-2:]) < self.smallest_side:
            raise ValueError(
                f"image must have sides of {self.smallest_side} pixels or more for {max(self._wanted, key=layer_depth)}"
                f", got {image.shape[-2]} x {image.shape[-1]}."
            )
        x = ((image - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        found: dict[str, Tensor] = {}
        for k, convolution in enumerate(self.convolutions, start=1):
            x = convolution(x)
            kept = f"conv_{k}" in self._wanted
            if kept:
                found[f"conv_{k}"] = x
            if k == self.depth and self._wanted <= found.keys():
                break
            # Nothing needs a convolution's output before ReLU but a loss on it.
            x = F.relu(x, inplace=not kept)
            if f"relu_{k}" in self._wanted:
                found[f"relu_{k}"] = x
            if k in POOLED_AFTER and not self._wanted <= found.keys():
                x = F.avg_pool2d(x, 2) if self.pooling == "average" else F.max_pool2d(x, 2)
                if f"pool_{k + 1}" in self._wanted:
                    found[f"pool_{k + 1}"] = x
        return {name: found[layer_name(name)] for name in self.layers}


def _convolution(weights: VggWeights, k: int) -> nn.Conv2d:
    weight = weights.state[f"features.{feature_index(k)}.weight"]
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
    layer.load_state_dict({"weight": weight, "bias": weights.state[f"features.{feature_index(k)}.bias"]})
    return layer
