"""Sparse graphs of the coarse levels: compressed rows, strength, maximal independent sets, aggregates."""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

# Rounds of the independent set; a handful suffices, what is left over becomes a root.
MAX_ROUNDS = 20


def csr(rows: Tensor, cols: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """A compressed-row matrix with int32 indices from entries in any order (none twice)."""
    rows, order = torch.sort(rows.int(), stable=True)
    return csr_sorted(rows, cols[order], values[order], shape)


def csr_sorted(rows: Tensor, cols: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """A compressed-row matrix from entries in the order of their rows."""
    starts = torch._convert_indices_from_coo_to_csr(rows, shape[0], out_int32=True)
    return compressed(starts, cols.int(), values, shape)


def compressed(starts: Tensor, cols: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """``torch.sparse_csr_tensor`` without its warning that sparse tensors are in beta."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.sparse_csr_tensor(starts, cols, values, shape, check_invariants=False)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Product of two sparse matrices, with int32 indices."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        c = a @ b
    return compressed(c.crow_indices().int(), c.col_indices().int(), c.values(), (a.shape[0], b.shape[1]))


def row_numbers(a: Tensor) -> Tensor:
    """The row of each entry, int32."""
    starts = a.crow_indices()
    rows = torch.arange(a.shape[0], dtype=torch.int32, device=starts.device)
    return torch.repeat_interleave(rows, starts[1:] - starts[:-1], output_size=a.values().numel())


def transpose(a: Tensor) -> Tensor:
    """The transpose, by one stable sort."""
    return csr(a.col_indices(), row_numbers(a), a.values(), (a.shape[1], a.shape[0]))


@dataclass(frozen=True)
class StrongTies:
    """Directed pairs (row, col), both ways, of strongly connected nodes, with their strength."""

    rows: Tensor
    cols: Tensor
    strength: Tensor


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
    rows, cols, values = rows[keep], cols[keep], values[keep]
    scale = diagonal.clamp_min(1e-30).rsqrt_()
    strength = -values * scale.index_select(0, rows) * scale.index_select(0, cols)
    if not symmetric:
        rows, cols = torch.cat([rows, cols]), torch.cat([cols, rows])
        strength = torch.cat([strength, strength])
    return StrongTies(rows.long(), cols, strength)


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
    tied[ties.rows] = True
    generator = torch.Generator().manual_seed(n)
    rank = torch.randperm(n, generator=generator).to(device, torch.int32) + 1

    def spread(key: Tensor) -> Tensor:
        return key.scatter_reduce(0, ties.rows, key.index_select(0, ties.cols), "amax")

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
        theirs = group.index_select(0, ties.cols)
        # Strength and group in one integer: bits of positive floats sort as the floats do.
        key = (ties.strength.float().view(torch.int32).long() << 32) + theirs
        key = torch.where(theirs >= 0, key, -1)
        best = torch.full((n,), -1, dtype=torch.long, device=device).scatter_reduce(0, ties.rows, key, "amax")
        group = torch.where((group < 0) & (best >= 0), best & 0xFFFFFFFF, group)
    return group, int(root.sum())
