import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recolor_torch.gallery.whitening import Whitening, fit_whitening, to_vectors


def sample(count=500, dimension=20, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, dimension)) @ rng.normal(size=(dimension, dimension)) + 50).astype(np.float32)


def test_whitened_components_have_no_mean_unit_spread_and_no_correlation():
    x = sample()
    w = fit_whitening([x], 8, strength=1)
    y = (x.astype(np.float64) - w.mean) @ w.matrix.T.astype(np.float64)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(y.T, bias=True), np.eye(8), atol=1e-3)


def test_it_is_sklearn_s_definition():
    """Principal directions and variances from the singular values of the centred data."""
    x = sample()
    w = fit_whitening([x], 5, strength=1)
    centred = x.astype(np.float64) - x.astype(np.float64).mean(0)
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    expected = vt[:5] / (s[:5] / np.sqrt(len(x)))[:, None]
    expected *= np.sign(expected[np.arange(5), np.abs(expected).argmax(1)])[:, None]
    np.testing.assert_allclose(w.matrix, expected, rtol=1e-3, atol=1e-5)


def test_half_of_it_leaves_the_root_of_each_spread():
    x = sample()
    plain, half = (fit_whitening([x], 8, strength=s) for s in (0, 0.5))
    before, after = ((x.astype(np.float64) - w.mean) @ w.matrix.T.astype(np.float64) for w in (plain, half))
    np.testing.assert_allclose(after.std(0), np.sqrt(before.std(0)), rtol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(plain.matrix, axis=1), 1, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 499), max_size=4, unique=True))
def test_chunks_do_not_matter(cuts):
    x = sample()
    parts = np.split(x, sorted(cuts))
    whole, pieces = fit_whitening([x], 8), fit_whitening(parts, 8)
    np.testing.assert_allclose(pieces.matrix, whole.matrix, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(pieces.mean, whole.mean, rtol=1e-5)


def test_directions_without_spread_stay_finite():
    x = np.repeat(sample(dimension=4), 3, axis=1)  # rank 4 in 12 numbers
    assert np.isfinite(fit_whitening([x], 12).matrix).all()
    assert np.isfinite(fit_whitening([np.ones((300, 6), np.float32)], 6).matrix).all()


def test_vectors_have_unit_length_and_nothing_divides_by_zero():
    x = sample()
    for w in (None, fit_whitening([x], 8)):
        np.testing.assert_allclose(np.linalg.norm(to_vectors(x, w), axis=1), 1, atol=1e-5)
    assert np.isfinite(to_vectors(np.zeros((2, 20), np.float32), None)).all()


def test_storing_loses_nothing():
    w = fit_whitening([sample()], 8)
    back = Whitening.from_array(w.to_array())
    assert (back.mean == w.mean).all()
    assert (back.matrix == w.matrix).all()


def test_nothing_to_fit():
    with pytest.raises(ValueError, match="needs descriptors, got none"):
        fit_whitening([])
