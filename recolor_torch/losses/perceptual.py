"""Distance of two pictures as a deep network sees them."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.checks import check_image, check_same_size

# Convolutions of VGG-16 by their names in torchvision's ``features``; a pooling stands before those in _POOLED.
_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)
_POOLED = (5, 10, 17)
# relu2_2, relu3_3 and relu4_3.
_TAPS = (7, 14, 21)
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PerceptualLoss(nn.Module):
    r"""Relative difference of the activations relu2_2, relu3_3 and relu4_3 of VGG-16.

    .. math::
        \frac{1}{3} \sum_l \frac{\operatorname{mean} |F^l(x) - F^l(t)|}{\operatorname{mean} |F^l(t)|}

    After Johnson, Alahi, Fei-Fei, "Perceptual Losses for Real-Time Style Transfer" (2016); absolute in place of
    squared differences, and relative, so that the layers count alike.

    Args:
        state: VGG-16 in torchvision's layout, as far as ``features.21``.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        layers = []
        for number in _CONVOLUTIONS:
            weight = state[f"features.{number}.weight"].float()
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            layer.load_state_dict({"weight": weight, "bias": state[f"features.{number}.bias"].float()})
            layers.append(layer)
        self.layers = nn.ModuleList(layers).requires_grad_(False)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor, truth: Tensor) -> Tensor:
        """The loss of sRGB pictures, (B, 3, H, W) in [0, 1], sides 8 or more: a scalar."""
        check_image(image, "image", channels=3)
        check_same_size(truth, "truth", image)
        with torch.no_grad():
            wanted = self._activations(truth.detach())  # forward derivatives pass by no_grad
        total = image.new_zeros(())
        for found, true in zip(self._activations(image), wanted):
            total = total + (found - true).abs().mean(dtype=torch.float32) / true.mean(dtype=torch.float32)
        return total / len(wanted)

    def _activations(self, image: Tensor) -> list[Tensor]:
        x = (image - self.mean) / self.deviation
        found = []
        for number, layer in zip(_CONVOLUTIONS, self.layers):
            if number in _POOLED:
                x = F.max_pool2d(x, 2)
            x = F.relu(layer(x))
            if number in _TAPS:
                found.append(x)
        return found
