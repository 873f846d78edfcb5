"""Networks that color a picture: plain modules, without training."""

from recolor_torch.networks.discriminator import Discriminator
from recolor_torch.networks.estimate import Estimate
from recolor_torch.networks.multi_path import MultiPathNet
from recolor_torch.networks.near_infrared import NearInfraredNet
from recolor_torch.networks.published import EightBlockNet, UserGuidedNet
from recolor_torch.networks.unet import ColorUNet

__all__ = [
    "ColorUNet",
    "Discriminator",
    "EightBlockNet",
    "Estimate",
    "MultiPathNet",
    "NearInfraredNet",
    "UserGuidedNet",
]
