"""Stored values that come back where nothing is recolored: colors that sRGB does not hold survive there."""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from recolor_torch.pictures.decode import decode
from recolor_torch.pictures.read import Picture, Scan
from recolor_torch.strips import Rows


class Keeper:
    """What a picture's file stores beyond its sRGB values, given back as far as these are kept.

    A result that is a mixture of the picture and new colors, in the shares k and 1 - k, was made from the picture's
    sRGB values, clipped. With P, which takes sRGB to stored integers, the file gets ``P(result) + k (stored -
    P(picture))``: the stored values where k is 1, and ``P(result)`` where it is 0.

    Args:
        like: the picture.
        kept: rows of k, (1, 1, h, W).
        to_file: P, from (3, h, W) to integers (h, W, 3).
    """

    def __init__(self, like: Picture | Scan, kept: Rows, to_file: Callable[[Tensor], np.ndarray]) -> None:
        self.like, self.kept, self.to_file = like, kept, to_file
        self._stored: np.ndarray | None = None

    def give_back(self, pixels: np.ndarray, top: int) -> None:
        """Change a band of ``P(result)``, (h, W, 3 or 4), which starts at row ``top``, in place."""
        bottom = top + len(pixels)
        share = self.kept(top, bottom)[0, 0].detach().cpu().double().numpy()[..., None]
        if not share.any():
            return
        stored = self._rows(top, bottom)
        if stored.shape[:2] != pixels.shape[:2]:
            return  # the file has changed since it was read
        if stored.dtype == np.uint16 and pixels.dtype == np.uint8:
            stored = ((stored.astype(np.uint32) + 128) // 257).astype(np.uint8)
        elif stored.dtype == np.uint8 and pixels.dtype == np.uint16:
            stored = stored.astype(np.uint16) * 257
        like = self.like
        before = like.rows(top, bottom)[0] if isinstance(like, Scan) else like.image[0, :, top:bottom]
        beyond = stored.astype(np.float64) - self.to_file(before)
        most = np.iinfo(pixels.dtype).max
        pixels[..., :3] = np.rint(pixels[..., :3] + share * beyond).clip(0, most)

    def _rows(self, top: int, bottom: int) -> np.ndarray:
        if isinstance(self.like, Scan):
            return self.like.pixels[top:bottom]
        if self._stored is None:
            self._stored = decode(self.like.info.path, max_pixels=2**62).pixels
        return self._stored[top:bottom]
