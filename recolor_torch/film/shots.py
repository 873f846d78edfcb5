"""Shots of a film: cuts and fades, found on small pictures of its luminance, or read from a file."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.errors import UsageError
from recolor_torch.text import read_text, short

# Size (height, width) of the pictures that cuts are looked for in.
THUMB = (36, 64)
# Side, in cells of THUMB, of the displacements that count as motion.
REACH = 4
# A cut changes the picture by this many times what the frames around it change by ...
TIMES = 1.8
# ... and by this much of the pictures' own contrast, where 1 is what two unlike pictures differ by ...
LEAST = 0.45
# ... and by this much luminance, so that grain in the dark is no cut.
LEAST_LEVELS = 0.02
# Frames before and after that a change is compared with.
AROUND = 5
# Luminance contrast (standard deviation) below which a frame is blank, as between two fades.
BLANK = 0.02
# Most frames of a flash, a splice or a missing frame, which end no shot.
FLASH = 3
# Fewest blank frames in a row between two shots: fewer are a flash.
FADED = 3
# Digits of a frame's number in a file of shots.
LONGEST_NUMBER = 18
# Fewest frames of a shot that detection makes: flashes and splices do not end one.
SHORTEST = 4


@dataclass(frozen=True)
class Shot:
    """Frames ``start`` to ``end - 1``; how the shot begins: ``start``, ``cut``, ``fade`` or ``file``."""

    start: int
    end: int
    begins: str = "cut"

    def __len__(self) -> int:
        return self.end - self.start


def shot_thumbnail(luminance: Tensor) -> Tensor:
    """What :func:`find_shots` looks at: (1, 1, H, W) as (36, 64) bytes."""
    return F.adaptive_avg_pool2d(luminance, THUMB)[0, 0].mul(255).round().to(torch.uint8)


def find_shots(thumbs: Tensor) -> list[Shot]:
    """Shots of a film from its thumbnails.

    The change from a frame to the next is what the best displacement and gain leave of their difference, in shares of
    their contrast: so pans and flicker of the light change little. A cut is a change that stands out from those around
    it. Frames without contrast, as between two fades, end a shot too.

    Args:
        thumbs: (T, 36, 64), bytes, as :func:`shot_thumbnail` makes them.

    Returns:
        Shots that follow each other without a gap.
    """
    frames = len(thumbs)
    if frames < 2:
        return [Shot(0, frames, "start")]
    change, level = changes(thumbs)
    found: dict[int, float] = {}
    for t in range(1, frames):
        here = float(change[t])
        around = [float(change[s]) for s in range(max(1, t - AROUND), min(frames, t + AROUND + 1)) if s != t]
        usual = sorted(around)[len(around) // 2] if around else 0.0
        if here > LEAST and float(level[t]) > LEAST_LEVELS and here > TIMES * usual and not _is_flash(thumbs, t):
            found[t] = here
    fades = set(_fades(thumbs))
    found.update(dict.fromkeys(fades, 2.0))
    starts = [0]
    for t in sorted(found, key=lambda t: -found[t]):  # of several near each other, the strongest counts
        if all(abs(t - s) >= SHORTEST for s in [*starts, frames]):
            starts.append(t)
    starts.sort()
    kinds = ["start", *("fade" if t in fades else "cut" for t in starts[1:])]
    return [Shot(a, b, kind) for a, b, kind in zip(starts, [*starts[1:], frames], kinds)]


def _fades(thumbs: Tensor) -> list[int]:
    """The middles of runs of blank frames inside of the film."""
    blank = (thumbs.flatten(1).float().std(1) / 255 < BLANK).tolist()
    middles, start = [], None
    for t, is_blank in enumerate([*blank, False]):
        if is_blank and start is None:
            start = t
        elif not is_blank and start is not None:
            if t - start >= FADED and start > 0 and t < len(blank):
                middles.append((start + t) // 2)
            start = None
    return middles


def changes(thumbs: Tensor) -> tuple[Tensor, Tensor]:
    """How much each frame differs from the one before: in shares of contrast, and in luminance; (T,) each, 0 first."""
    share, level = [torch.zeros(1)], [torch.zeros(1)]
    for first in range(1, len(thumbs), 256):  # pieces bound the memory
        last = min(first + 256, len(thumbs))
        part = _change(thumbs[first - 1 : last - 1], thumbs[first:last])
        share.append(part[0])
        level.append(part[1])
    return torch.cat(share), torch.cat(level)


def _change(before: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
    inner = (slice(None), slice(REACH, -REACH), slice(REACH, -REACH))
    now, before = now.float() / 255, before.float() / 255
    core = now[inner]
    core = core - core.mean((1, 2), keepdim=True)
    best = torch.full((len(now),), float("inf"))
    for dy in range(-REACH, REACH + 1, 2):
        for dx in range(-REACH, REACH + 1, 2):
            other = before.roll((dy, dx), (1, 2))[inner]
            other = other - other.mean((1, 2), keepdim=True)
            gain = (core * other).sum((1, 2)) / other.square().sum((1, 2)).clamp(min=1e-6)
            rest = core - gain.clamp(0.5, 2)[:, None, None] * other
            best = torch.minimum(best, rest.square().mean((1, 2)))
    spread = torch.maximum(core.square().mean((1, 2)), before[inner].var((1, 2))).clamp(min=1e-6)
    return (best / spread).sqrt(), best.sqrt()


def _is_flash(thumbs: Tensor, t: int) -> bool:
    """Whether some frame shortly before ``t`` looks like one shortly after: what lies between is no other scene."""
    before = [s for s in range(t - FLASH, t) if s >= 0]
    after = [s for s in range(t, t + FLASH) if s < len(thumbs)]
    pairs = [(a, b) for a in before for b in after if b - a > 1]
    if not pairs:
        return False
    share, _ = _change(thumbs[[a for a, _ in pairs]], thumbs[[b for _, b in pairs]])
    return float(share.min()) < LEAST * 0.7


def write_shots(path: Path, shots: list[Shot], rate: float) -> None:
    """A CSV file with a line a shot: number, first frame, last frame, time of the first in seconds, how it begins."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["shot", "first", "last", "seconds", "begins"])
        for i, shot in enumerate(shots, start=1):
            out.writerow([i, shot.start, shot.end - 1, f"{shot.start / rate:.3f}", shot.begins])


