"""``recolor colorize --sequence``: pictures that are the frames of a clip."""

import sys
import time
from typing import Any

import torch
from jsonargparse import Namespace
from rich.console import Console

from recolor_torch.cli.films import describe_sources, find_in_galleries, torch_place
from recolor_torch.cli.reporting import Reporter, say_kept, say_text
from recolor_torch.cli.terminal import clear_start, print_json
from recolor_torch.errors import UsageError
from recolor_torch.film.settings import FilmSettings
from recolor_torch.methods import Recolorizer
from recolor_torch.paths import as_path, printable
from recolor_torch.resize import working_size
from recolor_torch.run.description import Run
from recolor_torch.run.films import make_sources
from recolor_torch.run.frames import color_frames
from recolor_torch.run.planning import plan_run


def color_clip(run: Run, method: Recolorizer, args: Namespace, device: tuple[str, Any], start: float) -> int:
    """Color the frames of a clip as a film; returns the exit code."""
    if args.keep != "luma" or args.target != "gray" or args.save_stages or args.reference_mask:
        raise UsageError("--keep, --target, --save-stages and --reference-mask are not for clips.")
    film = FilmSettings(**args.film.as_dict())
    sources = make_sources(method, args.method is not None, bool(args.reference or args.gallery), args.text)
    find = find_in_galleries(args)
    if find is not None:
        run = Run(run.targets, run.output, run.guidance, None, run.coloring, run.loading)
    settings = {
        **describe_sources(sources),
        "strength": args.strength,
        "side": film.side,
        "first_number": film.first_number,
        "gallery": args.gallery,
        **({} if film.rate is None else {"rate": str(film.frame_rate)}),
    }
    clear_start()
    console = Console(stderr=True, quiet=args.quiet)
    with console.status("Looking for the frames ...") as status:
        plan = plan_run(run, settings, lambda step, done, total: status.update(f"{step}: {done} of {total} ..."))
    say_kept(plan, args.json, args.quiet)
    if args.dry_run:
        return _say(plan, film, args)
    counts, interrupted = {"done": 0, "failed": 0}, False
    reporter = Reporter(console, len(plan.jobs) - len(plan.kept), args.json)
    if plan.jobs:

        def on_entry(entry: dict[str, Any]) -> None:
            counts[entry["status"]] += 1
            reporter.said.update(note for note in entry["notes"] if note.startswith("text: "))  # said of all, below
            reporter.on_entry(entry)

        place = torch.device(torch_place(device))
        shots = None if args.shots is None else as_path(args.shots)
        try:
            with reporter.progress:
                notes = color_frames(
                    run, plan, sources, film, settings, device=place, shots=shots, find=find, on_entry=on_entry
                )
            _say_notes(notes, args)
        except KeyboardInterrupt:
            interrupted = True
            sys.stderr.write("Interrupted; the same command goes on from here.\n")
    seconds = round(time.perf_counter() - start, 1)
    if args.json:
        for job in plan.skipped:
            print_json({"status": "skipped", "target": str(job.target), "output": job.key})
        print_json({"summary": {**counts, "skipped": len(plan.skipped), "seconds": seconds}})
    elif not args.quiet:
        done = f"{counts['done']} done, {len(plan.skipped)} skipped, {counts['failed']} failed"
        print(f"{done}, {seconds} s, as a clip, in {args.output}")
    return 130 if interrupted else 3 if counts["failed"] else 0


def _say_notes(notes: list[str], args: Namespace) -> None:
    for note in notes if not args.quiet else ():
        sys.stderr.write(printable(note) + "\n")


def _say(plan: Any, film: FilmSettings, args: Namespace) -> int:
    if args.text and not args.json:
        say_text(args.text)
    infos = [job.info for job in plan.jobs if job.info is not None]
    if infos and not args.json:
        height, width = working_size(infos[0].height, infos[0].width, film.side)
        print(f"do    {len(plan.jobs)} frames of {infos[0].width}x{infos[0].height}, worked on at {width}x{height}")
    if args.json:
        for job in plan.jobs:
            print_json({"target": str(job.target), "output": str(job.output), "finished": False})
    else:
        print(f"{len(plan.jobs)} to do, {len(plan.skipped)} finished, as a clip; nothing was written.")
    return 0
