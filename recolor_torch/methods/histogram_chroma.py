"""The direct chroma table: the mean chroma of references at each luminance."""

from dataclasses import replace

import torch
from torch import Tensor

from recolor_torch.checks import check_image, check_mask
from recolor_torch.color.histogram import to_levels
from recolor_torch.color.tables import ChromaTable
from recolor_torch.guide import Reference, total_weight
from recolor_torch.methods.histogram_tables import check_counted, match_histograms
from recolor_torch.precision import HALF, in_float32

CHROMA_LEVELS = 256


def fit_chroma_table(references: tuple[Reference, ...], smoothing: float = 8.0) -> ChromaTable:
    """The mean chroma of the references at each luminance, over 256 levels: the direct chroma table.

    Args:
        references: YUV pictures, (B or 1, 3, H', W'); pixels with NaN are not counted.
        smoothing: standard deviation of a Gauss filter over the levels, in levels of 255, that keeps
            rare luminances from taking the chroma of a handful of pixels; 0 turns it off.

    Returns:
        A table of shape (B, 2, 256). Levels that no reference has are interpolated from their neighbours.
    """
    if not references:
        raise ValueError("A chroma table needs at least one reference, got none.")
    total = total_weight(references)
    first, *others = (_chroma_sums(r) * (r.weight / total) for r in references)
    sums = sum(others, start=first)
    if smoothing > 0:
        kernel = _gauss_matrix(CHROMA_LEVELS, smoothing, sums.device)
        sums = torch.stack([one @ kernel for one in sums])  # a product of all rounds by their number
    return ChromaTable(_fill_empty(sums[:, 1:], sums[:, :1]))


def _chroma_sums(reference: Reference) -> Tensor:
    """(B, 3, 256) float64: fraction of the pixels, and their U and V added up, at each level of luminance."""
    image = reference.image
    check_image(image, "reference", channels=3)
    b = image.shape[0]
    level = to_levels(image[:, 0].flatten(1), CHROMA_LEVELS)
    drop = image.isnan().any(1).flatten(1)
    if reference.mask is not None:
        check_mask(reference.mask, "reference mask", image, "its reference")
        drop = drop | (reference.mask.expand(b, -1, -1, -1).flatten(1) <= 0.5)
    level = level.masked_fill(drop, CHROMA_LEVELS)
    rows = CHROMA_LEVELS + 1
    index = (level + rows * torch.arange(b, device=image.device).unsqueeze(1)).flatten()
    count = torch.bincount(index, minlength=b * rows).double()
    chroma = image[:, 1:].nan_to_num(nan=0.0).transpose(0, 1).flatten(1)
    parts = [count, *(torch.bincount(index, weights=c.double(), minlength=b * rows) for c in chroma)]
    sums = torch.stack(parts).view(3, b, rows).transpose(0, 1)[..., :CHROMA_LEVELS]
    check_counted(sums[:, 0].sum(-1))
    return sums / sums[:, :1].sum(-1, keepdim=True)


def _gauss_matrix(n: int, sigma: float, device: torch.device) -> Tensor:
    x = torch.arange(n, dtype=torch.float64, device=device)
    kernel = torch.exp(-0.5 * ((x[:, None] - x) / sigma) ** 2)
    return kernel / kernel.sum(0)


def _fill_empty(sums: Tensor, weight: Tensor) -> Tensor:
    """Means from sums; levels of (nearly) no weight lie on the line between the nearest levels that have some."""
    n = weight.shape[-1]
    full = weight > 1e-9
    mean = torch.where(full, sums / weight.clamp(min=1e-300), 0)
    place = torch.arange(n, device=weight.device).expand_as(full)
    before = torch.where(full, place, -1).cummax(-1).values
    after = n - 1 - torch.where(full.flip(-1), place, -1).cummax(-1).values.flip(-1)
    missing_before, missing_after = before < 0, after >= n
    before, after = torch.where(missing_before, after, before), torch.where(missing_after, before, after)
    before, after = before.clamp(0, n - 1), after.clamp(0, n - 1)
    part = (place - before) / (after - before).clamp(min=1)
    left, right = (mean.gather(-1, index.expand_as(mean)) for index in (before, after))
    return torch.lerp(left, right, part.to(left))


def transfer_chroma(
    image: Tensor,
    references: tuple[Reference, ...],
    mask: Tensor | None = None,
    rank: bool = False,
    smoothing: float = 8.0,
    counted: Tensor | None = None,
) -> Tensor:
    """Give each pixel the mean chroma that the references have at its luminance; luminance stays.

    Args:
        image: YUV, (B, 3, H, W).
        references: YUV pictures of any size.
        mask: pixels that are counted (with ``rank``) and changed.
        rank: look chroma up by rank, that is at the luminance that the target's has after matching
            it to the references', instead of at the luminance itself.
        smoothing: see :func:`fit_chroma_table`.
        counted: pixels that are counted, where those are not the ones that are changed.

    Returns:
        YUV, (B, 3, H, W); it may lie outside the sRGB gamut.
    """
    check_image(image, "image", channels=3)
    if image.dtype in HALF:
        return in_float32(transfer_chroma, image, references, mask, rank, smoothing, counted)
    table = fit_chroma_table(references, smoothing)
    luminance = image[:, :1]
    if rank:
        gray = tuple(replace(r, image=r.image[:, :1]) for r in references)
        luminance = match_histograms(luminance, gray, mask, counted=counted)
    chroma = table.apply(luminance)
    if mask is not None:
        chroma = torch.where(mask > 0.5, chroma, image[:, 1:])
    return torch.cat([image[:, :1], chroma], dim=1)
