"""Networks that colour a picture: plain modules, without training."""

from recolor_torch.networks.discriminator import Discriminator
from recolor_torch.networks.estimate import Estimate
from recolor_torch.networks.published import EightBlockNet, UserGuidedNet
from recolor_torch.networks.unet import ColorUNet

__all__ = ["ColorUNet", "Discriminator", "EightBlockNet", "Estimate", "UserGuidedNet"]
