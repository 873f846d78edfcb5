"""Near infrared, or another single channel that is no luminance, to colors: our U-Net with some of its parts retrained.

What is trained is small, so that it ships beside the U-Net: the normalizations of the encoder, most of the decoder, and
a head for luminance. A file of such weights (``adapter_state``) goes with one file of the U-Net, whose digest it names.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from recolor_torch.color.scaling import unit_to_chroma
from recolor_torch.networks.efficientnet import Variant
from recolor_torch.networks.estimate import Estimate
from recolor_torch.networks.unet import ColorUNet, full_size_head

# Beginnings of the names of what is trained; of the encoder its normalizations and its first convolution.
TRAINED = ("bottom.", "ups.", "vivid_ups.", "mean.", "vivid.", "tone.", "encoder.conv_stem.")
# Half a million numbers of the decoder stay as they were: with them a file would have more than 4 MB.
_KEPT = ("ups.0.again.",)


class NearInfraredNet(ColorUNet):
    r"""Near infrared to luminance, mean chroma and vivid chroma.

    Leaves are bright in near infrared, sky and water are dark: luminance is something to be learned. It is

    .. math:: Y = g \, n + o

    of the infrared intensity n, with a gain and an offset for each place that have half of the network's resolution; so
    its detail is that of the infrared picture at any size.

    Args:
        encoder, widths, attention, drop: as of ``ColorUNet``.
    """

    def __init__(
        self,
        encoder: Variant = "lite2",
        widths: tuple[int, int, int, int, int] = (256, 192, 128, 96, 32),
        attention: int = 2,
        drop: float = 0.0,
    ) -> None:
        super().__init__(encoder, widths, attention, drop)
        self.tone = full_size_head(self.widths[-1], 2)

    def forward(
        self,
        luminance: Tensor,
        hints: Tensor | None = None,
        mask: Tensor | None = None,
        frozen: bool = False,
        phase: tuple[int, int] | None = None,
        logits: bool = False,
    ) -> Estimate:
        """The estimate for a batch.

        Args:
            luminance: the infrared intensity, (B, 1, H, W), [0, 1].
            hints, mask: as of ``ColorUNet``.
            frozen: keep the encoder from learning.
            phase, logits: not read: there is no distribution.

        Returns:
            Chroma, vivid chroma, and the tone that makes luminance of the input.
        """
        x, (height, width) = self.input(luminance, hints, mask), luminance.shape[-2:]
        decoded = self.decode(x, frozen)
        # It begins as a gain of 1 and no offset.
        tone = self.tone(decoded.half)[..., :height, :width] + luminance.new_tensor((1.0, 0.0)).view(1, 2, 1, 1)
        return Estimate(
            None,
            unit_to_chroma(self.mean(decoded.half))[..., :height, :width],
            unit_to_chroma(self.vivid(decoded.vivid))[..., :height, :width],
            tone=tone,
            features=decoded.eighth[..., : -(-height // 8), : -(-width // 8)],
        )

    def freeze(self) -> None:
        """Leave only what an adapter holds to be learned."""
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(is_trained(name))


def is_trained(name: str) -> bool:
    """Whether an adapter holds the tensor of this name.

    Example:
        >>> [is_trained(n) for n in ("tone.0.weight", "encoder.blocks.3.bn1.weight", "attention.0.widen.weight")]
        [True, True, False]
    """
    if name.startswith(_KEPT):
        return False
    normalization = name.startswith("encoder.") and any(part.startswith("bn") for part in name.split("."))
    return normalization or name.startswith(TRAINED)


def adapter_state(network: nn.Module) -> dict[str, Tensor]:
    """The tensors of a ``NearInfraredNet`` that are trained, in half the bits."""
    found = {k: v for k, v in network.state_dict().items() if is_trained(k) and v.is_floating_point()}
    return {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in found.items()}


def with_adapter(base: Mapping[str, Tensor], adapter: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a ``NearInfraredNet``: those of a U-Net, and those of an adapter in the place of some."""
    return {**base, **{k: v.float() for k, v in adapter.items()}}
