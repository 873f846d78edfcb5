"""What Gram transfer starts from, and how references are prepared for it."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_choice, check_image
from recolor_torch.color import rgb_to_luminance, rgb_to_yuv, yuv_to_rgb
from recolor_torch.filters import gauss_filter
from recolor_torch.guide import Reference
from recolor_torch.methods.histogram_chroma import transfer_chroma
from recolor_torch.methods.histogram_tables import match_histograms
from recolor_torch.methods.wavelet import place_references

Start = Literal["target", "source", "average", "noise", "rank-colour"]
STARTS: tuple[Start, ...] = ("target", "source", "average", "noise", "rank-colour")
Preparation = Literal["none", "shuffle", "blur"]
PREPARATIONS: tuple[Preparation, ...] = ("none", "shuffle", "blur")


def start_picture(start: Start, target: Tensor, references: tuple[Reference, ...], seed: int = 0) -> Tensor:
    """The picture that the optimisation starts from.

    Args:
        start: ``target``; ``source`` (the references, resized and averaged); ``average`` of both (the report;
            it leaves a ghost of the source); uniform ``noise``; or ``rank-colour``, which gives each pixel the mean
            color that the references have at its rank of luminance, and so takes no place from them.
        target: sRGB, (1, 3, H, W).
        references: sRGB pictures of any size.
        seed: of the noise.

    Returns:
        sRGB, (1, 3, H, W), in [0, 1].
    """
    check_image(target, "target", channels=3)
    check_choice(start, "start", STARTS)
    if start == "target":
        return target.clamp(0, 1)
    if start == "noise":
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(target.shape, generator=generator).to(target)
    if start == "rank-colour":
        return place_by_rank(target, references)
    source = place_references(target, references).clamp(0, 1)
    return source if start == "source" else (source + target.clamp(0, 1)) / 2


def place_by_rank(target: Tensor, references: tuple[Reference, ...]) -> Tensor:
    """The luminance and the mean chroma that the references have at the target's ranks of luminance."""
    yuv = tuple(replace(r, image=rgb_to_yuv(r.image)) for r in references)
    gray = tuple(replace(r, image=r.image[:, :1]) for r in yuv)
    matched = match_histograms(rgb_to_luminance(target), gray)
    return yuv_to_rgb(transfer_chroma(matched.expand(-1, 3, -1, -1), yuv)).clamp(0, 1)


def fit_reference(reference: Reference, pixels: int) -> Reference:
    """The reference with about this many pixels, in its own proportions; a smaller one stays as it is."""
    height, width = reference.image.shape[-2:]
    scale = (pixels / (height * width)) ** 0.5
    if scale >= 1:
        return reference
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    mask = None if reference.mask is None else F.interpolate(reference.mask, size, mode="area")
    image = F.interpolate(reference.image, size, mode="bicubic", align_corners=False, antialias=True)
    return replace(reference, image=image.clamp(0, 1), mask=mask)


def prepare_reference(image: Tensor, how: Preparation, size: int, seed: int = 0) -> Tensor:
    """A reference without what it shows, for its style alone (report, future work).

    Args:
        image: sRGB, (1, 3, H, W).
        how: ``shuffle`` puts square patches in a random order, ``blur`` applies a Gauss filter, ``none`` neither.
        size: side of the patches, or three standard deviations of the filter, in pixels.
        seed: of the order.

    Returns:
        sRGB; ``shuffle`` cuts what is left of the last patch of a row or column.
    """
    check_choice(how, "preparation", PREPARATIONS)
    if how == "none":
        return image
    if how == "blur":
        return gauss_filter(image, radius=size, beta=4.5 / size**2)
    size = min(size, *image.shape[-2:])
    rows, columns = image.shape[-2] // size, image.shape[-1] // size
    patches = image[..., : rows * size, : columns * size].unflatten(-1, (columns, size)).unflatten(-3, (rows, size))
    patches = patches.permute(2, 4, 0, 1, 3, 5).flatten(0, 1)  # (patch, 1, 3, size, size)
    order = torch.randperm(rows * columns, generator=torch.Generator().manual_seed(seed)).to(image.device)
    patches = patches[order].unflatten(0, (rows, columns)).permute(2, 3, 0, 4, 1, 5)
    return patches.flatten(4, 5).flatten(2, 3)
