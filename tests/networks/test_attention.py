"""Attention against torch's own layer, and that it begins as nothing."""

import torch
from torch import nn

from recolor_torch.networks.attention import GlobalAttention


def filled(channels, heads):
    torch.manual_seed(0)
    layer = GlobalAttention(channels, heads)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.3)
    return layer


def test_it_begins_as_the_identity():
    x = torch.rand(2, 16, 3, 5)
    assert torch.equal(GlobalAttention(16, 2)(x), x)


def test_it_is_torchs_transformer_layer():
    layer = filled(16, 2)
    other = nn.TransformerEncoderLayer(16, 2, 48, 0.0, "gelu", batch_first=True, norm_first=True).eval()
    other.self_attn.in_proj_weight.data, other.self_attn.in_proj_bias.data = layer.to_qkv.weight, layer.to_qkv.bias
    for ours, theirs in (
        (layer.from_heads, other.self_attn.out_proj),
        (layer.norm_places, other.norm1),
        (layer.norm_channels, other.norm2),
        (layer.widen, other.linear1),
        (layer.narrow, other.linear2),
    ):
        theirs.load_state_dict(ours.state_dict())
    x = torch.rand(2, 16, 3, 5)
    expected = other(x.flatten(2).transpose(1, 2)).transpose(1, 2).view_as(x)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-4)
