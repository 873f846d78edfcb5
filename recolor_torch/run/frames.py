"""A folder of frames as a film: the same shots, sources and passes, and pictures out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recolor_torch.color import fit_gamut, rgb_to_luminance, to_rgb
from recolor_torch.compose import compose
from recolor_torch.errors import UsageError
from recolor_torch.film.coloring import color_film
from recolor_torch.film.guidance import FilmGuidance
from recolor_torch.film.meter import Progress
from recolor_torch.film.numbered import numbers_of
from recolor_torch.film.said import Said, film_notes
from recolor_torch.film.settings import FilmSettings
from recolor_torch.film.shots import find_shots, read_shots, shot_thumbnail
from recolor_torch.film.sources import Sources
from recolor_torch.film.work_folder import WorkFolder
from recolor_torch.pictures.read import PictureError
from recolor_torch.resize import resize
from recolor_torch.run.batches import BatchDataset, PictureBatch, Result
from recolor_torch.run.description import Run
from recolor_torch.run.plan import Job, Plan
from recolor_torch.run.planning import make_folders
from recolor_torch.run.writer import ResultWriter, clear_unfinished


@dataclass(frozen=True)
class PictureFrame:
    """A frame's number, and its picture as a batch of one."""

    index: int
    batch: PictureBatch


class FrameFolder:
    """Pictures of one size as the frames of a film; one that cannot be read takes the place of the one before it.

    Args:
        jobs: the frames in order.
        max_pixels: pictures with more pixels are not read.
        rate: frames a second, for times in names.
    """

    def __init__(self, jobs: list[Job], max_pixels: int, rate: float) -> None:
        plain = [replace(job, references=(), weights=(), reference_masks=(), hints=None) for job in jobs]
        self._data = _OneByOne(plain, 1, 1e9, max_pixels)
        self._data.batches = [[job] for job in plain]
        known = [job.info for job in jobs if job.info is not None]
        if not known:
            raise UsageError(f"None of the {len(jobs)} frames can be read, such as {jobs[0].target}.")
        self.frames, self.rate = len(jobs), rate
        self.size = (known[0].height, known[0].width)
        self.stems = {job.target.stem: i for i, job in enumerate(jobs)}
        self.numbers = numbers_of(tuple(job.target for job in jobs))
        self._last: Tensor | None = None

    def read(self, start: int) -> Iterator[PictureFrame]:
        """The frames from number ``start`` on."""
        for i in range(start, self.frames):
            yield PictureFrame(i, self._data[i])

    def luminance(self, frame: PictureFrame, size: tuple[int, int] | None = None) -> Tensor:
        """Luminance of a frame, (1, 1, H, W) in [0, 1]."""
        if frame.batch.images is not None:
            self._last = rgb_to_luminance(frame.batch.images)
        full = torch.full((1, 1, *self.size), 0.5) if self._last is None else self._last
        return full if size is None else resize(full, size).clamp(0, 1)


class _OneByOne(BatchDataset):
    large_apart = False


