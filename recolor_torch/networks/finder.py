"""Where the things are that words name: words that attend to what the colorization network sees in a picture."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.networks.attention import GlobalAttention

# Strides of what ``ColorUNet.understanding`` gives.
STRIDES = (8, 16, 32, 16, 8)
# Coordinates of a place: down, across, their squares.
_COORDINATES = 4


class WordFinder(nn.Module):
    """Features of a picture to a map for each of the things that it knows, and to whether the thing is there at all.

    Each word is a vector that was learned. It attends to all places at 1/16 of the side (cross-attention), and what
    comes of it is compared with each place at 1/8: their product is the log odds that the place belongs to the thing.
    Words do not attend to each other: what is found for one does not depend on which others are asked for.

    Args:
        channels: of the features, in the order of ``strides``.
        things: how many things there are.
        width: channels inside.
        layers: of cross-attention.
        heads: of all attentions.
        strides: of the features: 8, 16 or 32.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        things: int,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        strides: tuple[int, ...] = STRIDES,
    ) -> None:
        super().__init__()
        self.strides = strides
        # Statistics of the features, which come from a network that is fixed.
        self.norms = nn.ModuleList(nn.BatchNorm2d(c, affine=False) for c in channels)
        self.projections = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.place = nn.Conv2d(_COORDINATES, width, 1)
        self.context = nn.ModuleList(GlobalAttention(width, heads, widening=2) for _ in range(2))
        self.mixing = nn.ModuleList(_Mix(width) for _ in range(2))
        self.words = nn.Parameter(torch.randn(things, width))
        self.attention = nn.ModuleList(WordAttention(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.to_map, self.to_presence = nn.Linear(width, width + 1), nn.Linear(width, 1)

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Log odds of each thing.

        Args:
            features: (B, C, h, w) each, as ``ColorUNet.understanding`` gives them.

        Returns:
            At each place at 1/8 of the side, (B, things, h, w), and in the picture as a whole, (B, things).
        """
        parts = [p(n(x)) for p, n, x in zip(self.projections, self.norms, features)]
        fine = next(x for x, stride in zip(parts, self.strides) if stride == 8)
        middle = next(x for x, stride in zip(parts, self.strides) if stride == 16)
        coarse = F.avg_pool2d(sum(x for x, s in zip(parts, self.strides) if s == 8), 2)
        for x, stride in zip(parts, self.strides):
            if stride > 8:
                coarse = coarse + _to(x, middle)
        coarse = coarse + self.place(_coordinates(coarse))
        for layer in self.context:
            coarse = layer(coarse)
        y = _to(coarse, fine)
        for x, stride in zip(parts, self.strides):
            y = y + x if stride == 8 else y
        for mix in self.mixing:
            y = mix(y)
        places = coarse.flatten(2).transpose(1, 2)
        words = self.words.expand(len(y), -1, -1)
        for layer in self.attention:
            words = layer(words, places)
        words = self.norm(words)
        weights = self.to_map(words)
        scale = weights.shape[-1] ** -0.5
        maps = torch.einsum("bkc,bchw->bkhw", weights[..., :-1] * scale, y) + weights[..., -1, None, None]
        return maps, self.to_presence(words)[..., 0]


class WordAttention(nn.Module):
    """Words look at the places of a picture: cross-attention, then two linear layers, each added.

    Args:
        channels: of words and places.
        heads: of the attention, a divisor of ``channels``.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_words, self.norm_places = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.to_query, self.to_pair = nn.Linear(channels, channels), nn.Linear(channels, 2 * channels)
        self.from_heads = nn.Linear(channels, channels)
        self.norm_channels = nn.LayerNorm(channels)
        self.widen, self.narrow = nn.Linear(channels, 2 * channels), nn.Linear(2 * channels, channels)

    def forward(self, words: Tensor, places: Tensor) -> Tensor:
        """Words (B, K, C) that have looked at places (B, N, C)."""
        b, k, c = words.shape
        query = self.to_query(self.norm_words(words)).view(b, k, self.heads, -1).transpose(1, 2)
        pair = self.to_pair(self.norm_places(places)).view(b, -1, 2, self.heads, c // self.heads)
        key, value = pair.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(b, k, c)
        words = words + self.from_heads(seen)
        return words + self.narrow(F.gelu(self.widen(self.norm_channels(words))))


class _Mix(nn.Module):
    """Each place with its neighbors: a convolution of each channel, then two 1 x 1 convolutions, added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.norm = nn.GroupNorm(1, width)
        self.widen, self.narrow = nn.Conv2d(width, 2 * width, 1), nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) to the same shape."""
        return x + self.narrow(F.gelu(self.widen(self.norm(self.depthwise(x)))))


def _to(x: Tensor, like: Tensor) -> Tensor:
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _coordinates(x: Tensor) -> Tensor:
    """Down and across in [-1, 1], and their squares, (1, 4, h, w)."""
    h, w = x.shape[-2:]
    down = torch.linspace(-1, 1, h, dtype=x.dtype, device=x.device).view(1, 1, h, 1).expand(1, 1, h, w)
    across = torch.linspace(-1, 1, w, dtype=x.dtype, device=x.device).view(1, 1, 1, w).expand(1, 1, h, w)
    return torch.cat((down, across, down.square(), across.square()), 1)
