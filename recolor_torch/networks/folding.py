"""Batch norms put into the convolutions before them: the same answers in fewer passes over memory."""

from typing import ClassVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


class Folds(nn.Module):
    """A module whose batch norms follow convolutions.

    ``norms`` names the pairs; those that a module lacks are passed over.
    """

    norms: ClassVar[tuple[tuple[str, str], ...]] = ()

    def fold(self) -> None:
        """Make each pair one convolution, in place; of a module in ``eval`` mode."""
        for convolution, norm in self.norms:
            before, after = (self._modules.get(name) for name in (convolution, norm))
            if isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
                # ``fuse_conv_bn_eval`` would copy the modules first, which takes half of the time.
                assert after.running_mean is not None
                assert after.running_var is not None
                statistics = (after.running_mean, after.running_var, after.eps, after.weight, after.bias)
                before.weight, before.bias = fuse_conv_bn_weights(before.weight, before.bias, *statistics)
                self.add_module(norm, nn.Identity())


def fold_norms(network: nn.Module) -> nn.Module:
    """The network in ``eval`` mode with its batch norms folded, in place: for use alone, it cannot be trained or saved.

    Answers differ by rounding.
    """
    network.eval()
    for module in network.modules():
        if isinstance(module, Folds):
            module.fold()
    return network


def on_device(network: nn.Module, device: torch.device) -> nn.Module:
    """The network on a device, in place; on processors with channels last, which their convolutions prefer."""
    last = torch.channels_last if device.type == "cpu" else torch.contiguous_format
    return network.to(device=device, memory_format=last)  # type: ignore[call-overload]
