"""The encoder of the colorization network as a source of features: what is seen, learned from gray photographs."""

import hashlib
from functools import cache

import torch
from torch import Tensor

from recolor_torch.errors import UsageError
from recolor_torch.networks import ColorUNet
from recolor_torch.networks.loading import load_network

STRIDES = {"encoder_8": 8, "encoder_16": 16, "encoder_32": 32}
"""Layers by name: the features at so many pixels a location."""


@cache
def load_encoder() -> tuple[ColorUNet, str]:
    """The network whose encoder looks at pictures, and the digest of the encoder's weights.

    Raises:
        UsageError: the network that ``RECOLOR_NETWORK`` names is another one.
    """
    network, _ = load_network("unet")
    if not isinstance(network, ColorUNet):
        raise UsageError("The features of a gallery come from the network of this package: unset RECOLOR_NETWORK.")
    digest = hashlib.sha256()
    for name, value in sorted(network.encoder.state_dict().items()):
        digest.update(name.encode() + value.float().contiguous().numpy().tobytes())
    return network, digest.hexdigest()


class Encoder(torch.nn.Module):
    """Features of luminance pictures by the names of ``STRIDES``."""

    def __init__(self) -> None:
        super().__init__()
        network, self.digest = load_encoder()
        self.network = network

    def forward(self, luminance: Tensor) -> dict[str, Tensor]:
        """(B, 1, h, w) in [0, 1] to (B, C, h / stride, w / stride) by name."""
        return dict(zip(STRIDES, self.network.semantics(luminance)))
