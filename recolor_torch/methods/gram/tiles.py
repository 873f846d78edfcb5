"""The objective of Gram transfer tile by tile: memory for the network does not grow with the picture."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from recolor_torch.features import VGG19, layer_depth, layer_name
from recolor_torch.features.layers import POOLED_AFTER
from recolor_torch.guide import Reference
from recolor_torch.losses.style import apply_gram_gradient, gram_sum
from recolor_torch.methods.gram.objective import (
    Evaluation,
    Grams,
    LossWeights,
    layer_stride,
    network_precision,
    picture_terms,
    shrink_mask,
    wanted_grams,
)
from recolor_torch.precision import exact_convolutions

Span = tuple[int, int]


class Tile(NamedTuple):
    """A part of a picture: ``inner`` is its own, ``crop`` has what its features depend on. Rows, then columns."""

    inner: tuple[Span, Span]
    crop: tuple[Span, Span]
    size: tuple[int, int]

    def cut(self, picture: Tensor) -> Tensor:
        """The crop of a picture."""
        (top, bottom), (left, right) = self.crop
        return picture[..., top:bottom, left:right]

    def own(self, features: Tensor, name: str) -> Tensor:
        """The features of a layer, computed on the crop, that are the tile's own."""
        stride = layer_stride(name)
        parts = []
        for (start, stop), (low, _), size, length in zip(self.inner, self.crop, self.size, features.shape[-2:]):
            parts.append(slice((start - low) // stride, length if stop == size else (stop - low) // stride))
        return features[..., parts[0], parts[1]]


def reach(names: list[str]) -> int:
    """How far, in pixels, the features of these layers look, rounded up to whole positions."""
    depth, known = max(layer_depth(name) for name in names), {layer_name(name) for name in names}
    convolutions = sum(layer_stride(f"conv_{k}") for k in range(1, depth + 1))
    poolings = sum(layer_stride(f"conv_{k}") for k in POOLED_AFTER if k < depth or f"pool_{k + 1}" in known)
    grid = max(layer_stride(name) for name in names)
    return -(-(convolutions + poolings) // grid) * grid


def cut_tiles(height: int, width: int, names: list[str], side: int) -> Iterator[Tile]:
    """The tiles of a picture, with at least the reach of the layers around each."""
    around, grid = reach(names), max(layer_stride(name) for name in names)
    side = max(grid, side // grid * grid)

    def spans(length: int) -> list[Span]:
        # What is left at the end joins the last tile: a strip of a few pixels has no features of its own.
        starts = list(range(0, max(length - side // 2, 1), side))
        return list(zip(starts, [*starts[1:], length]))

    def widen(span: Span, length: int) -> Span:
        return max(0, span[0] - around), min(length, span[1] + around)

    for rows in spans(height):
        for columns in spans(width):
            yield Tile((rows, columns), (widen(rows, height), widen(columns, width)), (height, width))


def tiled_grams(
    vgg: VGG19, image: Tensor, names: list[str], side: int, mask: Tensor | None = None, low_precision: bool = False
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gram matrices of a picture by layer, summed up over its tiles, and the counts they were divided by.

    Args:
        vgg: the network.
        image: sRGB, (1, 3, H, W).
        names: layers.
        side: of the tiles, in pixels.
        mask: pixels that count, (1, 1, H, W).
        low_precision: convolutions in bfloat16.
    """
    sums: dict[str, Tensor] = {}
    counts: dict[str, Tensor] = {}
    with torch.no_grad():
        for tile in cut_tiles(image.shape[-2], image.shape[-1], list(vgg.layers), side):
            with network_precision(image, low_precision):
                features = vgg(tile.cut(image))
            for name in names:
                own = tile.own(features[name], name)
                part = None if mask is None else tile.own(shrink_mask(tile.cut(mask), name), name)
                total = gram_sum(own, part)
                positions = own.shape[-2] * own.shape[-1] if part is None else part.sum()
                count = torch.as_tensor(own.shape[1] * positions, dtype=total.dtype, device=total.device)
                sums[name] = total if name not in sums else sums[name] + total
                counts[name] = count if name not in counts else counts[name] + count
    return {name: x / counts[name].clamp_min(1e-12) for name, x in sums.items()}, counts


class TiledObjective:
    """``GramObjective`` for pictures whose features do not fit into memory: equal to rounding, at 1.5 times the work.

    A first pass over the tiles adds up the Gram matrices; their differences to those wanted are then what a second
    pass needs to give each tile its part of the gradient. Kept are the content features of the target.

    Args:
        vgg, target, references, weights, mask, low_precision: as for ``GramObjective``.
        side: of the tiles, in pixels.
    """

    @exact_convolutions()
    def __init__(
        self,
        vgg: VGG19,
        target: Tensor,
        references: tuple[Reference, ...],
        weights: LossWeights,
        mask: Tensor | None = None,
        low_precision: bool = False,
        side: int = 512,
    ) -> None:
        self.vgg, self.target, self.weights, self.mask = vgg, target, weights, mask
        self.low_precision, self.side = low_precision, side
        self.style = [name for name, w in weights.style.items() if w]
        self.grams = wanted_grams(self._grams, target, references, weights.match, mask)
        self.tiles = list(cut_tiles(target.shape[-2], target.shape[-1], list(vgg.layers), side))
        content = [name for name, w in weights.content.items() if w]
        self.content: list[dict[str, Tensor]] = []
        with torch.no_grad():
            for tile in self.tiles:
                features = vgg(tile.cut(target)) if content else {}
                self.content.append({name: tile.own(features[name], name).clone() for name in content})
        self._sizes = {name: sum(tile[name].numel() for tile in self.content) for name in content}

    def _grams(self, image: Tensor, mask: Tensor | None) -> Grams:
        return tiled_grams(self.vgg, image, self.style, self.side, mask)[0]

    @exact_convolutions()
    def evaluate(self, image: Tensor, low_precision: bool | None = None) -> Evaluation:
        """Losses of ``image``, sRGB, (1, 3, H, W), and their gradient."""
        low = self.low_precision if low_precision is None else low_precision
        image = image.detach()
        terms, matrices = self._style(image, low)
        gradient = torch.zeros_like(image)
        sums = {name: image.new_zeros(()) for name in self._sizes}
        for tile, content in zip(self.tiles, self.content):
            with torch.enable_grad():
                crop = tile.cut(image).clone().requires_grad_()
                with network_precision(image, low):
                    features = self.vgg(crop)
                own = {name: tile.own(x, name) for name, x in features.items()}
            pulls = self._pulls(tile, own, matrices, content, sums)
            (part,) = torch.autograd.grad([own[n] for n in pulls], crop, list(pulls.values()))
            tile.cut(gradient).add_(part)
        terms |= {f"content/{name}": x for name, x in sums.items()}
        gradient = gradient + self._of_picture(image, terms)
        return Evaluation(terms, gradient if self.mask is None else gradient * self.mask)

    def _style(self, image: Tensor, low: bool) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Style losses, and the matrix by which each layer's features are multiplied for their gradient."""
        terms, matrices = {}, {}
        grams, counts = tiled_grams(self.vgg, image, self.style, self.side, self.mask, low)
        for name in self.style:
            gap, scale = grams[name] - self.grams[name], (self.weights.style[name] / grams[name].shape[1]) ** 2
            terms[f"style/{name}"] = gap.square().sum() * scale
            matrices[name] = gap * (4 * scale / counts[name].clamp_min(1e-12))
        return terms, matrices

    def _pulls(
        self,
        tile: Tile,
        own: dict[str, Tensor],
        matrices: dict[str, Tensor],
        content: dict[str, Tensor],
        sums: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """The gradient of all losses in each layer's own features; content losses are added to ``sums``."""
        pulls: dict[str, Tensor] = {}
        for name, features in own.items():
            x = features.detach()
            if name in matrices:
                mask = None if self.mask is None else tile.own(shrink_mask(tile.cut(self.mask), name), name)
                pulls[name] = apply_gram_gradient(x, matrices[name], mask)
            if name in content:
                gap, scale = (
                    x.to(content[name].dtype) - content[name],
                    self.weights.content[name] ** 2 / self._sizes[name],
                )
                sums[name] += gap.square().sum() * scale
                pull = (gap * (2 * scale)).to(x.dtype)
                pulls[name] = pulls[name] + pull if name in pulls else pull
        return pulls

    def _of_picture(self, image: Tensor, terms: dict[str, Tensor]) -> Tensor:
        """The gradient of the losses that need no network, which are added to ``terms``."""
        with torch.enable_grad():
            image = image.clone().requires_grad_()
            own = picture_terms(image, self.target, self.weights)
            if not own:
                return torch.zeros_like(image)
            (gradient,) = torch.autograd.grad(torch.stack(list(own.values())).sum(), image)
        terms |= {name: loss.detach() for name, loss in own.items()}
        return gradient
