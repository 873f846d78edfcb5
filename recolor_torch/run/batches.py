"""Jobs of one size, read from disk into a batch."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recolor_torch.files import file_hash
from recolor_torch.guide import Guide, Link, Reference
from recolor_torch.hints.read import read_hints
from recolor_torch.paths import failure, show_path
from recolor_torch.pictures.guidance import read_mask, read_reference, reference_notes
from recolor_torch.pictures.read import Picture, PictureError, Scan, probe, read_picture
from recolor_torch.resize import resize
from recolor_torch.run.large import LARGE, LargeResult, LargeTarget, is_large, load_large
from recolor_torch.run.linked import read_links, with_targets
from recolor_torch.run.plan import Job
from recolor_torch.strips import Rows

BYTES_WHOLE = 120
"""Bytes a pixel of a target that is colored as floats, beside the method's own (measured)."""

HARDLY_ANY = 0.01
"""Mean length of (U, V) below which a result passes for gray, and its record says so."""


class PictureBatch:
    """Pictures of one size, with all that the method and the writer need.

    Not a dataclass: Lightning would take one apart and move every tensor of every picture to the device.

    Attributes:
        jobs: the jobs whose files could be read, in the order of the batch.
        pictures: their files' properties; ``pictures[i].image`` is a view of ``images``.
        hashes: SHA-256 of each target's bytes.
        images: (B, 3, H, W) sRGB, or None where no file could be read.
        guide: references, masks and hints for the batch, in sRGB.
        failures: jobs whose files could not be read, with one sentence each.
        large: a target that goes by itself, in place of all others.
    """

    def __init__(
        self, loaded: "list[_Loaded]", failures: list[tuple[Job, str]], large: LargeTarget | None = None
    ) -> None:
        self.failures, self.large = failures, large
        self.jobs = [item.job for item in loaded]
        self.hashes = [item.hash for item in loaded]
        self.images: Tensor | None = None
        self.pictures: list[Picture] = []
        self.guide = Guide()
        if loaded:
            self.images = _stack([item.picture.image for item in loaded])
            self.pictures = [replace(item.picture, image=self.images[i : i + 1]) for i, item in enumerate(loaded)]
            self.guide = _join_guides([item.guide for item in loaded])

    def select(self, index: int) -> tuple[Tensor, Guide]:
        """Image and guide of one picture of the batch."""
        assert self.images is not None
        return self.images[index : index + 1], self.guide.select(index)


@dataclass
class Result:
    """What became of one job. ``image`` is None where it failed, and where the input is to be copied.

    Attributes:
        job: the job.
        picture: the target as it was read, or None.
        hash: SHA-256 of the target's bytes, or None.
        image: (1, 3, H, W) sRGB on the CPU.
        large: in place of ``image``, what gives it in rows.
        kept: rows of the share in which the result is the target itself; None where it is so nowhere.
        error: one sentence where the job failed.
        copy: strength 0: the input itself is the result.
        seconds: computing time, the picture's share of its batch's.
        working_size: (height, width) at which the method worked.
        stages: intermediate results worth a look.
        if_gray: what is said where a large result turns out to have hardly any color.
    """

    job: Job
    picture: Picture | Scan | None = None
    hash: str | None = None
    image: Tensor | None = None
    large: LargeResult | None = None
    kept: Rows | None = None
    error: str | None = None
    copy: bool = False
    seconds: float = 0.0
    working_size: tuple[int, int] | None = None
    stages: dict[str, Tensor | str] = field(default_factory=dict)
    if_gray: str = ""

    def to(self, *_: object, **__: object) -> "Result":
        """The result itself: its tensors are on the CPU. Lightning asks this of predictions that it collects."""
        return self


class BatchDataset:
    """Item i is a whole batch: jobs whose pictures and references have equal sizes.

    Args:
        jobs: the jobs.
        batch_size: most pictures in a batch.
        batch_megapixels: most megapixels in a batch; a larger picture is a batch of its own.
        max_pixels: pictures with more pixels are not read.
        in_strips: each picture goes by itself, as a large one does.
    """

    large_apart = True

    def __init__(
        self, jobs: list[Job], batch_size: int, batch_megapixels: float, max_pixels: int, in_strips: bool = False
    ) -> None:
        self.batches = list(group_jobs(jobs, 1 if in_strips else batch_size, batch_megapixels))
        self.max_pixels, self.in_strips = max_pixels, in_strips

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> PictureBatch:
        loaded, failures, large = [], [], None
        for job in self.batches[index]:
            try:
                if self.large_apart and (self.in_strips or is_large(job)):
                    large = _load_large(job, self.max_pixels)
                else:
                    loaded.append(_load(job, self.max_pixels))
            except PictureError as error:
                failures.append((job, str(error)))
            except Exception as error:  # noqa: BLE001 # hostile files reach what nobody thought of; the others of a batch go on
                failures.append((job, failure(job.target, error)))
        return PictureBatch(loaded, failures, large)

    @property
    def quick(self) -> bool:
        """Whether each picture is done within milliseconds: threads for its parts would cost more than they bring."""
        return self.in_strips and not any(is_large(job) for batch in self.batches for job in batch)

    def pixels(self, index: int) -> int:
        """How many pixels the targets of a batch have, by their headers."""
        return sum(job.info.width * job.info.height for job in self.batches[index] if job.info is not None)


