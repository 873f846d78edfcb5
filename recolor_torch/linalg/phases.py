r"""The finest level of a hierarchy: the operator and its smoother, on the four phases of the pixel grid.

Pixels are sorted by the parity of their row and column into four contiguous quarter pictures: a picture
(B, C, H, W) is held as (B, C, 4, H/2, W/2). Pixels of one phase are not neighbours of each other, with
four neighbours or with eight, so a Gauss-Seidel sweep updates a phase at a time, and every step is a
multiply-add of shifted contiguous slices, for all channels and images at once.

Products with the operator are sums of differences, w (x_r - x_s), so that a region which only weak ties
or a tiny mass hold in place loses nothing to rounding in float32; sweeps need no such care.
"""

import torch
from torch import Tensor

from recolor_torch.linalg import fused
from recolor_torch.linalg.linear_system import GridSystem
from recolor_torch.linalg.stencil import Offset, slices, windows

# Order of the phases in a sweep: opposite corners first, so that what follows sees both.
ORDER = (0, 3, 1, 2)


def to_phases(x: Tensor) -> Tensor:
    """(B, C, H, W) of even size to (B, C, 4, H/2, W/2)."""
    return torch.stack([x[..., 0::2, 0::2], x[..., 0::2, 1::2], x[..., 1::2, 0::2], x[..., 1::2, 1::2]], dim=2)


