"""Large targets: kept as they are stored, recolored and written strip by strip.

A target of more than ``LARGE`` pixels is read, colored and written by itself, whatever else is in its batch.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.color.tables import ChromaTable
from recolor_torch.files import file_hash
from recolor_torch.guide import Guide, Reference
from recolor_torch.hints.read import is_shapes, read_hints, read_shapes
from recolor_torch.hints.shapes import HintShapes
from recolor_torch.methods import Recolorizer
from recolor_torch.paths import show_path
from recolor_torch.pictures.guidance import hides, read_mask, without_hidden
from recolor_torch.pictures.read import PictureError, Scan, read_scan
from recolor_torch.pipeline import recolor_strips
from recolor_torch.resize import resize, resize_hints, working_size
from recolor_torch.run.description import Coloring
from recolor_torch.run.linked import read_links, with_targets, without_links
from recolor_torch.run.plan import Job
from recolor_torch.strips import Rows, pool, shrink, strips
from recolor_torch.system import give_memory_back

LARGE = 2_000_000
"""Pixels above which a target goes by itself. Smaller ones are colored in batches, as floats."""

LOOKED_AT = 4096
"""Pixels from which the mean chroma of a result is seen, about: it is then known to a few hundredths of itself."""

LargeHints = HintShapes | tuple[Tensor, Tensor]
"""Points and strokes, which are drawn strip by strip, or colors (1, 3, H, W) and mask (1, 1, H, W) at full size."""


class NotNumbers(Exception):
    """A result with values that are not numbers: one sentence."""


@dataclass(frozen=True)
class LargeTarget:
    """A large target with what it is told.

    Attributes:
        job: the job.
        scan: the target as it is stored.
        hash: SHA-256 of its bytes.
        references: in sRGB.
        mask: the target mask: a picture of the target's size, or luminance at that size.
        hints: for the full size, or None.
        shapes: of the hints file, with its links.
        links: what ``read_links`` found.
    """

    job: Job
    scan: Scan
    hash: str
    references: tuple[Reference, ...]
    mask: Scan | Tensor | None
    hints: LargeHints | None
    shapes: HintShapes | None = None
    links: tuple[tuple[int, int, Tensor], ...] = ()

    def guide(self, size: tuple[int, int]) -> Guide:
        """What a method is told that works at ``size``, (height, width)."""
        full = self.scan.size
        mask = None if self.mask is None else shrink(_mask_rows(self.mask), full, size).clamp(0, 1)
        hints, hint_mask = (None, None) if self.hints is None else _small_hints(self.hints, full, size)
        links = with_targets(self.shapes, self.links, size)
        return Guide(self.references, mask, hints, hint_mask, links=links, text=self.job.text)


def is_large(job: Job) -> bool:
    """Whether a job's target is recolored in strips."""
    return job.info is not None and job.info.width * job.info.height > LARGE


def load_large(job: Job, references: tuple[Reference, ...], max_pixels: int) -> LargeTarget:
    """Read what a job names.

    Raises:
        PictureError: a file cannot be read, or is not for this target.
    """
    give_memory_back()
    scan = read_scan(job.target, max_pixels)
    if job.info is not None and scan.size != (job.info.height, job.info.width):
        raise PictureError(f"{job.target}: the file changed while it was being read.")
    mask = None if job.target_mask is None else _read_mask(job.target_mask, scan.size, max_pixels)
    hints, shapes = None, None
    links: tuple[tuple[int, int, Tensor], ...] = ()
    if job.hints is not None:
        hints, shapes, found = _read_hints(job.hints, scan, max_pixels)
        references, links = read_links(shapes, job.hints, job.references, references, max_pixels)
        scan = replace(scan, notes=(*scan.notes, *(f"{show_path(job.hints)}: {note}." for note in found)))
    return LargeTarget(job, scan, file_hash(job.target), references, mask, hints, shapes, links)


