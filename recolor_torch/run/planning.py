"""From the description of a run to its plan: targets found, guidance looked at, finished targets left out."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from recolor_torch.errors import UsageError
from recolor_torch.film.settings import FILM_SUFFIXES
from recolor_torch.paths import as_path, exists, is_file, is_folder, kind_of, reason, show_path
from recolor_torch.pictures.folders import find_pictures
from recolor_torch.pictures.read import PictureError, probe
from recolor_torch.run import record
from recolor_torch.run.description import Guidance, Run, Targets
from recolor_torch.run.plan import Plan, make_plan, refuse_inputs
from recolor_torch.run.retrieval import Retrieval
from recolor_torch.run.targets import Target, one_each, read_list, read_pairs, targets_of


def plan_run(
    run: Run,
    settings: dict[str, Any],
    on_step: Callable[[str, int, int], None] | None = None,
    bare: dict[str, Any] | None = None,
) -> Plan:
    """Settle what a run will do; nothing is written.

    Args:
        run: what was asked for.
        settings: what the record says of the method (``describe_method``).
        bare: in place of ``settings`` for targets without hints (``describe_bare``).
        on_step: told what is done, and with how many of how many targets.

    Raises:
        UsageError: something named does not exist, or the request is refused (see ``make_plan``).
    """
    if run.output.path is None:
        raise UsageError("Say where the result goes: no output was given.")
    _check_files(run.guidance, run.loading.max_pixels)
    retrieval = None if run.gallery is None else Retrieval(run.gallery)
    if retrieval is not None:
        settings = {**settings, **retrieval.settings()}
        bare = None if bare is None else {**bare, **retrieval.settings()}
    targets, closed = find_targets_of(run.targets, run.guidance, run.output.path)
    if run.guidance.each:
        if run.targets.sequence:
            raise UsageError("A clip has one look: give either a sequence, or a look from each reference.")
        targets = one_each(targets, run.guidance.references, run.guidance.reference_masks)
    names = run.targets.names
    plan = make_plan(
        targets,
        run.output,
        run.guidance,
        settings,
        single=len(names) == 1 and len(targets) == 1 and _is_one(names[0]) and not run.output.folder,
        max_pixels=run.loading.max_pixels,
        sequence=run.targets.sequence,
        bare=bare,
        on_step=on_step,
    )
    plan.closed = closed
    if retrieval is not None:
        on_search = None if on_step is None else partial(on_step, "Looking in the gallery")
        plan.jobs = retrieval.find(plan.jobs, run.loading.max_pixels, on_search)
        refuse_inputs(plan.jobs)
    return plan


def make_folders(plan: Plan) -> None:
    """Make the folders of a plan's outputs.

    Raises:
        UsageError: a folder cannot be made or written in.
    """
    for folder in {job.output.parent: None for job in plan.jobs}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise UsageError(f"{show_path(folder)}: cannot make this folder ({reason(error)}).") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"{folder}: no permission to write in this folder.")


def _is_one(name: str) -> bool:
    """Whether a name is that of one target: no folder, and no glob."""
    return kind_of(as_path(name)) in ("file", "other")


def find_targets_of(targets: Targets, guidance: Guidance, output: Path) -> tuple[list[Target], list[Path]]:
    """The targets, and folders that may not be read."""
    if targets.pairs is not None:
        pairs = read_pairs(targets.pairs)
        if guidance.references and any(pair.references for pair in pairs):
            raise UsageError("The pairs name their references: give either those or -r, not both.")
        return pairs, []
    names = [*targets.names, *(read_list(targets.list) if targets.list else [])]
    if not names:
        raise UsageError("No targets were given: name files, folders or globs (./-x.jpg for -x.jpg).")
    for path in map(as_path, names):
        if path.suffix.lower() in FILM_SUFFIXES and is_file(path):  # ``recolor colorize`` has taken its films out
            raise UsageError(
                f"{show_path(path)}: this is a film, which recolor colorize takes, alone or beside pictures; "
                "--film.processes shares its shots."
            )
    search = find_pictures(names, skip=output)
    found = _without_hints(guidance.hints, names, targets_of(search))
    return _without_results(output, found), search.closed


def _without_results(output: Path, targets: list[Target]) -> list[Target]:
    """The targets without what earlier runs put into the output folder, where that is a folder of targets."""
    inside = os.path.join(output.absolute(), "")
    if not is_folder(output) or not any(str(t.path.absolute()).startswith(inside) for t in targets):
        return targets
    made = {(output / name).absolute() for name in record.load(output)}
    left = [t for t in targets if t.path.absolute() not in made]
    return left or targets


def _without_hints(folder: Path | None, names: list[str], targets: list[Target]) -> list[Target]:
    """The targets without those in the folder of hints, where that lies in a folder of targets."""
    if folder is None or not is_folder(folder) or any(Path(n).absolute() == folder.absolute() for n in names):
        return targets
    inner = folder.absolute()
    # A target that was named itself, and not found below a folder, has no folder in its relative path.
    return [t for t in targets if len(t.relative.parts) == 1 or inner not in t.path.absolute().parents]


def _check_files(guidance: Guidance, max_pixels: int) -> None:
    for path in (*guidance.references, *guidance.reference_masks, guidance.target_mask):
        if path is None:
            continue
        kind = kind_of(path)
        if kind != "file":
            what = {"folder": "is a folder, not a picture", "other": "is a pipe or a device, not a file"}.get(kind)
            what = what or "no such file"
            raise UsageError(f"{show_path(path)}: {what}.")  # one file each: folders and globs are for targets
        try:
            probe(path, max_pixels)
        except PictureError as error:
            raise UsageError(str(error)) from error
    if guidance.hints is not None and not exists(guidance.hints):
        raise UsageError(f"{show_path(guidance.hints)}: no such file or folder of hints.")
