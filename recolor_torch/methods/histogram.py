"""Histogram transfer: look-up tables in RGB, YUV and Lab, and the direct chroma table."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from recolor_torch.checks import check_choice
from recolor_torch.color import fit_gamut, from_rgb, rgb_to_luminance, rgb_to_yuv, to_rgb
from recolor_torch.color.histogram import histogram
from recolor_torch.color.tables import ChromaTable, LookUpTable
from recolor_torch.filters import edge_free, edge_probability
from recolor_torch.guide import Guide, Reference
from recolor_torch.kept import Kept
from recolor_torch.methods.base import Recolorizer, Table
from recolor_torch.methods.color_maps import KINDS, Kind, apply_map, fit_map, lab_cube
from recolor_torch.methods.histogram_chroma import fit_chroma_table, transfer_chroma
from recolor_torch.methods.histogram_soft import match_histograms_soft
from recolor_torch.methods.histogram_tables import fit_lookup_table, fit_table_to_counts, match_histograms
from recolor_torch.precision import HALF, in_float32
from recolor_torch.strips import Rows, strips

Restore = Literal["report", "gamut"]
Mode = Literal["auto", "chroma", "rgb", "yuv", "lab", "soft", "moments", "monge", "sliced"]
# The map of a mode that is one.
MAP_OF: dict[str, Kind] = {kind: kind for kind in KINDS}
MODES = ("auto", "chroma", "rgb", "yuv", "lab", "soft", *KINDS)
# Largest difference of R, G and B in a picture that is called gray: half of an 8-bit level.
_GRAY = 0.5 / 255


def match_in_space(
    image: Tensor,
    references: tuple[Reference, ...],
    space: Literal["yuv", "lab"],
    mask: Tensor | None = None,
    restore: Restore = "report",
    counted: Tensor | None = None,
) -> Tensor:
    """Match R, G, B first, then the three channels of ``space`` (report, 2.1.3), and come back to sRGB.

    RGB goes first because a gray picture has no chroma to match: its U and V are one level. Float32 is widened to
    float64 where the device has it, and pictures are taken at the nearest of 65,536 levels: ties of a level are common
    in Y, and a pixel that falls to its other side moves by a step of the table, some 8-bit levels where it is steep.

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
    if image.dtype == torch.float32 and image.device.type != "mps":
        wide = tuple(replace(r, image=r.image.double()) for r in references)
        return match_in_space(image.double(), wide, space, mask, restore, counted).float()
    first = match_histograms(image, references, mask, counted=counted)
    pictures = tuple(replace(r, image=_to_unit(from_rgb(_at_levels(r.image), space), space)) for r in references)
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


def _at_levels(image: Tensor) -> Tensor:
    """Floats at the nearest level; others as they are."""
    return (image * 65535).round() / 65535 if image.is_floating_point() else image


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


def _is_gray(image: Tensor) -> Tensor:
    """Which pictures of an sRGB batch have no color, (B, 1, 1, 1); pixels with NaN do not count."""
    return ((image.amax(1) - image.amin(1)).nan_to_num(nan=0).flatten(1).amax(1) <= _GRAY).view(-1, 1, 1, 1)


