"""One kernel in place of many: what a GPU does of a cycle in one pass, where Triton is there to write it.

Everything here is done by plain operations elsewhere too; ``usable`` says whether the kernels stand in for them. They
are compiled when a type and a number of channels are first seen, and checked against the plain operations then; where
that fails, it is said once and the plain ones go on. ``RECOLOR_TRITON=0`` in the environment leaves the kernels out.
"""

from __future__ import annotations

import functools
import logging
import os
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from recolor_torch.linalg.phases import PhaseOperator

LOG = logging.getLogger("recolor_torch")
# Kinds of devices that have kernels.
DEVICES = {"cuda"}
# Neighbours of a pixel at most, in one direction or both.
TAPS = 8
# More channels than this are left to plain operations: a tile would spill.
MOST_CHANNELS = 8
SWEEP, RESIDUAL, PRODUCT = 0, 1, 2
NO_PHASE = -1


def usable(x: Tensor, stencil: Tensor, *others: Tensor) -> bool:
    """Whether the kernels serve for fields on the phases: ``x`` and others like it, (B, C, 4, h, w)."""
    if x.device.type not in DEVICES:
        return False
    alike = all(o.shape == x.shape and o.dtype == x.dtype and o.is_contiguous() for o in (x, *others))
    alike = alike and stencil.dtype == x.dtype and stencil.shape[0] == x.shape[0]
    return alike and _ready(x.device, x.dtype, _width(x.shape[1]))


def prepare_phases(op: PhaseOperator) -> None:
    """Bring over what the kernels need of an operator: nothing may come over while a graph is recorded."""
    if op.leak.device.type in DEVICES:
        _table(op.offsets, op.symmetric, op.leak.device)


def usable_rows(matrix: Tensor, x: Tensor, *others: Tensor | None) -> bool:
    """Whether the kernels serve for a product of a matrix of compressed rows with (m, C)."""
    if x.device.type not in DEVICES or matrix.dtype != x.dtype:
        return False
    alike = all(t is None or (t.is_contiguous() and t.dtype == x.dtype) for t in (x, *others))
    return alike and _ready(x.device, x.dtype, _width(x.shape[1]))


def product(matrix: Tensor, x: Tensor, base: Tensor | None = None) -> Tensor:
    """A x, or base + A x, of a matrix of compressed rows, (n, m), and (m, C)."""
    if usable_rows(matrix, x, base):
        return update_rows(matrix, x, base=base)
    if x.device.type == "cuda":
        found = _by_columns(matrix, x)
        return found if base is None else found.add_(base)
    return matrix @ x if base is None else torch.addmm(base, matrix, x)


def defect(matrix: Tensor, x: Tensor, b: Tensor) -> Tensor:
    """b - A x."""
    if usable_rows(matrix, x, b):
        return update_rows(matrix, x, b)
    return b - _by_columns(matrix, x) if x.device.type == "cuda" else torch.addmm(b, matrix, x, alpha=-1)


def relax(matrix: Tensor, x: Tensor, b: Tensor, inverse: Tensor, step: float) -> Tensor:
    """x + step inverse (b - A x), with ``inverse`` (n, 1); ``x`` may be overwritten."""
    if usable_rows(matrix, x, b, inverse):
        return update_rows(matrix, x, b, inverse, x, step)
    return x.addcmul_(inverse, defect(matrix, x, b), value=step)


def _by_columns(matrix: Tensor, x: Tensor) -> Tensor:
    """A x a column at a time: with few of them, the product of cuSPARSE for several takes many times as long."""
    return torch.stack([matrix @ column for column in x.t().contiguous()], 1)


