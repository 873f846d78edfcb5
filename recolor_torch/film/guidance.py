"""Which references and strokes belong to which frame of a film."""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from recolor_torch.color import rgb_to_yuv
from recolor_torch.errors import UsageError
from recolor_torch.film.shots import Shot
from recolor_torch.film.sources import ALIKE, GivenFrames, Sources, align, correlation
from recolor_torch.hints.read import read_hints
from recolor_torch.methods import Reference
from recolor_torch.pictures.guidance import read_reference, read_visible, reference_notes
from recolor_torch.pictures.opening import picture_suffixes
from recolor_torch.resize import resize, resize_hints, working_size

# References that a shot is matched with, and that are kept in memory.
MOST_REFERENCES, KEPT_REFERENCES = 3, 8
# References that are tried for a shot; of more, those are tried whose own gray picture is most like the shot's.
MOST_TRIED = 8
# A reference has to score this share of the best one's.
FITS = 0.75
_NUMBER = re.compile(r"(\d+)$")
_TIME = re.compile(r"(?:^|[^\d])(?:(\d+)h)?(?:(\d+)m)?(\d+(?:\.\d+)?)s$")


@dataclass(frozen=True)
class FilmGuidance:
    """Where the colors of a film come from; all may be missing.

    Args:
        references: colored pictures. One whose name ends in a number (or a time, as ``_1m12.5s``) is that frame.
        hints: a folder with strokes for frames, by number or time in the name; or a file for the first frame.
        hinted: files with strokes by frame, for one who knows them already.
        first_number: the number of the film's first frame in such names.
        find: references for a frame, sRGB (1, 3, H, W), from a gallery.
        shots: a file of shots.
    """

    references: tuple[Path, ...] = ()
    hints: Path | None = None
    hinted: Mapping[int, Path] = field(default_factory=dict)
    first_number: int = 1
    find: Callable[[Tensor], list[Path]] | None = None
    shots: Path | None = None

    def files(self) -> tuple[Path, ...]:
        """What was named, files and folders."""
        return (*self.references, *(path for path in (self.hints, self.shots) if path is not None))


def frame_of_name(path: Path, rate: float, first: int) -> int | None:
    """The frame that a file's name ends in: a number, counted from ``first``, or a time; None without one.

    Example:
        >>> frame_of_name(Path("ref_0240.png"), 25.0, 1), frame_of_name(Path("still_1m02.5s.png"), 24.0, 1)
        (239, 1500)
        >>> frame_of_name(Path("portrait.jpg"), 25.0, 1) is None
        True
    """
    if match := _TIME.search(path.stem):
        hours, minutes, seconds = (float(x or 0) for x in match.groups())
        return round((3600 * hours + 60 * minutes + seconds) * rate)
    if match := _NUMBER.search(path.stem):
        return int(match[1]) - first
    return None


