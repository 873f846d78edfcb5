"""Large targets: kept as they are stored, recolored and written strip by strip.

A target of more than ``LARGE`` pixels is read, colored and written by itself, whatever else is in its batch.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.compose import Keep
from recolor_torch.files import file_hash
from recolor_torch.guide import Guide, Reference
from recolor_torch.hints.read import is_shapes, read_hints, read_shapes
from recolor_torch.methods import Recolorizer
from recolor_torch.pictures.read import PictureError, Scan, read_scan
from recolor_torch.pipeline import recolor_strips
from recolor_torch.resize import resize, resize_hints, working_size
from recolor_torch.run.plan import Job
from recolor_torch.strips import Rows, pool, shrink, strips

LARGE = 2_000_000
"""Pixels above which a target goes by itself. Smaller ones are colored in batches, as floats."""


@dataclass(frozen=True)
class LargeTarget:
    """A large target with what it is told.

    Attributes:
        job: the job.
        scan: the target as it is stored.
        hash: SHA-256 of its bytes.
        guide: references, and masks and hints at the working size, in sRGB.
        mask: the target mask: a picture of the target's size, or luminance at that size.
        size: height and width at which the method works.
    """

    job: Job
    scan: Scan
    hash: str
    guide: Guide
    mask: Scan | Tensor | None
    size: tuple[int, int]


def is_large(job: Job) -> bool:
    """Whether a job's target is recolored in strips."""
    return job.info is not None and job.info.width * job.info.height > LARGE


def load_large(job: Job, references: tuple[Reference, ...], max_side: int | None, max_pixels: int) -> LargeTarget:
    """Read what a job names.

    Raises:
        PictureError: a file cannot be read, or is not for this target.
    """
    scan = read_scan(job.target, max_pixels)
    full = scan.size
    if job.info is not None and full != (job.info.height, job.info.width):
        raise PictureError(f"{job.target}: the file changed while it was being read.")
    size = working_size(*full, max_side)
    mask = None if job.target_mask is None else _read_mask(job.target_mask, full, max_pixels)
    small_mask = None if mask is None else shrink(_mask_rows(mask), full, size).clamp(0, 1)
    hints = hint_mask = None
    if job.hints is not None:
        hints, hint_mask, note = _read_hints(job.hints, scan, size, max_pixels)
        scan = replace(scan, notes=(*scan.notes, note)) if note else scan
    return LargeTarget(job, scan, file_hash(job.target), Guide(references, small_mask, hints, hint_mask), mask, size)


class LargeResult:
    """A large target's result, which comes in rows while it is written.

    Args:
        large: the target.
        method: what colors it; it works before the first row comes.
        device: where.
        target, keep, strength, max_side: see ``recolor``.
    """

    def __init__(
        self,
        large: LargeTarget,
        method: Recolorizer,
        device: torch.device,
        target: Literal["gray", "color"],
        keep: Keep,
        strength: float,
        max_side: int | None,
    ) -> None:
        start = time.perf_counter()
        self.size = large.scan.size
        self.colorfulness = 0.0
        mask = None if large.mask is None else _on(_mask_rows(large.mask), device)
        like = torch.empty((), device=device)
        self._rows = recolor_strips(
            _on(large.scan.rows, device),
            self.size,
            method,
            large.guide.to(like),
            target=target,
            keep=keep,
            strength=strength,
            max_side=max_side,
            mask=mask,
        )
        self.seconds = time.perf_counter() - start

    def bands(self) -> Iterator[Tensor]:
        """The rows from the top, (1, 3, h, W) on the CPU.

        ``colorfulness`` then is the mean length of (U, V).

        Raises:
            ValueError: there are values that are not numbers.
        """
        total = 0.0
        for top, bottom in strips(*self.size):
            band = self._rows(top, bottom).float().cpu()
            if not bool(band.isfinite().all()):
                raise ValueError("the result has values that are not numbers")
            total += float(rgb_to_yuv(band)[:, 1:].norm(dim=1).sum())
            yield band
        self.colorfulness = total / (self.size[0] * self.size[1])


def _on(rows: Rows, device: torch.device) -> Rows:
    return lambda top, bottom: rows(top, bottom).to(device)


def _mask_rows(mask: Scan | Tensor) -> Rows:
    if isinstance(mask, Tensor):
        return lambda top, bottom: mask[..., top:bottom, :]
    return lambda top, bottom: rgb_to_luminance(mask.rows(top, bottom))


def _read_mask(path: Path, full: tuple[int, int], max_pixels: int) -> Scan | Tensor:
    scan = read_scan(path, max_pixels)
    return scan if scan.size == full else resize(rgb_to_luminance(scan.whole().image), full).clamp(0, 1)


def _read_hints(
    path: Path, scan: Scan, size: tuple[int, int], max_pixels: int
) -> tuple[Tensor, Tensor, str | None]:
    """Colors and mask of hints at the working size, and what was understood of a marked copy."""
    full = scan.size
    if not is_shapes(path):
        hints = read_hints(path, scan.whole().image, max_pixels=max_pixels)
        note = None if hints.marks is None else f"{path}: {hints.describe()}."
        return *resize_hints(hints.image, hints.mask, size), note
    colors, mask = read_shapes(path, full, max_pixels).rasterize(full)
    if not mask.any():
        read_hints(path, size=full, max_pixels=max_pixels)  # says so

    def rows(top: int, bottom: int) -> Tensor:
        where = torch.from_numpy(mask[top:bottom])[None, None].float()
        color = torch.from_numpy(colors[top:bottom]).permute(2, 0, 1)[None].float() / 255
        return torch.cat((color * where, where), 1)

    if size == full:
        whole = rows(0, full[0])
        return whole[:, :3], whole[:, 3:], None
    pooled = pool(rows, full, size)
    share = pooled[:, 3:]
    return pooled[:, :3] / share.clamp(min=1e-12), (share > 0).float(), None
