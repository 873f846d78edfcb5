"""Look-up tables that map colors: made once, applied to any number of pictures, exported as ``.cube``."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from recolor_torch.checks import check_image
from recolor_torch.color.gamut import fit_gamut
from recolor_torch.color.histogram import CHUNK, to_levels
from recolor_torch.color.yuv import BLUE, GREEN, RED, rgb_to_luminance, rgb_to_yuv

_CUBE_1D_LIMIT = 65536

_PAINT_STEPS = 1 << 14
"""Steps of luminance in which a chroma table is fitted into the gamut: 64 to a level of 8 bits."""


_BYTE_STEPS = 4 * _PAINT_STEPS
"""Steps in which nearly all luminances give the same bytes."""


@dataclass(frozen=True)
class LookUpTable:
    """One table a sample and channel: value ``values[b, c, i]`` for level ``i``.

    Args:
        values: (B or 1, C or 1, levels) float, the output in [0, 1] for each of the input's levels.
    """

    values: Tensor

    @property
    def levels(self) -> int:
        """Number of input levels."""
        return self.values.shape[-1]

    def apply(self, image: Tensor) -> Tensor:
        """Map every pixel through the table of its sample and channel.

        Args:
            image: (B, C, H, W); float in [0, 1], uint8 or uint16. A float is taken at the nearest of
                the table's levels, at most ``0.5 / (levels - 1)`` away; NaN stays NaN.

        Returns:
            The same shape and dtype.
        """
        b, c = image.shape[:2]
        if self.values.shape[0] not in (1, b) or self.values.shape[1] not in (1, c):
            raise ValueError(f"A table of shape {tuple(self.values.shape)} does not fit {b} x {c} channels.")
        table = self.values.expand(b, c, -1)
        if not image.is_floating_point():
            top = 255 if image.dtype == torch.uint8 else 65535
            # There is no gather for uint16; int32 holds it.
            table = (table * top + 0.5).to(torch.uint8 if top == 255 else torch.int32)
        # One entry more: the place of NaN.
        pad = torch.full_like(table[..., :1], float("nan") if image.is_floating_point() else 0)
        table = torch.cat([table, pad], dim=-1).to(image.dtype if image.is_floating_point() else table.dtype)
        out = torch.empty_like(image, memory_format=torch.contiguous_format)
        for i in range(b):
            for k in range(c):
                source, target = image[i, k].reshape(-1), out[i, k].view(-1)
                size = CHUNK if image.device.type == "cpu" else max(source.numel(), 1)
                for start in range(0, source.numel(), size):
                    index = to_levels(source[start : start + size], self.levels)
                    target[start : start + size] = table[i, k].index_select(0, index)
        return out

    def to_cube(self, title: str = "recolor_torch") -> str:
        """The table as the text of a 1-D ``.cube`` file, for a batch of one with 1 or 3 channels."""
        if self.values.shape[0] != 1 or self.values.shape[1] not in (1, 3):
            raise ValueError(f"A .cube file holds one RGB table, got shape {tuple(self.values.shape)}.")
        if not 2 <= self.levels <= _CUBE_1D_LIMIT:
            raise ValueError(f"A 1-D .cube file holds 2 to {_CUBE_1D_LIMIT} levels, got {self.levels}.")
        rows = self.values[0].expand(3, -1).T.tolist()
        return cube_text(f"LUT_1D_SIZE {self.levels}", rows, title)


@dataclass(frozen=True)
class ChromaTable:
    """Chroma for each luminance: U and V at equally spaced luminances, linear in between.

    Args:
        values: (B or 1, 2, levels) float, U and V at luminance ``i / (levels - 1)``.
    """

    values: Tensor

    def apply(self, luminance: Tensor) -> Tensor:
        """Chroma for every pixel; differentiable in the luminance and in the table.

        Args:
            luminance: (B, 1, H, W), [0, 1]; values outside take the chroma of the nearest bound.

        Returns:
            U and V, (B, 2, H, W); NaN where the luminance is.
        """
        check_image(luminance, "luminance", channels=1)
        b, _, h, w = luminance.shape
        levels = self.values.shape[-1]
        position = luminance.flatten(1).clamp(0, 1) * (levels - 1)
        index = position.detach().nan_to_num(nan=0.0).to(torch.int64).clamp(max=levels - 2)
        part = (position - index).unsqueeze(1)
        table = self.values.to(luminance).expand(b, -1, -1)
        index = index.unsqueeze(1).expand(-1, 2, -1)
        lower, upper = table.gather(2, index), table.gather(2, index + 1)
        return torch.lerp(lower, upper, part).view(b, 2, h, w)

    def paint(self, luminance: Tensor) -> Tensor:
        """The picture of this luminance and the table's chroma, fitted into the gamut.

        It is ``fit_gamut(luminance, apply(luminance))`` with the chroma of the middle of one of 16,384 equal steps of
        luminance, fitted at both ends of the step: several times as fast, and without gradients. Luminance stays.

        Args:
            luminance: (B, 1, H, W), [0, 1]; values outside are brought to the nearest bound.

        Returns:
            sRGB, (B, 3, H, W); NaN where the luminance is.
        """
        check_image(luminance, "luminance", channels=1)
        y = luminance.detach().clamp(0, 1)
        index = (y * _PAINT_STEPS).to(torch.int32).clamp_(0, _PAINT_STEPS - 1)  # NaN becomes a bound
        offsets = self._offsets.to(y).expand(len(y), -1, -1)
        parts = [o.index_select(1, i.flatten()).view(1, 3, *i.shape[1:]) for o, i in zip(offsets, index)]
        found = parts[0] if len(parts) == 1 else torch.cat(parts)
        return found.add_(y).clamp_(0, 1)

    def paint_bytes(self, stored: Tensor) -> Tensor:
        """``paint`` of a picture of 8 bits, rounded to 8 bits: the same bytes, in a third of the time.

        In nearly all steps of luminance a channel rounds to one byte, wherever in the step the luminance lies; what is
        left is computed. For tables of one picture.

        Args:
            stored: (H, W, 1 or 3) uint8 on the CPU: sRGB, or gray.

        Returns:
            (H, W, 4) uint8: R, G, B, and a byte of no meaning.
        """
        height, width, channels = stored.shape
        if channels == 1:
            return self._of_grays.index_select(0, stored.flatten().int()).view(torch.uint8).view(height, width, 4)
        bytes_of, offsets = self._rounded
        parts = stored.flatten().float().div_(255).mul_(_shares(height * width))
        red, green, blue = parts.view(-1, 3).unbind(1)
        y = (red + green).add_(blue)  # as ``rgb_to_luminance`` has it, to the last bit
        found = bytes_of.index_select(0, (y * _BYTE_STEPS).int())
        hard = torch.from_numpy(np.flatnonzero(found.numpy() < 0))  # six times as fast as torch's nonzero
        y = y[hard]
        found[hard] = _packed(offsets.index_select(1, (y * _PAINT_STEPS).int()).add_(y))
        return found.view(torch.uint8).view(height, width, 4)

    def chroma_length(self, luminance: Tensor) -> Tensor:
        """Length of (U, V) of what ``paint`` makes of each luminance; for tables of one picture.

        Args:
            luminance: floats of any shape, [0, 1].
        """
        index = (luminance * _PAINT_STEPS).int().clamp_(0, _PAINT_STEPS - 1)
        return self._lengths.to(luminance).index_select(0, index.flatten()).view(luminance.shape)

    @cached_property
    def _lengths(self) -> Tensor:
        """Length of the chroma of each step of luminance, (steps,)."""
        u, v = rgb_to_yuv(self._offsets[:1, :, None])[0, 1:, 0]
        return (u * u + v * v).sqrt()

    @cached_property
    def _of_grays(self) -> Tensor:
        """The packed color of each gray of 8 bits, (256,)."""
        gray = torch.arange(256).float().div_(255).view(1, 1, 1, -1).expand(-1, 3, -1, -1)
        return _packed(self.paint(rgb_to_luminance(gray))[0, :, 0])

    @cached_property
    def _rounded(self) -> tuple[Tensor, Tensor]:
        """The packed color of each fine step of luminance, -1 where it has several, and the offsets; and of white."""
        offsets = self._offsets[0].float()
        fine = offsets.repeat_interleave(_BYTE_STEPS // _PAINT_STEPS, 1)
        offsets, fine = (torch.cat((x, x[:, -1:]), 1) for x in (offsets, fine))
        dark = torch.arange(_BYTE_STEPS + 1).float() / _BYTE_STEPS
        light = torch.cat((torch.nextafter(dark[1:], dark[:1]), dark[-1:]))
        low, high = _packed(fine + dark), _packed(fine + light)  # rounding keeps the order of luminance
        return torch.where(low == high, low, -1), offsets

    @cached_property
    def _offsets(self) -> Tensor:
        """What the chroma adds to R, G and B in each step of luminance, wherever in it: (B or 1, 3, steps)."""
        grid = torch.linspace(0, 1, _PAINT_STEPS + 1, dtype=self.values.dtype, device=self.values.device)
        grid = grid.expand(len(self.values), 1, 1, -1)
        dark, light = grid[..., :-1], grid[..., 1:]
        chroma = self.apply((dark + light) / 2)
        # Both are multiples of one offset. The shorter fits at the lower end, where what is taken away must be there,
        # and at the upper one, where what is added must have room.
        low, high = fit_gamut(dark, chroma) - dark, fit_gamut(light, chroma) - light
        shorter = low.abs().sum(1, keepdim=True) <= high.abs().sum(1, keepdim=True)
        return torch.where(shorter, low, high).squeeze(2)

    def to_cube(self, size: int = 33, title: str = "recolor_torch") -> str:
        """The text of a 3-D ``.cube`` file: luminance kept, this chroma, fitted into the gamut."""
        if self.values.shape[0] != 1:
            raise ValueError(f"A .cube file holds one table, got a batch of {self.values.shape[0]}.")
        luminance = rgb_to_luminance(cube_grid(size).to(self.values))
        rows = fit_gamut(luminance, self.apply(luminance))[0, :, 0].T.tolist()
        return cube_text(f"LUT_3D_SIZE {size}", rows, title)


@lru_cache(maxsize=2)
def _shares(pixels: int) -> Tensor:
    """The shares of R, G and B in luminance, one pixel after the other: a product of two rows is a processor's best."""
    return torch.tensor((RED, GREEN, BLUE)).repeat(pixels)


