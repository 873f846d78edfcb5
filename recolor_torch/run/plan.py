"""What a run will do, settled before any work: which file becomes which, what is finished, what is refused."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from recolor_torch.errors import UsageError
from recolor_torch.files import cached_file_hash, file_hash
from recolor_torch.methods import METHODS
from recolor_torch.paths import exists, is_folder, show_path
from recolor_torch.pictures.formats import FORMATS, output_suffix
from recolor_torch.pictures.read import PictureError, PictureInfo, probe
from recolor_torch.run import record
from recolor_torch.run.description import Guidance, Output
from recolor_torch.run.finished import Recipes, is_finished, text_facts
from recolor_torch.run.hint_folder import HintFinder
from recolor_torch.run.linked import link_names, linked_files
from recolor_torch.run.recipe import KeptResult
from recolor_torch.run.targets import Target
from recolor_torch.system import reserved_part

OnStep = Callable[[str, int, int], None]
"""Told what is done, and with how many of how many."""


@dataclass(frozen=True)
class Job:
    """One target, its guidance, and where the result goes.

    Args:
        target: the picture's file.
        output: the result's file.
        folder: where the run record lies.
        info: what the target's header says, or None where it could not be read.
        references: reference pictures, with ``weights`` and ``reference_masks`` (each possibly None).
        found: the references come from a gallery, and no person chose them.
        target_mask: picture that is white where the target is to be recolored.
        hints: file of given colors.
        linked: pictures that links of the hints name beside the references.
        links: whether the hints have links.
        text: colors for things.
        problem: why this job cannot be done, a clause; it fails with it.
        settings: hash of everything but the target that the result depends on.
        facts: what the record says of the method, where that is not the run's: of a target without hints.
    """

    target: Path
    output: Path
    folder: Path
    info: PictureInfo | None
    references: tuple[Path, ...] = ()
    weights: tuple[float, ...] = ()
    reference_masks: tuple[Path | None, ...] = ()
    found: bool = False
    target_mask: Path | None = None
    hints: Path | None = None
    linked: tuple[Path, ...] = ()
    links: bool = False
    text: str | None = None
    problem: str | None = None
    settings: str = ""
    facts: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        """The output's path in the run record."""
        path, top = self.output.as_posix(), self.folder.as_posix() + "/"
        # Of all that is done for a small picture ``relative_to`` took a fifteenth.
        return path[len(top) :] if path.startswith(top) else self.output.relative_to(self.folder).as_posix()


@dataclass
class Plan:
    """The jobs to do, those that an earlier run has done, outputs that are kept as they are, and closed folders."""

    jobs: list[Job] = field(default_factory=list)
    skipped: list[Job] = field(default_factory=list)
    kept: list[KeptResult] = field(default_factory=list)
    closed: list[Path] = field(default_factory=list)


def make_plan(
    targets: list[Target],
    output: Output,
    guidance: Guidance,
    settings: dict[str, Any],
    *,
    single: bool = False,
    max_pixels: int = 1_000_000_000,
    sequence: bool = False,
    bare: dict[str, Any] | None = None,
    on_step: OnStep | None = None,
) -> Plan:
    """Settle names, refuse what must not be done, and leave out what is finished.

    Args:
        targets: the pictures.
        output: a file for one target (``single``), else the folder for all; what results are called.
        guidance: what all targets share; a target's own references and hints come before it.
        settings: everything else that a result depends on, for the resume rule.
        single: the only target was named as a file, so ``output`` may be a file.
        max_pixels: pictures with more pixels are not read.
        sequence: the targets are the frames of a clip: each result depends on all of them and on all hints.
        bare: in place of ``settings`` for targets without hints; None where the method takes them as they are.
        on_step: told what is done, and with how many of how many targets.

    Raises:
        UsageError: two results would have one name; a result would replace an input; the only result would replace a
            file that the run record does not know; the output cannot be a folder.
    """
    assert output.path is not None
    folder, name = _output_folder(output.path, single, len(targets))
    cls = METHODS.get(settings.get("method", ""))
    optional = sequence or bare is not None or (cls is not None and "hints" not in cls.needs)
    hints = HintFinder(guidance.hints, targets, optional=optional)
    if sequence:
        clip = [(file_hash(t.path), h and cached_file_hash(h)) for t in targets for h, _ in [hints.find(t)]]
        settings = {**settings, "sequence": clip}
    jobs, make = [], _Jobs(folder, guidance, hints).make
    infos: list[PictureInfo | None] = []
    for done, target in enumerate(targets):
        _tell(on_step, "Looking at the targets", done, len(targets))
        infos.append(_probe(target.path, max_pixels))
    for target, info, relative in zip(targets, infos, _names(targets, infos, name, output)):
        facts = None if bare is None or hints.find(target)[0] is not None else bare
        job = make(target, folder / relative, info, settings if facts is None else facts)
        jobs.append(job if facts is None else replace(job, facts=facts))
    if sequence:
        _check_frames(jobs)
    _refuse_collisions(jobs)
    refuse_inputs(jobs)
    known = record.load(folder)
    plan = _without_finished(jobs, known, settings, output.overwrite, on_step)
    if single and plan.kept and not known.get(jobs[0].key):
        raise UsageError(
            f"{show_path(jobs[0].output)} exists and was not made by a run recorded beside it: "
            "choose another output, or replace it with --overwrite."
        )
    if sequence and plan.jobs:
        return Plan(jobs, kept=plan.kept)  # a clip is colored as a whole
    return plan


