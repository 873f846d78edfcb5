"""What an update has to do: which pictures are as they were, which are new, changed, moved or gone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from recolor_torch.gallery.pending import Checkpoint, Skipped
from recolor_torch.gallery.raw import RawSource
from recolor_torch.gallery.table import Row

_Key = tuple[str, int, int]


@dataclass(frozen=True)
class FoundFile:
    """A file as a look through the folders saw it.

    Args:
        path: relative to the gallery's folder where it can be.
        size: bytes.
        mtime: modification time, in nanoseconds.
        named: named by itself in this run, not found below a folder.
    """

    path: str
    size: int
    mtime: int
    named: bool = False


@dataclass
class Upkeep:
    """The next state of the gallery, as far as it is known.

    Args:
        rows: pictures of the next state; ``raw_file`` -1 - k says that the descriptor is in source k.
        embed: pictures that have to be read and computed first.
        skipped: pictures that are passed over.
        gone: rows of the old state whose files are no more, or no more pictures.
        moved: rows that have a new path.
        refreshed: rows whose file was touched and has the same bytes.
        sources: where descriptors that are not in the gallery yet are.
    """

    rows: list[Row] = field(default_factory=list)
    embed: list[FoundFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    gone: list[Row] = field(default_factory=list)
    moved: int = 0
    refreshed: int = 0
    sources: Sequence[RawSource] = ()

    @property
    def added(self) -> int:
        """Rows that had no id before."""
        return sum(row.id < 0 for row in self.rows)

    @property
    def changed(self) -> int:
        """Rows that keep their id and have a new descriptor."""
        return sum(row.id >= 0 and row.raw_file < 0 for row in self.rows)


def plan_upkeep(
    rows: Iterable[Row],
    skipped: Iterable[Skipped],
    found: Iterable[FoundFile],
    checkpoints: Sequence[Checkpoint],
    hash_of: Callable[[str], bytes | None],
) -> Upkeep:
    """Compare the gallery with what is on the disk.

    A file with the size and time it had is taken to be as it was. Of others the bytes are compared where a picture
    of that size is known: touched, moved and copied files keep their descriptors.

    Args:
        rows: the gallery's pictures.
        skipped: what it passes over.
        found: the files there are now, each path once, in the order in which new ones get their ids.
        checkpoints: what stopped runs have computed.
        hash_of: SHA-256 of the bytes at a path, None where they cannot be read.
    """
    old = {row.path: row for row in rows}
    passed = {s.path: s for s in skipped}
    # A file that changed between two stopped runs is in two checkpoints.
    computed: dict[_Key, Row] = {}
    failed: dict[_Key, Skipped] = {}
    for k, checkpoint in enumerate(checkpoints):
        computed |= {_key(row): replace(row, raw_file=-1 - k) for row in checkpoint.rows}
        failed |= {_key(s): s for s in checkpoint.skipped}
    plan = Upkeep(sources=checkpoints)
    left: list[FoundFile] = []
    seen = set()
    for file in found:
        seen.add(file.path)
        row, known = old.get(file.path), passed.get(file.path)
        if known is not None and known.removed and not file.named:
            plan.skipped.append(known)
        elif row is not None and _key(row) == _key(file):
            plan.rows.append(row)
        elif known is not None and not known.removed and _key(known) == _key(file):
            plan.skipped.append(known)
        elif _key(file) in computed:
            plan.rows.append(replace(computed[_key(file)], id=-1 if row is None else row.id))
        elif _key(file) in failed:
            plan.skipped.append(failed[_key(file)])
        else:
            left.append(file)
    _compare_bytes(plan, left, old, seen, hash_of)
    kept = {row.id for row in plan.rows}
    waiting = {file.path for file in plan.embed}
    plan.gone = [row for row in old.values() if row.id not in kept and row.path not in waiting]
    return plan


def _compare_bytes(
    plan: Upkeep, left: list[FoundFile], old: dict[str, Row], seen: set[str], hash_of: Callable[[str], bytes | None]
) -> None:
    by_size: dict[int, list[Row]] = {}
    for row in old.values():
        by_size.setdefault(row.size, []).append(row)
    taken: set[int] = set()
    for file in left:
        mine = old.get(file.path)
        candidates = by_size.get(file.size, [])
        digest = hash_of(file.path) if candidates else None
        equal = [row for row in candidates if row.sha256 == digest]
        free = [row for row in equal if row.path not in seen and row.id not in taken]
        if mine in equal and mine is not None:
            plan.rows.append(replace(mine, mtime=file.mtime))
            plan.refreshed += 1
        elif free and mine is None:
            taken.add(free[0].id)
            plan.rows.append(replace(free[0], path=file.path, mtime=file.mtime))
            plan.moved += 1
        elif equal:
            plan.rows.append(replace(equal[0], path=file.path, mtime=file.mtime, id=-1 if mine is None else mine.id))
        else:
            plan.embed.append(file)


def _key(file: Row | Skipped | FoundFile) -> _Key:
    """A file with these three as they were is taken to be as it was."""
    return file.path, file.size, file.mtime
