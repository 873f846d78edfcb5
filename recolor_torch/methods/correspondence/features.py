"""Descriptors of the locations of gray pictures, by which correspondences are found."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.features import VGG19
from recolor_torch.filters import denoise
from recolor_torch.networks import ColorUNet

LAYERS = ("relu_2", "relu_4", "relu_5")
STRIDE = 4
SEMANTIC_STRIDES = (8, 16, 32)
# Zero padding reaches this far into conv_5; pictures are continued by reflection before it and cut after.
MARGIN = 16
# Pooling windows of the last layer, as shares of the longer side.
WINDOWS = (0.08, 0.2)
# The weight of each block in the score (its square counts), and how many principal components of it are searched: five
# of texture, from VGG-19, and three of meaning, from the encoder at 1/8, 1/16 and 1/32 of the side. Fitted to pairs of
# one scene and of one label; those of one scene are as good without meaning, those of one label gain a tenth.
BLOCK_WEIGHTS = (0.5, 0.7, 1.0, 0.8, 0.55, 0.4, 0.65, 1.05)
BLOCK_SIZES = (12, 24, 40, 24, 16, 16, 24, 36)
# A channel that hardly varies is noise; without a floor it would count as much as the others.
LEAST_DEVIATION = 1e-3
# About this many locations of each picture give the principal components.
PCA_LOCATIONS = 2048
# Share of the trace that is added to the diagonal for the principal components: where all locations look alike (a blank
# page), the products have rank 1, for which LAPACK in float32 fails in one case of five or returns NaN; so in none.
RIDGE = 1e-6


def feature_blocks(network: VGG19, luminance: Tensor) -> list[Tensor]:
    """Features of a gray picture at a stride of 4: conv_2, conv_4, conv_5 and conv_5 over two larger windows.

    Args:
        network: gives ``LAYERS``.
        luminance: (B, 1, H, W) in [0, 1], sides multiples of 4.

    Returns:
        Five tensors (B, C, H/4, W/4), float32.
    """
    height, width = luminance.shape[-2:]
    padded = pad_reflecting(luminance.float(), MARGIN).expand(-1, 3, -1, -1)
    found = network(padded)
    m = MARGIN // STRIDE
    whole = [F.avg_pool2d(found["relu_2"], 4), F.avg_pool2d(found["relu_4"], 2), found["relu_5"]]
    inner = [x[..., m : m + height // STRIDE, m : m + width // STRIDE] for x in whole]
    side = max(height, width) / STRIDE
    return inner + [pool_window(inner[2], 2 * round(side * share / 2) + 1) for share in WINDOWS]


def semantic_blocks(encoder: ColorUNet, luminance: Tensor) -> list[Tensor]:
    """Features of a gray picture that know what is seen, at a stride of 4.

    Args:
        encoder: the colorization network, whose encoder has learned from gray photographs.
        luminance: (B, 1, H, W) in [0, 1], sides multiples of 4.

    Returns:
        Three tensors (B, C, H/4, W/4), float32.
    """
    height, width = luminance.shape[-2:]
    found = []
    for x, stride in zip(encoder.semantics(luminance.float()), SEMANTIC_STRIDES):
        times = stride // STRIDE
        finer = F.interpolate(x, scale_factor=times, mode="bilinear", align_corners=False)
        found.append(finer[..., : height // STRIDE, : width // STRIDE])
    return found


def pad_reflecting(x: Tensor, margin: int) -> Tensor:
    """``x`` continued on all four sides by reflection, as often as it takes for a small picture."""
    if margin < min(x.shape[-2:]):
        return F.pad(x, [margin] * 4, mode="reflect")
    rows, columns = (_reflected(n, margin, x.device) for n in x.shape[-2:])
    return x[..., rows, :][..., columns]


def _reflected(n: int, margin: int, device: torch.device) -> Tensor:
    place = torch.arange(-margin, n + margin, device=device)
    period = max(2 * n - 2, 1)
    place = place % period
    return torch.minimum(place, period - place).clamp(0, n - 1)


def pool_window(x: Tensor, window: int) -> Tensor:
    """Mean over ``window`` x ``window`` (odd) around each location, reflected at the border."""
    x = pad_reflecting(x, window // 2)
    return _running_mean(_running_mean(x, window, 2), window, 3)


def _running_mean(x: Tensor, window: int, dim: int) -> Tensor:
    """Means of ``window`` neighbours along ``dim``, as differences of sums: the window's size costs nothing."""
    sums = torch.cat((torch.zeros_like(x.narrow(dim, 0, 1)), x.cumsum(dim)), dim)
    count = sums.shape[dim] - window
    return (sums.narrow(dim, window, count) - sums.narrow(dim, 0, count)) / window


