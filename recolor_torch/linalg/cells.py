"""From pixels to the first graph: each cell of 2 x 2 pixels falls into parts along weak ties."""

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from recolor_torch.linalg import fused
from recolor_torch.linalg.graph import compressed, csr_sorted
from recolor_torch.linalg.phases import PhaseOperator, neighbour_phase
from recolor_torch.linalg.stencil import slices

# Pairs of phases in one cell.
PAIRS = ((0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2))


class Cells:
    """Parts of 2 x 2 cells as the unknowns of a coarse graph: piecewise constant transfers, by masks.

    A part is named by its first pixel. The coarse operator is Pᵀ A P, with P the near-null vector of A
    cut into the parts; its rows have the right sums without cancellation.

    Args:
        op: the operator on the phases.
        theta: ties below this count as weak.
        null: (B, 1, 4, h, w), see ``hierarchy.py``.
    """

    def __init__(self, op: PhaseOperator, theta: float, null: Tensor) -> None:
        self.part = self._parts(op, theta)
        number = torch.arange(4, device=op.free.device).view(1, 1, 4, 1, 1)
        self.roots = (op.free & (self.part == number)).flatten().nonzero()[:, 0]
        self.n = self.roots.numel()
        # masks[s][k]: the near-null vector where pixel s + k of a cell is in the part of pixel s, else 0; in one piece.
        b, _, _, h, w = op.free.shape
        self.mask_stack = null.new_empty(10, b, 1, h, w)
        planes = iter(self.mask_stack.unbind())
        self.masks = [[next(planes) for _ in range(s, 4)] for s in range(4)]
        self._fill_masks(op.free, null)

    def _fill_masks(self, free: Tensor, null: Tensor | None) -> None:
        for s in range(4):
            for mask, p in zip(self.masks[s], range(s, 4)):
                mask.copy_((self.part[:, :, p] == s) & free[:, :, p])
                if null is not None:
                    mask.mul_(null[:, :, p])

    def refree(self, free: Tensor) -> None:
        """Transfers for other free pixels, (B, 1, 4, h, w), with a near-null vector of 1; the parts stay."""
        self._fill_masks(free, None)

    @cached_property
    def numbers(self) -> Tensor:
        """The part that begins at a pixel, (B, 1, 4, h, w), int32; 0 where none begins."""
        out = torch.zeros(self.part.shape, dtype=torch.int32, device=self.part.device)
        out.view(-1)[self.roots] = torch.arange(self.n, dtype=torch.int32, device=out.device)
        return out

    @staticmethod
    def _parts(op: PhaseOperator, theta: float) -> Tensor:
        """The part of each pixel, (B, 1, 4, h, w), as the number of its first pixel in the cell."""
        scale = op.inverse_diagonal.sqrt()
        joined: dict[tuple[int, int], Tensor] = {}
        for tie, offset in zip(op.ties, op.offsets):
            for i in range(4):
                s, sy, sx = neighbour_phase(i, offset)
                if (sy, sx) == (0, 0):
                    strong = tie[:, :, i] * scale[:, :, i] * scale[:, :, s] >= theta
                    pair = min(i, s), max(i, s)
                    joined[pair] = joined[pair].logical_or_(strong) if pair in joined else strong
        nothing = torch.zeros_like(op.free[:, :, 0])
        reached = {pair: joined.get(pair, nothing).clone() for pair in PAIRS}
        for k in range(4):  # by way of k (Warshall 1962)
            for i, s in PAIRS:
                if k not in (i, s):
                    reached[i, s] |= reached[min(i, k), max(i, k)] & reached[min(k, s), max(k, s)]
        part = torch.zeros_like(op.free, dtype=torch.uint8)
        for s in range(1, 4):
            first = part[:, :, s].fill_(s)
            for i in reversed(range(s)):
                first.masked_fill_(reached[i, s], i)
        return part

    def _sum(self, r: Tensor) -> Tensor:
        """The sums over the parts at their first pixels, in place: no phase is read after it is written."""
        for s in range(4):
            r[:, :, s] *= self.masks[s][0]
            for k in range(1, 4 - s):
                r[:, :, s].addcmul_(self.masks[s][k], r[:, :, s + k])
        return r

    def restrict(self, r: Tensor) -> Tensor:
        """A residual on the phases, (B, C, 4, h, w), to the nodes, (n, C); it is overwritten."""
        if fused.usable(r, self.mask_stack[0]):
            return fused.restrict(r, self.mask_stack, self.roots)
        summed = self._sum(r)
        return summed.transpose(0, 1).flatten(1).index_select(1, self.roots).t().contiguous()

    def prolong_add(self, x: Tensor, e: Tensor) -> Tensor:
        """Add a correction on the nodes, (n, C), to ``x`` on the phases, in place."""
        if fused.usable(x, self.mask_stack[0]) and e.is_contiguous():
            return fused.prolong_add(x, e, self.mask_stack, self.numbers)
        b, c, _, h, w = x.shape
        flat = x.new_zeros(c, b * 4 * h * w)
        flat.index_copy_(1, self.roots, e.t().contiguous())
        grid = flat.view(c, b, 4, h, w).transpose(0, 1)
        for s in range(4):
            for k in range(4 - s):
                x[:, :, s + k].addcmul_(self.masks[s][k], grid[:, :, s])
        return x

    def galerkin(self, op: PhaseOperator, null: Tensor) -> tuple[Tensor, Tensor]:
        """The coarse matrix and its diagonal."""
        if null.device.type in fused.DEVICES:
            return self._sorted_galerkin(op, null)
        runs = self._runs(op, null)
        # Leak and near-null vector of a part: the row sum of its node, without cancellation.
        diagonal = self._sum(op.multiply(null * op.free)).flatten()[self.roots]
        # Each run has a node once at most, so that the place of an entry in its row is known by counting.
        place = torch.ones(self.n, dtype=torch.int32, device=diagonal.device)
        for u, _, w in runs:
            place.index_add_(0, u, torch.ones_like(u))
            diagonal.index_add_(0, u, w)
        starts = torch.nn.functional.pad(place.cumsum(0, dtype=torch.int32), (1, 0))
        number = torch.arange(self.n, dtype=torch.int32, device=diagonal.device)
        cols = torch.empty(int(starts[-1]), dtype=torch.int32, device=diagonal.device)
        values = torch.empty(cols.shape, dtype=diagonal.dtype, device=diagonal.device)
        place.copy_(starts[:-1])
        runs.append((number, number, -diagonal))
        while runs:
            u, v, w = runs.pop()
            at = place.index_select(0, u)
            cols[at] = v
            values[at] = w.neg_()
            place.index_add_(0, u, torch.ones_like(u))
        return compressed(starts, cols, values, (self.n, self.n)), diagonal

    def _sorted_galerkin(self, op: PhaseOperator, null: Tensor) -> tuple[Tensor, Tensor]:
        """The same by one sort, for a device whose launches and waits cost more than its sorting."""
        node = torch.gather(self.numbers, 2, self.part.long()).flatten()
        height, width = null.shape[-2:]
        plane, values, first, second = height * width, [], [], []
        for sy, sx, table in self._tables(op, null):
            for (i, s), value in table.items():
                values.append(value)
                first.append(i * plane)
                second.append(s * plane + sy * width + sx)
        # Where the neighbour lies outside, there is no tie.
        ties = torch.stack(values)
        at = (ties > 0).flatten().nonzero()[:, 0]
        w = ties.flatten()[at]
        del values, ties
        run, pixel = at // (node.numel() // 4), at % (node.numel() // 4)
        pixel += (pixel // plane) * (3 * plane)
        starts, ends = torch.tensor([first, second], device=node.device).unbind()
        u, v = node[pixel + starts[run]], node[pixel + ends[run]]
        del at, run, pixel
        if op.symmetric:
            u, v, w = torch.cat((u, v)), torch.cat((v, u)), torch.cat((w, w))
        number = torch.arange(self.n, dtype=torch.int32, device=node.device)
        # The diagonal comes first, so that a stable sort has it at the start of each row.
        rows, order = torch.sort(torch.cat((number, u)), stable=True)
        cols, w = torch.cat((number, v))[order], torch.cat((w.new_zeros(self.n), w))[order]
        del u, v, order
        matrix = csr_sorted(rows, cols, w, (self.n, self.n))
        # Leak and near-null vector of a part: the row sum of its node, without cancellation.
        diagonal = self._sum(op.multiply(null * op.free)).flatten()[self.roots]
        diagonal += fused.product(matrix, torch.ones_like(diagonal)[:, None])[:, 0]
        w.neg_()[matrix.crow_indices()[:-1]] = diagonal
        return matrix, diagonal

    def _runs(self, op: PhaseOperator, null: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """The ties of the coarse graph: (from, to, strength), each list with a node at most once in its first part."""
        node = torch.gather(self.numbers, 2, self.part.long())  # that of the first pixel of its part
        if null.device.type not in fused.DEVICES:
            del self.numbers
        runs = []
        for sy, sx, table in self._tables(op, null):
            for (i, s), value in table.items():
                (y0, y1), (x0, x1) = slices(sy, value.shape[-2]), slices(sx, value.shape[-1])
                part = value[..., y0, x0].flatten()
                keep = (part > 0).nonzero()[:, 0]
                u, v = node[:, :, i][..., y0, x0].flatten()[keep], node[:, :, s][..., y1, x1].flatten()[keep]
                w = part[keep]
                runs.append((u, v, w))
                if op.symmetric:
                    runs.append((v, u, w.clone()))
        return runs

    def _tables(self, op: PhaseOperator, null: Tensor) -> Iterator[tuple[int, int, dict[tuple[int, int], Tensor]]]:
        """Steps to a cell (y, x), and the ties to it by the phases of their ends, (B, 1, h, w); parts are tied once."""
        tables: dict[tuple[int, int], dict[tuple[int, int], Tensor]] = {}
        for tie, offset in zip(op.ties, op.offsets):
            for i in range(4):
                s, sy, sx = neighbour_phase(i, offset)
                key = i, s
                (y0, y1), (x0, x1) = slices(sy, tie.shape[-2]), slices(sx, tie.shape[-1])
                value = torch.zeros_like(tie[:, :, i])
                value[..., y0, x0] = tie[:, :, i, y0, x0] * null[:, :, i, y0, x0] * null[:, :, s, y1, x1]
                if op.symmetric and (sy, sx) == (0, -1):  # the same pair of cells as (0, 1), seen from the other
                    moved = torch.zeros_like(value)
                    moved[..., y1, x1] = value[..., y0, x0]
                    value, key, sx = moved, (s, i), 1
                table = tables.setdefault((sy, sx), {})
                table[key] = table[key] + value if key in table else value
        for sy, sx in list(tables):
            table = tables.pop((sy, sx))
            if (sy, sx) == (0, 0):
                table = self._merge_inside(table, op.symmetric)
            else:
                self._merge_across(table, sy, sx)
            yield sy, sx, table

    def _merge_inside(self, table: dict[tuple[int, int], Tensor], symmetric: bool) -> dict[tuple[int, int], Tensor]:
        """Ties between the parts of one cell: one of each pair of parts, or ordered pair if not symmetric."""
        values = torch.stack(list(table.values()))
        a, b = (torch.stack([self.part[:, :, pair[end]] for pair in table]) for end in (0, 1))
        apart = a != b
        if symmetric:
            a, b = torch.minimum(a, b), torch.maximum(a, b)
        found = (4 * a + b).masked_fill_(~apart, 255)
        pairs = PAIRS if symmetric else (*PAIRS, *((q, p) for p, q in PAIRS))
        return {(p, q): (values * (found == 4 * p + q)).sum(0) for p, q in pairs}

    def _merge_across(self, table: dict[tuple[int, int], Tensor], sy: int, sx: int) -> None:
        """Add up, in place, the ties of two neighbouring cells that join the same two parts."""
        firsts = sorted({i for i, _ in table})
        seconds = sorted({s for _, s in table})
        if len(firsts) == 1:
            return
        for i in firsts:
            for s in seconds:
                if (i, s) not in table:
                    table[i, s] = torch.zeros_like(next(iter(table.values())))
        a, b = firsts
        same = self.part[:, :, a] == self.part[:, :, b]
        for s in seconds:
            moved = table[b, s] * same
            table[a, s] += moved
            table[b, s] -= moved
        a, b = seconds
        (y0, y1), (x0, x1) = slices(sy, same.shape[-2]), slices(sx, same.shape[-1])
        there = self.part[:, :, a] == self.part[:, :, b]
        same = torch.zeros_like(there)
        same[..., y0, x0] = there[..., y1, x1]
        for i in firsts:
            moved = table[i, b] * same
            table[i, a] += moved
            table[i, b] -= moved
