"""The index of vectors: faiss, and nothing else of the package imports it.

A row's label is ``2 * id + copy``, with copy 1 for the mirrored picture.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from recolor_torch.errors import UsageError
from recolor_torch.gallery.files import GalleryDamaged
from recolor_torch.system import lacks_memory

RECALL = 0.97
"""Share of the ten true neighbours that ``tune_nprobe`` wants to see found."""

_EXACT = 100_000
_TRAIN_PER_LIST = 64


def suggest_factory(vectors: int) -> str:
    """The kind of index that suits a number of vectors.

    Comparing with every vector is exact, and takes one core about 5 ms for 100,000 vectors of 128 numbers. From there
    on inverted lists pay, and product quantisation where the vectors themselves outgrow the memory.

    Example:
        >>> suggest_factory(13_644), suggest_factory(1_000_000)
        ('Flat', 'IVF4096,Flat')
    """
    if vectors < _EXACT:
        return "Flat"
    lists = 2 ** round(np.log2(4 * np.sqrt(vectors)))
    return f"IVF{lists},Flat" if vectors <= 20_000_000 else f"IVF{min(lists, 65536)}_HNSW32,PQ64"


def check_factory(factory: str, dimension: int = 128) -> None:
    """Raise ``UsageError`` unless faiss knows the kind of index."""
    _make(factory, dimension)


def build_index(
    chunks: Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]], count: int, dimension: int, factory: str
) -> faiss.Index:
    """A new index of unit vectors.

    Args:
        chunks: gives pairs of vectors (N, K) and labels (N,) each time it is called.
        count: how many vectors there are in all.
        dimension: K.
        factory: faiss's name of the kind of index.

    Raises:
        UsageError: faiss does not know the kind, or needs more vectors to train it than there are.
    """
    index = _make(factory, dimension)
    if not index.is_trained:
        _train(index, chunks, count, factory)
    for vectors, labels in chunks():
        index.add_with_ids(vectors, labels)
    return index


def change_index(index: Any, gone: np.ndarray, vectors: np.ndarray, labels: np.ndarray) -> bool:
    """Take labels out of an index and add vectors; False where this kind of index cannot give rows up."""
    if len(gone):
        try:
            index.remove_ids(np.ascontiguousarray(gone, np.int64))
        except RuntimeError:
            return False
    if len(labels):
        index.add_with_ids(vectors, labels)
    return True


def write_index(index: faiss.Index) -> Callable[[Path], None]:
    """A writer of ``index`` for ``write_durably``."""

    def write(path: Path) -> None:
        if _is_text(path):
            faiss.write_index(index, os.fspath(path))
            return
        with path.open("wb") as file:
            faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]

    return write


def _is_text(path: Path) -> bool:
    """Whether faiss, which takes names as UTF-8, can be given this one."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def read_index(path: Path, *, mapped: bool = True) -> faiss.Index:
    """An index from its file: memory-mapped for reading, or in memory to be changed.

    Raises:
        GalleryDamaged: faiss cannot read it.
    """
    try:
        if _is_text(path):
            return faiss.read_index(os.fspath(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
        with path.open("rb") as file:
            return faiss.read_index(faiss.PyCallbackIOReader(file.read))  # type: ignore[attr-defined]
    except (RuntimeError, MemoryError) as error:
        if lacks_memory(error):
            raise MemoryError(str(error)) from error
        raise GalleryDamaged(f"{path} is damaged; there is no index in it.") from error


def set_nprobe(index: faiss.Index, nprobe: int | None) -> None:
    """Say how many inverted lists a search reads."""
    if nprobe is not None:
        faiss.extract_index_ivf(index).nprobe = nprobe


def search(index: faiss.Index, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows of each query: scores and labels, (Q, count), best first; label -1 where there are no more."""
    return index.search(np.ascontiguousarray(queries, np.float32), min(count, index.ntotal))


def labels_of(index: Any) -> np.ndarray:
    """The labels of all rows, in the index's order."""
    ivf = faiss.try_extract_index_ivf(index)
    if ivf is None:
        return faiss.vector_to_array(index.id_map)
    lists: Any = ivf.invlists
    sizes = [lists.list_size(i) for i in range(lists.nlist)]
    parts = [faiss.rev_swig_ptr(lists.get_ids(i), n).copy() for i, n in enumerate(sizes) if n]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def stored_vectors(index: faiss.Index) -> np.ndarray | None:
    """The vectors of an exact flat index in its order, (N, K); None for kinds that keep them otherwise."""
    inner = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap) else index
    return inner.reconstruct_n(0, inner.ntotal) if isinstance(inner, faiss.IndexFlat) else None


def tune_nprobe(index: faiss.Index, sample: np.ndarray, exact: np.ndarray) -> int | None:
    """Set the fewest lists with which ``sample`` finds ``RECALL`` of its ``exact`` neighbours; None without lists.

    Args:
        index: the index.
        sample: vectors that are in the index, (Q, K).
        exact: labels of the true neighbours of each but itself, (Q, N).
    """
    ivf = faiss.try_extract_index_ivf(index)
    if ivf is None:
        return None
    nprobe = 1
    while True:
        ivf.nprobe = min(nprobe, ivf.nlist)
        _, found = index.search(sample, exact.shape[1] + 1)
        recall = np.mean([len(np.intersect1d(f, e)) / len(e) for f, e in zip(found, exact)])
        if recall >= RECALL or nprobe >= ivf.nlist:
            return int(ivf.nprobe)
        nprobe = max(nprobe + 1, int(nprobe * 1.4))


def exact_neighbours(
    sample: np.ndarray, chunks: Iterable[tuple[np.ndarray, np.ndarray]], count: int = 10
) -> np.ndarray:
    """Labels of the nearest vectors of each query by comparing with all, (Q, count)."""
    best = faiss.ResultHeap(len(sample), count, keep_max=True)
    for vectors, labels in chunks:
        flat = faiss.IndexFlatIP(sample.shape[1])
        flat.add(vectors)
        scores, rows = flat.search(sample, min(count, len(vectors)))
        best.add_result(scores, labels[rows])
    best.finalize()
    return best.I


def sample_rows(count: int, wanted: int) -> np.ndarray:
    """Sorted positions of a repeatable sample without repetition."""
    if wanted >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, wanted, replace=False))


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Let faiss use this many threads inside."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _make(factory: str, dimension: int) -> faiss.Index:
    try:
        index = faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
        if faiss.try_extract_index_ivf(index) is None:  # inverted lists keep labels themselves
            index = faiss.index_factory(dimension, f"IDMap,{factory}", faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise UsageError(
            f"faiss makes no index {factory!r} of {dimension} numbers. Known, among others: "
            "Flat, IVF1024,Flat, IVF4096,SQ8, IVF4096,PQ32."
        ) from error
    return index


def _train(
    index: faiss.Index, chunks: Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]], count: int, factory: str
) -> None:
    ivf = faiss.try_extract_index_ivf(index)
    lists = 1 if ivf is None else ivf.nlist
    if count < max(lists, 256):
        raise UsageError(
            f"An index {factory} needs {max(lists, 256)} vectors or more to train it, and there are {count}."
        )
    wanted = sample_rows(count, max(_TRAIN_PER_LIST * lists, 65536))
    sample, start = [], 0
    for vectors, _ in chunks():
        inside = wanted[(wanted >= start) & (wanted < start + len(vectors))]
        sample.append(vectors[inside - start])
        start += len(vectors)
    if ivf is not None:
        ivf.cp.min_points_per_centroid = 1  # faiss warns on the terminal below 39, whatever the caller decided
        ivf.cp.max_points_per_centroid = 2 * _TRAIN_PER_LIST
    index.train(np.concatenate(sample))
