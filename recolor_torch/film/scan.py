"""A first look at a whole film: its frame times, small pictures of all frames, and the shots."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from recolor_torch.film.frame_store import save_tensors
from recolor_torch.film.numbered import frames_of
from recolor_torch.film.opening import FilmError, show
from recolor_torch.film.probing import FilmInfo
from recolor_torch.film.shots import Shot, find_shots, read_shots, shot_thumbnail

# A file that gives fewer than this share of the frames that it says it has is cut short.
WHOLE = 0.9


@dataclass(frozen=True)
class FilmScan:
    """What a film holds.

    Args:
        times: of the frames, in ticks.
        thumbs: (T, 36, 64) bytes of luminance, upright.
        shots: without a gap.
    """

    times: list[int]
    thumbs: Tensor
    shots: list[Shot]


def scan_film(info: FilmInfo, shots: Path | None = None, on_frame: Callable[[int], None] | None = None) -> FilmScan:
    """Read all frames of a film once.

    Args:
        info: the film.
        shots: a file of shots; they are detected without one.
        on_frame: called with the number of frames so far.

    Raises:
        FilmError: the film cannot be read to its end.
        UsageError: the file of shots does not fit.
    """
    times, thumbs = [], []
    for frame in frames_of(info, info.frames).read(0):
        times.append(frame.time)
        thumbs.append(shot_thumbnail(frame.luminance(info)))
        if on_frame is not None:
            on_frame(len(times))
    if info.counted and len(times) < WHOLE * info.frames:
        raise FilmError(f"{show(info.path)}: the file is cut short; {len(times)} of {info.frames} frames can be read.")
    last = float(times[-1] * info.time_base + 1 / info.rate) if times else 0.0
    if last < WHOLE * info.seconds:
        raise FilmError(f"{show(info.path)}: the file is cut short; {last:.1f} of {info.seconds:.1f} s can be read.")
    small = torch.stack(thumbs)
    return FilmScan(times, small, find_shots(small) if shots is None else read_shots(shots, len(times)))


def save_scan(path: Path, scan: FilmScan) -> None:
    """Keep a scan for a later run."""
    shots = [(s.start, s.end, s.begins) for s in scan.shots]
    save_tensors(path, {"times": scan.times, "thumbs": scan.thumbs, "shots": shots})


def load_scan(path: Path) -> FilmScan | None:
    """A scan that an earlier run kept, or None."""
    if not path.exists():
        return None
    found = torch.load(path, weights_only=True)
    return FilmScan(found["times"], found["thumbs"], [Shot(*s) for s in found["shots"]])
