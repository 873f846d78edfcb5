"""Attention of every place to all others."""

import torch.nn.functional as F
from torch import Tensor, nn


class GlobalAttention(nn.Module):
    """A transformer layer over the places of a feature map: attention, then two 1 x 1 convolutions, each added.

    Vaswani et al., "Attention Is All You Need" (2017), normalized before each part. It knows no positions: those are
    in the features, which come from convolutions.

    Args:
        channels: of the feature map.
        heads: of the attention, a divisor of ``channels``.
        widening: channels inside the second part, as a multiple.
    """

    def __init__(self, channels: int, heads: int, widening: int = 3) -> None:
        super().__init__()
        self.heads = heads
        self.norm_places = nn.LayerNorm(channels)
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.from_heads = nn.Linear(channels, channels)
        self.norm_channels = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, widening * channels)
        self.narrow = nn.Linear(widening * channels, channels)
        for last in (self.from_heads, self.narrow):  # at first the layer adds nothing
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        b, c, h, w = x.shape
        places = x.flatten(2).transpose(1, 2)
        qkv = self.to_qkv(self.norm_places(places)).view(b, h * w, 3, self.heads, c // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(b, h * w, c)
        places = places + self.from_heads(seen)
        places = places + self.narrow(F.gelu(self.widen(self.norm_channels(places))))
        return places.transpose(1, 2).reshape(b, c, h, w)
