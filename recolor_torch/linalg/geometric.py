r"""Multigrid on ever coarser pixel grids, with interpolation taken from the operator (black-box multigrid).

Dendy (1982), "Black box multigrid". Every second pixel of every second row is kept; the others are
interpolated with the operator's own weights, so that thin strokes of fixed pixels survive coarsening.
All levels have nine-point stencils and work by shifted slices. This is the fastest hierarchy for the
Poisson energy and other mild weights; on sharp ones it loses the small clusters of like pixels, and
``hierarchy.py`` is for those. Symmetric systems alone.
"""

import torch
from torch import Tensor

from recolor_torch.linalg.linear_system import GridSystem
from recolor_torch.linalg.phases import PhaseOperator, from_phases, to_phases
from recolor_torch.linalg.stencil import HALF_8, Offset, windows

# The coarsest grid has at most this many pixels, and a dense inverse.
COARSEST = 400
# ... on a GPU, where a level takes as long as the product with so large a matrix.
COARSEST_ON_A_GPU = 1024

NINE: tuple[Offset, ...] = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
Stencil = dict[Offset, Tensor]


class GeometricHierarchy:
    """One V-cycle for a symmetric system: ``cycle(b)`` approximates the inverse applied to b, on the phases."""

    def __init__(self, system: GridSystem) -> None:
        height, width = system.fixed.shape[-2:]
        depth, most = 0, COARSEST_ON_A_GPU if system.mass.device.type == "cuda" else COARSEST
        while -(-height // 2**depth) * -(-width // 2**depth) > most:
            depth += 1
        system = _pad(system, 2 ** max(depth, 1))
        self.size = (height, width)
        self.operators: list[PhaseOperator] = []
        self.transfers: list[Stencil] = []
        for level in range(max(depth, 1)):
            op = PhaseOperator(system)
            self.operators.append(op)
            stencil = _stencil(system)
            transfer = _interpolation(stencil)
            self.transfers.append(transfer)
            system = _galerkin(op, stencil, transfer)
            if level == 0:
                op.system = system  # what the fine operator was made of is not needed again
        dense = _dense(system)
        self.inverse = torch.linalg.inv(dense.double()).to(dense)
        self.op = self.operators[0]

    def enter(self, rhs: Tensor) -> Tensor:
        """A right-hand side on the phases."""
        (h, w), (b, c) = self.size, rhs.shape[:2]
        padded = rhs.new_zeros(b, c, self.op.height, self.op.width)
        padded[..., :h, :w] = rhs
        return to_phases(padded)

    def leave(self, y: Tensor) -> Tensor:
        """A solution on the phases as a picture."""
        return from_phases(y)[..., : self.size[0], : self.size[1]]

    def cycle(self, b: Tensor, level: int = 0) -> Tensor:
        """An approximation of A⁻¹ b, on the phases; symmetric."""
        op, transfer = self.operators[level], self.transfers[level]
        x = op.sweep(torch.empty_like(b), b, zero=True)
        coarse = _restrict(transfer, op.residual(x, b, last=2))
        if level + 1 == len(self.operators):
            flat = coarse.flatten(2)
            e = (flat @ self.inverse).view_as(coarse)
        else:
            e = from_phases(self.cycle(to_phases(coarse), level + 1))
        _prolong_add(transfer, e, x)
        return op.sweep(x, b, reverse=True)


def _pad(system: GridSystem, even: int) -> GridSystem:
    height, width = system.fixed.shape[-2:]
    padding = (0, -width % even, 0, -height % even)

    def pad(x: Tensor, value: float = 0) -> Tensor:
        return torch.nn.functional.pad(x, padding, value=value) if any(padding) else x

    weights = tuple(pad(w) for w in system.weights)
    # The outermost pairs of the old picture now have a neighbour: their weights there are 0, as they must be.
    for w, offset in zip(weights, system.offsets):
        if any(padding):
            here, _ = windows(offset, system.fixed.shape)
            kept = torch.zeros_like(w)
            kept[here] = w[here]
            w.copy_(kept)
    fixed = pad(system.fixed.to(system.mass.dtype), 1) > 0
    empty = system.mass.new_zeros(system.mass.shape[0], 1, *fixed.shape[-2:])
    return GridSystem(weights, system.offsets, True, False, pad(system.mass), empty, fixed, empty)


def _stencil(system: GridSystem) -> Stencil:
    """Entries A(r, r + o) of the free part, by offset."""
    free = (~system.fixed).to(system.mass.dtype)
    out: Stencil = {(0, 0): system.diagonal()}
    for weight, (dy, dx) in zip(system.weights, system.offsets):
        here, there = windows((dy, dx), free.shape)
        tie = -weight[here] * free[here] * free[there]
        forward, backward = torch.zeros_like(weight), torch.zeros_like(weight)
        forward[here], backward[there] = tie, tie
        out[dy, dx], out[-dy, -dx] = forward, backward
    return out


def _shifted(a: Tensor, offset: Offset) -> Tensor:
    """The value at r + offset, 0 outside."""
    out = torch.zeros_like(a)
    here, there = windows(offset, a.shape)
    out[here] = a[there]
    return out


def _interpolation(a: Stencil) -> Stencil:
    """For each offset o, the weight with which coarse pixel I gives to fine pixel 2 I + o."""
    zero = torch.zeros_like(a[0, 0][..., ::2, ::2])

    def phase(offset: Offset, py: int, px: int) -> Tensor:
        return a[offset][..., py::2, px::2] if offset in a else zero

    def total(offsets: list[Offset], py: int, px: int) -> Tensor:
        out = zero
        for offset in offsets:
            out = out + phase(offset, py, px)
        return out

    left, middle, right = ([(d, e) for d in (-1, 0, 1)] for e in (-1, 0, 1))
    low, mid, high = total(left, 0, 1), total(middle, 0, 1), total(right, 0, 1)
    mid = torch.maximum(mid, -(low + high)).clamp_min(1e-30)
    west, east = -low / mid, -high / mid  # a pixel between two coarse ones of its row
    above, centre, below = ([(d, e) for e in (-1, 0, 1)] for d in (-1, 0, 1))
    low, mid, high = total(above, 1, 0), total(centre, 1, 0), total(below, 1, 0)
    mid = torch.maximum(mid, -(low + high)).clamp_min(1e-30)
    north, south = -low / mid, -high / mid
    own = phase((0, 0), 1, 1)
    n, s, w, e = (phase(o, 1, 1) for o in ((-1, 0), (1, 0), (0, -1), (0, 1)))
    nw = -(phase((-1, -1), 1, 1) + n * west + w * north) / own
    ne = -(phase((-1, 1), 1, 1) + n * east + e * _shifted(north, (0, 1))) / own
    sw = -(phase((1, -1), 1, 1) + s * _shifted(west, (1, 0)) + w * south) / own
    se = -(phase((1, 1), 1, 1) + s * _shifted(east, (1, 0)) + e * _shifted(south, (0, 1))) / own
    return {
        (0, 0): torch.ones_like(zero),
        (0, 1): west,
        (0, -1): _shifted(east, (0, -1)),
        (1, 0): north,
        (-1, 0): _shifted(south, (-1, 0)),
        (1, 1): nw,
        (1, -1): _shifted(ne, (0, -1)),
        (-1, 1): _shifted(sw, (-1, 0)),
        (-1, -1): _shifted(se, (-1, -1)),
    }


def _galerkin(op: PhaseOperator, a: Stencil, p: Stencil) -> GridSystem:
    """Pᵀ A P as a system with eight neighbours; its row sums, the mass, come without cancellation."""
    shape = p[0, 0].shape
    padded = {offset: torch.nn.functional.pad(x, (2, 2, 2, 2)) for offset, x in a.items()}
    # product[m][I]: entry of A P in row 2 I + m and column I.
    product: Stencil = {}
    for my in range(-2, 3):
        for mx in range(-2, 3):
            for ky, kx in NINE:
                entry = (ky - my, kx - mx)
                if entry not in a:
                    continue
                fine = padded[entry][..., 2 + my : 2 + my + 2 * shape[-2] : 2, 2 + mx : 2 + mx + 2 * shape[-1] : 2]
                if (my, mx) in product:
                    product[my, mx].addcmul_(fine, p[ky, kx])
                else:
                    product[my, mx] = fine * p[ky, kx]
    weights = []
    for oy, ox in HALF_8:
        out = torch.zeros_like(p[0, 0])
        here, there = windows((oy, ox), shape)
        for ky, kx in NINE:
            m = (ky - 2 * oy, kx - 2 * ox)
            if m in product:
                out[here].addcmul_(p[ky, kx][here], product[m][there], value=-1)
        weights.append(out)
    ones = torch.ones_like(p[0, 0])
    reached = _prolong_add(p, ones, to_phases(torch.zeros_like(a[0, 0])))
    mass = _restrict(p, op.multiply(reached)).clamp_(min=0)
    zero = torch.zeros_like(mass)
    return GridSystem(tuple(weights), HALF_8, True, False, mass, zero, torch.zeros_like(mass, dtype=torch.bool), zero)


# How the pixels of each phase hang on the coarse ones: (offset of the transfer, phase, step of the cell).
_HANGS = (
    ((0, 1), 1, (0, 0)),
    ((0, -1), 1, (0, -1)),
    ((1, 0), 2, (0, 0)),
    ((-1, 0), 2, (-1, 0)),
    ((1, 1), 3, (0, 0)),
    ((1, -1), 3, (0, -1)),
    ((-1, 1), 3, (-1, 0)),
    ((-1, -1), 3, (-1, -1)),
)


def _restrict(p: Stencil, r: Tensor) -> Tensor:
    """Pᵀ r, from the phases to the coarse picture."""
    out = r[:, :, 0].clone()
    for offset, phase, step in _HANGS:
        here, there = windows(step, out.shape)
        out[here].addcmul_(p[offset][here], r[:, :, phase][there])
    return out


def _prolong_add(p: Stencil, e: Tensor, x: Tensor) -> Tensor:
    """x += P e, from the coarse picture to the phases, in place."""
    x[:, :, 0].addcmul_(p[0, 0], e)
    for offset, phase, step in _HANGS:
        here, there = windows(step, e.shape)
        x[:, :, phase][there].addcmul_(p[offset][here], e[here])
    return x


def _dense(system: GridSystem) -> Tensor:
    """The matrix of each image, (B, n, n)."""
    height, width = system.mass.shape[-2:]
    number = torch.arange(height * width, device=system.mass.device).view(height, width)
    out = torch.diag_embed(system.diagonal().flatten(1))
    for weight, offset in zip(system.weights, system.offsets):
        here, there = windows(offset, system.mass.shape)
        r, s = number[here[1:]].flatten(), number[there[1:]].flatten()
        out[:, r, s] -= weight[here].flatten(1)
        out[:, s, r] -= weight[here].flatten(1)
    return out