def group_jobs(jobs: list[Job], batch_size: int, batch_megapixels: float) -> Iterator[list[Job]]:
    """Jobs in batches of equal sizes, in the order of each batch's first job."""
    groups: dict[tuple[Any, ...], list[Job]] = {}
    for job in jobs:
        size = (0, 0) if job.info is None else (job.info.height, job.info.width)
        references = tuple(_size_of(r) for r in job.references)
        key = (size, references, job.weights, job.found, job.hints is None, job.text)
        # Links are of one picture alone.
        groups.setdefault((*key, job.output if job.links else None), []).append(job)
    for ((height, width), *_), members in groups.items():
        room = 1 if height * width > LARGE else int(batch_megapixels * 1e6 / max(1, height * width))
        most = max(1, min(batch_size, room))
        for start in range(0, len(members), most):
            yield members[start : start + most]


# Readers ask for references one at a time, so that all get the same tensor, which a batch then holds once.
_SHARED = threading.Lock()


def _renew_lock() -> None:
    global _SHARED  # noqa: PLW0603
    _SHARED = threading.Lock()


if hasattr(os, "register_at_fork"):  # a worker process may be forked while a thread holds the lock
    os.register_at_fork(after_in_child=_renew_lock)


@dataclass
class _Loaded:
    job: Job
    picture: Picture
    hash: str
    guide: Guide


def _load(job: Job, max_pixels: int) -> _Loaded:
    picture = read_picture(job.target, max_pixels)
    if job.problem:
        raise PictureError(f"{show_path(job.target)}: {job.problem}.")
    if job.info is not None and (picture.info.width, picture.info.height) != (job.info.width, job.info.height):
        raise PictureError(f"{show_path(job.target)}: the file changed while it was being read.")
    references, told = _references(job, max_pixels)
    picture = replace(picture, notes=(*picture.notes, *told))
    with _SHARED:
        mask = None if job.target_mask is None else read_mask(job.target_mask, max_pixels)
    target_mask = None if mask is None else resize(mask, picture.image.shape[-2:]).clamp(0, 1)
    hints = hint_mask = None
    links: tuple[Link, ...] = ()
    if job.hints is not None:
        read = read_hints(job.hints, picture.image, max_pixels=max_pixels)
        hints, hint_mask = read.image, read.mask
        references, found = read_links(read.shapes, job.hints, job.references, references, max_pixels)
        links = with_targets(read.shapes, found, (picture.image.shape[-2], picture.image.shape[-1]))
        said = tuple(f"{show_path(job.hints)}: {note}." for note in read.notes)
        picture = replace(picture, notes=(*picture.notes, *said))
    guide = Guide(references, target_mask, hints, hint_mask, links=links, text=job.text)
    return _Loaded(job, picture, file_hash(job.target), guide)


def _load_large(job: Job, max_pixels: int) -> LargeTarget:
    if job.problem:
        raise PictureError(f"{job.target}: {job.problem}.")
    references, told = _references(job, max_pixels)
    large = load_large(job, references, max_pixels)
    return replace(large, scan=replace(large.scan, notes=(*large.scan.notes, *told)))


def _references(job: Job, max_pixels: int) -> tuple[tuple[Reference, ...], tuple[str, ...]]:
    """The references of a job, and what was assumed on reading them."""
    references: list[Reference] = []
    notes: list[str] = []
    with _SHARED:
        for path, mask, weight in zip(job.references, job.reference_masks, job.weights):
            found = read_reference(path, mask, max_pixels)
            notes += reference_notes(path, mask, max_pixels)
            references.append(replace(found, weight=weight, found=job.found))
    return tuple(references), tuple(notes)


@lru_cache(maxsize=100_000)
def _size_of(path: Path) -> tuple[int, int]:
    try:
        info = probe(path)
    except PictureError:
        return (0, 0)
    return info.height, info.width


def _stack(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def _shared_or_stacked(tensors: list[Tensor]) -> Tensor:
    """One tensor for all where all are the same one (the cached reference), else the batch of them."""
    return tensors[0] if all(t is tensors[0] for t in tensors) else _stack(tensors)


def _join_guides(guides: list[Guide]) -> Guide:
    if len(guides) == 1:
        return guides[0]
    references = []
    for slot in zip(*(g.references for g in guides)):
        images, masks = [r.image for r in slot], [r.mask for r in slot]
        mask = None
        if any(m is not None for m in masks):
            mask = _shared_or_stacked([torch.ones_like(r.image[:, :1]) if r.mask is None else r.mask for r in slot])
        references.append(Reference(_shared_or_stacked(images), mask, slot[0].weight, slot[0].found))

    def join(name: str) -> Tensor | None:
        tensors = [getattr(g, name) for g in guides]
        present = [t for t in tensors if t is not None]
        if not present:
            return None
        # In a clip some frames have hints; of other batches all pictures have them or none has.
        return _stack([torch.zeros_like(present[0]) if t is None else t for t in tensors])

    # A batch has one text: see ``group_jobs``.
    return Guide(tuple(references), join("target_mask"), join("hints"), join("hint_mask"), text=guides[0].text)
