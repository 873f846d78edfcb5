"""VGG-19 up to the deepest layer that is asked for."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from recolor_torch.checks import check_choice, check_image
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
        check_choice(pooling, "pooling", ("average", "max"))
        self.pooling = pooling
        self._wanted = {layer_name(name) for name in layers}
        # VGG-16 has no conv_8, conv_12 and conv_16; poolings are where they are with them.
        self.numbers = tuple(k for k in weights.convolutions if k <= self.depth)
        lacking = [n for n in sorted(self._wanted) if n.partition("_")[2].isdecimal() and self._lacks(n)]
        if lacking:
            raise ValueError(f"VGG-16 has no {lacking[0]}: VGG-19 alone has a fourth convolution in its blocks.")
        ends = (*self.numbers[1:], self.depth + 1)
        self._pooled = [next((p for p in POOLED_AFTER if k <= p < end), 0) for k, end in zip(self.numbers, ends)]
        self.convolutions = nn.ModuleList(_convolution(weights, k) for k in self.numbers)
        self.register_buffer("mean", torch.tensor(weights.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(weights.std).view(1, 3, 1, 1) / weights.scale, persistent=False)
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)
        self.eval()

    def _lacks(self, name: str) -> bool:
        kind, _, number = name.partition("_")
        return kind != "pool" and int(number) not in self.numbers

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
        found = dict(self.walk(image))
        return {name: found[layer_name(name)] for name in self.layers}

    def walk(self, image: Tensor) -> Iterator[tuple[str, Tensor]]:
        """The layers asked for under the report's names, each as soon as it is there.

        A loss that is made of a layer before the next one is computed is also differentiated just before it is
        needed: not all layers have their gradients at once.

        Raises:
            ValueError: the picture is too small for the poolings on the way.
        """
        check_image(image, "image", channels=3)
        if min(image.shape[-2:]) < self.smallest_side:
            raise ValueError(
                f"image must have sides of {self.smallest_side} pixels or more for {max(self._wanted, key=layer_depth)}"
                f", got {image.shape[-2]} x {image.shape[-1]}."
            )
        # Channels last, in words that torch.func.vmap knows too.
        x = ((image - self.mean) / self.std).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        missing = set(self._wanted)
        x = self.convolutions[0](x)
        for i, k in enumerate(self.numbers):
            if f"conv_{k}" in missing:
                missing.remove(f"conv_{k}")
                yield f"conv_{k}", x
                kept = True
            else:
                kept = False
            if not missing:
                return
            place = self._pooled[i]
            following = self.convolutions[i + 1] if i + 1 < len(self.numbers) else None
            between = missing & {f"relu_{k}", f"pool_{place + 1}"}
            joined = torch.is_grad_enabled() and not between and not (place and self.pooling == "max")
            if following is not None and joined:
                x = _Step.apply(x, following.weight, following.bias, place > 0)
                continue
            # Nothing needs a convolution's output before ReLU but a loss on it.
            x = F.relu(x, inplace=not kept)
            if f"relu_{k}" in between:
                missing.remove(f"relu_{k}")
                yield f"relu_{k}", x
            if place and missing:
                x = F.avg_pool2d(x, 2) if self.pooling == "average" else F.max_pool2d(x, 2)
                if f"pool_{place + 1}" in between:
                    missing.remove(f"pool_{place + 1}")
                    yield f"pool_{place + 1}", x
            if following is not None and missing:
                x = following(x)


class _Step(torch.autograd.Function):
    """From one convolution's output to the next: ReLU, average pooling where there is one, convolution.

    Frozen weights need no input for their gradient, and ReLU can be told from what went into it: so only that is
    kept, which a loss on this layer keeps anyway. Autograd's own graph would keep the output of ReLU as well.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, pooled: bool) -> Tensor:
        y = F.relu(x)
        if pooled:
            y = F.avg_pool2d(y, 2)
        return F.conv2d(y, weight, bias, padding=1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, bool], output: Tensor) -> None:
        x, weight, _, ctx.pooled = inputs
        ctx.save_for_backward(x, weight)
        ctx.save_for_forward(x, weight)
        # Of what the convolution reads: it keeps the height and width.
        ctx.size, ctx.dtype = (*x.shape[:2], *output.shape[2:]), output.dtype

    @staticmethod
    def jvp(ctx: Any, change: Tensor, *_: Any) -> Tensor:
        x, weight = ctx.saved_tensors
        change = change * (x > 0)
        return F.conv2d(F.avg_pool2d(change, 2) if ctx.pooled else change, weight, padding=1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        x, weight = ctx.saved_tensors
        kind = x.device.type
        with torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext():
            grad = conv2d_input(ctx.size, weight.to(ctx.dtype), grad.to(ctx.dtype), padding=1)
            if ctx.pooled:
                height, width = x.shape[-2:]
                grad = F.interpolate(grad, scale_factor=2.0, mode="nearest").div_(4)
                if grad.shape[-2:] != x.shape[-2:]:  # an odd last row or column was dropped
                    grad = F.pad(grad, (0, width - grad.shape[-1], 0, height - grad.shape[-2]))
            return grad.mul_(x > 0).to(x.dtype), None, None, None


def _convolution(weights: VggWeights, k: int) -> nn.Conv2d:
    weight = weights.state[f"features.{feature_index(k)}.weight"]
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
    layer.load_state_dict({"weight": weight, "bias": weights.state[f"features.{feature_index(k)}.bias"]})
    return layer
