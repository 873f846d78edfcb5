"""``recolor colorize`` with films among its targets."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from recolor_torch.cli.progress import Bar
from recolor_torch.cli.reporting import say_text
from recolor_torch.errors import UsageError
from recolor_torch.film.door import FilmPlan
from recolor_torch.film.guidance import FilmGuidance
from recolor_torch.film.meter import Progress as Step
from recolor_torch.film.opening import FilmError, require_av
from recolor_torch.film.settings import FILM_SUFFIXES, FilmSettings
from recolor_torch.film.sources import Sources
from recolor_torch.methods import Recolorizer
from recolor_torch.paths import as_path, exists, is_folder
from recolor_torch.run import record
from recolor_torch.run.films import FilmJob, describe_film, make_sources, plan_films, run_films
from recolor_torch.run.finished import text_facts


def colorize_films(
    films: list[tuple[Path, Path]],
    method: Recolorizer,
    args: Namespace,
    device: tuple[str, Any],
    single: bool,
    pictures: tuple[Path, ...] = (),
) -> dict[str, int]:
    """Color films as the flags say; returns how many were done, skipped, failed, kept and interrupted.

    Args:
        films: files and their places below the output.
        method: what the colors come from.
        args: the verb's flags.
        device: Lightning's words for it.
        single: there is one film, named as a file, and no picture.
        pictures: frames of the only film, where that is no file.
    """
    require_av()
    _refuse(args, bool(pictures))
    settings = FilmSettings(**args.film.as_dict(), strength=args.strength)
    sources = make_sources(method, args.method is not None, bool(args.reference or args.gallery), args.text)
    guidance = FilmGuidance(
        references=tuple(as_path(r) for r in args.reference or ()),
        hints=None if args.hints is None else as_path(args.hints),
        first_number=settings.first_number,
        find=find_in_galleries(args),
        shots=None if args.shots is None else as_path(args.shots),
    )
    for path in guidance.files():
        if not exists(path):
            raise UsageError(f"No such file or folder: {path}.")
    facts = describe_sources(sources)
    key = record.settings_hash({**facts, "settings": settings.recipe(), "guidance": _hashes(guidance, args)})
    output = as_path(args.output)
    place = torch_place(device)
    if single and not args.output.endswith("/") and not is_folder(output) and not output.suffix:
        single = False
    jobs = plan_films(
        films, output, key, single=single, suffix=args.suffix, overwrite=args.overwrite,
        as_pictures=settings.codec == "png", inputs=guidance.files(), pictures=pictures,
    )  # fmt: skip
    counts = {"done": 0, "skipped": 0, "failed": 0, "kept": 0, "interrupted": 0}
    for job in jobs:
        if job.status == "finished":
            counts["skipped"] += 1
        if job.status == "kept":
            counts["kept"] += 1
            sys.stderr.write(f"{job.output}: was made otherwise and is kept; --overwrite replaces it.\n")
    if args.dry_run:
        if args.text and not args.json and not (args.targets or args.list):  # else it is said with the pictures
            say_text(args.text)
        _say_plans(jobs, sources, guidance, settings, args, counts)
        return counts
    screen = _Screen(args)
    try:
        with screen:
            todo = [job for job in jobs if job.status == "do"]
            done = run_films(
                todo, sources, guidance, settings, key=key, facts=facts, device=place,
                on_plan=screen.plan, on_progress=screen.step,
            )  # fmt: skip
            for entry in done:
                counts[entry["status"]] += 1
                screen.say(entry)
    except KeyboardInterrupt:
        counts["interrupted"] = 1
    return counts


def torch_place(device: tuple[str, Any]) -> str:
    """torch's name for a device in Lightning's words."""
    kind, index = device
    if kind == "auto":
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "gpu":
        return f"cuda:{index[0]}" if isinstance(index, list) else "cuda"
    return kind


def _refuse(args: Namespace, pictures: bool) -> None:
    """Flags that mean nothing for a film would be passed over in silence."""
    if args.ext != "auto" and not (args.targets or args.list):
        raise UsageError("--ext is not for films: a film comes out as its own kind, or as the file that -o names.")
    if args.film.rate is not None and not pictures:
        raise UsageError("--film.rate is for pictures that become a film: a film keeps its own rate.")
    output = as_path(args.output)
    like_a_file = output.suffix.lower() in (*FILM_SUFFIXES, ".png") and not args.output.endswith("/")
    if args.film.codec == "png" and like_a_file and not is_folder(output):
        raise UsageError(f"{output}: --film.codec png makes a folder of pictures of each film; name one to put it in.")
    for flag, value, default in (
        ("--keep", args.keep, "luma"),
        ("--target", args.target, "gray"),
        ("--target-mask", args.target_mask, None),
        ("--reference-mask", args.reference_mask, None),
        ("--reference-weights", args.reference_weights, None),
        ("--pairs", args.pairs, None),
        ("--each-reference", args.each_reference, False),
        ("--save-stages", args.save_stages, False),
    ):
        if value != default:
            raise UsageError(f"{flag} is not for films.")


def find_in_galleries(args: Namespace) -> Any:
    """References for a frame from the galleries, or None."""
    if not args.gallery:
        return None
    from recolor_torch.run.description import GallerySource
    from recolor_torch.run.retrieval import Retrieval

    galleries = tuple(as_path(g) for g in args.gallery)
    where = args.weights, args.download, args.vgg_preprocessing
    source = GallerySource(galleries, args.gallery_count, *where, args.words)
    retrieval = Retrieval(source)
    gallery, weights = retrieval.open()

    def find(image: Any) -> list[Path]:
        matches = gallery.query(image, args.gallery_count, weights, args.words)[0]
        return [m.path for m in matches if os.path.isfile(m.path)]

    return find


def describe_sources(sources: Sources) -> dict[str, Any]:
    """What the record says of the sources of colors."""
    used = {"network": sources.network, "correspondence": sources.match, "other": sources.other}
    return {
        "method": "film",
        "sources": {
            name: {"class": type(m).__name__, "parameters": m.settings(), **m.provenance()}
            for name, m in used.items()
            if m is not None
        },
        **({} if sources.text is None else {"text": text_facts(sources.text)}),
    }


def _hashes(guidance: FilmGuidance, args: Namespace) -> dict[str, Any]:
    from recolor_torch.files import cached_file_hash

    hints = guidance.hints
    files = [] if hints is None else sorted(hints.iterdir()) if hints.is_dir() else [hints]
    return {
        "references": [(r.name, cached_file_hash(r)) for r in guidance.references],
        "hints": [(f.name, cached_file_hash(f)) for f in files if f.is_file()],
        "shots": guidance.shots and cached_file_hash(guidance.shots),
        "gallery": args.gallery,
        "first_number": guidance.first_number,
    }


def _say_plans(
    jobs: list[FilmJob],
    sources: Sources,
    guidance: FilmGuidance,
    settings: FilmSettings,
    args: Namespace,
    counts: dict[str, int],
) -> None:
    for job in jobs:
        if job.status != "do":
            continue
        try:
            plan = describe_film(job, sources, guidance, settings)
        except FilmError as error:
            counts["failed"] += 1
            print(f"fail  {error}")
            continue
        if args.json:
            print(json.dumps({"target": str(job.target), "output": str(job.output), **plan_entry(plan)}))
        else:
            print(f"do    {job.target} -> {job.output}  {plan_sentence(plan)}")
            for note in plan_notes(plan):
                print(f"      {note}")


def plan_entry(plan: FilmPlan) -> dict[str, Any]:
    """A plan for ``--json``."""
    return {
        "frames": len(plan.scan.times),
        "rate": str(plan.info.rate),
        "duration": round(_duration(plan), 3),
        "shots": len(plan.scan.shots),
        "width": plan.info.width,
        "height": plan.info.height,
        "working_size": plan.working_size,
        "codec": plan.encoding.codec,
        "memory_mb": round(plan.memory / 1e6),
        "disk_mb": round(plan.disk / 1e6),
        "seconds": round(plan.seconds),
        "notes": plan_notes(plan),
    }


def plan_notes(plan: FilmPlan) -> list[str]:
    """What is known of the film before the work, a sentence each."""
    return [*plan.info.notes, *plan.encoding.notes]


def _duration(plan: FilmPlan) -> float:
    """Seconds that the film takes to show."""
    times = plan.scan.times
    return float((times[-1] - times[0]) * plan.info.time_base + 1 / plan.info.rate) if times else 0.0


def plan_sentence(plan: FilmPlan) -> str:
    """A plan for the terminal."""
    height, width = plan.working_size
    took = f", {_minutes(plan.seconds)}" if plan.seconds else ""
    return (
        f"{_count(len(plan.scan.times), 'frame')} in {_count(len(plan.scan.shots), 'shot')}, "
        f"{round(float(plan.info.rate), 3):g} a second ({_duration(plan):.1f} s), "
        f"{plan.info.width}x{plan.info.height}, worked on at {width}x{height}, written as {plan.encoding.codec}; "
        f"about {plan.memory / 1e6:.0f} MB of memory, {plan.disk / 1e6:.0f} MB of disk beside the output{took}"
    )


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


class _Screen:
    """Progress and errors of films on the terminal."""

    def __init__(self, args: Namespace) -> None:
        self.args = args
        console = Console(stderr=True, quiet=args.quiet)
        columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %")]
        self.progress = Bar(
            *columns, TextColumn("{task.fields[rate]}"), TimeElapsedColumn(), console=console,
            disable=not console.is_terminal or args.quiet,
        )  # fmt: skip
        self.task = self.progress.add_task("Looking through the film", total=1.0, rate="")
        self.last = time.monotonic()
        self.said: set[tuple[str, str]] = set()

    def __enter__(self) -> None:
        self.progress.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.progress.__exit__(*error)

    def plan(self, job: FilmJob, plan: FilmPlan) -> None:
        """Say what a film will take."""
        if not self.args.quiet and not self.args.json:
            self.progress.console.print(
                f"{job.target}: {plan_sentence(plan)}.", highlight=False, markup=False, soft_wrap=True
            )
            for note in plan_notes(plan):
                self._note(str(job.target), note)

    def step(self, job: FilmJob, step: Step) -> None:
        """Show how far a film is, a few times a second."""
        if time.monotonic() - self.last > 0.2:
            self.last = time.monotonic()
            text = f"{step.frames_per_second:.1f} frames/s, {_minutes(step.seconds_left)} left"
            self.progress.update(self.task, description=job.target.name, completed=step.share, rate=text)

    def say(self, entry: dict[str, Any]) -> None:
        """Say how a film ended."""
        if self.args.json:
            sys.stdout.write(json.dumps(entry, ensure_ascii=False, default=str) + "\n")
            sys.stdout.flush()
        if entry["error"]:
            sys.stderr.write(f"{entry['error']}\n")
        elif not self.args.quiet:
            for note in entry.get("notes", []):
                self._note(entry["target"], note)

    def _note(self, target: str, note: str) -> None:
        """Say something of a film once."""
        if (target, note) not in self.said:
            self.said.add((target, note))
            self.progress.console.print(f"{target}: {note}", highlight=False, markup=False, soft_wrap=True)
