"""A sheet of targets and what a gallery found for them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recolor_torch.compose import resize, working_size
from recolor_torch.gallery.gallery import Match
from recolor_torch.output.plots import plot_strip

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE = 256
_LETTERS = 26


def plot_matches(
    results: Sequence[tuple[Path, Sequence[Match]]], k: int, read: Callable[[Path], Tensor], width: float = 2.0
) -> "Figure":
    """A row for each target: the target, then its matches with their scores.

    Args:
        results: targets with their matches.
        k: pictures in a row beside the target.
        read: gives the sRGB picture of a path, (1, 3, H, W).
        width: of a picture, in inches.
    """
    panels: dict[str, Tensor] = {}
    for row, (path, matches) in enumerate(results, start=1):
        panels[f"{_short(path)}\ntarget {row}"] = _thumbnail(read, path)
        for rank in range(1, k + 1):
            if rank > len(matches):
                panels[f"{row}.{rank}\n"] = torch.ones(1, 3, 1, 1)
                continue
            match = matches[rank - 1]
            mirrored = ", mirrored" if match.mirrored else ""
            panels[f"{_short(match.path)}\n{row}.{rank}: {match.score:.3f}{mirrored}"] = _thumbnail(read, match.path)
    return plot_strip(panels, columns=k + 1, width=width)


def _thumbnail(read: Callable[[Path], Tensor], path: Path) -> Tensor:
    try:
        image = read(path)
    except Exception:  # a picture that has gone since it was taken in: its place stays gray
        return torch.full((1, 3, 1, 1), 0.8)
    height, width = image.shape[-2:]
    return resize(image, working_size(height, width, _SIDE)).clamp(0, 1)


def _short(path: Path) -> str:
    name = path.name
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS // 2 - 1]}...{name[-_LETTERS // 2 + 2 :]}"
