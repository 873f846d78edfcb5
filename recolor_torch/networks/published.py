"""The two networks whose weights Zhang et al. published, so that those files can be read as they are.

The names and shapes of the tensors are those of ``colorization_release_v2`` (Zhang, Isola, Efros, "Colorful Image
Colorization", 2016) and ``siggraph17`` (Zhang et al., "Real-Time User-Guided Image Colorization with Learned Deep
Priors", 2017). Both read the lightness L of Lab and answer with a and b.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.checks import check_image
from recolor_torch.color import lab_to_rgb, rgb_to_lab, rgb_to_yuv, yuv_to_rgb
from recolor_torch.color.bins import BINS, ab_bins
from recolor_torch.color.scaling import AB_SCALE, ab_to_unit, lightness_to_unit, unit_to_ab
from recolor_torch.networks.estimate import Estimate
from recolor_torch.networks.padding import pad_to_multiple

_REDUCTION = 8
GRID = 23
"""The 2017 network classifies over all points of the ab grid from -110 to 110, 10 apart: 23 x 23."""


class EightBlockNet(nn.Module):
    """Eight blocks of convolutions from L to a distribution over 313 ab bins (2016); it reads no hints."""

    def __init__(self) -> None:
        super().__init__()
        self.model1 = _block((1, 64, 64), last_stride=2)
        self.model2 = _block((64, 128, 128), last_stride=2)
        self.model3 = _block((128, 256, 256, 256), last_stride=2)
        self.model4 = _block((256, 512, 512, 512))
        self.model5 = _block((512, 512, 512, 512), dilation=2)
        self.model6 = _block((512, 512, 512, 512), dilation=2)
        self.model7 = _block((512, 512, 512, 512))
        self.model8 = nn.Sequential(
            nn.ConvTranspose2d(512, 256, 4, 2, 1),
            nn.ReLU(inplace=True),
            *_convolutions((256, 256, 256)),
            nn.Conv2d(256, BINS, 1),
        )
        # The mean color of the distribution as a convolution. It is no part of what is learned.
        self.model_out = nn.Conv2d(BINS, 2, 1, bias=False).requires_grad_(False)
        self.model_out.weight.copy_(ab_to_unit(ab_bins()).T[..., None, None])

    def forward(self, luminance: Tensor, hints: Tensor | None = None, mask: Tensor | None = None) -> Estimate:
        """The estimate for luminance (B, 1, H, W) in [0, 1]; hints are not read. There is no chroma in training."""
        lightness, x = _lightness(luminance)
        for block in (self.model1, self.model2, self.model3, self.model4, self.model5, self.model6, self.model7):
            x = block(x)
        logits = self.model8(x)
        size = luminance.shape[-2:]
        quarter = logits[..., : -(-size[0] // 4), : -(-size[1] // 4)]
        if self.training:
            return Estimate(quarter, None)
        ab = F.interpolate(unit_to_ab(self.model_out(logits.softmax(1))), scale_factor=4, mode="bilinear")
        return Estimate(quarter, _chroma(lightness, ab[..., : size[0], : size[1]]))


class UserGuidedNet(nn.Module):
    """L, the ab of hints and their mask to ab (2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.model1 = _block((4, 64, 64))
        self.model2 = _block((64, 128, 128))
        self.model3 = _block((128, 256, 256, 256))
        self.model4 = _block((256, 512, 512, 512))
        self.model5 = _block((512, 512, 512, 512), dilation=2)
        self.model6 = _block((512, 512, 512, 512), dilation=2)
        self.model7 = _block((512, 512, 512, 512))
        self.model8up = nn.Sequential(nn.ConvTranspose2d(512, 256, 4, 2, 1))
        self.model3short8 = nn.Sequential(nn.Conv2d(256, 256, 3, padding=1))
        self.model8 = nn.Sequential(nn.ReLU(), *_block((256, 256, 256)))
        self.model9up = nn.Sequential(nn.ConvTranspose2d(256, 128, 4, 2, 1))
        self.model2short9 = nn.Sequential(nn.Conv2d(128, 128, 3, padding=1))
        self.model9 = nn.Sequential(nn.ReLU(), *_block((128, 128)))
        self.model10up = nn.Sequential(nn.ConvTranspose2d(128, 128, 4, 2, 1))
        self.model1short10 = nn.Sequential(nn.Conv2d(64, 128, 3, padding=1))
        self.model10 = nn.Sequential(nn.ReLU(), nn.Conv2d(128, 128, 3, padding=1), nn.LeakyReLU(0.2))
        self.model_class = nn.Sequential(nn.Conv2d(256, GRID**2, 1))
        self.model_out = nn.Sequential(nn.Conv2d(128, 2, 1), nn.Tanh())

    def forward(self, luminance: Tensor, hints: Tensor | None = None, mask: Tensor | None = None) -> Estimate:
        """The estimate for a batch.

        Args:
            luminance: (B, 1, H, W), [0, 1].
            hints: U and V, (B, 2, H, W), read where ``mask`` is 1.
            mask: (B, 1, H, W); without one there are no hints.
        """
        lightness, x = _lightness(luminance)
        x1 = self.model1(torch.cat((x, pad_to_multiple(_given_ab(luminance, hints, mask), _REDUCTION)), 1))
        x2 = self.model2(x1[..., ::2, ::2])
        x3 = self.model3(x2[..., ::2, ::2])
        x7 = self.model7(self.model6(self.model5(self.model4(x3[..., ::2, ::2]))))
        x8 = self.model8(self.model8up(x7) + self.model3short8(x3))
        x9 = self.model9(self.model9up(x8) + self.model2short9(x2))
        x10 = self.model10(self.model10up(x9) + self.model1short10(x1))
        height, width = luminance.shape[-2:]
        ab = unit_to_ab(self.model_out(x10))[..., :height, :width]
        # Of the points of the grid those in the gamut, in the order of the 313 bins.
        points = (ab_bins().to(x8) + AB_SCALE) / 10
        number = (points[:, 0] * GRID + points[:, 1]).round().long()
        logits = self.model_class(x8)[:, number, : -(-height // 4), : -(-width // 4)]
        return Estimate(logits, _chroma(lightness, ab))


def _lightness(luminance: Tensor) -> tuple[Tensor, Tensor]:
    """L of the gray picture, and the same scaled and padded for a network."""
    check_image(luminance, "luminance", channels=1)
    lightness = rgb_to_lab(luminance.expand(-1, 3, -1, -1))[:, :1]
    return lightness, pad_to_multiple(lightness_to_unit(lightness), _REDUCTION)


def _given_ab(luminance: Tensor, hints: Tensor | None, mask: Tensor | None) -> Tensor:
    """Scaled ab of the hints with the picture's luminance, 0 where there is none, and their mask."""
    if hints is None or mask is None:
        return luminance.new_zeros(luminance.shape[0], 3, *luminance.shape[-2:])
    known = (mask > 0.5).to(luminance).expand_as(luminance)
    color = yuv_to_rgb(torch.cat((luminance, hints.expand(luminance.shape[0], -1, -1, -1)), 1)).clamp(0, 1)
    return torch.cat((ab_to_unit(rgb_to_lab(color)[:, 1:]) * known, known), 1)


def _chroma(lightness: Tensor, ab: Tensor) -> Tensor:
    """U and V of Lab as the published scripts make a picture of it: with the L of the gray picture, clipped."""
    return rgb_to_yuv(lab_to_rgb(torch.cat((lightness, ab), 1)))[:, 1:]


def _convolutions(channels: Sequence[int], dilation: int = 1, last_stride: int = 1) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(pairwise(channels), start=2):
        stride = last_stride if i == len(channels) else 1
        layers += [nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation), nn.ReLU(inplace=True)]
    return layers


def _block(channels: Sequence[int], dilation: int = 1, last_stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*_convolutions(channels, dilation, last_stride), nn.BatchNorm2d(channels[-1]))
