"""The list of figures and the pictures that they are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from recolor_torch.color import rgb_to_luminance
from recolor_torch.pictures import read_picture
from recolor_torch.resize import resize


class Pictures:
    """Pairs of pictures by name, such as ``multi_view/cones``, in a folder that has them as NAME_target and NAME_ref.

    Args:
        folder: the folder of the pairs.
        device: where the pictures go.
        side, steps: of the figures that are optimised step by step.
    """

    def __init__(self, folder: Path, device: torch.device, side: int = 256, steps: int = 500) -> None:
        self.folder, self.device, self.side, self.steps = folder, device, side, steps
        self._read = lru_cache(maxsize=32)(self._read_file)

    def target(self, name: str, short_side: int | None = None) -> Tensor:
        """The target in color, (1, 3, H, W), brought to ``short_side`` if that is given."""
        return self._sized(self._read(f"{name}_target.jpg"), short_side)

    def gray(self, name: str, short_side: int | None = None) -> Tensor:
        """Luminance of the target as a picture of three equal channels."""
        return rgb_to_luminance(self.target(name, short_side)).expand(-1, 3, -1, -1)

    def reference(self, name: str, short_side: int | None = None) -> Tensor:
        """The reference, (1, 3, H, W)."""
        return self._sized(self._read(f"{name}_ref.jpg"), short_side)

    def _read_file(self, name: str) -> Tensor:
        return read_picture(self.folder / name).image.float().clamp(0, 1).to(self.device)

    @staticmethod
    def _sized(image: Tensor, short_side: int | None) -> Tensor:
        if short_side is None:
            return image
        scale = short_side / min(image.shape[-2:])
        return resize(image, (round(image.shape[-2] * scale), round(image.shape[-1] * scale))).clamp(0, 1)


@dataclass(frozen=True)
class Entry:
    """A figure of the report: its number, what it shows, and the function that makes its panels by name."""

    number: int
    title: str
    make: Callable[[Pictures], dict[str, Figure]]

    @property
    def caption(self) -> str:
        return " ".join((self.make.__doc__ or "").split())


FIGURES: dict[int, Entry] = {}


def figure(number: int, title: str) -> Callable:
    """Register a function under the number that the figure has in the report. Its docstring is the caption."""

    def register(make: Callable[[Pictures], dict[str, Figure]]) -> Callable[[Pictures], dict[str, Figure]]:
        if number in FIGURES:
            raise ValueError(f"Figure {number} is registered twice.")
        FIGURES[number] = Entry(number, title, make)
        return make

    return register
