"""From a picture to the few hundred numbers by which the gallery finds it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.checks import check_choice, check_image
from recolor_torch.color import rgb_to_luminance
from recolor_torch.features import VGG19, VggWeights, layer_depth, layer_name
from recolor_torch.gallery.encoder import ENCODER_LAYERS, Encoders, encoder_digest

Pooling = Literal["mean", "mean_std", "max", "gem"]
POOLINGS: tuple[str, ...] = get_args(Pooling)

TEXTURE = ("conv_4", "conv_5")
"""The pair of VGG-19 that found the most cropped, mirrored and brightened photographs again."""

LAYERS = ("encoder_16", "encoder_32")
"""Those of new galleries. By what the encoder of the colorization network sees, cropped, mirrored and brightened
photographs are found as often, and the nearest pictures are of the same kind far more often."""

LAYER_SETS = {"meaning": (*LAYERS, "imagenet_16", "imagenet_32"), "texture": TEXTURE}
"""Layers by a name for all of them. ``meaning`` finds the most pictures of one kind."""

SIDE = 224
"""Pixels on the longer side of what is compared; at 160 the encoders know fewer things."""

_LEAST_SIDE = 16
_GEM_POWER = 3.0


@dataclass(frozen=True)
class DescriptorSpec:
    """All that the numbers depend on. Two galleries can be compared exactly where their specs are equal.

    Args:
        layers: VGG-19 layers in the report's names; ``encoder_8``, ``encoder_16``, ``encoder_32`` of the colorization
            network and ``imagenet_8``, ``imagenet_16``, ``imagenet_32``, which know what is seen.
        pooling: statistics over positions: ``mean``, ``mean_std``, ``max``, or ``gem`` (the cubic mean).
        side: longer side of the luminance picture that the network sees.
        network_pooling: pooling inside VGG-19, ``average`` or ``max``.
        mirrored: pictures are in the index twice, as they are and mirrored.
        scale: with ``mean`` and ``std`` the preprocessing, ``scale * (rgb - mean) / std``.
        mean: see ``scale``.
        std: see ``scale``.
        digest: SHA-256 of the weights up to the deepest of VGG-19's layers.
        encoder: SHA-256 of the encoders' weights; empty where none of the layers is an encoder's.
    """

    layers: tuple[str, ...]
    pooling: Pooling
    side: int
    network_pooling: Literal["average", "max"]
    mirrored: bool
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    digest: str
    encoder: str = ""

    @property
    def depth(self) -> int:
        """How many convolutions of VGG-19 are needed; 0 where the encoder's layers are all."""
        return depth_of(self.layers)

    @property
    def copies(self) -> int:
        """Rows of the index for each picture."""
        return 2 if self.mirrored else 1

    def difference(self, other: "DescriptorSpec") -> str:
        """What differs, in words; empty where nothing does."""
        mine, theirs = asdict(self), asdict(other)
        names = [name for name in mine if mine[name] != theirs[name]]
        if "digest" in names:  # a change of preprocessing changes the digest too
            names = [n for n in names if n != "digest"] or ["weights"]
        if "layers" in names:  # with other layers other weights are no news
            names = [n for n in names if n not in ("weights", "encoder", "scale", "mean", "std")]
        short = ({**s, "weights": s["digest"][:12], "encoder": s["encoder"][:12]} for s in (mine, theirs))
        said = tuple(short)
        return "; ".join(f"{name} {_say(said[0][name])} there, {_say(said[1][name])} here" for name in names)

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "DescriptorSpec":
        """From what ``dataclasses.asdict`` and JSON made of one."""
        lists = {name: tuple(entry[name]) for name in ("layers", "mean", "std")}
        return cls(**{**entry, **lists})


def make_spec(
    weights: VggWeights,
    layers: Sequence[str] = LAYERS,
    pooling: Pooling = "mean_std",
    side: int = SIDE,
    network_pooling: Literal["average", "max"] = "average",
    mirrored: bool = True,
) -> DescriptorSpec:
    """The spec of descriptors that ``weights`` give.

    Raises:
        ValueError: a layer or pooling is unknown, the weights do not reach a layer, or ``side`` is too small.
        WeightsMissing: a layer comes with a package that is not installed.

    Example:
        >>> from recolor_torch.features import VggWeights
        >>> state = {"features.0.weight": torch.zeros(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}
        >>> spec = make_spec(VggWeights(state, 1.0, (0, 0, 0), (1, 1, 1), "zeros"), ["conv1_1"], "mean")
        >>> spec.layers, spec.copies
        (('conv_1',), 2)
    """
    check_choice(pooling, "pooling", POOLINGS)
    check_choice(network_pooling, "pooling of the network", ("average", "max"))
    if not layers:
        raise ValueError("A gallery needs one layer or more, got none.")
    layers = expand_layers(layers)
    check_layers(layers)
    if side < 2 * _LEAST_SIDE:
        raise ValueError(f"side must be {2 * _LEAST_SIDE} pixels or more, got {side}.")
    names = tuple(name if name in ENCODER_LAYERS else layer_name(name) for name in layers)
    depth = depth_of(names)
    if weights.depth < depth:
        raise ValueError(f"The weights end at conv_{weights.depth}, and conv_{depth} is needed.")
    first = first_layers(weights, depth)
    return DescriptorSpec(
        names,
        pooling,
        side,
        network_pooling,
        mirrored,
        first.scale,
        first.mean,
        first.std,
        first.digest,
        encoder_digest(names),
    )


