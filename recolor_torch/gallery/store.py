"""The gallery on the disk: reading one state, and making the next in one rename.

The header names files that never change under their name. A commit writes new files, waits until they are on the
disk, and renames a new header into place; what the header does not name is of no account and is cleared away.
"""

import errno
import json
import os
import re
import sqlite3
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from recolor_torch.errors import UsageError
from recolor_torch.gallery import header as headers
from recolor_torch.gallery import vectors, words
from recolor_torch.gallery.changes import Upkeep
from recolor_torch.gallery.files import FileEntry, check_whole, load_array, save_array, write_durably
from recolor_torch.gallery.fixed import fixed_whitening
from recolor_torch.gallery.header import GalleryDamaged, Header, read_header, write_header
from recolor_torch.gallery.index import write_index
from recolor_torch.gallery.pending import Skipped, clear_pending
from recolor_torch.gallery.raw import RawStore, places_to_rewrite
from recolor_torch.gallery.table import Row, Table
from recolor_torch.gallery.whitening import LEAST_PICTURES, Whitening, fit_whitening
from recolor_torch.paths import exists
from recolor_torch.system import pass_on_lack_of_memory, sync_folder
from recolor_torch.text import parse_json

_OURS = re.compile(r"(table|paths|raw|whitening|index|skipped|words)-\d{6,}\.(npy|faiss|json|sqlite)|\..*\.part")
_KNOWN = re.compile(_OURS.pattern + r"|lock|pending|gallery\.json|writer\.json")


@dataclass(frozen=True)
class State:
    """One state of a gallery, with its files memory-mapped."""

    folder: Path
    header: Header
    table: Table
    whitening: Whitening | None

    @classmethod
    def empty(cls, folder: Path, header: Header) -> "State":
        """The state before the first picture."""
        return cls(folder, header, Table.empty(), None)

    @cached_property
    def skipped(self) -> list[Skipped]:
        """Pictures that are passed over."""
        entry = self.header.skipped
        if entry is None:
            return []
        try:
            return [Skipped(**s) for s in parse_json((self.folder / entry.name).read_text(encoding="ascii"))]
        except (OSError, ValueError, TypeError) as error:
            raise GalleryDamaged(f"{self.folder / entry.name} is damaged.") from error


def open_state(folder: Path) -> State:
    """The state of the gallery in ``folder`` as its header names it now.

    Raises:
        UsageError: there is no gallery.
        GalleryDamaged: a file is missing or has another size than was written. ``verify`` looks closer.
    """
    header = read_header(folder)
    while True:
        try:
            return _open(folder, header)
        except GalleryDamaged:
            # A writer may have made the next state, and cleared this one away, since the header was read.
            newer = read_header(folder)
            if newer.generation == header.generation:
                raise
            header = newer


def _open(folder: Path, header: Header) -> State:
    for entry in header.files():
        path = folder / entry.name
        try:
            size = path.stat().st_size
        except OSError as error:
            raise GalleryDamaged(f"{path} is missing; the gallery is damaged.") from error
        if size != entry.bytes:
            raise GalleryDamaged(f"{path} has {size} bytes, and {entry.bytes} were written; the gallery is damaged.")
    try:
        table = Table.empty()
        if header.table is not None and header.paths is not None:
            table = Table(load_array(folder / header.table.name), load_array(folder / header.paths.name))
            table.check(header.pictures)
        whitening = None
        if header.whitening is not None:
            whitening = Whitening.from_array(load_array(folder / header.whitening.name))
            whitening.check(header.raw_dimension, header.dimension)
        return State(folder, header, table, whitening)
    except (OSError, ValueError) as error:
        pass_on_lack_of_memory(error)
        raise GalleryDamaged(f"{folder}: a file of the gallery is damaged; recolor gallery verify names it.") from error


def open_to_write(folder: Path) -> State:
    """``open_state`` for a writer, which copies the table: it has to be as it was written.

    Raises:
        UsageError: as ``open_state``.
    """
    state = open_state(folder)
    check_whole(folder, (state.header.table, state.header.paths, state.header.skipped))
    return state