def update_rows(
    matrix: Tensor,
    x: Tensor,
    b: Tensor | None = None,
    inverse: Tensor | None = None,
    base: Tensor | None = None,
    step: float = 1.0,
) -> Tensor:
    """base + step inverse (b - A x) by the kernel; A x alone without ``b``, and so on."""
    kernels, n, channels = _kernels(), matrix.shape[0], x.shape[1]
    out = x.new_empty(n, channels)
    given = (b, inverse, base)
    if n:
        kernels.multiply_rows[(-(-n // kernels.ROWS),)](
            matrix.crow_indices(),
            matrix.col_indices(),
            matrix.values(),
            x,
            *(out if t is None else t for t in given),  # any place: it is not read
            out,
            step,
            n,
            channels,
            *(int(t is not None) for t in given),
            kernels.ROWS,
            kernels.ENTRIES,
            _width(channels),
        )
    return out


def multiply_phases(op: PhaseOperator, x: Tensor) -> Tensor:
    """A x on the phases."""
    out = torch.empty_like(x)
    _gather(op, x, x, out, op.leak, PRODUCT, 0)
    return out


def residual(op: PhaseOperator, x: Tensor, b: Tensor, transposed: bool, last: int) -> Tensor:
    """b - A x on the phases, 0 in the phase ``last``."""
    out = torch.empty_like(x)
    _gather(op, x, b, out, op.diagonal, RESIDUAL, int(transposed), blank=last)
    return out


def sweep(op: PhaseOperator, x: Tensor, b: Tensor, order: tuple[int, ...], transposed: bool, zero: bool) -> Tensor:
    """A Gauss-Seidel sweep on the phases, in place, phase by phase in ``order``."""
    plan = int(transposed) + (2 if zero else 0) + (4 if order[0] else 0)
    for phase in order:
        _gather(op, x, b, x, op.inverse_diagonal, SWEEP, plan, phase)
    return x


def _gather(
    op: PhaseOperator,
    x: Tensor,
    b: Tensor,
    out: Tensor,
    own: Tensor,
    mode: int,
    plan: int,
    phase: int | None = None,
    blank: int = NO_PHASE,
) -> None:
    kernels = _kernels()
    batch, channels, _, h, w = x.shape
    grid = (-(-h * w // kernels.PIXELS), batch, 4 if phase is None else 1)
    table = _table(op.offsets, op.symmetric, x.device)
    kernels.gather_neighbours[grid](
        x,
        b,
        out,
        op.tie_stack,
        own,
        table,
        phase or 0,
        plan,
        channels,
        h,
        w,
        batch,
        blank,
        mode,
        TAPS,
        kernels.PIXELS,
        _width(channels),
    )


def restrict(r: Tensor, masks: Tensor, roots: Tensor) -> Tensor:
    """Sums of a field on the phases over the parts of cells, (n, C).

    Args:
        r: (B, C, 4, h, w).
        masks: (10, B, 1, h, w), those of parts that begin at phase 0, then 1, 2 and 3.
        roots: (n,), the first pixel of each part in (B, 4, h, w).
    """
    kernels, n, channels = _kernels(), roots.numel(), r.shape[1]
    out = r.new_empty(n, channels)
    if n:
        kernels.restrict_nodes[(-(-n // kernels.NODES),)](
            r,
            masks,
            roots,
            out,
            n,
            channels,
            r.shape[-2] * r.shape[-1],
            r.shape[0],
            kernels.NODES,
            _width(channels),
        )
    return out


def prolong_add(x: Tensor, e: Tensor, masks: Tensor, numbers: Tensor) -> Tensor:
    """Add a correction of the parts of cells, (n, C), to ``x`` on the phases, in place.

    Args:
        x, masks: as for ``restrict``.
        numbers: (B, 4, h, w), int32: the part that begins at a pixel.
    """
    kernels, plane = _kernels(), x.shape[-2] * x.shape[-1]
    kernels.prolong_nodes[(-(-plane // kernels.PIXELS), x.shape[0], 4)](
        x, e, masks, numbers, x.shape[1], plane, x.shape[0], kernels.PIXELS, _width(x.shape[1])
    )
    return x


def _width(channels: int) -> int:
    """Channels of a tile: a power of two, and two for one as well, so that fewer kernels are compiled."""
    return max(2, 1 << (channels - 1).bit_length())


@functools.cache
def _kernels() -> ModuleType:
    from recolor_torch.linalg import kernels  # Triton takes long to start, and is not everywhere

    return kernels


@functools.lru_cache(maxsize=64)
def _table(offsets: tuple[tuple[int, int], ...], symmetric: bool, device: torch.device) -> Tensor:
    """Taps of all plans (transposed + 2 if from zero + 4 if in reverse) and phases, as ``kernels.py`` reads them."""
    from recolor_torch.linalg.phases import ORDER, taps_of

    table = []
    for plan in range(8):
        done: list[int] = []
        found: dict[int, list[int]] = {}
        for phase in ORDER[::-1] if plan & 4 else ORDER:
            taps = taps_of(offsets, phase, not symmetric, bool(plan & 1))
            taps = [t for t in taps if not plan & 2 or t[2] in done]
            flat = [len(taps), *(n for tap in taps for n in tap)]
            found[phase] = flat + [0] * (1 + 5 * TAPS - len(flat))
            done.append(phase)
        table += [found[phase] for phase in range(4)]
    return torch.tensor(table, dtype=torch.int32, device=device)


_CHECKED: dict[tuple[torch.device, torch.dtype, int], bool] = {}


def _ready(device: torch.device, dtype: torch.dtype, width: int) -> bool:
    """Whether the kernels of a type and a width are compiled and right."""
    if device.type == "cuda" and device.index != torch.cuda.current_device():
        return False  # Triton launches on the current one
    key = (device, dtype, width)
    if key not in _CHECKED:
        if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            return False  # nothing is compiled while a graph is recorded
        _CHECKED[key] = False  # while they are compared with the plain operations
        _CHECKED[key] = _compiled(device, dtype, width)
    return _CHECKED[key]


def _compiled(device: torch.device, dtype: torch.dtype, width: int) -> bool:
    if os.environ.get("RECOLOR_TRITON", "1") == "0" or width > MOST_CHANNELS:
        return False
    from recolor_torch.linalg.fused_check import agree

    try:
        fault = _kernels().FAULT
        if fault is not None and fault.name == "triton":
            return False  # as on every machine without it
        if fault is not None:
            raise fault
        right = agree(device, dtype, width)
        why = "they disagree with the plain operations"
    except Exception as error:  # noqa: BLE001 # a compiler may fail in any way: the plain operations go on
        right, why = False, (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    if not right:
        LOG.warning("Kernels of this package are not used on %s: %s.", device, why)
    return right
