"""From the raw descriptors of a state to its index: changed where that can be done, else built anew."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recolor_torch.gallery.index import (
    build_index,
    change_index,
    exact_neighbours,
    read_index,
    sample_rows,
    set_nprobe,
    tune_nprobe,
)
from recolor_torch.gallery.raw import RawStore
from recolor_torch.gallery.table import Row
from recolor_torch.gallery.whitening import Whitening, to_vectors

_TUNING_QUERIES = 256
_NEIGHBOURS = 10


def labels_for(rows: Sequence[Row], copies: int) -> np.ndarray:
    """Labels of the rows' vectors: ``2 * id``, and one more for the mirrored copy."""
    ids = np.array([row.id for row in rows], np.int64)
    return (2 * ids[:, None] + np.arange(copies)).reshape(-1)


def vector_chunks(
    rows: Sequence[Row], raw: RawStore, whitening: Whitening | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Vectors and labels of the rows, some thousand at a time."""
    places = [(row.raw_file, row.raw_row) for row in rows]
    for inside, values in raw.chunks(places):
        vectors = to_vectors(values.reshape(-1, values.shape[-1]), whitening)
        yield vectors, labels_for(rows[inside.start : inside.stop], values.shape[1])


def change(
    path: Path,
    nprobe: int | None,
    gone: Sequence[Row],
    fresh: Sequence[Row],
    raw: RawStore,
    whitening: Whitening | None,
    copies: int,
) -> Any:
    """The index in a file, with rows taken out and put in; None where its kind cannot do that.

    Args:
        path: the file.
        nprobe: inverted lists to search, None for other kinds.
        gone: rows of the state before that are no more, or that have a new descriptor.
        fresh: rows whose vectors are to be put in.
        raw: their descriptors.
        whitening: the one that the index was built with.
        copies: vectors a row.
    """
    index = read_index(path, mapped=False)
    set_nprobe(index, nprobe)
    labels = labels_for(gone, copies)
    nothing = np.zeros((0, index.d), np.float32)
    if not change_index(index, labels, nothing, labels[:0]):
        return None
    for vectors, new in vector_chunks(fresh, raw, whitening):
        change_index(index, new[:0], vectors, new)
    return index


def index_rows(rows: Sequence[Row], raw: RawStore, whitening: Whitening | None, factory: str) -> tuple[Any, int | None]:
    """A new index of all rows, and how many inverted lists it has to search.

    The number of lists is found by asking for the neighbours of some of its own pictures.
    """
    if not rows:
        return None, None
    sample = [rows[i] for i in sample_rows(len(rows), _TUNING_QUERIES)]
    queries = np.concatenate([vectors for vectors, _ in vector_chunks(sample, raw, whitening)])
    copies = len(queries) // len(sample)
    index = build_index(lambda: vector_chunks(rows, raw, whitening), copies * len(rows), queries.shape[1], factory)
    if "IVF" not in factory:
        return index, None
    exact = exact_neighbours(queries[::copies], vector_chunks(rows, raw, whitening), _NEIGHBOURS + 1)
    # The first neighbour is the picture itself, which any search finds.
    return index, tune_nprobe(index, queries[::copies], exact[:, 1:])