def expand_layers(layers: Sequence[str]) -> tuple[str, ...]:
    """The layers, each once, with those of a set in place of its name.

    Example:
        >>> expand_layers(["texture", "encoder_8", "conv_5"])
        ('conv_4', 'conv_5', 'encoder_8')
    """
    return tuple(dict.fromkeys(layer for name in layers for layer in LAYER_SETS.get(name, (name,))))


def depth_of(layers: Sequence[str]) -> int:
    """How many convolutions of VGG-19 some layers need.

    Example:
        >>> depth_of(["conv_4", "encoder_32"]), depth_of(["encoder_32"])
        (4, 0)
    """
    return max((layer_depth(name) for name in layers if name not in ENCODER_LAYERS), default=0)


def check_layers(layers: Sequence[str]) -> None:
    """Raise ``ValueError`` where a layer is neither VGG-19's nor an encoder's."""
    for name in layers:
        if name not in ENCODER_LAYERS:
            try:
                layer_name(name)
            except ValueError as error:
                known, sets = ", ".join(ENCODER_LAYERS), " and ".join(LAYER_SETS)
                said = f"{str(error).rstrip('.')}; of encoders: {known}; sets: {sets}."
                raise ValueError(said) from error


def first_layers(weights: VggWeights, depth: int) -> VggWeights:
    """The weights up to convolution ``depth``, so that a file with more layers has the same digest."""
    return weights.first(depth)


def scaled_luminance(image: Tensor, side: int) -> Tensor:
    """The luminance of sRGB pictures, brought to a longer side of ``side`` pixels, (B, 1, h, w).

    Small pictures are enlarged: what is compared are the statistics of details of one size. The shorter side has
    at least 16 pixels, so that every picture has features; only very long ones lose their shape by that.
    """
    check_image(image, "image", channels=3)
    height, width = image.shape[-2:]
    scale = side / max(height, width)
    size = (max(_LEAST_SIDE, round(height * scale)), max(_LEAST_SIDE, round(width * scale)))
    y = rgb_to_luminance(image)
    if size == (height, width):
        return y
    return F.interpolate(y, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)


class Descriptor(nn.Module):
    """Statistics of features over positions, of VGG-19 and of encoders, computed on luminance alone.

    Color pictures of a gallery and gray targets are in one domain that way.

    Args:
        weights: from ``find_vgg19``; their digest is the spec's.
        spec: layers and pooling.

    Raises:
        ValueError: the weights are not those of the spec.
    """

    def __init__(self, weights: VggWeights, spec: DescriptorSpec) -> None:
        super().__init__()
        if weights.depth < spec.depth:
            raise ValueError(f"The weights end at conv_{weights.depth}, and conv_{spec.depth} is needed.")
        weights = first_layers(weights, spec.depth)
        here = replace(spec, scale=weights.scale, mean=weights.mean, std=weights.std, digest=weights.digest)
        if spec.encoder:
            here = replace(here, encoder=encoder_digest(spec.layers))
        if here != spec:
            raise ValueError(f"The gallery was made with other features: {spec.difference(here)}.")
        self.spec = spec
        texture = [name for name in spec.layers if name not in ENCODER_LAYERS]
        self.vgg = VGG19(weights, texture, spec.network_pooling) if texture else None
        self.encoders = Encoders(spec.layers) if spec.encoder else None

    def forward(self, luminance: Tensor) -> Tensor:
        """Descriptors of luminance pictures from ``scaled_luminance``, (B, 1, h, w), as (B, D)."""
        check_image(luminance, "luminance", channels=1)
        features = {} if self.vgg is None else self.vgg(luminance.expand(-1, 3, -1, -1))
        features |= {} if self.encoders is None else self.encoders(luminance)
        return torch.cat([_pool(features[name], self.spec.pooling) for name in self.spec.layers], dim=1)

    def copies(self, luminance: Tensor) -> Tensor:
        """Descriptors of the pictures and, where the spec has them, of their mirror images: (B, copies, D)."""
        if not self.spec.mirrored:
            return self(luminance)[:, None]
        return torch.stack((self(luminance), self(luminance.flip(-1))), dim=1)


def _pool(x: Tensor, pooling: Pooling) -> Tensor:
    # Features come channels last: over the rows of this view statistics are ten times as fast as torch.std_mean.
    x = x.permute(0, 2, 3, 1).flatten(1, 2)
    if pooling == "max":
        return x.amax(1)
    if pooling == "gem":
        return x.clamp_min(1e-6).pow(_GEM_POWER).mean(1).pow(1 / _GEM_POWER)
    mean = x.mean(1)
    if pooling == "mean":
        return mean
    return torch.cat((mean, (x - mean[:, None]).square().mean(1).sqrt()), dim=1)


def _say(value: Any) -> str:
    return ", ".join(str(v) for v in value) if isinstance(value, tuple) else str(value)
