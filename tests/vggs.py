"""Torchvision's VGG with random weights, without its classifier, which holds most of the numbers."""

import pytest
import torch


def random_features(kind: str) -> torch.nn.Sequential:
    """The features of torchvision's VGG-16 (``"D"``) or VGG-19 (``"E"``), initialised as torchvision does."""
    vgg = pytest.importorskip("torchvision.models.vgg")
    features = vgg.make_layers(vgg.cfgs[kind])
    for layer in features:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            torch.nn.init.zeros_(layer.bias)
    return features.eval()
