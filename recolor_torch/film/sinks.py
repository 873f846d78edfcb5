"""Where colored frames go: parts of a film that are joined at the end, or pictures in a folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.film.encoding import Encoding
from recolor_torch.film.muxing import mux
from recolor_torch.film.parts import PartWriter
from recolor_torch.film.planes import chroma_to_planes, chroma_to_rgb, planes_to_chroma
from recolor_torch.film.probing import FilmInfo
from recolor_torch.film.reader import Frame, turn_frame
from recolor_torch.pictures.encode import write_png


class Sink(Protocol):
    """Takes parts of a film, each whole or not at all."""

    def has(self, part: int) -> bool:
        """Whether an earlier run has finished a part."""

    def write(self, part: int, frames: Iterator[tuple[Any, Tensor]]) -> None:
        """Write a part: frames as the film's ``read`` gives them, and upright chroma (1, 2, H, W) of any size."""

    def finish(self, parts: int) -> list[str]:
        """Join all parts; returns what could not be kept, a sentence each."""


class FilmSink:
    """Encodes parts into files of a folder, and joins them with the sound and the tags of the input.

    Args:
        info: the film.
        encoding: how it is written.
        folder: for the parts.
        output: the finished film.
        strength: 1 for the colors as they are, 0 for the film's own chroma (gray where it has none).
    """

    def __init__(self, info: FilmInfo, encoding: Encoding, folder: Path, output: Path, strength: float = 1.0) -> None:
        self.info, self.encoding, self.folder, self.output, self.strength = info, encoding, folder, output, strength

    def has(self, part: int) -> bool:
        """Whether an earlier run has finished a part."""
        return self._path(part).exists()

    def write(self, part: int, frames: Iterator[tuple[Frame, Tensor]]) -> None:
        """Encode a part."""
        with PartWriter(self._path(part), self.info, self.encoding) as writer:
            for frame, chroma in frames:
                writer.write(frame.time, frame.duration, self._planes(frame, chroma))

    def finish(self, parts: int) -> list[str]:
        """Join the parts; returns what could not be kept."""
        return mux(self.info, self.encoding, [self._path(i) for i in range(parts)], self.output)

    def _path(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}.packets"

    def _planes(self, frame: Frame, chroma: Tensor) -> list[np.ndarray]:
        luma = frame.planes[0]
        colors = chroma_to_planes(turn_frame(chroma, -self.info.rotation), luma, self.info, self.encoding.shift)
        if self.strength < 1:
            same = len(frame.planes) == 3 and frame.planes[1].shape == colors[0].shape
            neutral = 2.0 ** (self.info.depth - 1)
            before = frame.planes[1:] if same else [np.full_like(c, neutral) for c in colors]
            colors = [_blend(b, c, self.strength) for b, c in zip(before, colors)]
        return [luma, *colors]


class FrameSink:
    """Writes frames as PNG files, upright; the folder of all of them appears when it is whole.

    Args:
        info: the film.
        folder: for the files until then.
        output: the finished folder; the files have its name, and a number.
        strength: as of ``FilmSink``.
        first_number: of the first frame.
    """

    def __init__(self, info: FilmInfo, folder: Path, output: Path, strength: float, first_number: int) -> None:
        self.info, self.folder, self.output, self.strength = info, folder, output, strength
        self.first_number, self.frames = first_number, folder / "frames"

    def has(self, part: int) -> bool:
        """Whether an earlier run has finished a part."""
        return self._mark(part).exists()

    def write(self, part: int, frames: Iterator[tuple[Frame, Tensor]]) -> None:
        """Write the pictures of a part."""
        self.frames.mkdir(exist_ok=True)
        for frame, chroma in frames:
            name = f"{self.output.name}_{frame.index + self.first_number:06d}.png"
            with (self.frames / name).open("wb") as file:
                write_png(file, self._pixels(frame, chroma))
        self._mark(part).touch()

    def finish(self, parts: int) -> list[str]:
        """Give the folder its place; one that was there before goes."""
        if self.frames.exists():  # else it has its place, and the run was ended then
            if self.output.exists():
                shutil.rmtree(self.folder / "before", ignore_errors=True)
                self.output.rename(self.folder / "before")
            self.frames.rename(self.output)
        return []

    def _mark(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}.done"

    def _pixels(self, frame: Frame, chroma: Tensor) -> np.ndarray:
        luma = frame.planes[0]
        chroma = turn_frame(chroma, -self.info.rotation)
        if self.strength < 1:
            before = torch.zeros(1, 2, *luma.shape)
            if len(frame.planes) == 3:
                before = planes_to_chroma(frame.planes, self.info, luma.shape)
            whole = F.interpolate(chroma, size=luma.shape, mode="bicubic", align_corners=False, antialias=True)
            chroma = torch.lerp(before, whole, self.strength)
        rgb = turn_frame(chroma_to_rgb(chroma, luma, self.info), self.info.rotation)[0].permute(1, 2, 0)
        deep = self.info.depth > 8
        return (rgb * (65535 if deep else 255)).round().numpy().astype(np.uint16 if deep else np.uint8)


def _blend(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    return np.rint(a * (1 - share) + b * share).astype(b.dtype)