def from_phases(y: Tensor) -> Tensor:
    """The inverse of ``to_phases``."""
    b, c, _, h, w = y.shape
    return y.view(b, c, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(b, c, 2 * h, 2 * w)


def neighbour_phase(phase: int, offset: Offset) -> tuple[int, int, int]:
    """The phase of the neighbour at ``offset`` of a pixel of ``phase``, and the step (rows, columns) of its cell."""
    y, x = phase // 2 + offset[0], phase % 2 + offset[1]
    return 2 * (y & 1) + (x & 1), y >> 1, x >> 1


def taps_of(
    offsets: tuple[Offset, ...], phase: int, one_way: bool, backward: bool
) -> list[tuple[int, int, int, int, int]]:
    """What a pixel of ``phase`` takes from its neighbours: (number of the ties, stored at the neighbour, phase, step
    of the cell y, x).
    """
    out: list[tuple[int, int, int, int, int]] = []
    for k, offset in enumerate(offsets):
        if not (one_way and backward):
            out.append((k, 0, *neighbour_phase(phase, offset)))
        if not one_way or backward:
            out.append((k, 1, *neighbour_phase(phase, (-offset[0], -offset[1]))))
    return out


class PhaseOperator:
    """The free part of a system's matrix on the phases, with Gauss-Seidel sweeps.

    Pixels that are fixed, and those of the padding, are rows and columns of the identity.

    Args:
        system: a system that is not squared.
        even: the size is padded to a multiple of this.
    """

    def __init__(self, system: GridSystem, even: int = 2) -> None:
        self.system = system
        self.symmetric, self.offsets = system.symmetric, system.offsets
        self.height, self.width = system.fixed.shape[-2:]
        self.padding = (0, -self.width % even, 0, -self.height % even)
        free = (~system.fixed).to(system.mass.dtype)
        # What a pixel loses to fixed neighbours and to the mass: its row sum, without cancellation.
        leak = system.mass * free
        height, width = (n + m for n, m in zip(free.shape[-2:], (self.padding[3], self.padding[1])))
        # All in one piece, so that one kernel finds them.
        self.tie_stack = free.new_empty(len(system.offsets), *free.shape[:2], 4, height // 2, width // 2)
        self.ties = list(self.tie_stack.unbind())
        for weight, offset, kept in zip(system.weights, system.offsets, self.ties):
            here, there = windows(offset, free.shape)
            tie = torch.zeros_like(free)
            tie[here] = weight[here] * free[here] * free[there]
            lost = weight[here] - tie[here]
            leak[here] += lost * free[here]
            if system.symmetric:
                leak[there] += lost * free[there]
            kept.copy_(self.split(tie))
        self.leak = self.split(leak + system.fixed, 1.0)
        self.free = self.split(~system.fixed)
        self.diagonal = self.split(system.diagonal(), 1.0)
        self.inverse_diagonal = 1 / self.diagonal
        self.row_scale: Tensor | None = None
        fused.prepare_phases(self)
        self.forward_taps = [self._taps(i, not system.symmetric, False) for i in range(4)]
        self.backward_taps = [self._taps(i, not system.symmetric, True) for i in range(4)]

    def scale_rows(self, by: Tensor) -> None:
        """From now on, stand for the operator with its rows multiplied by ``by``, (B, 1, 4, h, w)."""
        for tie in self.ties:
            tie.mul_(by)
        self.leak *= by
        self.diagonal *= by
        self.inverse_diagonal /= by
        self.row_scale = by

    def enter(self, rhs: Tensor, transposed: bool = False) -> Tensor:
        """A right-hand side of the system, on the phases."""
        b = self.split(rhs)
        return b if transposed or self.row_scale is None else b.mul_(self.row_scale)

    def leave(self, y: Tensor, transposed: bool = False) -> Tensor:
        """A solution on the phases, as one of the system."""
        return self.join(y * self.row_scale if transposed and self.row_scale is not None else y)

    def split(self, x: Tensor, value: float = 0) -> Tensor:
        """A picture of the system's size to phases, padded with ``value``."""
        if any(self.padding):
            x = torch.nn.functional.pad(x, self.padding, value=value)
        return to_phases(x)

    def join(self, y: Tensor) -> Tensor:
        """Phases to a picture of the system's size."""
        return from_phases(y)[..., : self.height, : self.width]

    def _taps(self, phase: int, one_way: bool, backward: bool) -> list[tuple[Tensor, bool, int, int, int]]:
        """``taps_of``, with the ties themselves, of the phase that they are stored at."""
        return [
            (self.ties[k][:, :, source if there else phase], bool(there), source, sy, sx)
            for k, there, source, sy, sx in taps_of(self.offsets, phase, one_way, backward)
        ]

    def multiply(self, x: Tensor, transposed: bool = False) -> Tensor:
        """A x, or Aᵀ x."""
        if transposed and not self.symmetric:
            return self._multiply_transposed(x)
        if fused.usable(x, self.leak):
            return fused.multiply_phases(self, x)
        out = x * self.leak
        for tie, offset in zip(self.ties, self.offsets):
            for i in range(4):
                source, sy, sx = neighbour_phase(i, offset)
                (y0, y1), (x0, x1) = slices(sy, x.shape[-2]), slices(sx, x.shape[-1])
                flow = x[:, :, i, y0, x0] - x[:, :, source, y1, x1]
                flow *= tie[:, :, i, y0, x0]
                out[:, :, i, y0, x0] += flow
                if self.symmetric:
                    out[:, :, source, y1, x1] -= flow
        return out

    def _multiply_transposed(self, x: Tensor) -> Tensor:
        out = x * self.leak
        for tie, offset in zip(self.ties, self.offsets):
            for i in range(4):
                source, sy, sx = neighbour_phase(i, offset)
                (y0, y1), (x0, x1) = slices(sy, x.shape[-2]), slices(sx, x.shape[-1])
                flow = x[:, :, i, y0, x0] * tie[:, :, i, y0, x0]
                out[:, :, i, y0, x0] += flow
                out[:, :, source, y1, x1] -= flow
        return out

    def residual(self, x: Tensor, b: Tensor, transposed: bool = False, last: int = -1) -> Tensor:
        """b - A x; the phase ``last`` is known to have none."""
        if fused.usable(x, self.leak, b):
            return fused.residual(self, x, b, transposed, last)
        out = torch.addcmul(b, self.diagonal, x, value=-1)
        for i, taps in enumerate(self.backward_taps if transposed else self.forward_taps):
            if i == last:
                out[:, :, i] = 0
                continue
            for tap in taps:
                gather(out[:, :, i], x, tap)
        return out

    def sweep(
        self, x: Tensor, b: Tensor, reverse: bool = False, transposed: bool = False, zero: bool = False
    ) -> Tensor:
        """One Gauss-Seidel sweep on A x = b, in place; with ``zero``, x counts as 0 whatever it holds."""
        taps = self.backward_taps if transposed else self.forward_taps
        order = ORDER[::-1] if reverse else ORDER
        if fused.usable(x, self.leak, b):
            return fused.sweep(self, x, b, order, transposed, zero)
        done: list[int] = []
        for i in order:
            target = x[:, :, i]
            target.copy_(b[:, :, i])
            for tap in taps[i]:
                if not zero or tap[2] in done:
                    gather(target, x, tap)
            target *= self.inverse_diagonal[:, :, i]
            done.append(i)
        return x


def gather(out: Tensor, x: Tensor, tap: tuple[Tensor, bool, int, int, int]) -> None:
    """Add to ``out``, one phase, what a tap of it brings from ``x``."""
    tie, at_neighbour, source, sy, sx = tap
    part = x[:, :, source]
    if sy == 0 and sx == 0:
        out.addcmul_(tie, part)
        return
    h, w = part.shape[-2:]
    (y0, y1), (x0, x1) = slices(sy, h), slices(sx, w)
    tie = tie[..., y1, x1] if at_neighbour else tie[..., y0, x0]
    out[..., y0, x0].addcmul_(tie, part[..., y1, x1])
