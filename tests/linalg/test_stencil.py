"""Weighted differences: against matrices, transposes and gradients."""

import pytest
import torch

from recolor_torch.linalg.stencil import (
    FULL_4,
    FULL_8,
    HALF_4,
    HALF_8,
    differences,
    differences_transposed,
    neighbour_sum,
    windows,
)

KINDS = [(HALF_4, True), (HALF_8, True), (FULL_4, False), (FULL_8, False)]
SIZES = [(5, 6), (1, 7), (7, 1), (1, 1), (2, 2)]


def picture(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stencil(offsets, size, batch=2):
    return tuple(picture(batch, 1, *size, seed=k) for k in range(len(offsets)))


def dense(weights, offsets, symmetric, size):
    """The matrix, entry by entry, from the definition."""
    h, w = size
    matrix = torch.zeros(h * w, h * w, dtype=torch.float64)
    for weight, (dy, dx) in zip(weights, offsets):
        for y in range(h):
            for x in range(w):
                if 0 <= y + dy < h and 0 <= x + dx < w:
                    r, s, value = y * w + x, (y + dy) * w + x + dx, weight[0, 0, y, x]
                    matrix[r, r] += value
                    matrix[r, s] -= value
                    if symmetric:
                        matrix[s, s] += value
                        matrix[s, r] -= value
    return matrix


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("offsets", "symmetric"), KINDS)
def test_is_the_matrix_of_its_definition(offsets, symmetric, size):
    weights = stencil(offsets, size, batch=1)
    u = picture(1, 2, *size, seed=9)
    matrix = dense(weights, offsets, symmetric, size)
    torch.testing.assert_close(differences(u, weights, offsets, symmetric).flatten(2), u.flatten(2) @ matrix.T)
    transposed = differences_transposed(u, weights, offsets, symmetric).flatten(2)
    torch.testing.assert_close(transposed, u.flatten(2) @ matrix)
    torch.testing.assert_close(neighbour_sum(weights, offsets, symmetric).flatten(), matrix.diagonal())


@pytest.mark.parametrize(("offsets", "symmetric"), KINDS)
def test_transpose_is_the_adjoint(offsets, symmetric, device):
    weights = tuple(w.to(device) for w in stencil(offsets, (5, 6)))
    a, b = picture(2, 3, 5, 6, seed=1).to(device), picture(2, 3, 5, 6, seed=2).to(device)
    left = (differences(a, weights, offsets, symmetric) * b).sum()
    torch.testing.assert_close(left, (a * differences_transposed(b, weights, offsets, symmetric)).sum())


@pytest.mark.parametrize("apply", [differences, differences_transposed])
@pytest.mark.parametrize(("offsets", "symmetric"), KINDS)
def test_gradient(offsets, symmetric, apply):
    args = [picture(2, 2, 3, 4, seed=5), *stencil(offsets, (3, 4))]
    args = [x.requires_grad_() for x in args]
    assert torch.autograd.gradcheck(lambda u, *w: apply(u, w, offsets, symmetric), args)


def test_windows_pair_each_pixel_with_its_neighbour():
    number = torch.arange(12).view(1, 1, 3, 4)
    here, there = windows((1, -1), number.shape)
    assert (number[there] - number[here]).unique().tolist() == [3]
