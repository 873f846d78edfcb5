"""Whitening by principal components, by half, fitted on the gallery and kept."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

LEAST_PICTURES = 256
"""With fewer pictures the spread in 128 directions is mostly chance, and descriptors are left as they are."""

DIMENSION = 128
STRENGTH = 0.5
"""Whole whitening makes what hardly varies as loud as what tells kinds of pictures apart. With half of it, pictures
that were cropped, mirrored or brightened are found again as surely, and the nearest are of the same kind more often."""

_FLOOR = 1e-7
_LEAST = 1e-20


@dataclass(frozen=True)
class Whitening:
    """Takes a descriptor's mean away and brings the spread of its leading components nearer to each other.

    Args:
        mean: (D,) float32.
        matrix: (K, D) float32; its rows are principal directions over a power of their standard deviations.
    """

    mean: np.ndarray
    matrix: np.ndarray

    def to_array(self) -> np.ndarray:
        """(K + 1, D): the mean above the matrix, as it is stored."""
        return np.vstack((self.mean, self.matrix))

    @classmethod
    def from_array(cls, array: np.ndarray) -> "Whitening":
        """From what ``to_array`` gave."""
        return cls(np.array(array[0]), np.array(array[1:]))

    def check(self, raw: int, dimension: int) -> None:
        """Raise ``ValueError`` where this does not bring ``raw`` numbers to ``dimension``."""
        if self.matrix.shape != (dimension, raw) or self.matrix.dtype != np.float32:
            raise ValueError("the whitening has another form")


def fit_whitening(chunks: Iterable[np.ndarray], dimension: int = DIMENSION, strength: float = STRENGTH) -> Whitening:
    r"""Whitening of the descriptors in ``chunks``, each (N, D), gone through once in float64.

    .. math::
        y = \Lambda_K^{-s/2} V_K^T (x - \mu), \quad C = V \Lambda V^T

    Args:
        chunks: the descriptors.
        dimension: K; fewer where the descriptors have fewer numbers.
        strength: s, from 0 (principal components as they are) to 1 (all have unit spread).
    """
    count, total, products = 0, None, None
    for chunk in chunks:
        x = chunk.astype(np.float64)
        if total is None or products is None:
            # Sums of squares about a point near the mean lose no digits.
            origin = x.mean(axis=0)
            total, products = np.zeros(x.shape[1]), np.zeros((x.shape[1], x.shape[1]))
        x -= origin
        count += len(x)
        total += x.sum(axis=0)
        products += x.T @ x
    if total is None or products is None:
        raise ValueError("Whitening needs descriptors, got none.")
    mean = total / count
    values, vectors = np.linalg.eigh(products / count - np.outer(mean, mean))
    order = np.argsort(values)[::-1][:dimension]
    scale = np.maximum(values[order], max(_FLOOR * values[order[0]], _LEAST)) ** (-strength / 2)
    matrix = vectors[:, order].T * scale[:, None]
    # A direction and its opposite are equally good: the largest entry is made positive, so that a refit repeats.
    signs = np.sign(matrix[np.arange(len(matrix)), np.abs(matrix).argmax(axis=1)])
    return Whitening((origin + mean).astype(np.float32), (matrix * signs[:, None]).astype(np.float32))


def to_vectors(raw: np.ndarray, whitening: Whitening | None) -> np.ndarray:
    """Unit vectors of raw descriptors, (N, D) to (N, K): whitened where there is a whitening; float32."""
    x = np.asarray(raw, np.float32)
    if whitening is not None:
        x = (x - whitening.mean) @ whitening.matrix.T
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.ascontiguousarray(x / np.maximum(norm, np.finfo(np.float32).tiny), np.float32)
