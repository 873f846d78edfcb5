import re
from pathlib import Path

import numpy as np
import pytest

import recolor_torch
from recolor_torch.errors import UsageError
from recolor_torch.gallery.index import (
    build_index,
    change_index,
    check_factory,
    exact_neighbours,
    labels_of,
    read_index,
    sample_rows,
    search,
    set_nprobe,
    stored_vectors,
    tune_nprobe,
    write_index,
)


@pytest.fixture(scope="module")
def vectors():
    """Unit vectors in 40 loose clusters, and labels far beyond 32 bits."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 32))
    x = (centres[rng.integers(0, 40, 4000)] + 0.7 * rng.normal(size=(4000, 32))).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True), 2 * rng.permutation(4000) + 2**40


def chunks_of(vectors):
    x, labels = vectors
    return lambda: ((x[i : i + 900], labels[i : i + 900]) for i in range(0, len(x), 900))


def brute_force(vectors, queries, count):
    x, labels = vectors
    return labels[np.argsort(-(queries @ x.T), axis=1, kind="stable")[:, :count]]


@pytest.mark.parametrize("factory", ["Flat", "IVF32,Flat"])
def test_search_of_a_file_is_a_comparison_with_all(vectors, tmp_path, factory):
    index = build_index(chunks_of(vectors), 4000, 32, factory)
    write_index(index)(tmp_path / "index")
    mapped = read_index(tmp_path / "index")
    set_nprobe(mapped, 32 if "IVF" in factory else None)
    queries = vectors[0][:50]
    _, found = search(mapped, queries, 7)
    np.testing.assert_array_equal(found, brute_force(vectors, queries, 7))
    np.testing.assert_array_equal(exact_neighbours(queries, chunks_of(vectors)(), 7), found)
    assert sorted(labels_of(mapped)) == sorted(vectors[1])


def test_rows_leave_and_come(vectors):
    x, labels = vectors
    index = build_index(chunks_of(vectors), 4000, 32, "Flat")
    assert change_index(index, labels[:100], -x[:3], np.array([1, 3, 5]))
    left = labels_of(index)
    assert sorted(left) == sorted([*labels[100:], 1, 3, 5])
    order = np.argsort(left)
    expected = dict(zip([*labels[100:], 1, 3, 5], [*x[100:], *-x[:3]]))
    np.testing.assert_array_equal(stored_vectors(index)[order], [expected[label] for label in left[order]])
    graph = build_index(chunks_of(vectors), 4000, 32, "HNSW8")
    assert not change_index(graph, labels[:1], x[:0], labels[:0])
    assert stored_vectors(graph) is None


@pytest.mark.parametrize("factory", ["Flat", "IVF8,Flat"])
def test_ties_and_removal_against_a_comparison_with_all(factory):
    """Each vector is there four times: all copies are found with one score, and none that was taken out."""
    rng = np.random.default_rng(3)
    distinct = rng.integers(-8, 9, (120, 16)).astype(np.float32)  # whole numbers: products are exact, ties are ties
    order = rng.permutation(480)
    x, labels = np.repeat(distinct, 4, 0)[order], (3 * np.arange(480) + 2**33)[order]
    index = build_index(lambda: [(x[:200], labels[:200]), (x[200:], labels[200:])], 480, 16, factory)
    set_nprobe(index, 8 if "IVF" in factory else None)
    gone = rng.random(480) < 0.4
    assert change_index(index, labels[gone], x[:0], labels[:0])
    assert change_index(index, np.array([5]), x[:0], labels[:0])  # a label that is not there is no mistake
    kept, names = x[~gone], labels[~gone]
    queries = rng.integers(-8, 9, (30, 16)).astype(np.float32)
    scores, found = search(index, queries, 40)
    products = queries @ kept.T
    np.testing.assert_array_equal(scores, -np.sort(-products, axis=1)[:, :40])
    row_of = {name: i for i, name in enumerate(names)}
    for query, (score, found_names) in enumerate(zip(scores, found)):
        rows = [row_of[name] for name in found_names]  # nothing that was removed, or a KeyError
        assert len(set(rows)) == 40
        np.testing.assert_array_equal(products[query, rows], score)
        # What is better than the last is there whole; only its ties may be missing.
        assert set(np.flatnonzero(products[query] > score[-1])) <= set(rows)
    assert search(index, queries, 10**6)[1].shape == (30, int((~gone).sum()))


def test_lists_are_searched_until_the_neighbours_are_found(vectors):
    index = build_index(chunks_of(vectors), 4000, 32, "IVF64,Flat")
    sample = vectors[0][sample_rows(4000, 100)]
    exact = exact_neighbours(sample, chunks_of(vectors)(), 11)[:, 1:]
    nprobe = tune_nprobe(index, sample, exact)
    assert 1 < nprobe < 64

    def recall(lists):
        set_nprobe(index, lists)
        found = search(index, sample, 11)[1]
        return np.mean([len(np.intersect1d(f, e)) / 10 for f, e in zip(found, exact)])

    assert recall(nprobe) >= 0.97 > recall(max(1, int(nprobe / 1.5)))
    assert tune_nprobe(build_index(chunks_of(vectors), 4000, 32, "Flat"), sample, exact) is None


def test_unknown_kinds_and_too_few_vectors(vectors):
    with pytest.raises(UsageError, match="faiss makes no index 'Flatter' of 128 numbers"):
        check_factory("Flatter")
    with pytest.raises(UsageError, match="needs 8192 vectors or more to train it, and there are 4000"):
        build_index(chunks_of(vectors), 4000, 32, "IVF8192,Flat")


def test_a_file_that_is_no_index(tmp_path):
    (tmp_path / "index").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="index"):
        read_index(tmp_path / "index")


def test_samples_repeat():
    assert sample_rows(5, 9).tolist() == [0, 1, 2, 3, 4]
    first = sample_rows(1000, 10)
    assert first.tolist() == sample_rows(1000, 10).tolist() == sorted(set(first))


def test_faiss_is_imported_in_one_place():
    root = Path(recolor_torch.__file__).parent
    users = [p for p in root.rglob("*.py") if re.search(r"^\s*(import|from) faiss", p.read_text(), re.MULTILINE)]
    assert users == [root / "gallery/index.py"]