class PictureSink:
    """Writes colored frames as pictures, each with its line in the run record.

    Args:
        jobs: the frames.
        run: how colors come to the pictures.
        writer: of results.
        folder: for marks of finished parts, and with what is said of each.
        on_entry: called with each line.
        kept: outputs that are left as they are.
    """

    def __init__(
        self,
        jobs: list[Job],
        run: Run,
        writer: ResultWriter,
        folder: Path,
        on_entry: Callable[[dict[str, Any]], None] | None = None,
        kept: frozenset[Path] = frozenset(),
    ) -> None:
        self.kept = kept
        self.jobs, self.run, self.writer, self.folder, self.on_entry = jobs, run, writer, folder, on_entry

    def has(self, part: int) -> bool:
        """Whether an earlier run has written all frames of a part."""
        mark = self._mark(part)
        return mark.exists() and all(self.jobs[int(i)].output.exists() for i in mark.read_text().split())

    def write(self, part: int, frames: Iterator[tuple[PictureFrame, Tensor]]) -> None:
        """Write the pictures of a part."""
        done, notes = [], film_notes([[Said.load(self.folder, part)]])
        for frame, chroma in frames:
            done.append(frame.index)
            if self.jobs[frame.index].output in self.kept:
                continue
            start = time.perf_counter()
            result = self._result(frame, chroma, start)
            if result.picture is not None:
                result = replace(result, picture=replace(result.picture, notes=(*result.picture.notes, *notes)))
            entry = self.writer.write(result)
            if self.on_entry is not None:
                self.on_entry(entry)
        self._mark(part).write_text(" ".join(map(str, done)))

    def finish(self, parts: int) -> list[str]:
        """Nothing is left to do."""
        return []

    def _mark(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}.done"

    def _result(self, frame: PictureFrame, chroma: Tensor, start: float) -> Result:
        job, batch = self.jobs[frame.index], frame.batch
        if batch.images is None:
            return Result(job, error=batch.failures[0][1])
        how = self.run.coloring
        if how.strength == 0:
            return Result(job, batch.pictures[0], batch.hashes[0], copy=True)
        image = batch.images
        gray = resize(rgb_to_luminance(image), chroma.shape[-2:])
        colored = to_rgb(torch.cat((gray, chroma), 1), "yuv") if how.keep == "luma" else fit_gamut(gray, chroma)
        out = compose(image, colored, how.keep, how.strength, batch.guide.target_mask)
        size = (chroma.shape[-2], chroma.shape[-1])
        seconds = time.perf_counter() - start
        return Result(job, batch.pictures[0], batch.hashes[0], out, seconds=seconds, working_size=size)


def color_frames(
    run: Run,
    plan: Plan,
    sources: Sources,
    film: FilmSettings,
    settings: dict[str, Any],
    *,
    device: torch.device,
    shots: Path | None = None,
    find: Callable[[Tensor], list[Path]] | None = None,
    on_entry: Callable[[dict[str, Any]], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[str]:
    """Color the frames of a plan as a film.

    Args:
        run: what was asked for; its references whose names end in the number of a frame, or are its name, are exact.
        plan: of ``plan_run``, with ``sequence``.
        sources: who says something of the colors.
        film: the working side, the number of the first frame and the rate.
        settings: what the record says of the sources.
        device: for the work.
        shots: a file of shots.
        find: references from a gallery.
        on_entry: called with each line of the record.
        on_progress: called with each step of a frame.

    Returns:
        What was understood or not found, a sentence each.

    Raises:
        UsageError: the guidance does not fit.
    """
    jobs = plan.jobs
    if any(job.text != sources.text for job in jobs):
        raise UsageError("A clip has one text: give it with --text, and none in the pairs.")
    make_folders(plan)
    clear_unfinished(plan)
    frames = FrameFolder(jobs, run.loading.max_pixels, float(film.frame_rate))
    guidance = FilmGuidance(
        references=run.guidance.references,
        hinted={i: job.hints for i, job in enumerate(jobs) if job.hints is not None},
        first_number=film.first_number,
        find=find,
        shots=shots,
    )
    with WorkFolder(jobs[0].folder / "clip", jobs[0].settings) as folder:
        thumbs = torch.stack([shot_thumbnail(frames.luminance(frame)) for frame in frames.read(0)])
        found = find_shots(thumbs) if shots is None else read_shots(shots, len(jobs))
        sink = PictureSink(jobs, run, ResultWriter(settings), folder, on_entry, frozenset(k.output for k in plan.kept))
        try:
            report = color_film(
                frames, found, sources, guidance, sink, folder, side=film.side, device=device, on_progress=on_progress
            )
        except PictureError as error:  # of a reference or of hints: what all frames depend on
            raise UsageError(str(error)) from error
    return report.notes