def check_folder(folder: Path) -> None:
    """Raise ``UsageError`` where a new gallery cannot be made in ``folder``; make the folder where there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = [p.name for p in folder.iterdir() if not _KNOWN.fullmatch(p.name)]
    except FileExistsError as error:
        raise UsageError(f"{folder}: a gallery is a folder, and this is a file.") from error
    except OSError as error:
        raise UsageError(f"{folder}: cannot make a gallery here ({error.strerror}).") from error
    if others and not exists(folder / headers.NAME):
        raise UsageError(
            f"{folder} is not empty and holds no gallery: name a new folder for the gallery, then the pictures."
        )


def clear_leftovers(folder: Path) -> None:
    """Remove what killed writers left; to be called under the writer's lock."""
    names = {entry.name for entry in read_header(folder).files()}
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in names:
            with suppress(OSError):
                path.unlink()


def commit(state: State, plan: Upkeep, header: Header, *, refit: bool = False) -> Header:
    """Make the plan's rows the gallery, under the writer's lock.

    Args:
        state: the state before, whose files are used again where they can be.
        plan: the next state, with nothing left to embed.
        header: the state's header with the spec, sources and kind of index that are wanted.
        refit: fit whitening anew; without it a whitening is kept once there is one.

    Returns:
        The header of the gallery after; the state's own where nothing had to change.
    """
    if plan.embed:
        raise ValueError(f"{len(plan.embed)} pictures of the plan have no descriptors yet.")
    if not refit and header == state.header and _is_same(state, plan):
        clear_pending(state.folder)  # a run that was killed after its commit left them
        return state.header
    folder, old = state.folder, state.header
    number = old.generation + 1
    rows, next_id = _with_ids(plan.rows, header.next_id)
    raw = RawStore(folder, old.raw, plan.sources)
    rows, files = _write_raw(folder, number, rows, raw, old.raw)
    raw = RawStore(folder, files)

    places = [(row.raw_file, row.raw_row) for row in rows]
    whitening, entry, fitted = state.whitening, old.whitening, old.whitened_on
    enough = len(rows) >= LEAST_PICTURES
    if refit or not old.generation or (not fitted and enough):
        fitted = len(rows) if enough else 0
        if enough:
            whitening = fit_whitening(x.reshape(-1, x.shape[-1]) for _, x in raw.chunks(places))
        else:
            kept = whitening if header.spec == old.spec else None  # one that came with an earlier version
            whitening = fixed_whitening(header.spec) or kept
        entry = None
        if whitening is not None:
            entry = write_durably(folder / f"whitening-{number:06}.npy", save_array(whitening.to_array()))
    index, nprobe = None, old.nprobe
    check_whole(folder, (entry,))
    if old.index is not None and entry == old.whitening and (header.factory, header.spec) == (old.factory, old.spec):
        check_whole(folder, (old.index,))
        gone, fresh = _difference(list(state.table), rows)
        index = vectors.change(folder / old.index.name, old.nprobe, gone, fresh, raw, whitening, header.spec.copies)
    if index is None or not rows:
        index, nprobe = vectors.index_rows(rows, raw, whitening, header.factory)
    dimension = whitening.matrix.shape[0] if whitening is not None else _raw_dimension(raw)

    table = Table.of(rows)
    text = json.dumps([asdict(s) for s in plan.skipped], indent=1)
    new = replace(
        header,
        generation=number,
        pictures=len(rows),
        next_id=next_id,
        raw_dimension=_raw_dimension(raw),
        dimension=dimension,
        nprobe=nprobe,
        whitened_on=fitted,
        table=write_durably(folder / f"table-{number:06}.npy", save_array(table.rows)),
        paths=write_durably(folder / f"paths-{number:06}.npy", save_array(table.paths)),
        skipped=write_durably(folder / f"skipped-{number:06}.json", lambda p: _write_text(p, text)),
        index=None if index is None else write_durably(folder / f"index-{number:06}.faiss", write_index(index)),
        whitening=entry,
        words=_write_words(state, rows, number),
        raw=files,
    )
    sync_folder(folder)
    write_header(folder, new)
    clear_pending(folder)
    clear_leftovers(folder)
    return new


