"""Tells true colours of a gray picture from made-up ones."""

import torch
from torch import Tensor, nn

from recolor_torch.checks import check_image, check_same_size
from recolor_torch.color.scaling import chroma_to_unit, luminance_to_unit


class Discriminator(nn.Module):
    """Convolutions with batch normalisation from luminance and chroma to a verdict for each patch.

    It is conditional: it sees the gray picture that the colours are for. The layers are those of DCGAN's
    discriminator (Radford, Metz, Chintala 2016: strides in place of pooling, no normalisation in the first layer) with
    the patch-wise end of Isola et al. (2017).

    Args:
        width: channels of the first layer; they double with each reduction.
        layers: how many times the side is halved.
    """

    def __init__(self, width: int = 32, layers: int = 3) -> None:
        super().__init__()
        self.width, self.layers = width, layers
        blocks: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for i in range(layers - 1):
            inputs, outputs = width * 2**i, width * 2 ** (i + 1)
            blocks += [
                nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        blocks.append(nn.Conv2d(width * 2 ** (layers - 1), 1, 3, 1, 1))
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
