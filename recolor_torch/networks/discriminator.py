"""Tells true colors of a gray picture from made-up ones."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from recolor_torch.checks import check_choice, check_image, check_same_size
from recolor_torch.color.scaling import chroma_to_unit, luminance_to_unit


class Discriminator(nn.Module):
    """Convolutions with batch normalisation from luminance and chroma to a verdict for each patch.

    It is conditional: it sees the gray picture that the colors are for. The layers are those of DCGAN's
    discriminator (Radford, Metz, Chintala 2016: strides in place of pooling, no normalisation in the first layer) with
    the patch-wise end of Isola et al. (2017).

    Args:
        width: channels of the first layer; they double with each reduction.
        layers: how many times the side is halved.
        normalization: ``batch``, or ``spectral`` norms of the weights in place of it (Miyato et al. 2018).
    """

    def __init__(self, width: int = 32, layers: int = 3, normalization: Literal["batch", "spectral"] = "batch") -> None:
        super().__init__()
        self.width, self.layers, self.normalization = width, layers, normalization
        check_choice(normalization, "normalization", ("batch", "spectral"))
        batch = normalization == "batch"

        def convolution(inputs: int, outputs: int, kernel: int, stride: int, bias: bool = True) -> nn.Module:
            layer = nn.Conv2d(inputs, outputs, kernel, stride, 1, bias=bias)
            return layer if batch else spectral_norm(layer)

        blocks: list[nn.Module] = [convolution(3, width, 4, 2), nn.LeakyReLU(0.2, inplace=True)]
        for i in range(layers - 1):
            inputs, outputs = width * 2**i, width * 2 ** (i + 1)
            blocks.append(convolution(inputs, outputs, 4, 2, bias=not batch))
            if batch:
                blocks.append(nn.BatchNorm2d(outputs))
            blocks.append(nn.LeakyReLU(0.2, inplace=True))
        blocks.append(convolution(width * 2 ** (layers - 1), 1, 3, 1))
        self.blocks = nn.Sequential(*blocks)

    def forward(self, luminance: Tensor, chroma: Tensor) -> Tensor:
        """Verdicts before the logistic function, positive for true, (B, 1, H / 2^layers, W / 2^layers).

        Args:
            luminance: (B, 1, H, W), [0, 1].
            chroma: U and V, (B, 2, H, W).
        """
        check_image(luminance, "luminance", channels=1)
        check_image(chroma, "chroma", channels=2)
        check_same_size(chroma, "chroma", luminance, "luminance")
        return self.blocks(torch.cat((luminance_to_unit(luminance), chroma_to_unit(chroma)), 1))
