"""``color_film``: a film in, the film in color out."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from recolor_torch.energies.temporal import Belief
from recolor_torch.files import write_atomically
from recolor_torch.film.frame_store import save_tensors
from recolor_torch.film.guidance import FilmGuidance, FilmGuide
from recolor_torch.film.joining import CarriedChroma, ShotColors
from recolor_torch.film.sharing import DoShot, Helpers, Share, end_with_the_first, fewer_threads, place_of
from recolor_torch.film.shots import Shot
from recolor_torch.film.sinks import Sink
from recolor_torch.film.sources import MATCH_EVERY, NETWORK_EVERY, Sources
from recolor_torch.methods import Reference
from recolor_torch.resize import working_size
from recolor_torch.text import parse_json

# Most frames of a shot that are worked on at a time; longer shots are cut where a frame's colors are given, or here.
LONGEST_PART = 400
# Shares of the work of a frame: estimates and motion, joining, encoding.
STEPS = {"estimate": 0.6, "join": 0.25, "encode": 0.15}


class Frames(Protocol):
    """A film or a folder of frames, upright."""

    frames: int
    rate: float
    size: tuple[int, int]
    stems: dict[str, int]

    def read(self, start: int) -> Iterator[Any]:
        """The frames from number ``start`` on."""

    def luminance(self, frame: Any, size: tuple[int, int] | None = None) -> Tensor:
        """Luminance of a frame, (1, 1, H, W) in [0, 1]."""


@dataclass(frozen=True)
class Part:
    """Frames ``start`` to ``end - 1`` of a shot; ``opens`` says whether the shot begins with them."""

    start: int
    end: int
    shot: Shot
    opens: bool

    def __len__(self) -> int:
        return self.end - self.start


@dataclass
class Progress:
    """How far a film is.

    Args:
        share: of the work that is done, 0 to 1.
        frames_per_second: since the start of this run.
        seconds_left: as it looks.
    """

    share: float = 0.0
    frames_per_second: float = 0.0
    seconds_left: float = 0.0


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


def plan_parts(shots: list[Shot], exact: list[int], longest: int = LONGEST_PART) -> list[Part]:
    """Shots, the long ones cut: after a frame whose colors are given where there is one, since little passes it."""
    parts = []
    for shot in shots:
        start = shot.start
        while start < shot.end:
            end = min(start + longest, shot.end)
            if end < shot.end:
                inside = [t + 1 for t in exact if start + longest // 4 <= t < end]
                end = inside[-1] if inside else end
            parts.append(Part(start, end, shot, start == shot.start))
            start = end
    return parts


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
    guide = FilmGuide(guidance, film.frames, film.rate, size, stems=film.stems)
    parts = plan_parts(shots, guide.exact_frames())
    report = FilmReport(film.frames, len(parts), notes=guide.notes)
    meter = _Meter(film.frames, on_progress)
    mine = _Work(film, sources, guidance, sink, folder, size, torch.device(device), parts)
    waiting = {i for i in range(len(parts)) if not sink.has(i)}
    report.resumed = len(parts) - len(waiting)
    meter.skip(sum(len(parts[i]) for i in range(len(parts)) if i not in waiting))
    share = Share(folder, [shot for shot in _by_shot(parts) if waiting.intersection(shot)])
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
        part = parts[i]
        report.shots.append(
            {"first": part.start, "last": part.end - 1, "begins": part.shot.begins, "references": mine.names(i)}
        )
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
        sources.say(0, noise[:1], (), None)
        guess = time.perf_counter() - start
        sources.say(0, noise[:1], found, None)
        both = time.perf_counter() - start - guess
    return passes + guess / NETWORK_EVERY + (both / MATCH_EVERY if references else 0.0)


def _by_shot(parts: list[Part]) -> list[list[int]]:
    """The numbers of the parts of each shot, which follow each other."""
    shots: list[list[int]] = []
    for i, part in enumerate(parts):
        if part.opens:
            shots.append([])
        shots[-1].append(i)
    return shots


@dataclass(frozen=True)
class _Work:
    """The work on a film, as it goes to another process."""

    film: Frames
    sources: Sources
    guidance: FilmGuidance
    sink: Sink
    folder: Path
    size: tuple[int, int]
    device: torch.device
    parts: list[Part]

    def begin(self, number: int, meter: "_Meter | None" = None, guide: FilmGuide | None = None) -> DoShot:
        """What does shots in the process of a number."""
        film = self.film
        guide = guide or FilmGuide(self.guidance, film.frames, film.rate, self.size, stems=film.stems)
        meter = meter or _Meter(film.frames, lambda _: end_with_the_first())
        scratch = self.folder / f"process-{number}"
        scratch.mkdir(exist_ok=True)
        worker = _Worker(self, guide, scratch, place_of(self.device, number))
        readers = _Reader(film), _Reader(film)

        def do(shot: Sequence[int]) -> None:
            for i in shot:
                if not self.sink.has(i):
                    worker.do(i, readers, meter)
                    meter.parts.add(i)

        return do

    def before(self, index: int) -> Path | None:
        """The file of what the part before, of the same shot, hands to a part."""
        return None if self.parts[index].opens else self.folder / f"carried-{index - 1:05d}.pt"

    def says(self, index: int) -> Path:
        """The file that names the references of a part."""
        return self.folder / f"said-{index:05d}.json"

    def names(self, index: int) -> list[str]:
        """The references of a part that is done."""
        try:
            return list(parse_json(self.says(index).read_text(encoding="utf-8")))
        except OSError:
            return []


class _Worker:
    """Does the parts of a film."""

    def __init__(self, work: _Work, guide: FilmGuide, scratch: Path, device: torch.device) -> None:
        self.work, self.film, self.sources, self.sink = work, work.film, work.sources, work.sink
        self.guide, self.size, self.scratch, self.device = guide, work.size, scratch, device

    def do(self, index: int, readers: "tuple[_Reader, _Reader]", meter: "_Meter") -> None:
        """Color a part and write it, and the names of its references."""
        part, before = self.work.parts[index], self.work.before(index)
        carried = None if before is None else _load(before, self.device)
        given = bool(self.guide.exact_frames())
        references, names = self._references(part)
        sources = self.sources.names(bool(references), given)
        with ShotColors(self.scratch, self.size, sources, carried) as colors, torch.no_grad():
            for frame in readers[0].take(part.start, part.end):
                colors.forward(*self._estimate(frame, part, references))
                meter.step("estimate")
            for _ in colors.backward():
                meter.step("join")
            if part.end < part.shot.end:
                assert colors.last is not None
                _save(self.work.folder / f"carried-{index:05d}.pt", colors.last)
            with write_atomically(self.work.says(index)) as file:
                file.write_text(json.dumps(names), encoding="utf-8")
            self.sink.write(index, self._colored(part, readers[1], colors, meter))
        if before is not None:
            before.unlink(missing_ok=True)

    def _references(self, part: Part) -> tuple[tuple[Any, ...], list[str]]:
        guidance = self.guide.guidance
        if not guidance.references and guidance.find is None:
            return (), []
        middle = next(self.film.read((part.shot.start + part.shot.end) // 2))
        luminance = self.film.luminance(middle, self.size).to(self.device)
        return self.guide.fitting(part.shot, luminance, self.sources)

    def _estimate(self, frame: Any, part: Part, references: tuple[Any, ...]) -> tuple[Tensor, dict[str, Any]]:
        luminance = self.film.luminance(frame, self.size).to(self.device)

        def picture() -> Tensor:
            return self.film.luminance(frame).expand(-1, 3, -1, -1)

        given = self.guide.given(frame.index, picture, luminance)
        place = frame.index - part.shot.start
        return luminance, self.sources.say(place, luminance, references, given, frame.index == part.end - 1)

    def _colored(
        self, part: Part, reader: "_Reader", colors: ShotColors, meter: "_Meter"
    ) -> Iterator[tuple[Any, Tensor]]:
        for frame in reader.take(part.start, part.end):
            exact = self.guide.full_chroma(frame.index, self.film.size)
            yield frame, colors.get(frame.index - part.start) if exact is None else exact
            meter.step("encode")


class _Reader:
    """Frames of parts in order, from one opened film; a part that is not the next opens it anew."""

    def __init__(self, film: Frames) -> None:
        self.film, self.next = film, 0
        self.frames: Iterator[Any] | None = None

    def take(self, start: int, end: int) -> Iterator[Any]:
        """Frames ``start`` to ``end - 1``."""
        if self.frames is None or self.next != start:
            self.frames = self.film.read(start)
        for self.next in range(start + 1, end + 1):
            yield next(self.frames)


class _Meter:
    """Measures progress and the time of each step."""

    def __init__(self, frames: int, on_progress: Callable[[Progress], None] | None) -> None:
        self.frames, self.on_progress = max(frames, 1), on_progress
        self.done = self.skipped = self.others = 0.0
        self.parts: set[int] = set()  # that this process has done
        self.start = self.last = time.perf_counter()
        self.seconds = dict.fromkeys(STEPS, 0.0)

    def skip(self, frames: int) -> None:
        """Frames that an earlier run has done."""
        self.skipped += frames

    def step(self, name: str) -> None:
        """A step of a frame is done."""
        now = time.perf_counter()
        self.seconds[name] += now - self.last
        self.last = now
        self.done += STEPS[name]
        if self.on_progress is not None:
            self._tell(self.on_progress)

    def look(self, others: float) -> None:
        """So many frames were done by other processes."""
        self.others = others
        if self.on_progress is not None:
            self._tell(self.on_progress)

    def _tell(self, on_progress: Callable[[Progress], None]) -> None:
        done = self.done + self.others
        rate = done / max(time.perf_counter() - self.start, 1e-6)
        left = (self.frames - self.skipped - done) / max(rate, 1e-6)
        on_progress(Progress((done + self.skipped) / self.frames, rate, max(left, 0.0)))


def _save(path: Path, carried: CarriedChroma) -> None:
    tensors = {"luminance": carried.luminance.cpu()}
    for name, belief in carried.beliefs.items():
        tensors |= {f"{name}.chroma": belief.chroma.cpu(), f"{name}.precision": belief.precision.cpu()}
    save_tensors(path, tensors)


def _load(path: Path, device: torch.device) -> CarriedChroma:
    tensors = {k: v.to(device) for k, v in torch.load(path, weights_only=True).items()}
    names = {key.partition(".")[0] for key in tensors if "." in key}
    beliefs = {n: Belief(tensors[f"{n}.chroma"], tensors[f"{n}.precision"]) for n in names}
    return CarriedChroma(tensors["luminance"], beliefs)
