"""Pixels on their way into a file, a band of rows after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Raster:
    """A picture in bands of whole rows, from the top; they can be gone through once.

    Args:
        shape: height, width and channels.
        dtype: uint8 or uint16.
        bands: (h, W, C) each; of RGB a pixel may take four bytes, the last of no meaning.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    bands: Iterable[np.ndarray]

    def in_bands(self, rows: int) -> Iterator[np.ndarray]:
        """Bands of ``rows`` rows each, the last one of the rest."""
        left: list[np.ndarray] = []
        count = 0
        for band in self.bands:
            rest = band
            while len(rest) + count >= rows:
                need = rows - count
                yield np.concatenate([*left, rest[:need]]) if left else rest[:need]
                left, count, rest = [], 0, rest[need:]
            if len(rest):
                left.append(rest)
                count += len(rest)
        if left:
            yield np.concatenate(left) if len(left) > 1 else left[0]

    def whole(self) -> np.ndarray:
        """All pixels, (H, W, C)."""
        pixels = np.empty(self.shape, self.dtype)
        top = 0
        for band in self.bands:
            pixels[top : top + len(band)] = band
            top += len(band)
        return pixels


def as_raster(pixels: np.ndarray | Raster) -> Raster:
    """An array as one band."""
    if isinstance(pixels, Raster):
        return pixels
    height, width, channels = pixels.shape
    return Raster((height, width, channels), pixels.dtype, (pixels,))
