"""Style transfer as public codes are built, for benchmarks to compare with; written from a description of them.

The whole VGG-19 as a sequence with loss modules put in after convolutions, features cloned, a Gram matrix with
reshapes, ``backward(retain_graph=True)`` once a loss, and the network's parameters left requiring gradients.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.vgg import cfgs, make_layers

from recolor_torch.features import VggWeights


class Input(nn.Module):
    """What the weights expect: scale * (rgb - mean) / std."""

    def __init__(self, weights: VggWeights) -> None:
        super().__init__()
        self.mean, self.std = torch.tensor(weights.mean).view(-1, 1, 1), torch.tensor(weights.std).view(-1, 1, 1)
        self.scale = weights.scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * (x - self.mean.to(x)) / self.std.to(x)


class ContentLoss(nn.Module):
    def __init__(self, target: Tensor, weight: float) -> None:
        super().__init__()
        self.target, self.weight = target.detach() * weight, weight
        self.loss = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        self.loss = F.mse_loss(x * self.weight, self.target)
        return x


class StyleLoss(nn.Module):
    def __init__(self, target: Tensor, weight: float) -> None:
        super().__init__()
        self.target, self.weight = target.detach() * weight, weight
        self.loss = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        out = x.clone()
        self.loss = F.mse_loss(gram(x).mul_(self.weight), self.target)
        return out


def gram(x: Tensor) -> Tensor:
    b, c, h, w = x.size()
    features = x.view(b * c, h * w)
    return torch.mm(features, features.t()).div(b * c * h * w)


class Peer:
    """The network with its losses, and the closure that optimisers call.

    Args:
        weights: the first convolutions; deeper ones are random, which costs their time and touches no loss.
        content: sRGB, (1, 3, H, W).
        style: sRGB of the same size.
        style_weight: weight of conv_1 to conv_5, inside of the square.
        weight_gradients: leave the network's parameters requiring gradients, as public codes do.
    """

    def __init__(
        self,
        weights: VggWeights,
        content: Tensor,
        style: Tensor,
        style_weight: float = 1000.0,
        weight_gradients: bool = True,
    ) -> None:
        layers = make_layers(cfgs["E"])  # vgg19().features
        layers.load_state_dict(
            {**layers.state_dict(), **{k.removeprefix("features."): v for k, v in weights.state.items()}}
        )
        layers = layers.to(content)
        self.model = nn.Sequential(Input(weights))
        self.losses: list[ContentLoss | StyleLoss] = []
        k = 0
        for layer in layers:
            self.model.append(nn.AvgPool2d(2) if isinstance(layer, nn.MaxPool2d) else layer)
            if not isinstance(layer, nn.Conv2d):
                continue
            k += 1
            if k == 5:
                self._add(ContentLoss(self.model(content).clone(), 1.0))
            if k <= 5:
                self._add(StyleLoss(gram(self.model(style).clone()), style_weight))
        self.model.requires_grad_(weight_gradients)

    def _add(self, loss: "ContentLoss | StyleLoss") -> None:
        self.model.append(loss)
        self.losses.append(loss)

    def closure(self, picture: Tensor) -> Tensor:
        """Clamp, forward, a backward a loss; the sum of the losses, their gradient in ``picture.grad``."""
        picture.data.clamp_(0, 1)
        picture.grad = None
        self.model(picture)
        total = torch.zeros((), dtype=picture.dtype)
        for part in self.losses:
            part.loss.backward(retain_graph=True)
            total = total + part.loss.detach()
        return total
