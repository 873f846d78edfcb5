"""Films as targets: which they are, what is finished, and their lines in the run record."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from recolor_torch import __version__
from recolor_torch.errors import UsageError
from recolor_torch.files import cached_file_hash
from recolor_torch.film.door import FilmPlan, colorize_film, plan_film
from recolor_torch.film.encoding import CONTAINERS
from recolor_torch.film.guidance import FilmGuidance
from recolor_torch.film.meter import Progress
from recolor_torch.film.numbered import input_hash
from recolor_torch.film.opening import FilmError
from recolor_torch.film.settings import FilmSettings
from recolor_torch.film.sources import Sources
from recolor_torch.methods import Correspondence, NetworkColorization, Recolorizer
from recolor_torch.paths import exists, is_file, is_folder
from recolor_torch.pictures.read import PictureError
from recolor_torch.run import record
from recolor_torch.system import lacks_memory


@dataclass(frozen=True)
class FilmJob:
    """One film and where its colored copy goes.

    Args:
        target: the film.
        output: the result.
        folder: where the run record lies.
        pictures: the frames, where the film is no file; ``target`` is their folder then.
        status: ``do``, ``finished``, or ``kept``: the output is there and is not this run's result.
    """

    target: Path
    output: Path
    folder: Path
    status: str = "do"
    pictures: tuple[Path, ...] = ()

    @property
    def key(self) -> str:
        """The output's path in the run record."""
        return self.output.relative_to(self.folder).as_posix()


def plan_films(
    films: list[tuple[Path, Path]],
    output: Path,
    settings: str,
    *,
    single: bool,
    suffix: str = "",
    overwrite: bool,
    as_pictures: bool = False,
    inputs: tuple[Path, ...] = (),
    pictures: tuple[Path, ...] = (),
) -> list[FilmJob]:
    """Settle names, and leave alone what is there.

    Args:
        films: files and their places below the output folder.
        output: a file for a single film, else a folder.
        settings: hash of all that results depend on.
        single: one film was named as a file, and nothing else.
        suffix: put between the name and its extension.
        overwrite: do again what is there.
        as_pictures: each film becomes a folder of pictures.
        inputs: what else the run reads.
        pictures: frames of the only film, where that is no file.

    Raises:
        UsageError: two results would have one name, or a result would replace a film, or a folder that no run made.
    """
    is_file = single and output.suffix and not as_pictures and not is_folder(output)
    jobs: dict[str, FilmJob] = {}
    for target, relative in films:
        name = relative.with_name(relative.stem + suffix + ("" if as_pictures else _suffix(relative)))
        job = FilmJob(target, output, output.parent) if is_file else FilmJob(target, output / name, output)
        job = replace(job, pictures=pictures)
        read = [path.resolve() for path in (*(t for t, _ in films), *inputs)]
        if any(job.output.resolve() in (path, *path.parents) for path in read):
            raise UsageError(
                f"{job.output} is an input or holds one, and inputs are never overwritten: choose another output or a "
                "--suffix."
            )
        other = jobs.get(str(job.output.absolute()).casefold())
        if other is not None:
            raise UsageError(f"{other.target} and {target} would both be written to {job.output}: rename one.")
        jobs[str(job.output.absolute()).casefold()] = job
    return [replace(job, status=_status(job, settings, overwrite)) for job in jobs.values()]


def _suffix(relative: Path) -> str:
    """The film's own suffix where that kind of file can be written, else .mkv."""
    return relative.suffix if relative.suffix.lower() in CONTAINERS else ".mkv"


def _status(job: FilmJob, settings: str, overwrite: bool) -> str:
    if not exists(job.output):
        return "do"
    lines = [x for x in record.load(job.folder).get(job.key, []) if x.get("status") == "done"]
    ours = bool(lines) and lines[-1].get("bytes") == _bytes(job.output)
    if overwrite:
        if is_folder(job.output) and not ours:
            raise UsageError(
                f"{job.output} is a folder that no run made, or has changed: remove it, or choose another output."
            )
        return "do"
    same = ours and lines[-1].get("settings_sha256") == settings
    return "finished" if same and lines[-1].get("input_sha256") == _hash(job) else "kept"


