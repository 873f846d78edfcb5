"""The report's look-up table: a picture gets the histogram of its references."""

import torch
from torch import Tensor

from recolor_torch.checks import check_batch, require_all
from recolor_torch.color.histogram import histogram, level_count
from recolor_torch.color.tables import LookUpTable
from recolor_torch.guide import Reference, total_weight
from recolor_torch.precision import HALF, in_float32


def fit_lookup_table(
    image: Tensor, references: tuple[Reference, ...], mask: Tensor | None = None, levels: int | None = None
) -> LookUpTable:
    r"""The monotonic table that gives ``image`` the histogram of the references (report, 2.1.2).

    .. math:: \mathrm{LUT}[i] = \min \{ j : F_\mathrm{ref}(j) \ge F_\mathrm{image}(i) \}

    with F the cumulative histogram as a fraction of the pixels. (The report's text swaps the two
    names.) With one reference the comparison is made in integers and is exact; with several, F is
    the weighted mean of theirs, in float64.

    Args:
        image: (B, C, H, W), float in [0, 1], uint8 or uint16; NaN is not counted.
        references: pictures of any size with as many channels and the dtype kind of ``image``.
        mask: pixels of ``image`` that count, (B or 1, 1, H, W).
        levels: levels of the table; 256 for uint8, else 65,536.

    Returns:
        A table of shape (B, C, levels), float64.

    Raises:
        ValueError: there is no reference, a shape is wrong, or the weights are not positive.
    """
    if not references:
        raise ValueError("A look-up table needs at least one reference, got none.")
    for r in references:
        _check_reference(r.image, image)
    levels = level_count(image) if levels is None else levels
    return fit_table_to_counts(histogram(image, levels, mask), references)


def fit_table_to_counts(counted: Tensor, references: tuple[Reference, ...]) -> LookUpTable:
    """``fit_lookup_table`` for a picture that is known by the counts of its levels, (B, C, levels)."""
    levels = counted.shape[-1]
    target = counted.cumsum(-1)
    total = total_weight(references)
    counts = [histogram(r.image, levels, r.mask).cumsum(-1) for r in references]
    check_counted(torch.stack([c[..., -1].amin() for c in counts]))
    if len(counts) == 1:
        source = counts[0].expand_as(target)
        # F_ref(j) >= F_image(i), cross-multiplied: n^2 stays far below 2^63.
        index = torch.searchsorted(source * target[..., -1:], target * source[..., -1:])
    else:
        fractions = [c.double() / c[..., -1:].clamp(min=1) * (r.weight / total) for c, r in zip(counts, references)]
        wanted = target.double() / target[..., -1:].clamp(min=1)
        summed = torch.stack([f.expand_as(wanted) for f in fractions]).sum(0)
        # The sum of the weights may miss 1 by rounding; a fraction counts as reached within 1e-12.
        index = torch.searchsorted((summed + 1e-12).contiguous(), wanted.contiguous())
    # Where no pixel of the image counts there is nothing to go by: the table changes nothing.
    index = torch.where(target[..., -1:] > 0, index, torch.arange(levels, device=index.device))
    return LookUpTable(index.clamp_(max=levels - 1).double() / (levels - 1))


def _check_reference(reference: Tensor, image: Tensor) -> None:
    check_batch(reference, "reference", image)
    if reference.ndim != 4 or reference.shape[1] != image.shape[1]:
        wanted, got = (tuple(x.shape) for x in (image, reference))
        raise ValueError(f"reference must have as many channels as image, {wanted[1]}, got the shape {got}.")
    if reference.dtype != image.dtype and not (reference.is_floating_point() and image.is_floating_point()):
        raise ValueError(f"reference must be of the type of image, {image.dtype}, got {reference.dtype}.")


def check_counted(counts: Tensor) -> None:
    """Raise where a reference has no pixel that counts: its colors are not known, and black is not among them."""
    require_all(counts > 0, "reference has no pixel that counts: its mask leaves none, or all of them are NaN.")


def match_histograms(
    image: Tensor,
    references: tuple[Reference, ...] | Tensor,
    mask: Tensor | None = None,
    levels: int | None = None,
    counted: Tensor | None = None,
) -> Tensor:
    """Give each channel of ``image`` the histogram of the references: the report's look-up table.

    The formula is stated in :func:`fit_lookup_table`. Floats go through 65,536 levels, which moves a
    value by at most 1/131,070 before the table.

    Args:
        image: (B, C, H, W), float in [0, 1], uint8 or uint16; NaN stays NaN.
        references: a picture (B or 1, C, H', W'), or several with masks and weights.
        mask: pixels that are counted and changed, (B or 1, 1, H, W); the others are returned as they are.
        levels: levels of the table; 256 for uint8, else 65,536.
        counted: pixels that are counted, where those are not the ones that are changed.

    Returns:
        The shape and dtype of ``image``.

    Example:
        >>> x = torch.tensor([0.0, 0.0, 0.2, 0.4]).view(1, 1, 1, 4)
        >>> match_histograms(x, 1 - x).flatten()
        tensor([0.8000, 0.8000, 1.0000, 1.0000])
    """
    if isinstance(references, Tensor):
        references = (Reference(references),)
    if image.dtype in HALF:
        return in_float32(match_histograms, image, references, mask, levels, counted)
    matched = fit_lookup_table(image, references, mask if counted is None else counted, levels).apply(image)
    return matched if mask is None else torch.where(mask > 0.5, matched, image)