def _without_finished(
    jobs: list[Job],
    known: dict[str, list[dict[str, Any]]],
    settings: dict[str, Any],
    overwrite: bool,
    on_step: OnStep | None,
) -> Plan:
    """The jobs that are to be done, those that are finished, and the files that are left as they are."""
    plan, recipes = Plan(), Recipes()
    for done, job in enumerate(jobs):
        if known:
            _tell(on_step, "Comparing with the record", done, len(jobs))
        lines = known.get(job.key, [])
        try:
            there = exists(job.output)
        except UsageError as error:  # the disk has no room for such a name: this result alone fails
            plan.jobs.append(replace(job, problem=job.problem or f"its result cannot be written: {error}".rstrip(".")))
            continue
        if overwrite or not there:
            plan.jobs.append(job)
        elif (kept := recipes.kept(lines, job, job.facts or settings)) is not None:
            plan.kept.append(kept)
        elif is_finished(lines, job):
            plan.skipped.append(job)
        else:
            plan.jobs.append(job)
    return plan


def _tell(on_step: OnStep | None, step: str, done: int, total: int) -> None:
    if on_step is not None:
        on_step(step, done, total)


def _output_folder(output: Path, single: bool, count: int) -> tuple[Path, str | None]:
    """The folder of the run record, and the name of the only output where ``output`` is a file."""
    is_picture = output.suffix.lower() in FORMATS
    if is_folder(output) or not (output.suffix or exists(output)):
        return output, None
    if single:
        if not is_picture:
            raise UsageError(
                f"{output}: cannot write pictures of the kind {output.suffix!r}. "
                f"Known kinds: {', '.join(sorted(FORMATS))}."
            )
        return output.parent, output.name
    if is_picture or exists(output):
        targets = "a target" if count == 1 else f"{count} targets"
        raise UsageError(f"{output} is a file name, and {targets} from folders, globs, lists or looks need a folder.")
    return output, None


def _probe(path: Path, max_pixels: int) -> PictureInfo | None:
    try:
        return probe(path, max_pixels)
    except PictureError:
        return None  # reading it says why, and that is recorded


def _names(targets: list[Target], infos: list[PictureInfo | None], name: str | None, output: Output) -> list[Path]:
    """Where results lie below the output folder.

    ``a.gif`` beside ``a.png``, both written as PNG, is ``a.gif.png``; ``a.png`` beside ``A.png``, which are one file on
    some disks, is ``a_2.png``.
    """
    if name is not None:
        return [Path(name) for _ in targets]
    looks = (f"_{target.look}" if target.look else "" for target in targets)
    names = [_named(t.relative, i, look + output.suffix, output.ext) for t, i, look in zip(targets, infos, looks)]
    often = Counter(str(n).casefold() for n in names)
    if len(often) == len(names):
        return names
    return _apart_in_case(
        [
            n.with_name(f"{n.stem}{t.relative.suffix}{n.suffix}")
            if often[str(n).casefold()] > 1 and n.suffix.lower() != t.relative.suffix.lower()
            else n
            for n, t in zip(names, targets)
        ]
    )


def _apart_in_case(names: list[Path]) -> list[Path]:
    """The names, those numbered that differ from an earlier one in case alone."""
    taken, found, first = {str(n).casefold() for n in names}, [], dict[str, Path]()
    for name in names:
        same, number, numbered = first.setdefault(str(name).casefold(), name), 2, name
        while same != name and str(numbered).casefold() in taken:
            numbered, number = name.with_name(f"{name.stem}_{number}{name.suffix}"), number + 1
        taken.add(str(numbered).casefold())
        found.append(numbered)
    return found


def _named(relative: Path, info: PictureInfo | None, suffix: str, ext: str) -> Path:
    extension = relative.suffix if info is None else output_suffix(info, ext)
    if FORMATS.get(extension) == FORMATS.get(relative.suffix.lower()):
        extension = relative.suffix  # photo.JPEG stays photo.JPEG
    return relative.with_name(f"{relative.stem}{suffix}{extension}")