def _bytes(output: Path) -> int:
    """Of a film, or of all pictures in a folder."""
    return sum(p.stat().st_size for p in ([*output.iterdir()] if output.is_dir() else [output]))


def make_sources(method: Recolorizer, chosen: bool, references: bool, text: str | None = None) -> Sources:
    """The sources of colors that a method stands for.

    ``network``, ``correspondence`` and ``semi_interactive`` work together on films. ``levin`` that was named spreads
    hints and asks no network. Any other method is asked for every few frames.

    Args:
        method: as the command line chose it.
        chosen: the user named it.
        references: there are some.
        text: colors for things; methods that spread hints alone read none.
    """
    parts = method.film_parts()
    if parts.spreads and chosen:
        return Sources(None)
    network = NetworkColorization() if parts.network is None else parts.network
    if parts.whole is not None or not references:
        return Sources(network, None, parts.whole, text)
    return Sources(network, Correspondence() if parts.match is None else parts.match, text=text)


def run_films(
    jobs: list[FilmJob],
    sources: Sources,
    guidance: FilmGuidance,
    settings: FilmSettings,
    *,
    key: str,
    facts: dict[str, Any],
    device: torch.device | str = "cpu",
    on_plan: Callable[[FilmJob, FilmPlan], None] | None = None,
    on_progress: Callable[[FilmJob, Progress], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Color films one after the other; gives the record's line of each.

    Args:
        jobs: those to do.
        sources, guidance, settings: as ``colorize_film`` takes them.
        key: hash of all that results depend on beside the films.
        facts: what the record says of the method.
        device: for the work.
        on_plan, on_progress: for the terminal.
    """
    for job in jobs:
        start = time.perf_counter()
        error: str | None = None
        found: dict[str, Any] = {}
        try:
            job.output.parent.mkdir(parents=True, exist_ok=True)
            _, found = colorize_film(
                job.target,
                job.output,
                sources,
                guidance,
                settings,
                pictures=job.pictures,
                key=key,
                device=device,
                on_plan=_with_job(on_plan, job),
                on_progress=_with_job(on_progress, job),
            )
        except (FilmError, PictureError) as problem:
            error = str(problem)
        except Exception as problem:
            if not lacks_memory(problem):
                raise
            error = f"{job.target}: not enough memory; try a smaller --film.side."
        entry = _entry(job, error, found, key, facts, guidance, time.perf_counter() - start)
        record.append(_existing(job.folder), entry)
        yield entry


def describe_film(job: FilmJob, sources: Sources, guidance: FilmGuidance, settings: FilmSettings) -> FilmPlan:
    """What coloring a film will take."""
    return plan_film(job.target, job.output, sources, guidance, settings, job.pictures)


def _hash(job: FilmJob) -> str | None:
    """Of the film; None where it cannot be read."""
    try:
        return input_hash(job.target, job.pictures) if job.pictures or is_file(job.target) else None
    except OSError:
        return None


def _with_job(call: Callable[[FilmJob, Any], None] | None, job: FilmJob) -> Callable[[Any], None] | None:
    return None if call is None else lambda x: call(job, x)


def _existing(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _entry(
    job: FilmJob,
    error: str | None,
    found: dict[str, Any],
    key: str,
    facts: dict[str, Any],
    guidance: FilmGuidance,
    seconds: float,
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "status": "failed" if error else "done",
        "target": str(job.target),
        "output": job.key,
        "error": error,
        **facts,
        "references": [{"path": str(r), "sha256": cached_file_hash(r)} for r in guidance.references],
        "hints": guidance.hints and str(guidance.hints),
        "input_sha256": _hash(job),
        "settings_sha256": key,
        **found,
        "seconds": round(seconds, 3),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "version": __version__,
    }
    if not error:
        entry |= {"bytes": _bytes(job.output), "mtime_ns": job.output.stat().st_mtime_ns}
    return entry