class LargeResult:
    """A large target's result, which comes in rows while it is written.

    The method works when this is made.

    Args:
        large: the target.
        method: what colors it.
        coloring: how its colors come to the picture.
        place: a tensor of the device and type that are computed on and in.

    Attributes:
        size: height and width of the picture.
        working_size: height and width at which the method worked.
        colorfulness: mean length of (U, V), once all rows have come.
        kept: rows of the share in which the result is the target itself; None where it is so nowhere.
        passed_over: what is said of links that the method does not follow.
        seconds: that the method took.
    """

    def __init__(self, large: LargeTarget, method: Recolorizer, coloring: Coloring, place: Tensor) -> None:
        start = time.perf_counter()
        self.size, self.target = large.scan.size, large.job.target
        self.working_size = working_size(*self.size, method.working_side(coloring.max_side))
        self.colorfulness = 0.0
        guide, self.passed_over = without_links(large.guide(self.working_size), method)
        self._hidden = large.scan if hides(large.scan) else None
        rows = large.scan.rows if self._hidden is None else without_hidden(large.scan.rows, large.scan)
        self._scan = large.scan
        self._table = _byte_table(large, method, coloring, guide, place)
        self._rows = recolor_strips(
            _on(rows, place),
            self.size,
            method,
            guide.to(place),
            target=coloring.target,
            keep=coloring.keep,
            strength=coloring.strength,
            max_side=coloring.max_side,
            mask=None if large.mask is None else _on(_mask_rows(large.mask), place),
        )
        self.kept = kept_share(coloring.strength, None if large.mask is None else _mask_rows(large.mask))
        self.seconds = time.perf_counter() - start

    def bands(self) -> Iterator[Tensor | np.ndarray]:
        """The rows from the top, (1, 3, h, W) on the CPU, or (h, W, 3) bytes where a table of bytes gives them.

        Raises:
            NotNumbers: there are values that are not numbers.
        """
        if self._table is not None:
            yield from self._painted(self._table)
            return
        total = 0.0
        for top, bottom in strips(*self.size):
            with torch.inference_mode():  # threads that write have a mode of their own
                band = self._rows(top, bottom).float().cpu()
                if self._hidden is not None:  # what nobody sees stays as it is
                    shown = self._hidden.alpha_rows(top, bottom) > 0.5
                    band = torch.where(shown, band, self._hidden.rows(top, bottom))
                total += float(_chroma_length(band).sum(dtype=torch.float64))
            if not np.isfinite(total):
                raise NotNumbers(f"{self.target}: the result has values that are not numbers.")
            self.colorfulness = total / (self.size[1] * bottom)
            yield band

    def _painted(self, table: ChromaTable) -> Iterator[np.ndarray]:
        step, seen, total = max(1, isqrt(self.size[0] * self.size[1] // LOOKED_AT)), 0, 0.0
        for top, bottom in strips(*self.size):
            with torch.inference_mode():
                stored = self._scan.stored(top, bottom)
                band = table.paint_bytes(stored)
                few = (stored[::step, ::step].float() / 255).permute(2, 0, 1)[None].expand(-1, 3, -1, -1)
                total += float(table.chroma_length(rgb_to_luminance(few)).sum(dtype=torch.float64))
                seen += few[0, 0].numel()
            self.colorfulness = total / max(seen, 1)  # before the band goes: who has the last asks for no more
            yield band.numpy()[..., :3]


def paints(coloring: Coloring, method: Recolorizer) -> bool:
    """Whether targets are colored by a table of chroma alone: then nothing is to be gained from batches."""
    return method.paints() and coloring.target == "gray" and method.kept(coloring.keep) == "luma"


def _byte_table(
    large: LargeTarget, method: Recolorizer, coloring: Coloring, guide: Guide, place: Tensor
) -> ChromaTable | None:
    """The table that makes bytes of the stored bytes; None where floats are needed in between."""
    scan = large.scan
    if not (paints(coloring, method) and scan.is_plain and place.device.type == "cpu" and sys.byteorder == "little"):
        return None
    if place.dtype != torch.float32 or coloring.strength != 1 or large.mask is not None:
        return None
    if scan.size != working_size(*scan.size, method.working_side(coloring.max_side)):
        return None
    table = method.chroma_table(guide)
    return table if table is not None and len(table.values) == 1 else None


def _chroma_length(image: Tensor) -> Tensor:
    """Length of (U, V), (B, H, W)."""
    u, v = rgb_to_yuv(image)[:, 1:].unbind(1)
    return (u * u + v * v).sqrt()


def kept_share(strength: float, mask: Rows | None) -> Rows | None:
    """Rows of the share in which a result is its target: all but the strength, where the mask is. None for nowhere."""
    if mask is None:
        return None if strength == 1 else lambda top, bottom: torch.full((1, 1, 1, 1), 1 - strength)
    return lambda top, bottom: 1 - strength * mask(top, bottom)


def _on(rows: Rows, place: Tensor) -> Rows:
    return lambda top, bottom: rows(top, bottom).to(place)


def _mask_rows(mask: Scan | Tensor) -> Rows:
    if isinstance(mask, Tensor):
        return lambda top, bottom: mask[..., top:bottom, :]

    def rows(top: int, bottom: int) -> Tensor:
        values = rgb_to_luminance(mask.rows(top, bottom))
        return values * mask.alpha_rows(top, bottom) if mask.has_alpha else values

    return rows


def _read_mask(path: Path, full: tuple[int, int], max_pixels: int) -> Scan | Tensor:
    scan = read_scan(path, max_pixels)
    return scan if scan.size == full else resize(read_mask(path, max_pixels), full).clamp(0, 1)


def _read_hints(path: Path, scan: Scan, max_pixels: int) -> tuple[LargeHints, HintShapes | None, tuple[str, ...]]:
    """Hints for the full size, the shapes they were, and what a person should know of them."""
    if is_shapes(path):
        shapes = read_shapes(path, scan.size, max_pixels)
        if shapes.links or any(shapes.rasterize(scan.size, rows)[1].any() for rows in strips(*scan.size)):
            return shapes, shapes, shapes.notes
    hints = read_hints(path, scan.whole().image, max_pixels=max_pixels)
    return (hints.image, hints.mask), hints.shapes, hints.notes


def _small_hints(hints: LargeHints, full: tuple[int, int], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """``resize_hints``, of hints that may be drawn strip by strip."""
    if not isinstance(hints, HintShapes):
        return resize_hints(*hints, size)

    def rows(top: int, bottom: int) -> Tensor:
        colors, mask = hints.rasterize(full, (top, bottom))
        where = torch.from_numpy(mask)[None, None].float()
        color = torch.from_numpy(colors).permute(2, 0, 1)[None].float() / 255
        return torch.cat((color * where, where), 1)

    pooled = rows(0, full[0]) if size == full else pool(rows, full, size)
    share = pooled[:, 3:]
    return pooled[:, :3] / share.clamp(min=1e-12), (share > 0).float()