@dataclass
class _Jobs:
    """Makes jobs; what most of them share is worked out once."""

    folder: Path
    guidance: Guidance
    finder: HintFinder
    hashes: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def make(self, target: Target, output: Path, info: PictureInfo | None, settings: dict[str, Any]) -> Job:
        """The job of a target; ``settings`` have to outlive this object."""
        given = self.guidance
        references = target.references or given.references
        weights = () if target.references else given.weights
        masks = target.reference_masks if target.references else given.reference_masks
        hints, problem = self.finder.find(target)
        if (reserved := reserved_part(output)) is not None:
            problem = f"Windows has no files named {reserved}"
        names = link_names(hints)
        told: dict[str, Any] = {
            "references": references,
            "weights": weights or (1.0,) * len(references),
            "reference_masks": masks or (None,) * len(references),
            "hints": hints,
            "linked": tuple(linked_files(names, hints, references)),
            "text": given.text if target.text is None else target.text,
        }
        key = (id(settings), *told.values(), output.suffix.lower())
        make = partial(
            Job,
            target.path,
            output,
            self.folder,
            info,
            target_mask=given.target_mask,
            links=bool(names),
            found="gallery" in settings and not references,
            problem=problem,
            **told,
        )
        if key not in self.hashes:
            self.hashes[key] = _settings_hash(make(), settings)
        return make(settings=self.hashes[key])


def _settings_hash(job: Job, settings: dict[str, Any]) -> str:
    """Hash of everything but the target that a result depends on."""
    shared = {
        **settings,
        "references": [
            (cached_file_hash(r), w, m and cached_file_hash(m))
            for r, w, m in zip(job.references, job.weights, job.reference_masks)
        ],
        "target_mask": job.target_mask and cached_file_hash(job.target_mask),
        "hints": job.hints and cached_file_hash(job.hints),
        **({"linked": [cached_file_hash(path) for path in job.linked]} if job.linked else {}),
        "format": job.output.suffix.lower(),
    }
    if job.text is not None:  # results of runs without one keep their hash
        shared["text"] = text_facts(job.text)
    return record.settings_hash(shared)


def _check_frames(jobs: list[Job]) -> None:
    sizes = {(job.info.width, job.info.height): job.target for job in jobs if job.info is not None}
    if len(sizes) > 1:
        (a, first), (b, second), *_ = sizes.items()
        raise UsageError(
            f"The frames of a clip must have one size: {first} has {a[0]} x {a[1]} pixels, {second} {b[0]} x {b[1]}."
        )


def _refuse_collisions(jobs: list[Job]) -> None:
    seen: dict[str, Path] = {}
    for job in jobs:
        # Names that differ in case alone are one file on some disks.
        name = str(job.output.absolute()).casefold()
        if name in seen:
            raise UsageError(
                f"{seen[name]} and {job.target} would both be written to {job.output}: "
                "rename one, or run them into different folders."
            )
        seen[name] = job.target


def refuse_inputs(jobs: list[Job]) -> None:
    """Raise ``UsageError`` where a result would replace an input of any job."""
    folders: dict[Path, str] = {}

    def real(path: Path) -> str:
        """``os.path.realpath``, which asks for every folder above a file, for each folder once."""
        if os.path.islink(path) or path.name in ("", ".."):
            return os.path.realpath(path)
        folder = path.parent
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        return os.path.join(folders[folder], path.name)

    paths = {path for job in jobs for path in _inputs(job)}
    inputs = {real(path) for path in paths}
    for job in jobs:
        if real(job.output) in inputs:
            raise UsageError(
                f"{job.output} is an input, and inputs are never overwritten: choose another output or a --suffix."
            )


def _inputs(job: Job) -> Iterator[Path]:
    masks = (mask for mask in (*job.reference_masks, job.target_mask, job.hints) if mask is not None)
    return chain((job.target,), job.references, job.linked, masks)


def kept_sentences(plan: Plan) -> list[str]:
    """What is said, once, of outputs that are left as they are."""
    said = []
    for changed, what in ((False, "by another recipe"), (True, "by other hands")):
        kept = [k for k in plan.kept if k.changed == changed]
        if kept:
            others = f" and {len(kept) - 1} more, made {what}, are" if len(kept) > 1 else " is"
            said.append(f"{show_path(kept[0].output)} {kept[0].reason}: it{others} kept; --overwrite replaces them.")
    return [s.replace(": it is kept; --overwrite replaces them", ": it is kept; --overwrite replaces it") for s in said]