class HistogramTransfer(Recolorizer):
    """Color by histogram from one or more references: instant, no weights needed.

    Args:
        mode: ``auto`` is ``chroma`` for gray targets and ``monge`` for colored ones. ``chroma`` gives
            each luminance the mean chroma that the references have there (the direct chroma table,
            the most accurate on real pairs); ``rgb`` is the report's look-up table in each channel;
            ``yuv`` and ``lab`` match RGB first, then the channels of that space; ``soft`` is ``rgb``
            with gradients. Color to color, for ``--target color``, are smooth maps in Lab:
            ``moments`` (mean and spread of each channel, Reinhard et al.), ``monge`` (the linear
            Monge-Kantorovich map, Pitie and Kokaram) and ``sliced`` (the whole distribution, axis by
            axis in many rotations).
        rank: with ``chroma``, look chroma up by the rank of a luminance instead of its value; for
            pictures of very different exposure.
        smoothing: with ``chroma``, width of the Gauss filter over the table, in levels of 255.
        restore: with ``yuv`` and ``lab``, how colors outside the gamut come back: ``report`` scales
            each channel over the whole picture, ``gamut`` reduces chroma pixel by pixel.
        edge_threshold: leave pixels whose edge probability is at least this out of the statistics of
            target and references (report, 2.3), as 0.2; all pixels count without it.
    """

    needs = ("reference",)
    bytes_per_pixel = 32

    def __init__(
        self,
        mode: Mode = "auto",
        rank: bool = False,
        smoothing: float = 8.0,
        restore: Restore = "report",
        edge_threshold: float | None = None,
    ) -> None:
        super().__init__()
        check_choice(mode, "mode", MODES)
        check_choice(restore, "restore", ("report", "gamut"))
        if smoothing < 0:
            raise ValueError(f"smoothing must be 0 or more, got {smoothing}.")
        if edge_threshold is not None and not 0 < edge_threshold <= 1:
            raise ValueError(f"edge_threshold must be in (0, 1], got {edge_threshold}.")
        self.mode, self.rank, self.smoothing, self.restore = mode, rank, smoothing, restore
        self.edge_threshold = edge_threshold
        # The chroma table of the references that were read last: most pictures of a run have the same ones.
        self._fitted: Kept[ChromaTable] = Kept()
        self.space = "yuv" if mode == "chroma" else "rgb"
        # Counts, tables and linear maps: nothing rounds by the size of the batch, and references are counted once.
        self.whole_batches = mode in ("chroma", "rgb", "yuv")

    def forward(self, image: Tensor, guide: Guide) -> Tensor:
        """Transfer the colors of ``guide.references`` to ``image``, (B, 3, H, W), in ``space``."""
        self.require(guide)
        mask, references, counted = guide.target_mask, guide.references, None
        if self.edge_threshold is not None:
            references = tuple(replace(r, mask=self._edge_free(r.image, r.mask)) for r in references)
            counted = self._edge_free(image, mask)
        gray = _is_gray(image)
        modes: list[Mode] = [self.mode]
        if self.mode == "auto":
            both: tuple[tuple[Mode, Tensor], ...] = (("chroma", gray.any()), ("monge", (~gray).any()))
            # A graph cannot ask what pictures there are: it makes both and takes one.
            modes = [mode for mode, there in both if torch.compiler.is_compiling() or there]
        if self.keep_stages:
            self.stages["table.cube"] = self._cube(modes[0], image, references, counted)
        results = [self._by(mode, image, references, mask, counted) for mode in modes]
        return results[0] if len(results) == 1 else torch.where(gray, results[0], results[1])

    def _by(
        self,
        mode: Mode,
        image: Tensor,
        references: tuple[Reference, ...],
        mask: Tensor | None,
        counted: Tensor | None,
    ) -> Tensor:
        """The result of one mode; statistics are taken where ``counted`` is over one half."""
        if mode == "chroma":
            return self._by_chroma(image, references, mask, counted)
        if mode == "rgb":
            return match_histograms(image, references, mask, counted=counted)
        if mode == "soft":
            return match_histograms_soft(image, references, mask if counted is None else counted)
        if mode == "yuv" or mode == "lab":
            return match_in_space(image, references, mode, mask, self.restore, counted)
        color_map = fit_map(image, references, MAP_OF[mode], mask if counted is None else counted)
        return apply_map(image, color_map, mask)

    def _by_chroma(
        self, image: Tensor, references: tuple[Reference, ...], mask: Tensor | None, counted: Tensor | None
    ) -> Tensor:
        """``transfer_chroma`` in the space of this method."""
        if self.space == "yuv":
            return transfer_chroma(image, references, mask, self.rank, self.smoothing, counted)
        yuv, pictures = from_rgb(image, "yuv"), self._in_yuv(references)
        return to_rgb(transfer_chroma(yuv, pictures, mask, self.rank, self.smoothing, counted), "yuv")

    def table(self, rows: Rows, full: tuple[int, int], guide: Guide, mask: Rows | None) -> Table | None:
        """The chroma table, and the look-up table in RGB; the other modes look at pixels together."""
        self.require(guide)
        if type(self).forward is not HistogramTransfer.forward or self.mode not in ("auto", "chroma", "rgb"):
            return None
        if self.edge_threshold is not None or self.keep_stages:
            return None
        references = guide.references
        if self.mode == "auto":
            gray = all(bool(_is_gray(rows(top, bottom)).all()) for top, bottom in strips(full[0], full[1]))
            return self._chroma_table(rows, full, self._in_yuv(references), mask) if gray else None
        if self.mode == "rgb":
            lookup = fit_table_to_counts(_count(rows, full, mask, 3), references)

            def match(image: Tensor, where: Tensor | None) -> Tensor:
                matched = lookup.apply(image)
                return matched if where is None else torch.where(where > 0.5, matched, image)

            return match
        return self._chroma_table(rows, full, references, mask)

    def makes_table(self, gray: bool) -> bool:
        """The chroma table, which ``auto`` makes of gray targets, and the look-up table in RGB."""
        if self.edge_threshold is not None or self.keep_stages:
            return False
        return self.mode in ("chroma", "rgb") or (self.mode == "auto" and gray)

    def _chroma_table(
        self, rows: Rows, full: tuple[int, int], references: tuple[Reference, ...], mask: Rows | None
    ) -> Table:
        chroma_table = fit_chroma_table(references, self.smoothing)
        ranks: LookUpTable | None = None
        if self.rank:
            gray = tuple(replace(r, image=r.image[:, :1]) for r in references)
            ranks = fit_table_to_counts(_count(self._luminance(rows), full, mask, 1), gray)

        def color(image: Tensor, where: Tensor | None) -> Tensor:
            image = from_rgb(image, "yuv") if self.space == "rgb" else image
            luminance = image[:, :1]
            known = luminance if ranks is None else ranks.apply(luminance)
            if where is not None and ranks is not None:
                known = torch.where(where > 0.5, known, luminance)
            chroma = chroma_table.apply(known)
            if where is not None:
                chroma = torch.where(where > 0.5, chroma, image[:, 1:])
            colored = torch.cat([luminance, chroma], dim=1)
            return to_rgb(colored, "yuv") if self.space == "rgb" else colored

        return color

    def paints(self) -> bool:
        """By the chroma table itself, unless it is looked up by rank or edges are left out."""
        own = type(self).forward is HistogramTransfer.forward  # a subclass may do more
        plain = own and not (self.rank or self.keep_stages or self.edge_threshold is not None)
        return plain and self.mode in ("auto", "chroma")

    def chroma_table(self, guide: Guide) -> ChromaTable | None:
        """The chroma table itself, where the method ``paints`` by it."""
        if not self.paints():
            return None
        self.require(guide)
        given = [part for r in guide.references for part in (r.image, r.mask, r.weight)]

        def fit() -> ChromaTable:
            references = tuple(replace(r, image=from_rgb(r.image, "yuv")) for r in guide.references)
            return fit_chroma_table(references, self.smoothing)

        return self._fitted.get([*given, self.smoothing], fit)

    def _luminance(self, rows: Rows) -> Rows:
        """Rows of luminance of rows in the space of this method."""
        if self.space == "yuv":
            return rows
        return lambda top, bottom: rgb_to_luminance(rows(top, bottom))

    def _in_yuv(self, references: tuple[Reference, ...]) -> tuple[Reference, ...]:
        if self.space == "yuv":
            return references
        return tuple(replace(r, image=from_rgb(r.image, "yuv")) for r in references)

    def _edge_free(self, image: Tensor, mask: Tensor | None) -> Tensor:
        """The pixels of ``mask`` that lie on no edge."""
        assert self.edge_threshold is not None
        luminance = image[:, :1] if self.space == "yuv" else rgb_to_luminance(image)
        free = edge_free(edge_probability(luminance), self.edge_threshold)
        return free if mask is None else free * (mask > 0.5)

    def _cube(self, mode: Mode, image: Tensor, references: tuple[Reference, ...], counted: Tensor | None) -> str:
        """The table that colors the first of this batch, as a ``.cube`` file; of ``yuv`` and ``lab`` the RGB part."""
        if mode == "chroma":
            return ChromaTable(fit_chroma_table(self._in_yuv(references), self.smoothing).values[:1]).to_cube()
        if mode in MAP_OF:
            return lab_cube(fit_map(image, references, MAP_OF[mode], counted))
        table = fit_lookup_table(image, references, counted, levels=1024)
        return LookUpTable(table.values[:1]).to_cube()