@dataclass
class FilmGuide:
    """Looks up what is given for a shot and for a frame, at the working size.

    Args:
        guidance: of the film.
        frames: how many frames the film has.
        rate: frames a second.
        size: (height, width) at which the frames are worked on.
        notes: what was understood of the guidance, a sentence each.
        stems: frames by the names of their files, for a folder of frames; they come before numbers.
        numbers: frames by the numbers in those names; they count in place of places where ``first_number`` is 1.
    """

    guidance: FilmGuidance
    frames: int
    rate: float
    size: tuple[int, int]
    notes: list[str] = field(default_factory=list)
    stems: dict[str, int] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._cache: OrderedDict[Path, Reference] = OrderedDict()
        first = self.guidance.first_number
        if first != 1:
            self.numbers = {}
        self.numbered: dict[int, Path] = {}
        for path in self.guidance.references:
            number = self._frame(path)
            if number is not None and number not in self.numbered:
                self.numbered[number] = path
        self.hinted: dict[int, Path] = dict(self.guidance.hinted)
        hints = self.guidance.hints
        if hints is not None and hints.is_dir():
            suffixes = {".json", *picture_suffixes()}
            for path in sorted(p for p in hints.iterdir() if p.suffix.lower() in suffixes):
                number = self._frame(path)
                if number is None:
                    self.notes.append(f"{path.name} names no frame of this film and was not used.")
                elif number in self.hinted:
                    raise UsageError(f"{self.hinted[number]} and {path} both hold hints for frame {number}.")
                else:
                    self.hinted[number] = path
            if not self.hinted:
                first, last = min(self.numbers, default=first), max(self.numbers, default=first + self.frames - 1)
                raise UsageError(
                    f"{hints}: no name in this folder ends in the number of a frame of the film, "
                    f"{first} to {last}, as in hints_{first:06d}.json."
                )
        elif hints is not None:
            self.hinted[self._frame(hints) or 0] = hints

    def _frame(self, path: Path) -> int | None:
        """The frame that a file is for, or None."""
        if path.stem in self.stems:
            return self.stems[path.stem]
        number = frame_of_name(path, self.rate, 0 if self.numbers else self.guidance.first_number)
        if self.numbers and number is not None and not _TIME.search(path.stem):
            return self.numbers.get(number)
        return number if number is not None and 0 <= number < self.frames else None

    def exact_frames(self) -> list[int]:
        """Frames whose colors are given as a whole or by strokes."""
        return sorted({*self.numbered, *self.hinted})

    def given(self, frame: int, picture: Callable[[], Tensor], luminance: Tensor) -> GivenFrames | None:
        """What is given for a frame.

        Args:
            frame: its number.
            picture: makes the frame in full size, sRGB (1, 3, H, W), for strokes that are drawn on it.
            luminance: of the frame at the working size.
        """
        found: GivenFrames | None = None
        if frame in self.numbered:
            chroma, alike = align(self._read(self.numbered[frame], luminance).image, luminance)
            if alike >= ALIKE:
                found = GivenFrames(chroma, torch.ones_like(luminance), True)
            else:
                name = self.numbered.pop(frame).name
                self.notes.append(
                    f"{name} does not look like frame {frame} (correlation {alike:.2f}): it counts as any reference; "
                    "--film.first_number says what number the first frame has in such names."
                )
        if frame in self.hinted:
            full = picture()
            hints = read_hints(self.hinted[frame], full)
            said = f"{self.hinted[frame].name}: links are not followed in films."
            if hints.links and said not in self.notes:
                self.notes.append(said)
            color, mask = resize_hints(hints.image, hints.mask, self.size)
            strokes = rgb_to_yuv(color)[:, 1:].to(luminance)
            mask = mask[:, :1].to(luminance)
            if found is not None:
                strokes = torch.where(mask > 0.5, strokes, found.chroma)
            found = GivenFrames(strokes, torch.ones_like(mask) if found is not None else mask, found is not None)
        return found

    def fitting(self, shot: Shot, middle: Tensor, sources: Sources) -> tuple[tuple[Reference, ...], list[str]]:
        """The references that a shot is matched with, and their names: those on its frames, else the best."""
        inside = [path for number, path in self.numbered.items() if shot.start <= number < shot.end]
        paths = list(self.guidance.references)
        if self.guidance.find is not None and not inside:
            paths += self.guidance.find(middle.expand(-1, 3, -1, -1))
        if not inside and len(paths) > MOST_TRIED:
            paths = sorted(paths, key=lambda p: -_look_alike(self._read(p).image, middle))[:MOST_TRIED]
        if len(inside) > MOST_REFERENCES:
            step = len(inside) / MOST_REFERENCES
            inside = [inside[int(i * step)] for i in range(MOST_REFERENCES)]
        chosen = inside
        if not inside and len(paths) > 1:
            scores = {path: sources.score(middle, self._read(path, middle)) for path in paths}
            best = max(scores.values())
            chosen = sorted((p for p in paths if scores[p] >= FITS * best), key=lambda p: -scores[p])[:MOST_REFERENCES]
        elif not inside:
            chosen = paths
        return tuple(self._read(path, middle) for path in chosen), [path.name for path in chosen]

    def full_chroma(self, frame: int, size: tuple[int, int]) -> Tensor | None:
        """The chroma of a frame that is given whole and in full size, (1, 2, H, W); None for others."""
        path = self.numbered.get(frame)
        if path is None or frame in self.hinted:
            return None
        image = read_visible(path)
        return rgb_to_yuv(image)[:, 1:] if tuple(image.shape[-2:]) == size else None

    def _read(self, path: Path, like: Tensor | None = None) -> Reference:
        """A reference in YUV at about the working size, what can be seen of it; the last few stay in memory.

        Args:
            path: the picture.
            like: a tensor of the device and type that are wanted.
        """
        if path not in self._cache:
            found = read_reference(path)
            self.notes += [note for note in reference_notes(path) if note not in self.notes]
            size = working_size(found.image.shape[-2], found.image.shape[-1], max(self.size))
            mask = None if found.mask is None else resize(found.mask, size).clamp(0, 1)
            self._cache[path] = Reference(rgb_to_yuv(resize(found.image, size).clamp(0, 1)), mask)
            if len(self._cache) > KEPT_REFERENCES:
                self._cache.popitem(last=False)
        self._cache.move_to_end(path)
        kept = self._cache[path]
        if like is None:
            return kept
        return Reference(kept.image.to(like), None if kept.mask is None else kept.mask.to(like))


def _look_alike(reference: Tensor, middle: Tensor) -> float:
    """How alike two pictures are in their luminance: histograms and layout at a glance."""
    a, b = (torch.nn.functional.adaptive_avg_pool2d(x, (9, 16)) for x in (reference[:, :1], middle))
    return correlation(a, b) - float((a.flatten().sort()[0] - b.flatten().sort()[0]).abs().mean())
