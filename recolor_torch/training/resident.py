"""Photographs in the memory of the device that trains, and random crops of them made there."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


class PictureStore:
    """Pictures of different sizes on one device, as 8-bit pixels on square canvases.

    Args:
        pictures: (H, W, C) uint8, of as many channels each; a longer side over ``side`` is an error.
        side: of the canvases, in pixels.
        device: where they are kept.
    """

    def __init__(self, pictures: Sequence[np.ndarray], side: int, device: torch.device) -> None:
        canvases = np.empty((len(pictures), side, side, pictures[0].shape[-1]), np.uint8)
        for canvas, pixels in zip(canvases, pictures):
            h, w = pixels.shape[:2]
            if max(h, w) > side:
                raise ValueError(f"A picture of {w} x {h} does not fit a canvas of {side}.")
            canvas[:] = np.pad(pixels, ((0, side - h), (0, side - w), (0, 0)), mode="edge")
        self.sizes = torch.tensor([p.shape[:2] for p in pictures], device=device, dtype=torch.float32)
        self.canvases = torch.from_numpy(canvases).to(device).permute(0, 3, 1, 2).contiguous()

    def __len__(self) -> int:
        return len(self.canvases)

    def reduced(self, side: int) -> "PictureStore":
        """The same pictures on smaller canvases."""
        if side == self.canvases.shape[-1]:
            return self
        other = object.__new__(PictureStore)
        parts = [
            F.interpolate(part.float(), size=(side, side), mode="bilinear", antialias=True, align_corners=False)
            for part in self.canvases.split(512)
        ]
        other.canvases = torch.cat([p.round().clamp(0, 255).to(torch.uint8) for p in parts])
        other.sizes = self.sizes * (side / self.canvases.shape[-1])
        return other

    def crops(self, index: Tensor, size: int, generator: torch.Generator, least: float = 0.6) -> Tensor:
        """A random crop of each picture, half of them mirrored.

        One half are whole pictures, squeezed to a square; the others are squares with a side of ``least`` to 1 times
        the shorter side.

        Args:
            index: of the pictures, (B,).
            size: side of the crops in pixels.
            generator: on the device of the pictures.
            least: smallest crop.

        Returns:
            (B, C, size, size), [0, 1].
        """
        b, device = len(index), index.device
        draw = torch.rand(6, b, generator=generator, device=device)
        sizes = self.sizes[index]
        square = (least + (1 - least) * draw[0]) * sizes.amin(1)
        extent = torch.where((draw[1] < 0.5)[:, None], sizes, square[:, None])
        corner = draw[2:4].T * (sizes - extent)
        return self._sampled(index, size, corner, extent, draw[4] < 0.5)

    def whole(self, index: Tensor, size: int) -> Tensor:
        """The whole pictures, squeezed to squares, (B, C, size, size), [0, 1]."""
        sizes = self.sizes[index]
        return self._sampled(index, size, torch.zeros_like(sizes), sizes, torch.zeros_like(index, dtype=torch.bool))

    def _sampled(self, index: Tensor, size: int, corner: Tensor, extent: Tensor, mirrored: Tensor) -> Tensor:
        step = (torch.arange(size, device=index.device) + 0.5) / size
        rows = corner[:, :1] + extent[:, :1] * step
        columns = corner[:, 1:] + extent[:, 1:] * torch.where(mirrored[:, None], 1 - step, step)
        side = self.canvases.shape[-1]
        x = (2 * columns / side - 1)[:, None, :].expand(-1, size, -1)
        y = (2 * rows / side - 1)[:, :, None].expand(-1, -1, size)
        pixels = self.canvases[index].float() / 255
        return F.grid_sample(pixels, torch.stack((x, y), -1), padding_mode="border", align_corners=False).clamp(0, 1)
