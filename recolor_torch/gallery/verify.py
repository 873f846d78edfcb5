"""Looking a gallery over: every byte against its checksum, and the files against each other."""

from pathlib import Path

import numpy as np

from recolor_torch.gallery.files import damage, load_array
from recolor_torch.gallery.header import GalleryDamaged, Header, read_header
from recolor_torch.gallery.index import labels_of, read_index, stored_vectors
from recolor_torch.gallery.pending import FOLDER, pending_damage
from recolor_torch.gallery.raw import CHUNK
from recolor_torch.gallery.table import Table
from recolor_torch.gallery.whitening import Whitening, to_vectors

_TOLERANCE = 1e-4


def verify(folder: Path) -> list[str]:
    """What is wrong with the gallery in ``folder``, a sentence each; empty where nothing is.

    Damage to files is found by their checksums. Where there is none, the table, the raw descriptors, the index and
    the header are compared: numbers of rows, ids, places, and for an exact index each of its vectors.

    Raises:
        UsageError: there is no gallery.
    """
    while True:
        try:
            header = read_header(folder)
        except GalleryDamaged as error:
            return [str(error)]
        problems = _verify(folder, header)
        try:
            if not problems or read_header(folder).generation == header.generation:
                return problems
        except GalleryDamaged as error:
            return [str(error)]


def _verify(folder: Path, header: Header) -> list[str]:
    problems = []
    for entry in header.files():
        wrong = damage(folder, entry)
        if wrong is not None:
            problems.append(f"{folder / entry.name} {wrong}.")
    for path in sorted((folder / FOLDER).glob("*.npz")):
        wrong = pending_damage(path)
        if wrong is not None:
            problems.append(f"{path} {wrong}; what it held will be computed again.")
    if problems or header.table is None or header.paths is None:
        return problems
    table = Table(load_array(folder / header.table.name), load_array(folder / header.paths.name))
    raw = {number: load_array(folder / entry.name) for number, entry in header.raw.items()}
    try:
        problems = [*_check_table(table, header), *_check_raw(table, raw, header)]
        return problems or _check_index(folder, table, raw, header)
    except (ValueError, IndexError, KeyError) as error:
        return [f"the files do not fit together ({error})."]


def _check_table(table: Table, header: Header) -> list[str]:
    problems = []
    ids = np.asarray(table.rows["id"])
    if len(table) != header.pictures:
        problems.append(f"the table has {len(table)} pictures, and the header says {header.pictures}.")
    if (np.diff(ids) <= 0).any():
        problems.append("the table's ids are not in order, or one is there twice.")
    if len(ids) and (ids.min() < 0 or ids.max() >= header.next_id):
        problems.append("the table has an id that the header says was never given.")
    paths = [row.path for row in table]
    if len(set(paths)) != len(paths):
        problems.append("the table has a path twice.")
    return problems


def _check_raw(table: Table, raw: dict[int, np.ndarray], header: Header) -> list[str]:
    for number, row in zip(table.rows["raw_file"].tolist(), table.rows["raw_row"].tolist()):
        if number not in raw or not 0 <= row < len(raw[number]):
            return [f"the table names a descriptor that is not there, number {row} of raw file {number}."]
    shape = (header.spec.copies, header.raw_dimension)
    problems = []
    for number, array in raw.items():
        if array.shape[1:] != shape:
            problems.append(f"raw file {number} has descriptors of {array.shape[1:]}, and the header says {shape}.")
        if not all(np.isfinite(array[i : i + CHUNK]).all() for i in range(0, len(array), CHUNK)):
            problems.append(f"raw file {number} has descriptors that are not numbers.")
    return problems


def _check_index(folder: Path, table: Table, raw: dict[int, np.ndarray], header: Header) -> list[str]:
    if header.index is None:
        return [] if not len(table) else ["there is no index, and there are pictures."]
    index = read_index(folder / header.index.name)
    labels = labels_of(index)
    copies = header.spec.copies
    expected = (2 * np.asarray(table.rows["id"])[:, None] + np.arange(copies)).reshape(-1)
    if index.d != header.dimension:
        return [f"the index has vectors of {index.d} numbers, and the header says {header.dimension}."]
    if not np.array_equal(np.sort(labels), expected):
        return [f"the index has {len(labels)} rows that are not the {len(expected)} of the table's pictures."]
    vectors = stored_vectors(index)
    if vectors is None:
        return []
    whitening = None
    if header.whitening is not None:
        whitening = Whitening.from_array(load_array(folder / header.whitening.name))
    order = np.argsort(labels)
    numbers, rows = table.rows["raw_file"].tolist(), table.rows["raw_row"].tolist()
    for start in range(0, len(table), CHUNK):
        inside = range(start, min(start + CHUNK, len(table)))
        values = np.concatenate([raw[numbers[i]][rows[i]] for i in inside])
        stored = vectors[order[start * copies : (inside.stop) * copies]]
        worst = np.abs(to_vectors(values, whitening) - stored).max(axis=1)
        if not (worst <= _TOLERANCE).all():
            picture = int(expected[start * copies + int(worst.argmax())]) // 2
            return [f"the vector of picture {picture} in the index is not that of its descriptor."]
    return []
