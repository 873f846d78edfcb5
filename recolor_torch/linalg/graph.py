"""Sparse graphs of the coarse levels: compressed rows, strength, maximal independent sets, aggregates."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recolor_torch.lazy import LazyModule

if TYPE_CHECKING:
    import scipy.sparse as sp
else:
    sp = LazyModule("scipy.sparse")


# Rounds of the independent set; a handful suffices, what is left over becomes a root.
MAX_ROUNDS = 20
# Ties that are worked on at a time: the integers that they need are much larger than the ties. On a GPU every chunk
# costs the same few launches, and those are what aggregation waits for.
CHUNK, CHUNK_ELSEWHERE = 2**18, 2**25


def csr_sorted(rows: Tensor, cols: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """A compressed-row matrix from entries in the order of their rows."""
    starts = torch._convert_indices_from_coo_to_csr(rows, shape[0], out_int32=True)  # noqa: SLF001
    return compressed(starts, cols.int(), values, shape)


def compressed(starts: Tensor, cols: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """``torch.sparse_csr_tensor`` without its warning that sparse tensors are in beta."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.sparse_csr_tensor(starts, cols, values, shape, check_invariants=False)


def multiply_sparse(a: Tensor, b: Tensor) -> Tensor:
    """Product of two sparse matrices, with int32 indices."""
    if a.device.type == "cpu":
        # torch's own product on a CPU (2.14, with MKL) never frees the copy that MKL makes of the result.
        return _from_scipy(_to_scipy(a) @ _to_scipy(b))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        c = a @ b
    # Detached: a view of the values would keep the int64 indices of the product.
    values = c.values().detach()
    return compressed(c.crow_indices().int(), c.col_indices().int(), values, (a.shape[0], b.shape[1]))


def row_numbers(a: Tensor) -> Tensor:
    """The row of each entry, int32."""
    starts = a.crow_indices()
    rows = torch.arange(a.shape[0], dtype=torch.int32, device=starts.device)
    return torch.repeat_interleave(rows, starts[1:] - starts[:-1], output_size=a.values().numel())


def transpose(a: Tensor) -> Tensor:
    """The transpose: by counting on a CPU, by one stable sort elsewhere."""
    if a.device.type == "cpu":
        return _from_scipy(_to_scipy(a).T.tocsr())
    rows, order = torch.sort(a.col_indices(), stable=True)
    return csr_sorted(rows, row_numbers(a)[order], a.values()[order], (a.shape[1], a.shape[0]))


def _to_scipy(a: Tensor) -> sp.csr_matrix:
    """The same memory as SciPy sees it."""
    arrays = tuple(t.detach().numpy() for t in (a.values(), a.col_indices(), a.crow_indices()))
    return sp.csr_matrix(arrays, shape=tuple(a.shape))


def _from_scipy(a: sp.csr_matrix) -> Tensor:
    starts, cols = torch.from_numpy(a.indptr).int(), torch.from_numpy(a.indices).int()
    return compressed(starts, cols, torch.from_numpy(a.data), a.shape)


@dataclass(frozen=True)
class StrongTies:
    """Pairs (row, col) of strongly connected nodes, with their strength; int32, int32, float32.

    Args:
        both_ways: each pair counts as (col, row) too; otherwise both are there.
    """

    rows: Tensor
    cols: Tensor
    strength: Tensor
    both_ways: bool

    def chunks(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The directed pairs, some at a time; rows as int64."""
        size = CHUNK if self.rows.device.type == "cpu" else CHUNK_ELSEWHERE
        for start in range(0, self.rows.numel(), size):
            rows, cols, strength = (t[start : start + size] for t in (self.rows, self.cols, self.strength))
            yield rows.long(), cols, strength
            if self.both_ways:
                yield cols.long(), rows, strength


def strong_entries(rows: Tensor, cols: Tensor, values: Tensor, diagonal: Tensor, theta: float) -> Tensor:
    """Entries with -a_ij >= theta sqrt(a_ii a_jj) (Vanek, Mandel, Brezina 1996), as a mask."""
    scale = diagonal.clamp_min(1e-30).rsqrt_()
    strength = values * scale.index_select(0, rows)
    strength.mul_(scale.index_select(0, cols))
    return (strength <= -theta).logical_and_(rows != cols)


def strong_ties(
    rows: Tensor, cols: Tensor, values: Tensor, diagonal: Tensor, strong: Tensor, symmetric: bool
) -> StrongTies:
    """The pairs of ``strong`` entries; both ways where either is strong, if the matrix is not symmetric."""
    keep = strong.nonzero()[:, 0]
    rows, cols, strength = rows[keep], cols[keep], values[keep].neg_()
    scale = diagonal.clamp_min(1e-30).rsqrt_()
    strength.mul_(scale.index_select(0, rows)).mul_(scale.index_select(0, cols))
    return StrongTies(rows, cols, strength.float(), both_ways=not symmetric)


def aggregate(ties: StrongTies, n: int) -> tuple[Tensor, int]:
    """Groups of nodes around the roots of a maximal independent set of distance two.

    Bell, Dalton, Olson (2012), "Exposing Fine-Grained Parallelism in Algebraic Multigrid Methods": all
    nodes decide at once, by the largest random number within two steps.

    Returns:
        The group of each node (-1 for a node without strong ties: it is left to the smoother), and
        the number of groups.
    """
    device = ties.rows.device
    tied = torch.zeros(n, dtype=torch.bool, device=device)
    for rows, _, _ in ties.chunks():
        tied[rows] = True
    # Drawn where it is used: a permutation of millions takes a processor longer than a GPU the whole aggregation.
    on = device if device.type == "cuda" else torch.device("cpu")
    generator = torch.Generator(on).manual_seed(n)
    rank = torch.randperm(n, generator=generator, dtype=torch.int32, device=on).to(device) + 1

    def spread(key: Tensor) -> Tensor:
        out = key.clone()
        for rows, cols, _ in ties.chunks():
            out.scatter_reduce_(0, rows, key.index_select(0, cols), "amax")
        return out

    # The key of a node is its rank; n more if it is a root; 0 once it is near a root.
    key = torch.where(tied, rank, 0)
    for _ in range(MAX_ROUNDS):
        best = spread(spread(key))
        undecided = (key > 0) & (key <= n)
        near = undecided & (best > n)
        root = undecided & (best == key)
        key = torch.where(near, 0, torch.where(root, key + n, key))
        if not bool((undecided & ~near & ~root).any()):
            break
    root = key > 0
    group = torch.where(root, root.cumsum(0) - 1, -1)
    for _ in range(2):  # each of the others joins the group it is tied to most, one step and then two steps away
        best = torch.full((n,), -1, dtype=torch.long, device=device)
        for rows, cols, strength in ties.chunks():
            theirs = group.index_select(0, cols)
            # Strength and group in one integer: bits of positive floats sort as the floats do.
            pair = (strength.view(torch.int32).long() << 32).add_(theirs).masked_fill_(theirs < 0, -1)
            best.scatter_reduce_(0, rows, pair, "amax")
        group = torch.where((group < 0) & (best >= 0), best & 0xFFFFFFFF, group)
    return group, int(root.sum())
