"""The objective of Gram transfer (report, eq. 10): losses of a picture by name, and their gradient."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.features import VGG19, layer_depth, layer_name
from recolor_torch.features.layers import POOLED_AFTER
from recolor_torch.guide import Reference, total_weight
from recolor_torch.losses import content_loss, luminance_loss, style_loss, total_variation, weighted_gram
from recolor_torch.precision import exact_convolutions

Match = Literal["picture", "color"]
Grams = dict[str, Tensor]


@dataclass(frozen=True)
class LossWeights:
    """Weights of the losses; all stand inside of the square, as the report has them.

    Args:
        style: weight by layer.
        content: weight by layer.
        total_variation: weight; 0 leaves it out.
        luminance: weight; 0 leaves it out.
        smooth: what has a total variation: R, G and B, or U and V (``chroma``).
        match: Gram matrices of the references (``picture``), or what their color adds to them; see ``wanted_grams``.

    Raises:
        ValueError: a layer is unknown, a weight negative, or all are 0.
    """

    style: Mapping[str, float] = field(default_factory=dict)
    content: Mapping[str, float] = field(default_factory=dict)
    total_variation: float = 0.0
    luminance: float = 0.0
    smooth: Literal["rgb", "chroma"] = "rgb"
    match: Match = "picture"

    def __post_init__(self) -> None:
        values = [*self.style.values(), *self.content.values(), self.total_variation, self.luminance]
        if not all(0 <= v < float("inf") for v in values):
            raise ValueError(f"Loss weights must be 0 or more, got {values}.")
        if not self.layers:
            raise ValueError("At least one layer must have a style or content weight above 0.")
        for part in (self.style, self.content):
            if len({layer_name(name) for name in part}) < len(part):
                raise ValueError(f"A layer is named twice in {', '.join(part)}.")

    @property
    def layers(self) -> list[str]:
        """The layers that are needed, each once."""
        wanted = [name for part in (self.style, self.content) for name, weight in part.items() if weight]
        return list(dict.fromkeys(wanted))

    @property
    def depth(self) -> int:
        """How many convolutions are needed."""
        return max(layer_depth(name) for name in self.layers)


class Evaluation(NamedTuple):
    """Losses by name, as ``style/conv_1``, and the gradient of their sum in the picture."""

    terms: dict[str, Tensor]
    gradient: Tensor

    @property
    def total(self) -> Tensor:
        """The sum of the losses."""
        return torch.stack(list(self.terms.values())).sum()


class GramObjective:
    r"""Losses of one picture against a target and references.

    .. math::
        \sum_l \|w_l F^l(X) - w_l F^l(T)\|^2 + \sum_l \|w_l G^l(X) - w_l G^l(S)\|^2

    as mean squares (report, eq. 10). One forward and one backward pass through the network as far as the
    losses reach; its weights have no gradients.

    Args:
        vgg: the network, with at least the layers of ``weights``.
        target: T, sRGB, (1, 3, H, W).
        references: S, sRGB, (1, 3, H', W') each, with masks; their Gram matrices are averaged by weight.
        weights: of the losses.
        mask: pixels of the picture that count in its Gram matrices and that may change, (1, 1, H, W).
        low_precision: convolutions in bfloat16; Gram matrices and losses stay in float32.
    """

    @exact_convolutions()
    def __init__(
        self,
        vgg: VGG19,
        target: Tensor,
        references: tuple[Reference, ...],
        weights: LossWeights,
        mask: Tensor | None = None,
        low_precision: bool = False,
    ) -> None:
        self.vgg, self.target, self.weights, self.mask = vgg, target, weights, mask
        self.low_precision = low_precision
        with torch.no_grad():
            self.grams = wanted_grams(self._grams, target, references, weights.match, mask)
            content = [name for name, w in weights.content.items() if w]
            names = {layer_name(name): name for name in content}
            self.content = {names[layer]: x for layer, x in vgg.walk(target) if layer in names} if content else {}

    def _grams(self, image: Tensor, mask: Tensor | None) -> Grams:
        """Gram matrices of a picture by layer, (1, C, C)."""
        names = {layer_name(name): name for name, weight in self.weights.style.items() if weight}
        grams = {}
        for layer, features in self.vgg.walk(image) if names else ():
            if layer in names:
                part = None if mask is None else shrink_mask(mask, names[layer])
                grams[names[layer]] = weighted_gram(features, part)
        return grams

    @exact_convolutions()
    def evaluate(self, image: Tensor, low_precision: bool | None = None) -> Evaluation:
        """Losses of ``image``, sRGB, (1, 3, H, W), and their gradient."""
        low = self.low_precision if low_precision is None else low_precision
        with torch.enable_grad():
            image = image.detach().requires_grad_()
            terms = self.terms(image, low)
            (gradient,) = torch.autograd.grad(torch.stack(list(terms.values())).sum(), image)
        if self.mask is not None:
            gradient = gradient * self.mask
        return Evaluation({name: loss.detach() for name, loss in terms.items()}, gradient)

    def terms(self, image: Tensor, low_precision: bool = False) -> dict[str, Tensor]:
        """Losses of ``image`` by name, differentiable."""
        style = {layer_name(name): (name, weight) for name, weight in self.weights.style.items() if weight}
        content = {layer_name(name): (name, weight) for name, weight in self.weights.content.items() if weight}
        terms: dict[str, Tensor] = {}
        with network_precision(image, low_precision):
            for layer, features in self.vgg.walk(image):
                with network_precision(image, False):
                    if layer in style:
                        name, weight = style[layer]
                        mask = None if self.mask is None else shrink_mask(self.mask, name)
                        terms[f"style/{name}"] = style_loss(features, self.grams[name], weight, mask).sum()
                    if layer in content:
                        name, weight = content[layer]
                        terms[f"content/{name}"] = content_loss(features, self.content[name], weight).sum()
        return terms | picture_terms(image, self.target, self.weights)


def picture_terms(image: Tensor, target: Tensor, weights: LossWeights) -> dict[str, Tensor]:
    """The losses that need no network."""
    terms = {}
    if weights.total_variation:
        # Of R, G and B at a given luminance it would be least where chroma undoes the edges of luminance.
        smooth = image if weights.smooth == "rgb" else rgb_to_yuv(image)[:, 1:]
        terms["total_variation"] = total_variation(smooth, weights.total_variation).sum()
    if weights.luminance:
        terms["luminance"] = luminance_loss(image, target, weights.luminance).sum()
    return terms


def wanted_grams(
    grams_of: Callable[[Tensor, Tensor | None], Grams],
    target: Tensor,
    references: tuple[Reference, ...],
    match: Match = "picture",
    mask: Tensor | None = None,
) -> Grams:
    r"""The Gram matrices to reach, (1, C, C) by layer.

    ``picture``: G(S), the mean over the references by their weights. ``color``: what the color of the references adds
    to the Gram matrices of their luminance Y, for the target to add to its own,

    .. math:: G(Y(T)) + G(S) - G(Y(S)).

    Where chroma alone may change, the Gram matrices of another picture are out of reach: textures and contrasts of
    luminance that target and reference do not share are then made up for by glaring chroma.

    Args:
        grams_of: Gram matrices by layer of a picture and the mask of its pixels that count.
        target: T, sRGB, (1, 3, H, W).
        references: S, sRGB, (1, 3, H', W') each.
        match: which of the two.
        mask: pixels of the target that count.
    """
    total = total_weight(references)
    wanted: Grams = {}

    def add(image: Tensor, mask: Tensor | None, share: float) -> None:
        for name, gram in grams_of(image, mask).items():
            wanted[name] = wanted[name] + share * gram if name in wanted else share * gram

    for reference in references:
        add(reference.image, reference.mask, reference.weight / total)
        if match == "color":
            add(_without_color(reference.image), reference.mask, -reference.weight / total)
    if match == "color":
        add(_without_color(target), mask, 1.0)
    return wanted


def _without_color(image: Tensor) -> Tensor:
    return rgb_to_luminance(image).expand_as(image).contiguous()


def layer_stride(name: str) -> int:
    """Pixels between the positions of a layer."""
    return 2 ** sum(k <= layer_depth(name) - (not layer_name(name).startswith("pool")) for k in POOLED_AFTER)


def shrink_mask(mask: Tensor, name: str) -> Tensor:
    """The share of the pixels of each position of a layer that the mask covers."""
    return F.avg_pool2d(mask, layer_stride(name))


def network_precision(image: Tensor, low: bool) -> AbstractContextManager[Any]:
    """bfloat16 for convolutions, or the image's own precision whatever surrounds this."""
    kind = image.device.type
    if low:
        return torch.autocast(kind, dtype=torch.bfloat16)
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        known = (getattr(torch.cpu, f"_is_{kind}_supported", None) for kind in ("avx512_bf16", "amx_tile"))
        return any(is_supported() for is_supported in known if is_supported is not None)
    return False
