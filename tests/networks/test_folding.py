"""Folded networks answer as before."""

import pytest
import torch
from torch import nn

from recolor_torch.networks import ColorUNet
from recolor_torch.networks.folding import fold_norms, on_device


@pytest.fixture
def network():
    """With statistics and weights of the norms that are not those of a fresh network."""
    torch.manual_seed(0)
    network = ColorUNet("lite0", widths=(16, 16, 16, 16, 8)).eval().double()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.weight, -2, 2),
                (module.bias, -1, 1),
                (module.running_mean, -1, 1),
                (module.running_var, 0.5, 2),
            ):
                nn.init.uniform_(tensor, low, high)
    for head in (network.mean, network.vivid):
        nn.init.normal_(head[0].weight)
    return network.requires_grad_(False)


def answers(network):
    x = torch.rand(1, 3, 70, 90, generator=torch.Generator().manual_seed(1)).double()
    found = network(x[:, :1], x[:, 1:] - 0.5, (x[:, :1] > 0.8).double())
    return found.logits, found.chroma, found.vivid


def test_answers_are_the_same_without_norms(network):
    before = answers(network)
    assert before[1].std() > 1e-3
    folded = fold_norms(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    torch.testing.assert_close(answers(folded), before)
    assert fold_norms(folded) is folded  # once more changes nothing
    torch.testing.assert_close(answers(folded), before)
    torch.testing.assert_close(answers(on_device(folded, torch.device("cpu"))), before)


def test_processors_get_channels_last(network):
    weight = on_device(network, torch.device("cpu")).encoder.conv_stem.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
