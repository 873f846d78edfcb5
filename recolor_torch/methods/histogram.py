"""Histogram transfer: look-up tables in RGB, YUV and Lab, and the direct chroma table."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from recolor_torch.checks import check_batch, check_choice, check_image, check_mask
from recolor_torch.color import fit_gamut, from_rgb, rgb_to_luminance, rgb_to_yuv, to_rgb
from recolor_torch.color.histogram import histogram, level_count, to_levels
from recolor_torch.color.tables import ChromaTable, LookUpTable
from recolor_torch.filters import edge_free, edge_probability
from recolor_torch.guide import Guide, Reference, total_weight
from recolor_torch.methods.base import Recolorizer, Table
from recolor_torch.methods.histogram_soft import match_histograms_soft
from recolor_torch.precision import HALF, in_float32
from recolor_torch.strips import Rows, strips

CHROMA_LEVELS = 256
Restore = Literal["report", "gamut"]


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
    _check_counted(torch.stack([c[..., -1].amin() for c in counts]))
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


def _check_counted(counts: Tensor) -> None:
    """Raise where a reference has no pixel that counts: its colors are not known, and black is not among them."""
    if not bool((counts > 0).all()):
        raise ValueError("reference has no pixel that counts: its mask leaves none, or all of them are NaN.")


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


def match_in_space(
    image: Tensor,
    references: tuple[Reference, ...],
    space: Literal["yuv", "lab"],
    mask: Tensor | None = None,
    restore: Restore = "report",
    counted: Tensor | None = None,
) -> Tensor:
    """Match R, G, B first, then the three channels of ``space`` (report, 2.1.3), and come back to sRGB.

    RGB goes first because a gray picture has no chroma to match: its U and V are one level.

    Args:
        image: sRGB, (B, 3, H, W), [0, 1].
        references: sRGB pictures of any size.
        space: ``yuv`` (the report's) or ``lab``.
        mask: pixels that are counted and changed.
        restore: how values outside the gamut come back. ``report`` shifts and scales each channel
            over the whole picture (less its minimum where that is negative, divided by its maximum
            where that exceeds 1); ``gamut`` scales chroma down pixel by pixel and keeps luminance.
        counted: pixels that are counted, where those are not the ones that are changed.

    Returns:
        sRGB, (B, 3, H, W), in [0, 1].
    """
    if image.dtype in HALF:
        return in_float32(match_in_space, image, references, space, mask, restore, counted)
    first = match_histograms(image, references, mask, counted=counted)
    pictures = tuple(replace(r, image=_to_unit(from_rgb(r.image, space), space)) for r in references)
    unit = match_histograms(_to_unit(from_rgb(first, space), space), pictures, mask, counted=counted)
    matched = to_rgb(_from_unit(unit, space), space)
    restored = restore_range(matched) if restore == "report" else _restore_gamut(matched)
    return restored if mask is None else torch.where(mask > 0.5, restored, image)


def restore_range(image: Tensor) -> Tensor:
    """The report's return to [0, 1], per sample and channel: lift by the minimum where it is negative,
    then divide by the maximum where it exceeds 1. (Its listing tests G where it means B.)

    Args:
        image: (B, C, H, W).

    Returns:
        The same shape, in [0, 1].
    """
    low = image.amin((-2, -1), keepdim=True).clamp(max=0)
    lifted = image - low
    return lifted / lifted.amax((-2, -1), keepdim=True).clamp(min=1)


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
        sums = sums @ _gauss_matrix(CHROMA_LEVELS, smoothing, sums.device)
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
    _check_counted(sums[:, 0].sum(-1))
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


def _to_unit(image: Tensor, space: str) -> Tensor:
    scale, shift = _unit_range(image, space)
    return image * scale + shift


def _from_unit(image: Tensor, space: str) -> Tensor:
    scale, shift = _unit_range(image, space)
    return (image - shift) / scale


def _unit_range(like: Tensor, space: str) -> tuple[Tensor, Tensor]:
    if space == "yuv":
        scale, shift = (1.0, 1.0, 1.0), (0.0, 0.5, 0.5)
    else:
        scale, shift = (1 / 100, 1 / 255, 1 / 255), (0.0, 128 / 255, 128 / 255)
    return tuple(torch.tensor(v, dtype=like.dtype, device=like.device).view(1, 3, 1, 1) for v in (scale, shift))  # type: ignore[return-value]


def _restore_gamut(image: Tensor) -> Tensor:
    yuv = rgb_to_yuv(image)
    return fit_gamut(yuv[:, :1], yuv[:, 1:])


def _count(rows: Rows, full: tuple[int, int], mask: Rows | None, channels: int) -> Tensor:
    """The histogram of a picture that comes in rows, of its first channels."""
    counts: Tensor | None = None
    for top, bottom in strips(*full):
        part = rows(top, bottom)[:, :channels]
        found = histogram(part, None, None if mask is None else mask(top, bottom))
        counts = found if counts is None else counts + found
    assert counts is not None
    return counts


class HistogramTransfer(Recolorizer):
    """Colour by histogram from one or more references: instant, no weights needed.

    Args:
        mode: ``chroma`` gives each luminance the mean chroma that the references have there (the
            direct chroma table, the most accurate of the four on real pairs); ``rgb`` is the
            report's look-up table in each channel; ``yuv`` and ``lab`` match RGB first, then the
            channels of that space; ``soft`` is ``rgb`` with gradients.
        rank: with ``chroma``, look chroma up by the rank of a luminance instead of its value; for
            pictures of very different exposure.
        smoothing: with ``chroma``, width of the Gauss filter over the table, in levels of 255.
        restore: with ``yuv`` and ``lab``, how colours outside the gamut come back: ``report`` scales
            each channel over the whole picture, ``gamut`` reduces chroma pixel by pixel.
        edge_threshold: leave pixels whose edge probability is at least this out of the statistics of
            target and references (report, 2.3), as 0.2; all pixels count without it.
    """

    needs = ("reference",)
    bytes_per_pixel = 32

    def __init__(
        self,
        mode: Literal["chroma", "rgb", "yuv", "lab", "soft"] = "chroma",
        rank: bool = False,
        smoothing: float = 8.0,
        restore: Restore = "report",
        edge_threshold: float | None = None,
    ) -> None:
        super().__init__()
        check_choice(mode, "mode", ("chroma", "rgb", "yuv", "lab", "soft"))
        check_choice(restore, "restore", ("report", "gamut"))
        if smoothing < 0:
            raise ValueError(f"smoothing must be 0 or more, got {smoothing}.")
        if edge_threshold is not None and not 0 < edge_threshold <= 1:
            raise ValueError(f"edge_threshold must be in (0, 1], got {edge_threshold}.")
        self.mode, self.rank, self.smoothing, self.restore = mode, rank, smoothing, restore
        self.edge_threshold = edge_threshold
        self.space = "yuv" if mode == "chroma" else "rgb"

    def forward(self, image: Tensor, guide: Guide) -> Tensor:
        """Transfer the colours of ``guide.references`` to ``image``, (B, 3, H, W), in ``space``."""
        self.require(guide)
        mask, references, counted = guide.target_mask, guide.references, None
        if self.edge_threshold is not None:
            references = tuple(replace(r, mask=self._edge_free(r.image, r.mask)) for r in references)
            counted = self._edge_free(image, mask)
        if self.keep_stages:
            self.stages["table.cube"] = self._cube(image, references, counted)
        if self.mode == "chroma":
            return transfer_chroma(image, references, mask, self.rank, self.smoothing, counted)
        if self.mode == "rgb":
            return match_histograms(image, references, mask, counted=counted)
        if self.mode == "soft":
            return match_histograms_soft(image, references, mask if counted is None else counted)
        return match_in_space(image, references, self.mode, mask, self.restore, counted)

    def table(self, rows: Rows, full: tuple[int, int], guide: Guide, mask: Rows | None) -> Table | None:
        """The chroma table, and the look-up table in RGB; the other modes look at pixels together."""
        self.require(guide)
        if self.edge_threshold is not None or self.keep_stages or self.mode not in ("chroma", "rgb"):
            return None
        references = guide.references
        if self.mode == "rgb":
            lookup = fit_table_to_counts(_count(rows, full, mask, 3), references)

            def match(image: Tensor, where: Tensor | None) -> Tensor:
                matched = lookup.apply(image)
                return matched if where is None else torch.where(where > 0.5, matched, image)

            return match
        chroma_table = fit_chroma_table(references, self.smoothing)
        ranks: LookUpTable | None = None
        if self.rank:
            gray = tuple(replace(r, image=r.image[:, :1]) for r in references)
            ranks = fit_table_to_counts(_count(rows, full, mask, 1), gray)

        def color(image: Tensor, where: Tensor | None) -> Tensor:
            luminance = image[:, :1]
            known = luminance if ranks is None else ranks.apply(luminance)
            if where is not None and ranks is not None:
                known = torch.where(where > 0.5, known, luminance)
            chroma = chroma_table.apply(known)
            if where is not None:
                chroma = torch.where(where > 0.5, chroma, image[:, 1:])
            return torch.cat([luminance, chroma], dim=1)

        return color

    def _edge_free(self, image: Tensor, mask: Tensor | None) -> Tensor:
        """The pixels of ``mask`` that lie on no edge."""
        assert self.edge_threshold is not None
        luminance = image[:, :1] if self.space == "yuv" else rgb_to_luminance(image)
        free = edge_free(edge_probability(luminance), self.edge_threshold)
        return free if mask is None else free * (mask > 0.5)

    def _cube(self, image: Tensor, references: tuple[Reference, ...], counted: Tensor | None) -> str:
        """The table that colours the first of this batch, as a ``.cube`` file; of ``yuv`` and ``lab`` the RGB part."""
        if self.mode == "chroma":
            return ChromaTable(fit_chroma_table(references, self.smoothing).values[:1]).to_cube()
        table = fit_lookup_table(image, references, counted, levels=1024)
        return LookUpTable(table.values[:1]).to_cube()
