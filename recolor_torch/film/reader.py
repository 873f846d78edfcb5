"""The frames of a film, one after the other: memory is that of a frame, whatever the length."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recolor_torch.film.opening import FilmError, open_film, refuse_interlaced, show, video_stream
from recolor_torch.film.planes import get_planes, luma_to_luminance
from recolor_torch.film.probing import FilmInfo
from recolor_torch.resize import resize


@dataclass(frozen=True)
class Frame:
    """A frame as it is stored.

    Args:
        index: 0 for the first.
        time: in ticks of the film's ``time_base``.
        duration: in ticks; 0 where the file does not say.
        planes: Y, and U and V where there are any, as they are in the file.
    """

    index: int
    time: int
    duration: int
    planes: list[np.ndarray]

    def luminance(self, info: FilmInfo, size: tuple[int, int] | None = None) -> Tensor:
        """Luminance of the upright frame, (1, 1, H, W) in [0, 1], at ``size`` (height, width)."""
        full = luma_to_luminance(self.planes[0], info)
        if size is None:
            return turn_frame(full, info.rotation)
        return turn_frame(resize(full, size[::-1] if info.rotation % 180 else size).clamp(0, 1), info.rotation)


class FilmFile:
    """A film as frames to be colored.

    Args:
        info: what ``probe_film`` found.
        frames: how many frames it has, as a scan counted them.
    """

    def __init__(self, info: FilmInfo, frames: int) -> None:
        self.info, self.frames, self.rate = info, frames, float(info.rate)
        self.size = info.upright
        self.stems: dict[str, int] = {}
        self.numbers: dict[int, int] = {}

    def read(self, start: int) -> Iterator[Frame]:
        """The frames from number ``start`` on."""
        return read_frames(self.info, start)

    def luminance(self, frame: Frame, size: tuple[int, int] | None = None) -> Tensor:
        """Upright luminance, (1, 1, H, W) in [0, 1]."""
        return frame.luminance(self.info, size)


def turn_frame(x: Tensor, degrees: int) -> Tensor:
    """``x`` turned counterclockwise; the film's ``rotation`` brings a stored frame upright, its negative back."""
    return torch.rot90(x, degrees // 90 % 4, (-2, -1)).contiguous()


def read_frames(info: FilmInfo, start: int = 0) -> Iterator[Frame]:
    """The frames from number ``start`` on; those before it are decoded and dropped, so that numbers are sure.

    A frame without a time gets the one that the film's rate gives it, and times always grow.

    Raises:
        FilmError: the film cannot be read; frames before the damage were given.
    """
    path: str | os.PathLike[str] = info.path
    with open_film(path) as container:
        stream = video_stream(container, path)
        step = max(1, round(1 / (info.rate * info.time_base)))
        last: int | None = None
        for index, frame in enumerate(container.decode(stream)):
            refuse_interlaced(frame, path)
            time = frame.pts
            if time is None:
                time = 0 if last is None else last + step
            if last is not None and time <= last:
                time = last + 1
            last = time
            if index < start:
                continue
            if (frame.width, frame.height, frame.format.name) != (info.width, info.height, info.format):
                raise FilmError(
                    f"{show(path)}: frame {index} has {frame.width} x {frame.height} pixels ({frame.format.name}), "
                    f"the first {info.width} x {info.height} ({info.format}); a film must keep one size."
                )
            yield Frame(index, time, frame.duration or 0, get_planes(frame))
