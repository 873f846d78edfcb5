"""Encoders as sources of features that know what is seen: the colorization network's, and one that knows ImageNet."""

import hashlib
from collections.abc import Sequence
from functools import cache

from torch import Tensor, nn

from recolor_torch.color.scaling import luminance_to_unit
from recolor_torch.errors import UsageError
from recolor_torch.networks import ColorUNet
from recolor_torch.networks.efficientnet import EfficientNetLite, imagenet_state
from recolor_torch.networks.loading import load_network
from recolor_torch.networks.padding import pad_to_multiple

STRIDES = (8, 16, 32)
FAMILIES = ("encoder", "imagenet")
"""``encoder`` is that of the colorization network, learned from gray photographs, which comes with this package;
``imagenet`` is EfficientNet-Lite2 as it was trained on ImageNet, from a package of its own."""

ENCODER_LAYERS = {f"{family}_{stride}": family for family in FAMILIES for stride in STRIDES}
"""Layers by name, with the encoder of each: the features at so many pixels a location."""


@cache
def load_encoder() -> tuple[ColorUNet, str]:
    """The network whose encoder looks at pictures, and the digest of the encoder's weights.

    Raises:
        UsageError: the network that ``RECOLOR_NETWORK`` names is another one.
    """
    network, _ = load_network("unet")
    if not isinstance(network, ColorUNet):
        raise UsageError("The features of a gallery come from the network of this package: unset RECOLOR_NETWORK.")
    return network, _digest(network.encoder)


@cache
def load_imagenet() -> tuple[EfficientNetLite, str]:
    """EfficientNet-Lite2 for luminance, and the digest of its weights.

    Raises:
        WeightsMissing: the package with the weights is not installed.
    """
    network = EfficientNetLite("lite2", inputs=1)
    network.load_state_dict(imagenet_state("lite2"))
    return network.eval().requires_grad_(False), _digest(network)


def encoders_of(layers: Sequence[str]) -> tuple[str, ...]:
    """The encoders that some layers need, in the order of ``FAMILIES``.

    Example:
        >>> encoders_of(["conv_4", "imagenet_16", "encoder_32"]), encoders_of(["conv_4"])
        (('encoder', 'imagenet'), ())
    """
    needed = {ENCODER_LAYERS.get(name) for name in layers}
    return tuple(family for family in FAMILIES if family in needed)


def encoder_digest(layers: Sequence[str]) -> str:
    """Of the weights of all encoders that some layers need; empty where they need none.

    Raises:
        UsageError, WeightsMissing: see ``load_encoder`` and ``load_imagenet``.
    """
    found = [(load_encoder if family == "encoder" else load_imagenet)()[1] for family in encoders_of(layers)]
    return hashlib.sha256("".join(found).encode()).hexdigest() if len(found) > 1 else "".join(found)


class Encoders(nn.Module):
    """Features of luminance pictures by the names of ``ENCODER_LAYERS``.

    Args:
        layers: those that are wanted, with others or not; an encoder that none of them needs is not loaded.
    """

    def __init__(self, layers: Sequence[str]) -> None:
        super().__init__()
        needed = encoders_of(layers)
        self.colorizer = load_encoder()[0] if "encoder" in needed else None
        self.imagenet = load_imagenet()[0] if "imagenet" in needed else None

    def forward(self, luminance: Tensor) -> dict[str, Tensor]:
        """(B, 1, h, w) in [0, 1] to (B, C, h / stride, w / stride) by name."""
        found: dict[str, Tensor] = {}
        if self.colorizer is not None:
            found |= _named("encoder", self.colorizer.semantics(luminance))
        if self.imagenet is not None:
            seen = self.imagenet(pad_to_multiple(luminance_to_unit(luminance), STRIDES[-1]))
            found |= _named("imagenet", seen[-len(STRIDES) :])
        return found


def _named(family: str, features: Sequence[Tensor]) -> dict[str, Tensor]:
    return {f"{family}_{stride}": x for stride, x in zip(STRIDES, features, strict=True)}


def _digest(encoder: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(name.encode() + value.float().contiguous().numpy().tobytes())
    return digest.hexdigest()
