"""A network with a local and a global path, which also says what kind of scene it sees."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.checks import check_image
from recolor_torch.color.bins import BINS
from recolor_torch.color.scaling import luminance_to_unit, unit_to_chroma
from recolor_torch.networks.estimate import Estimate
from recolor_torch.networks.padding import pad_to_multiple
from recolor_torch.networks.unet import full_size_head

STRIDE = 32


class MultiPathNet(nn.Module):
    """Luminance to a distribution over ab bins, to chroma, and to the kind of scene; it reads no hints.

    Iizuka, Simo-Serra, Ishikawa, "Let there be Color!" (2016), figure 2: low-level features at 1/8 of the side are
    shared; a local path keeps their places; a global path sums up the whole picture in one vector, which says the kind
    of scene and is joined to the local features at every place. Differences: the global features are the mean over all
    places in place of layers that read 224 x 224 pixels, so that any size will do; the color is also a distribution, as
    in ``EightBlockNet``, and the regression is of U and V.

    Args:
        scenes: names of the kinds of scenes; at least one.
        width: channels of the first convolution; the others are multiples of it, and 64 is the paper's.
    """

    def __init__(self, scenes: Sequence[str] = ("scene",), width: int = 64) -> None:
        super().__init__()
        if isinstance(scenes, str) or not scenes:
            raise ValueError(f"scenes must be one or more names, got {scenes!r}.")
        self.scenes, self.width = tuple(scenes), width
        w = width
        self.low = nn.Sequential(
            *(_layer(1, w, 2), _layer(w, 2 * w), _layer(2 * w, 2 * w, 2), _layer(2 * w, 4 * w)),
            *(_layer(4 * w, 4 * w, 2), _layer(4 * w, 8 * w)),
        )
        self.local = nn.Sequential(_layer(8 * w, 8 * w), _layer(8 * w, 4 * w))
        self.whole = nn.Sequential(
            *(_layer(8 * w, 8 * w, 2), _layer(8 * w, 8 * w), _layer(8 * w, 8 * w, 2), _layer(8 * w, 8 * w)),
        )
        self.summary = nn.Sequential(_dense(8 * w, 16 * w), _dense(16 * w, 8 * w))
        self.tells = nn.Sequential(_dense(8 * w, 4 * w), nn.Linear(4 * w, len(self.scenes)))
        self.joined_global = nn.Linear(8 * w, 4 * w)
        self.fusion = nn.Conv2d(8 * w, 4 * w, 1)
        self.at_eighth = _layer(4 * w, 2 * w)
        self.at_quarter = nn.Sequential(_layer(2 * w, 2 * w), _layer(2 * w, 2 * w))
        self.at_half = nn.Sequential(_layer(2 * w, w), _layer(w, w // 2))
        self.distribution = nn.Conv2d(2 * w, BINS, 1)
        self.chroma = full_size_head(w // 2, 2)

    def settings(self) -> dict[str, Any]:
        """The arguments that make this network."""
        return {"scenes": self.scenes, "width": self.width}

    def forward(self, luminance: Tensor, hints: Tensor | None = None, mask: Tensor | None = None) -> Estimate:
        """The estimate for luminance (B, 1, H, W) in [0, 1]; hints are not read."""
        check_image(luminance, "luminance", channels=1)
        height, width = luminance.shape[-2:]
        low = self.low(pad_to_multiple(luminance_to_unit(luminance), STRIDE))
        summary = self.summary(self.whole(low).mean((-2, -1)))
        local = self.local(low)
        everywhere = F.relu(self.joined_global(summary))[..., None, None].expand(-1, -1, *local.shape[-2:])
        x = self.at_eighth(F.relu(self.fusion(torch.cat((local, everywhere), 1))))
        quarter = self.at_quarter(F.interpolate(x, scale_factor=2, mode="nearest"))
        logits = self.distribution(quarter)
        chroma = self.chroma(self.at_half(F.interpolate(quarter, scale_factor=2, mode="nearest")))
        return Estimate(
            logits[..., : -(-height // 4), : -(-width // 4)],
            unit_to_chroma(chroma)[..., :height, :width],
            scene=self.tells(summary),
        )


def _layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _dense(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(inplace=True))
