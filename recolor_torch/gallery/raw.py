"""Raw descriptors by place: from the gallery's numbered files, and from checkpoints that are not in it yet."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from recolor_torch.gallery.files import FileEntry, GalleryDamaged, load_array

CHUNK = 4096
Place = tuple[int, int]


class RawSource(Protocol):
    """Descriptors that are not in the gallery yet: a checkpoint, or a file of another gallery."""

    def raw(self) -> np.ndarray:
        """(N, copies, D) float32."""


@dataclass(frozen=True)
class RawFile:
    """A file of raw descriptors of another gallery."""

    path: Path

    def raw(self) -> np.ndarray:
        """The descriptors, memory-mapped."""
        return _descriptors(self.path)


class RawStore:
    """Reads descriptors, (copies, D) each, from where ``raw_file`` and ``raw_row`` of a table's row point.

    Args:
        folder: the gallery.
        files: its files by number.
        sources: number -1 - k is source k.
    """

    def __init__(self, folder: Path, files: dict[int, FileEntry], sources: Sequence[RawSource] = ()) -> None:
        self.arrays = {number: _descriptors(folder / entry.name) for number, entry in files.items()}
        self.sources = sources
        self._open: tuple[int, np.ndarray] | None = None

    def take(self, places: Sequence[Place]) -> np.ndarray:
        """The descriptors at ``places``, (N, copies, D)."""
        parts: list[np.ndarray] = [np.zeros(0)] * len(places)
        by_file: dict[int, list[int]] = {}
        for i, (number, _) in enumerate(places):
            by_file.setdefault(number, []).append(i)
        for number, members in by_file.items():
            values = self._array(number)[[places[i][1] for i in members]]
            for i, value in zip(members, values):
                parts[i] = value
        return np.stack(parts)

    def chunks(self, places: Sequence[Place]) -> Iterator[tuple[range, np.ndarray]]:
        """The descriptors at ``places``, some thousand at a time, with their positions."""
        for start in range(0, len(places), CHUNK):
            inside = range(start, min(start + CHUNK, len(places)))
            yield inside, self.take(places[inside.start : inside.stop])

    def _array(self, number: int) -> np.ndarray:
        if number >= 0:
            return self.arrays[number]
        if self._open is None or self._open[0] != number:  # one at a time: they are not memory-mapped
            self._open = number, self.sources[-1 - number].raw()
        return self._open[1]


def _descriptors(path: Path) -> np.ndarray:
    array = load_array(path)
    if array.ndim != 3 or array.dtype != np.float32:
        raise GalleryDamaged(f"{path} is damaged; there are no descriptors in it.")
    return array


def places_to_rewrite(places: Iterable[Place], rows: dict[int, int]) -> set[int]:
    """Numbers of the raw files whose descriptors are written anew into one.

    Checkpoints are; and files of which half is of no use any more; and the newest ones while all that is written is
    no smaller than the next, so that there are few files and each descriptor is rewritten few times.

    Args:
        places: where the descriptors of the next state are.
        rows: how many rows each file has.

    Example:
        >>> sorted(places_to_rewrite([(1, 0), (1, 1), (1, 2), (2, 0), (-1, 0)], {1: 3, 2: 1}))
        [-1, 2]
    """
    live = Counter(number for number, _ in set(places))
    chosen = {number for number in live if number < 0}
    chosen |= {number for number, count in rows.items() if 2 * live[number] < count and live[number]}
    total = sum(live[number] for number in chosen)
    for number in sorted(rows, reverse=True):
        if number in chosen or not live[number]:
            continue
        if not total or live[number] > total:
            break
        chosen.add(number)
        total += live[number]
    return chosen
