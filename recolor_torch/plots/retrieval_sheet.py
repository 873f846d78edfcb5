"""A sheet of targets and what a gallery found for them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from recolor_torch.gallery.gallery import Match
from recolor_torch.paths import printable
from recolor_torch.plots.labels import plain
from recolor_torch.resize import resize, working_size

_SIDE = 256
_LETTERS = 28
_LABEL = 0.45


def plot_matches(
    results: Sequence[tuple[Path, Sequence[Match]]], k: int, read: Callable[[Path], Tensor], width: float = 2.2
) -> Figure:
    """A row for each target: the target, then its matches with their scores.

    Args:
        results: targets with their matches.
        k: pictures in a row beside the target.
        read: gives the sRGB picture of a path, (1, 3, H, W). Where it raises, the place stays empty.
        width: of a place, in inches.
    """
    figure = Figure(figsize=((k + 1) * width, len(results) * (width + _LABEL)), layout="constrained")
    axes = figure.subplots(len(results), k + 1, squeeze=False)
    for row, (path, matches) in zip(axes, results):
        labels = [(path, "target")]
        labels += [(m.path, f"{m.score:.3f}{', mirrored' if m.mirrored else ''}") for m in matches[:k]]
        for axis in row:
            axis.set_axis_off()
        for axis, (picture, text) in zip(row, labels):
            axis.imshow(_square(read, picture).permute(1, 2, 0).numpy())
            axis.set_title(plain(f"{_short(picture)}\n{text}"), fontsize=8)
    return figure


def _square(read: Callable[[Path], Tensor], path: Path) -> Tensor:
    """The picture in the middle of a white square, uint8."""
    square = torch.ones(3, _SIDE, _SIDE)
    try:
        image = read(path)
    except Exception:  # noqa: BLE001 # gone or damaged since it was taken in: the sheet of the others is still wanted
        image = torch.full((1, 3, _SIDE, _SIDE), 0.9)
    height, width = working_size(image.shape[-2], image.shape[-1], _SIDE)
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    square[:, top : top + height, left : left + width] = resize(image, (height, width))[0].clamp(0, 1)
    return square.mul(255).round().to(torch.uint8)


def _short(path: Path) -> str:
    name = printable(path.name)
    half = _LETTERS // 2 - 1
    return name if len(name) <= _LETTERS else f"{name[:half]}...{name[-half:]}"