def read_shots(path: Path, frames: int) -> list[Shot]:
    """Shots from a CSV file with the column ``first``, the first frames of the shots, counted from 0.

    Other columns are notes: to join two shots, delete a line; to split one, add a line.

    Raises:
        UsageError: the file cannot be read, has no such column, or a frame that the film does not have.
    """
    try:
        lines = io.StringIO(read_text(path), newline="")
        rows = list(csv.DictReader(lines, skipinitialspace=True))
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"Cannot read the shots {path}: {getattr(error, 'strerror', None) or error}.") from error
    starts = set()
    for number, row in enumerate(rows, start=2):
        text = (row.get("first") or "").strip()
        if not (text.isascii() and text.isdecimal()):
            raise UsageError(f"{path}, line {number}: the column first must be a frame's number, got {short(text)}.")
        first = int(text) if len(text) <= LONGEST_NUMBER else frames  # Python refuses numbers of thousands of digits
        if first >= frames:
            told = short(text).strip('"')
            raise UsageError(f"{path}, line {number}: there is no frame {told}; the film has {frames} (from 0).")
        starts.add(first)
    if not rows:
        raise UsageError(f"{path}: there are no shots in it; the first line names the columns, as shot,first,last.")
    ordered = sorted(starts | {0})
    kinds = ["start", *["file"] * (len(ordered) - 1)]
    return [Shot(a, b, kind) for a, b, kind in zip(ordered, [*ordered[1:], frames], kinds)]
