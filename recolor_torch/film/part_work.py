"""The work on a film in one process: part by part, each read, colored and written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from recolor_torch.film.carrying import CarriedChroma
from recolor_torch.film.dividing import Part
from recolor_torch.film.guidance import FilmGuidance, FilmGuide
from recolor_torch.film.joining import ShotColors
from recolor_torch.film.meter import Meter
from recolor_torch.film.said import Said
from recolor_torch.film.sharing import DoShot, end_with_the_first, place_of
from recolor_torch.film.shots import Shot
from recolor_torch.film.sinks import Sink
from recolor_torch.film.sources import GivenFrames, Sources
from recolor_torch.methods.kriging import Lacking, joined

# Frames of a shot whose strokes the network's guess of its other frames learns from.
MOST_LEARNED = 4


class Frames(Protocol):
    """A film or a folder of frames, upright."""

    frames: int
    rate: float
    size: tuple[int, int]
    stems: dict[str, int]
    numbers: dict[int, int]

    def read(self, start: int) -> Iterator[Any]:
        """The frames from number ``start`` on."""

    def luminance(self, frame: Any, size: tuple[int, int] | None = None) -> Tensor:
        """Luminance of a frame, (1, 1, H, W) in [0, 1]."""


@dataclass(frozen=True)
class Work:
    """The work on a film, as it goes to another process."""

    film: Frames
    sources: Sources
    guidance: FilmGuidance
    sink: Sink
    folder: Path
    size: tuple[int, int]
    device: torch.device
    parts: list[Part]

    def begin(self, number: int, meter: Meter | None = None, guide: FilmGuide | None = None) -> DoShot:
        """What does shots in the process of a number."""
        film = self.film
        names = film.stems, film.numbers
        guide = guide or FilmGuide(self.guidance, film.frames, film.rate, self.size, [], *names)
        meter = meter or Meter(film.frames, lambda _: end_with_the_first())
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


class _Worker:
    """Does the parts of a film."""

    def __init__(self, work: Work, guide: FilmGuide, scratch: Path, device: torch.device) -> None:
        self.work, self.film, self.sources, self.sink = work, work.film, work.sources, work.sink
        self.guide, self.size, self.scratch, self.device = guide, work.size, scratch, device
        self._learned: tuple[Shot, Lacking | None] | None = None

    def do(self, index: int, readers: "tuple[_Reader, _Reader]", meter: Meter) -> None:
        """Color a part and write it, and what is said of it."""
        part, before = self.work.parts[index], self.work.before(index)
        carried = None if before is None else CarriedChroma.load(before, self.device)
        given = bool(self.guide.exact_frames())
        references, names = self._references(part)
        said = Said(names)
        lacking = self._lacking(part.shot)
        sources = self.sources.names(bool(references), given)
        with ShotColors(self.scratch, self.size, sources, carried) as colors, torch.no_grad():
            for frame in readers[0].take(part.start, part.end):
                luminance, estimates = self._estimate(frame, part, references, lacking)
                if "worded" in estimates:
                    said.look(estimates["worded"].notes)
                colors.forward(luminance, estimates)
                meter.step("estimate")
            for _ in colors.backward():
                meter.step("join")
            if part.end < part.shot.end:
                assert colors.last is not None
                colors.last.save(self.work.folder / f"carried-{index:05d}.pt")
            said.save(self.work.folder, index)
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

    def _lacking(self, shot: Shot) -> Lacking | None:
        """What the network's guess lacks at the strokes of a shot, on at most ``MOST_LEARNED`` of its frames."""
        if self._learned is None or self._learned[0] != shot:
            frames = [n for n in sorted(self.guide.hinted) if shot.start <= n < shot.end]
            step = max(1.0, len(frames) / MOST_LEARNED)
            found = []
            for i in range(min(len(frames), MOST_LEARNED)):
                luminance, given = self._given(next(self.film.read(frames[int(i * step)])))
                lacks = None if given is None else self.sources.lacking(luminance, given)
                found += [] if lacks is None else [lacks]
            self._learned = shot, joined(found)
        return self._learned[1]

    def _given(self, frame: Any) -> tuple[Tensor, GivenFrames | None]:
        """The luminance of a frame, and what is given for it."""
        luminance = self.film.luminance(frame, self.size).to(self.device)

        def picture() -> Tensor:
            return self.film.luminance(frame).expand(-1, 3, -1, -1)

        return luminance, self.guide.given(frame.index, picture, luminance)

    def _estimate(
        self, frame: Any, part: Part, references: tuple[Any, ...], lacking: Lacking | None
    ) -> tuple[Tensor, dict[str, Any]]:
        luminance, given = self._given(frame)
        place, last = frame.index - part.shot.start, frame.index == part.end - 1
        return luminance, self.sources.say(place, luminance, references, given, last, lacking)

    def _colored(self, part: Part, reader: "_Reader", colors: ShotColors, meter: Meter) -> Iterator[tuple[Any, Tensor]]:
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