def _packed(rgb: Tensor) -> Tensor:
    """R, G and B, (3, n) floats, in the first three bytes of int32: (n,), positive."""
    packed = torch.zeros(rgb.shape[1], 4, dtype=torch.uint8)
    packed[:, :3] = (rgb.clamp(0, 1) * 255).round_().to(torch.uint8).T
    return packed.view(torch.int32)[:, 0]


def cube_grid(size: int) -> Tensor:
    """The colors of the rows of a 3-D ``.cube`` file, (1, 3, 1, size^3), float64: red varies fastest."""
    axis = torch.linspace(0, 1, size, dtype=torch.float64)
    blue, green, red = torch.meshgrid(axis, axis, axis, indexing="ij")
    return torch.stack((red, green, blue)).view(1, 3, 1, -1)


def cube_text(size: str, rows: list[list[float]], title: str = "recolor_torch") -> str:
    """The text of a ``.cube`` file.

    Args:
        size: its line that states kind and size, as ``LUT_3D_SIZE 33``.
        rows: three numbers each.
        title: of the table.
    """
    title = title.replace('"', "'").replace("\n", " ")
    lines = [f'TITLE "{title}"', size, "DOMAIN_MIN 0 0 0", "DOMAIN_MAX 1 1 1"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in rows]
    return "\n".join(lines) + "\n"
