"""A contact sheet of a film's shots."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from recolor_torch.color import fit_gamut
from recolor_torch.film.planes import planes_to_chroma
from recolor_torch.film.reader import FilmFile, turn_frame
from recolor_torch.film.shots import Shot
from recolor_torch.resize import working_size

_SIDE = 192
_COLUMNS = 4


def shot_frames(film: FilmFile, shots: Sequence[Shot]) -> list[tuple[Tensor, Tensor]]:
    """The first and the middle frame of each shot, sRGB (1, 3, H, W), small."""
    wanted = sorted({s.start for s in shots} | {(s.start + s.end) // 2 for s in shots})
    size = working_size(*film.size, _SIDE)
    found: dict[int, Tensor] = {}
    for frame in film.read(0):
        if frame.index not in wanted:
            continue
        gray = film.luminance(frame, size)
        chroma = gray.new_zeros(1, 2, *size)
        if len(frame.planes) == 3:
            stored = size[::-1] if film.info.rotation % 180 else size
            chroma = turn_frame(planes_to_chroma(frame.planes, film.info, stored), film.info.rotation)
        found[frame.index] = fit_gamut(gray, chroma)
        if frame.index == wanted[-1]:
            break
    return [(found[s.start], found[(s.start + s.end) // 2]) for s in shots]


def plot_shots(shots: Sequence[Shot], frames: Sequence[tuple[Tensor, Tensor]], rate: float) -> Figure:
    """Shots in rows: the first and the middle frame of each, with its frames and the time it begins at.

    Args:
        shots: of the film.
        frames: as :func:`shot_frames` gives them.
        rate: frames a second.
    """
    columns = min(_COLUMNS, max(2, len(shots)))
    rows = -(-len(shots) // columns)
    height, width = frames[0][0].shape[-2:]
    figure = Figure(figsize=(3.6 * columns, rows * (1.8 * height / width + 0.5)), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for i, (axis, shot, pair) in enumerate(zip(axes.flat, shots, frames), start=1):
        axis.imshow(_side_by_side(*pair))
        minutes, seconds = divmod(shot.start / rate, 60)
        title = f"{i}: frames {shot.start} to {shot.end - 1}, {minutes:.0f}:{seconds:05.2f}"
        axis.set_title(title if shot.begins in ("start", "cut") else f"{title}, {shot.begins}", fontsize=8)
    return figure


def _side_by_side(first: Tensor, middle: Tensor) -> np.ndarray:
    return torch.cat((first, middle), 3)[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().byte().numpy()
