"""Networks that colour a picture: plain modules, without files or training."""

from recolor_torch.networks.estimate import Estimate
from recolor_torch.networks.unet import ColorUNet

__all__ = ["ColorUNet", "Estimate"]
