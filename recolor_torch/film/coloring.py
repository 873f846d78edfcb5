"""``color_film``: a film in, the film in color out."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from recolor_torch.film.dividing import by_shot, plan_parts
from recolor_torch.film.guidance import FilmGuidance, FilmGuide
from recolor_torch.film.joining import ShotColors
from recolor_torch.film.meter import Meter, Progress
from recolor_torch.film.part_work import Frames, Work
from recolor_torch.film.said import Said, film_notes
from recolor_torch.film.sharing import Helpers, Share, fewer_threads
from recolor_torch.film.shots import Shot
from recolor_torch.film.sinks import Sink
from recolor_torch.film.sources import MATCH_EVERY, NETWORK_EVERY, Sources
from recolor_torch.methods import Reference
from recolor_torch.resize import working_size


@dataclass
class FilmReport:
    """What was done.

    Args:
        frames: of the film.
        parts: of it, and how many an earlier run had done.
        shots: with the references that each was matched with, for the record.
        notes: what was understood or lost, a sentence each.
        seconds: of each step.
    """

    frames: int
    parts: int
    resumed: int = 0
    shots: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def color_film(
    film: Frames,
    shots: list[Shot],
    sources: Sources,
    guidance: FilmGuidance,
    sink: Sink,
    folder: Path,
    *,
    side: int = 320,
    device: torch.device | str = "cpu",
    processes: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
) -> FilmReport:
    """Color a film part by part; parts that ``sink`` has are not done again.

    Args:
        film: its frames.
        shots: colors pass from frame to frame within each of them.
        sources: what may say something of a frame.
        guidance: references and strokes.
        sink: takes the colored frames.
        folder: for files that come and go.
        side: longer side at which colors are worked on; they are enlarged to the film's own size.
        device: for the work.
        processes: that share the shots: film, sources, guidance and sink can be pickled. Guidance that looks in a
            gallery takes one.
        on_progress: called with each step of a frame.

    Raises:
        FilmError: the film cannot be read or written.
        PictureError: a reference or hints cannot be read.
    """
    size = working_size(*film.size, side)
    guide = FilmGuide(guidance, film.frames, film.rate, size, stems=film.stems, numbers=film.numbers)
    parts = plan_parts(shots, guide.exact_frames())
    report = FilmReport(film.frames, len(parts), notes=guide.notes)
    meter = Meter(film.frames, on_progress)
    mine = Work(film, sources, guidance, sink, folder, size, torch.device(device), parts)
    waiting = {i for i in range(len(parts)) if not sink.has(i)}
    report.resumed = len(parts) - len(waiting)
    meter.skip(sum(len(parts[i]) for i in range(len(parts)) if i not in waiting))
    share = Share(folder, [shot for shot in by_shot(parts) if waiting.intersection(shot)])
    processes = 1 if guidance.find is not None else min(processes, len(share.shots))
    share.begin()
    shot_work = mine.begin(0, meter, guide)
    with fewer_threads(processes), Helpers(max(0, processes - 1), mine.begin, share) as helpers:
        for shot in share.take():
            shot_work(shot)
        for _ in helpers.wait():
            theirs = {i for i in waiting if sink.has(i)} - meter.parts
            meter.look(sum(len(parts[i]) for i in theirs))
        shot_work(sorted(waiting - meter.parts))  # what a process that failed has left: as a rule nothing
    for i in sorted(waiting):
        part, said = parts[i], Said.load(folder, i)
        entry = {"first": part.start, "last": part.end - 1, "begins": part.shot.begins, "references": said.references}
        report.shots.append(entry | ({"missing": said.missing, "looks": said.looks} if said.looks else {}))
    report.notes += film_notes([[Said.load(folder, i) for i in shot] for shot in by_shot(parts)])
    report.notes += sink.finish(len(parts))
    report.seconds = {name: round(seconds, 2) for name, seconds in meter.seconds.items()}
    return report


def seconds_a_frame(sources: Sources, size: tuple[int, int], references: bool) -> float:
    """How long a frame takes on this computer, tried on a few of noise; decoding and encoding come on top."""
    noise = torch.rand(5, 1, *size, generator=torch.Generator().manual_seed(0))
    found = (Reference(torch.cat((noise[:1], noise[:1] - 0.5, noise[:1] - 0.5), 1)),) if references else ()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        names = sources.names(references, False) or ("given",)
        sources.say(0, noise[:1], found, None)  # the first use of a network takes longer
        start = time.perf_counter()
        with ShotColors(Path(folder), size, names) as colors:
            for t in range(4):
                colors.forward(noise[t : t + 1], {})
            for _ in colors.backward():
                pass
        passes = (time.perf_counter() - start) / 4
        start = time.perf_counter()
        sources.say(NETWORK_EVERY, noise[1:2], (), None)  # of a frame that it has not just seen
        guess = time.perf_counter() - start
        sources.say(0, noise[2:3], found, None)
        rest = time.perf_counter() - start - 2 * guess  # references
    return passes + guess / NETWORK_EVERY + max(0.0, rest) / MATCH_EVERY
