"""Galleries that were made apart, joined into one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recolor_torch.errors import UsageError
from recolor_torch.gallery.changes import Upkeep
from recolor_torch.gallery.files import check_whole, writer_lock
from recolor_torch.gallery.gallery import absolute, relative
from recolor_torch.gallery.header import NAME, Header
from recolor_torch.gallery.pending import Skipped
from recolor_torch.gallery.raw import RawFile
from recolor_torch.gallery.store import State, check_folder, clear_leftovers, commit, open_state
from recolor_torch.gallery.table import Row
from recolor_torch.paths import exists


def merge_galleries(folder: Path, shards: Sequence[Path], *, factory: str | None = None) -> Header:
    """Make a gallery of all pictures of others, which stay as they are. No descriptor is computed again.

    Whitening is fitted anew on all. A picture that several have is taken from the first. Ids of the first gallery
    stay; pictures of the others get the next.

    Args:
        folder: the new gallery.
        shards: the galleries.
        factory: faiss's name for the kind of index; the first gallery's without it.

    Raises:
        UsageError: there is a gallery in ``folder``, or the galleries were made with different features.
    """
    states = [open_state(shard) for shard in shards]
    if not states:
        raise UsageError("Name the galleries to merge.")
    first = states[0]
    for state in states[1:]:
        difference = first.header.spec.difference(state.header.spec)
        if difference:
            raise UsageError(f"{state.folder} and {first.folder} cannot be merged: {difference}.")
    for state in states:
        check_whole(state.folder, state.header.files())
    check_folder(folder)
    with writer_lock(folder):
        if exists(folder / NAME):
            raise UsageError(f"{folder} is a gallery already; name a new folder.")
        plan, sources = Upkeep(), []
        known: set[str] = set()
        passed: dict[str, Skipped] = {}
        files: list[RawFile] = []
        for k, state in enumerate(states):
            numbers = {number: -1 - len(files) - i for i, number in enumerate(state.header.raw)}
            files += [RawFile(state.folder / entry.name) for entry in state.header.raw.values()]
            for row in state.table:
                path = relative(folder, absolute(state.folder, row.path))
                if path not in known:
                    known.add(path)
                    plan.rows.append(_moved(row, path, numbers[row.raw_file], row.id if k == 0 else -1))
            for s in state.skipped:
                path = relative(folder, absolute(state.folder, s.path))
                passed.setdefault(path, replace(s, path=path))
            sources += [relative(folder, absolute(state.folder, source)) for source in state.header.sources]
        plan.sources = files
        plan.skipped = [s for s in passed.values() if s.path not in known]
        base = Header(
            first.header.spec,
            tuple(dict.fromkeys(sources)),
            next_id=first.header.next_id,
            factory=factory or first.header.factory,
        )
        header = commit(State.empty(folder, base), plan, base, refit=True)
        clear_leftovers(folder)
        return header


def _moved(row: Row, path: str, raw_file: int, picture: int) -> Row:
    return replace(row, path=path, raw_file=raw_file, id=picture)