def _write_words(state: State, rows: list[Row], number: int) -> FileEntry | None:
    """The full-text index of the rows: the one there is where their words are as they were, or that one changed."""
    before = {row.id: row for row in state.table}
    after = {row.id: row for row in rows}
    gone = [row for i, row in before.items() if i not in after or _words_of(after[i]) != _words_of(row)]
    fresh = [row for i, row in after.items() if i not in before or _words_of(before[i]) != _words_of(row)]
    old, folder = state.header.words, state.folder
    if old is not None and not gone and not fresh:
        return old

    check_whole(folder, (old,))

    def write(path: Path) -> None:
        if old is not None and 2 * (len(gone) + len(fresh)) < len(rows):
            words.change_words(folder / old.name, path, gone, fresh)
        else:
            words.write_words(path, rows)

    try:
        return write_durably(folder / f"words-{number:06}.sqlite", write)
    except sqlite3.OperationalError as error:
        if "no such module" in str(error):  # no full-text index in this SQLite: asking for words says so
            return None
        code = errno.ENOSPC if "full" in str(error) else errno.EIO
        raise OSError(code, os.strerror(code)) from error


def _words_of(row: Row) -> tuple[str, str]:
    return row.path, row.text


def _is_same(state: State, plan: Upkeep) -> bool:
    if plan.gone or plan.moved or plan.refreshed or any(row.id < 0 or row.raw_file < 0 for row in plan.rows):
        return False
    return sorted(plan.skipped, key=repr) == sorted(state.skipped, key=repr)


def _difference(old: list[Row], new: list[Row]) -> tuple[list[Row], list[Row]]:
    """Rows whose vectors have to leave the index, and rows whose vectors have to come in."""
    before = {row.id: row.sha256 for row in old}
    after = {row.id: row.sha256 for row in new}
    gone = [row for row in old if after.get(row.id) != row.sha256]
    return gone, [row for row in new if before.get(row.id) != row.sha256]


def _with_ids(rows: list[Row], next_id: int) -> tuple[list[Row], int]:
    """Rows in the order of their ids; new ones get the next, in their own order."""
    done = []
    for row in rows:
        done.append(replace(row, id=next_id) if row.id < 0 else row)
        next_id += row.id < 0
    return sorted(done, key=lambda row: row.id), next_id


def _write_raw(
    folder: Path, number: int, rows: list[Row], raw: RawStore, files: dict[int, FileEntry]
) -> tuple[list[Row], dict[int, FileEntry]]:
    """Bring descriptors from checkpoints, and from files that are worth it, into one new file."""
    places = [(row.raw_file, row.raw_row) for row in rows]
    sizes = {n: len(raw.arrays[n]) for n in files}
    chosen = places_to_rewrite(places, sizes)
    check_whole(folder, (files[n] for n in sorted(chosen & files.keys())))
    kept = {n: entry for n, entry in files.items() if n not in chosen and any(p[0] == n for p in places)}
    moving = sorted({place for place in places if place[0] in chosen})
    if not moving:
        return rows, kept
    shape = raw.take(moving[:1]).shape[1:]

    def write(path: Path) -> None:
        out = np.lib.format.open_memmap(path, "w+", np.float32, (len(moving), *shape))
        for inside, values in raw.chunks(moving):
            out[inside.start : inside.stop] = values
        out.flush()

    entry = write_durably(folder / f"raw-{number:06}.npy", write)
    at = {place: i for i, place in enumerate(moving)}
    rows = [
        replace(row, raw_file=number, raw_row=at[place]) if place in at else row for row, place in zip(rows, places)
    ]
    return rows, {**kept, number: entry}


def _raw_dimension(raw: RawStore) -> int:
    return next((array.shape[-1] for array in raw.arrays.values()), 0)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")