def make_descriptors(
    target: Iterable[Tensor],
    references: Sequence[Iterable[Tensor]],
    weights: Sequence[float] = BLOCK_WEIGHTS,
    sizes: Sequence[int] = BLOCK_SIZES,
) -> tuple[Tensor, Tensor]:
    """Descriptors whose inner products are the weighted mean of the cosines of the blocks, about.

    Channels are standardised over all pictures of a sample jointly and each block is brought to unit norm, so
    that neither contrast nor the scale of a layer decides. Each block then keeps its main components: the
    search costs a seventh, and where they drop a tenth of a block they drop mostly noise.

    Args:
        target: blocks (B, C, h, w).
        references: the blocks of each reference, (B or 1, C, h', w').
        weights: share of each block.
        sizes: components kept of each block.

    Returns:
        (B, N, D) for the target and (B, M, D) for all references one after another.
    """
    parts_a, parts_b = [], []
    total = sum(w * w for w in weights) ** 0.5
    for weight, size, block, *others in zip(weights, sizes, target, *references):
        a = _locations(block)
        b = torch.cat([_locations(other).expand(len(block), -1, -1) for other in others], 1)
        del block, others
        count = a.shape[1] + b.shape[1]
        mean = (a.sum(1, keepdim=True) + b.sum(1, keepdim=True)) / count
        squares = (a - mean).square().sum(1, keepdim=True) + (b - mean).square().sum(1, keepdim=True)
        scale = 1 / ((squares / count).sqrt() + LEAST_DEVIATION)
        a, b = (F.normalize((x - mean) * scale, dim=2) for x in (a, b))
        basis = _principal(a, b, size)
        parts_a.append(a @ basis * (weight / total))
        parts_b.append(b @ basis * (weight / total))
    return torch.cat(parts_a, 2), torch.cat(parts_b, 2)


def handed_over(blocks: list[Tensor]) -> Iterator[Tensor]:
    """The blocks one after the other; nobody keeps those that were taken."""
    while blocks:
        yield blocks.pop(0)


def _locations(block: Tensor) -> Tensor:
    return block.flatten(2).transpose(1, 2)


@torch.no_grad()
def _principal(a: Tensor, b: Tensor, size: int) -> Tensor:
    """The directions, (B, C, size), in which the vectors are longest: inner products change least without the rest."""
    if size >= a.shape[2]:
        return torch.eye(a.shape[2], dtype=a.dtype, device=a.device).expand(a.shape[0], -1, -1)
    sample = torch.cat([x[:, :: max(1, x.shape[1] // PCA_LOCATIONS)] for x in (a, b)], 1)
    products = sample.transpose(1, 2) @ sample
    # A multiple of the identity leaves eigenvectors as they are.
    trace = products.diagonal(dim1=1, dim2=2).sum(1).view(-1, 1, 1)
    products = products + RIDGE * trace * torch.eye(a.shape[2], dtype=a.dtype, device=a.device)
    return torch.linalg.eigh(products).eigenvectors[..., -size:]


def searched_picture(yuv: Tensor, side: int) -> Tensor:
    """A picture at its working size, its luminance without grain: that is what the features see.

    Args:
        yuv: (B, C, H, W), luminance first.
        side: longer side in pixels.
    """
    small = side < max(yuv.shape[-2:])
    # Enlarged grain is no longer white, so it is taken off before a picture is enlarged, and after it is reduced.
    found = working_picture(yuv if small else _without_grain(yuv), side)
    return _without_grain(found) if small else found


def _without_grain(yuv: Tensor) -> Tensor:
    return torch.cat((denoise(yuv[:, :1].clamp(0, 1)), yuv[:, 1:]), 1)


def working_picture(yuv: Tensor, side: int) -> Tensor:
    """A picture at the size at which it is searched: longer side at most ``side``, small ones enlarged twice.

    Args:
        yuv: (B, C, H, W).
        side: longer side in pixels.

    Returns:
        (B, C, H', W'), both sides multiples of 4.
    """
    height, width = yuv.shape[-2:]
    scale = min(side, 2 * max(height, width)) / max(height, width)
    size = [max(STRIDE, STRIDE * round(n * scale / STRIDE)) for n in (height, width)]
    if list(yuv.shape[-2:]) == size:
        return yuv
    return F.interpolate(yuv, size=size, mode="bicubic", align_corners=False, antialias=True)
