"""Whether the kernels of this package agree with the plain operations on a device: asked before they are used."""

import torch
from torch import Tensor

from recolor_torch.linalg import fused
from recolor_torch.linalg.cells import Cells
from recolor_torch.linalg.graph import csr_sorted
from recolor_torch.linalg.linear_system import GridSystem
from recolor_torch.linalg.phases import ORDER, PhaseOperator
from recolor_torch.linalg.stencil import FULL_8, HALF_8

# Share of the largest value by which sums in another order may differ.
SHARES = {torch.float32: 1e-5, torch.float64: 1e-6}
SIZE = (2, 22, 26)


def agree(device: torch.device, dtype: torch.dtype, channels: int) -> bool:
    """Every kernel against the plain operations, on small systems with and without symmetry."""
    return all(
        bool((found - wanted).abs().max() <= SHARES[dtype] * wanted.abs().max().clamp_min(1e-3))
        for found, wanted in [*_graphs(device, dtype, channels), *_pixels(device, dtype, channels)]
    )


def _random(generator: torch.Generator, *size: int) -> Tensor:
    return torch.rand(*size, generator=generator, dtype=torch.float64)


def _graphs(device: torch.device, dtype: torch.dtype, channels: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    dense = _random(generator, 150, 90)
    dense = torch.where(dense > 1 - torch.linspace(0.02, 0.6, 150)[:, None], dense - 0.5, 0)
    rows, cols = dense.nonzero(as_tuple=True)
    matrix = csr_sorted(rows.int(), cols, dense[rows, cols], (150, 90))
    x, b, base = (_random(generator, n, channels) - 0.5 for n in (90, 150, 150))
    inverse = _random(generator, 150, 1)
    matrix, dense, x, b, base, inverse = (t.to(device, dtype) for t in (matrix, dense, x, b, base, inverse))
    return [
        (fused.update_rows(matrix, x), dense @ x),
        (fused.update_rows(matrix, x, base=base), base + dense @ x),
        (fused.update_rows(matrix, x, b), b - dense @ x),
        (fused.update_rows(matrix, x, b, inverse, base, 0.7), base + 0.7 * inverse * (b - dense @ x)),
    ]


def _pixels(device: torch.device, dtype: torch.dtype, channels: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    batch, height, width = SIZE
    out = []
    for offsets, symmetric in ((HALF_8, True), (FULL_8, False)):
        weights = [_random(generator, batch, 1, height, width).pow(4).to(device, dtype) for _ in offsets]
        mass = 0.1 * _random(generator, batch, 1, height, width).to(device, dtype)
        fixed = (_random(generator, batch, 1, height, width) < 0.1).to(device)
        empty = torch.zeros_like(mass)
        op = PhaseOperator(GridSystem(tuple(weights), offsets, symmetric, False, mass, empty, fixed, empty))
        x, b = (
            op.split((_random(generator, batch, channels, height, width) - 0.5).to(device, dtype)) for _ in range(2)
        )
        out.append((fused.multiply_phases(op, x), op.multiply(x)))
        for transposed in (False, True):
            out.append((fused.residual(op, x, b, transposed, 2), op.residual(x, b, transposed, last=2)))
            for reverse, zero in ((False, False), (True, False), (False, True)):
                order = ORDER[::-1] if reverse else ORDER
                start = torch.full_like(x, torch.nan) if zero else x
                found = fused.sweep(op, start.clone(), b, order, transposed, zero)
                out.append((found, op.sweep(start.clone(), b, reverse, transposed, zero)))
        cells = Cells(op, 0.1, torch.ones_like(op.leak))
        e = (_random(generator, cells.n, channels) - 0.5).to(device, dtype)
        out.append((fused.restrict(x, cells.mask_stack, cells.roots), cells.restrict(x.clone())))
        found = fused.prolong_add(x.clone(), e, cells.mask_stack, cells.numbers)
        out.append((found, cells.prolong_add(x.clone(), e)))
    return out
