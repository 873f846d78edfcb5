"""Keeping a gallery in step with the folders of pictures that it is of."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from recolor_torch.errors import UsageError
from recolor_torch.files import file_hash
from recolor_torch.gallery.changes import FoundFile, Upkeep, plan_upkeep
from recolor_torch.gallery.descriptor import DescriptorSpec
from recolor_torch.gallery.files import writer_lock
from recolor_torch.gallery.gallery import absolute, relative
from recolor_torch.gallery.header import NAME, Header, read_header, write_header
from recolor_torch.gallery.index import check_factory, suggest_factory
from recolor_torch.gallery.pending import Skipped, read_checkpoints
from recolor_torch.gallery.store import State, check_folder, clear_leftovers, commit, open_to_write
from recolor_torch.paths import exists, is_file, show_path
from recolor_torch.pictures import folders

AUTO = "auto"
LOG = logging.getLogger("recolor_torch")

Embed = Callable[[Path, DescriptorSpec, list[FoundFile]], bool]
"""Reads pictures, computes their descriptors and writes checkpoints; returns whether it was interrupted."""


@dataclass(frozen=True)
class Outcome:
    """What a build, an update or a removal came to.

    Args:
        header: of the gallery after.
        added: pictures that are new.
        changed: pictures with a new descriptor.
        gone: pictures that are no longer in it.
        moved: pictures that were found under a new path.
        embedded: pictures whose descriptors were computed by this run.
        failed: pictures that this run found unreadable.
        skipped: all pictures that are passed over, with the reasons.
        interrupted: the run was stopped; the gallery is as it was, and the same command goes on.
    """

    header: Header
    added: int = 0
    changed: int = 0
    gone: int = 0
    moved: int = 0
    embedded: int = 0
    failed: int = 0
    skipped: Sequence[Skipped] = ()
    interrupted: bool = False


def build_gallery(
    folder: Path, pictures: Sequence[str], spec: DescriptorSpec, embed: Embed, *, factory: str, overwrite: bool = False
) -> Outcome:
    """Make a gallery of pictures, or go on with one whose making was stopped.

    Args:
        folder: the gallery; made where there is none.
        pictures: files, folders and globs.
        spec: what descriptors are computed by.
        embed: computes them.
        factory: faiss's name for the kind of index, or ``auto`` to choose by the number of pictures.
        overwrite: make a gallery that exists anew. The old one serves until the new one is whole; descriptors of
            the same spec are used again.

    Raises:
        UsageError: pictures do not exist, the folder holds other things, or another process writes the gallery.
    """
    if not pictures:
        raise UsageError("Name the pictures: files, folders or globs.")
    if factory != AUTO:
        check_factory(factory)
    check_folder(folder)
    with _writing(folder) as main:
        base = Header(spec, tuple(relative(folder, p) for p in pictures), factory=factory)
        state = State.empty(folder, base)
        if exists(folder / NAME):
            state = open_to_write(folder)
            if state.header.generation and not overwrite:
                raise UsageError(
                    f"{folder} is a gallery of {state.header.pictures} pictures already: use recolor gallery update, "
                    "or --overwrite to make it anew."
                )
            base = replace(state.header, spec=spec, sources=base.sources, factory=factory)
            if state.header.spec != spec:
                state = State.empty(folder, replace(state.header, raw={}, index=None))
        elif main:
            write_header(folder, base)
        return _bring_up(state, base, pictures, embed, main, refit=True)


def update_gallery(
    folder: Path,
    pictures: Sequence[str],
    embed: Embed,
    *,
    refit: bool = False,
    factory: str | None = None,
    prune: bool = False,
) -> Outcome:
    """Bring a gallery up to what is in its folders now.

    Only new and changed pictures are read and computed; pictures that are no more leave it, unless their folder
    is empty or may not be read: then the disk may not be there. Pictures that were moved keep their descriptors;
    where a whole folder was, name its new place.

    Args:
        folder: the gallery.
        pictures: further files, folders and globs to take in, now and at later updates.
        embed: computes descriptors.
        refit: fit the whitening anew.
        factory: another kind of index, or ``auto``.
        prune: drop the pictures of folders that are empty or may not be read, too.

    Raises:
        UsageError: a folder of the gallery is gone, or another process writes it.
    """
    if factory not in (None, AUTO):
        check_factory(factory)
    read_header(folder)
    with _writing(folder) as main:
        state = open_to_write(folder)
        sources = _with_sources(folder, state.header.sources, pictures)
        base = replace(state.header, sources=sources, factory=factory or state.header.factory)
        # A gallery whose making was stopped is made by its first update.
        return _bring_up(state, base, pictures, embed, main, refit=refit or not state.header.generation, prune=prune)


def remove_pictures(folder: Path, names: Sequence[str]) -> Outcome:
    """Take pictures out of a gallery for good; their files stay, and updates pass over them.

    A folder that the gallery is of is no longer looked through. A picture comes back when an update names it.

    Args:
        folder: the gallery.
        names: pictures or folders.

    Raises:
        UsageError: something named is not in the gallery.
    """
    read_header(folder)
    with _writing(folder):
        state = open_to_write(folder)
        rows, sources, skipped = list(state.table), state.header.sources, list(state.skipped)
        gone = []
        for name in names:
            path = relative(folder, name)
            inside = [row for row in rows if row.path == path or row.path.startswith(path + "/")]
            passed = [s for s in skipped if s.path == path or s.path.startswith(path + "/")]
            if not inside and not passed and path not in sources:
                raise UsageError(f"{name} is not in the gallery {folder}.")
            gone += inside
            rows = [row for row in rows if row not in inside]
            skipped = [s for s in skipped if s not in passed]
            if path in sources:
                sources = tuple(s for s in sources if s != path)
            else:
                said = {s.path: (s.size, s.mtime) for s in passed} | {r.path: (r.size, r.mtime) for r in inside}
                skipped += [Skipped(p, *at, "it was removed from the gallery", True) for p, at in said.items()]
        plan = Upkeep(rows, skipped=skipped, gone=gone)
        header = commit(state, plan, replace(state.header, sources=sources))
        return Outcome(header, gone=len(gone), skipped=skipped)


def find_gallery_files(folder: Path, sources: Sequence[str], named: Sequence[str] = ()) -> list[FoundFile]:
    """The pictures below the sources of a gallery as they are now.

    Args:
        folder: the gallery.
        sources: as its header has them.
        named: names of this run; a picture among them comes back where it was removed.

    Raises:
        UsageError: a source does not exist, or is a folder without pictures.
    """
    files: dict[str, FoundFile] = {}
    by_name = {relative(folder, name) for name in named}
    for source in sources:
        place = str(absolute(folder, source))
        try:
            search = folders.find_pictures([place], skip=folder)
        except UsageError as error:
            raise UsageError(
                f"{str(error).removesuffix('.')}; nothing was changed. Bring it back, or take it out of the gallery "
                f"with recolor gallery remove {folder} {place}."
            ) from error
        for target, _ in search.files:
            path = relative(folder, target)
            try:
                status = os.stat(target)
            except OSError:  # it went while we looked
                continue
            files.setdefault(path, FoundFile(path, status.st_size, status.st_mtime_ns, path in by_name))
    return list(files.values())


def _with_sources(folder: Path, sources: tuple[str, ...], names: Sequence[str]) -> tuple[str, ...]:
    """The sources and what was named, without files that lie below a source."""
    for name in names:
        path = relative(folder, name)
        below = is_file(Path(name)) and any(path.startswith(f"{source}/") for source in sources)
        if path not in sources and not below:
            sources = (*sources, path)
    return sources


def _without_lost_files(state: State, sources: tuple[str, ...]) -> tuple[str, ...]:
    """The sources without single pictures that are no more; a folder that is no more is another matter."""
    lost = [s for s in sources if not exists(absolute(state.folder, s))]
    if not lost:
        return sources
    pictures = {row.path for row in state.table} | {s.path for s in state.skipped}
    return tuple(s for s in sources if s not in lost or s not in pictures)


def _out_of_reach(state: State, found: Sequence[FoundFile]) -> list[FoundFile]:
    """Pictures of the gallery that are not found, in folders that are empty or may not be read, as they were."""
    there = {file.path for file in found}
    closed: dict[Path, str | None] = {}
    kept: dict[Path, list[FoundFile]] = {}
    for row in state.table:
        if row.path in there:
            continue
        place = absolute(state.folder, row.path).parent
        while place not in closed and not os.path.lexists(place):
            place = place.parent
        if place not in closed:
            closed[place] = _why_nothing(place)
        if closed[place] is not None:
            kept.setdefault(place, []).append(FoundFile(row.path, row.size, row.mtime))
    for place, files in kept.items():
        what = "its one picture stays" if len(files) == 1 else f"its {len(files)} pictures stay"
        LOG.warning(f"{show_path(place)} {closed[place]}: {what} in the gallery; --prune drops them.")
    return [file for files in kept.values() for file in files]


def _why_nothing(place: Path) -> str | None:
    try:
        with os.scandir(place) as entries:
            empty = all(entry.name.startswith(".") or entry.name == "lost+found" for entry in entries)
    except OSError:
        return "may not be read"
    return "is empty (a disk that is not there?)" if empty else None


def _settle_moves(state: State, plan: Upkeep, away: Sequence[str]) -> None:
    """Raise where pictures of a folder that is gone are not among what was named."""
    for source in away:
        left = [row for row in plan.gone if row.path == source or row.path.startswith(f"{source}/")]
        if left:
            place = show_path(absolute(state.folder, source))
            raise UsageError(
                f"{place} is gone, and {len(left)} of its pictures are not in what was named; nothing was changed. "
                f"Bring it back, or take it out with recolor gallery remove {show_path(state.folder)} {place}."
            )


def _bring_up(
    state: State,
    base: Header,
    named: Sequence[str],
    embed: Embed,
    main: bool,
    *,
    refit: bool,
    prune: bool = False,
) -> Outcome:
    base = replace(base, sources=_without_lost_files(state, base.sources))
    # A folder that is gone may be what was named: its pictures are known by their bytes.
    new = {relative(state.folder, name) for name in named}
    away = [s for s in base.sources if new and s not in new and not _is_there(state.folder, s)]
    base = replace(base, sources=tuple(s for s in base.sources if s not in away))
    found = find_gallery_files(state.folder, base.sources, named)
    if not prune and not away:
        found += _out_of_reach(state, found)
    plan = _plan(state, base, found)
    _settle_moves(state, plan, away)
    waiting = len(plan.embed)
    if waiting:
        interrupted = embed(state.folder, base.spec, plan.embed)
        if interrupted or not main:
            return Outcome(state.header, embedded=waiting, interrupted=interrupted)
        plan = _plan(state, base, found)
        if plan.embed:
            first = absolute(state.folder, plan.embed[0].path)
            raise RuntimeError(f"{len(plan.embed)} pictures were not computed, the first {first}.")
    elif not main:
        return Outcome(state.header)
    if not plan.rows and not state.header.pictures:
        reason = f" The first: {plan.skipped[0].reason}" if plan.skipped else ""
        raise UsageError(f"None of the {len(found)} pictures can be read, so that there is no gallery.{reason}")
    if base.factory == AUTO:
        base = replace(base, factory=suggest_factory(len(plan.rows) * base.spec.copies))
    header = commit(state, plan, base, refit=refit)
    failed = len({s.path for s in plan.skipped} - {s.path for s in state.skipped})
    return Outcome(header, plan.added, plan.changed, len(plan.gone), plan.moved, waiting, failed, plan.skipped)


def _is_there(folder: Path, source: str) -> bool:
    return exists(absolute(folder, source)) or any(sign in source for sign in "*?[")


def _plan(state: State, base: Header, found: list[FoundFile]) -> Upkeep:
    folder = state.folder

    def hash_of(path: str) -> bytes | None:
        try:
            return bytes.fromhex(file_hash(absolute(folder, path)))
        except OSError:
            return None

    return plan_upkeep(state.table, state.skipped, found, read_checkpoints(folder, base.spec), hash_of)


@contextmanager
def _writing(folder: Path) -> Iterator[bool]:
    """The writer's lock in the main process of a run, which yields True; its helpers write checkpoints alone."""
    if process_rank():
        yield False
        return
    with writer_lock(folder):
        if exists(folder / NAME):
            clear_leftovers(folder)
        yield True


def process_rank() -> int:
    """Which process of a distributed run this is; 0 without one. Launchers say so in the environment.

    A rank without a number of processes is left over from elsewhere.
    """
    for size, *names in (("WORLD_SIZE", "RANK", "LOCAL_RANK"), ("SLURM_NTASKS", "SLURM_PROCID")):
        if _number(size) > 1:
            return next((_number(name) for name in names if name in os.environ), 0)
    return 0


def _number(name: str) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else 0
