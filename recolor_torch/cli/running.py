"""Running a prediction for the command line: quiet Lightning, progress, errors, the closing line."""

import json
import logging
import os
import sys
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from jsonargparse import Namespace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from recolor_torch.errors import UsageError
from recolor_torch.lit.datamodule import PictureDataModule
from recolor_torch.lit.predict import BYTES_PER_PIXEL, RecolorModule
from recolor_torch.methods import Recolorizer
from recolor_torch.pictures.read import PictureWarning
from recolor_torch.resize import working_size
from recolor_torch.run.plan import Job, Plan
from recolor_torch.run.writer import PictureWriter


def colorize(
    method: Recolorizer, args: Namespace, device: tuple[str, Any], trainer_settings: dict[str, Any], start: float
) -> int:
    """What ``recolor colorize`` does once its flags are read; returns the exit code."""
    quiet_lightning()
    if args.seed is not None:
        pl.seed_everything(args.seed, workers=True, verbose=False)
    module = RecolorModule(method, args.target, args.keep, args.strength, args.max_side)
    data = PictureDataModule(
        args.targets,
        Path(args.output).expanduser()
        if not args.output.endswith(("/", os.sep))
        else Path(args.output).expanduser() / ".",
        args.reference,
        _weights(args.reference_weights),
        args.reference_mask,
        args.target_mask,
        args.list,
        args.hints,
        getattr(method, "sequence", False),
        args.pairs,
        args.suffix,
        args.ext,
        args.overwrite,
        args.batch_size,
        workers=args.workers,
        max_pixels=args.max_pixels,
        gallery=args.gallery,
        gallery_count=args.gallery_count,
        weights=args.weights,
        download=args.download,
        vgg_preprocessing=args.vgg_preprocessing,
    )
    console = Console(stderr=True, quiet=args.quiet)
    with console.status("Looking at the targets ...") as status:

        def on_search(done: int, total: int) -> None:
            status.update(f"Looking in the gallery: {done} of {total} ...")

        plan = data.make_plan(module.describe(), on_search)
    if args.dry_run:
        _say_plan(plan, module, args)
        return 0
    slow = hasattr(method, "on_progress")
    writer = ReportingWriter(console, len(plan.jobs), args.json, args.save_stages, slow)
    if slow:
        setattr(method, "on_progress", writer.on_progress)  # noqa: B010  a Module has no such attribute for mypy
    interrupted = False
    if plan.jobs:
        options = {"accelerator": device[0], "devices": device[1], "precision": args.precision, **trainer_settings}
        if args.device != "auto":
            options |= {"accelerator": device[0], "devices": device[1]}
        if args.precision != "32-true":
            options["precision"] = args.precision
        interrupted = run_trainer(module, data, writer, options)
    counts = {**writer.entries, "skipped": len(plan.skipped), "seconds": round(time.perf_counter() - start, 1)}
    if interrupted:
        sys.stderr.write("Interrupted; the same command goes on from here.\n")
    if args.json:
        for job in plan.skipped:
            print_json({"status": "skipped", "target": str(job.target), "output": job.key})
        print_json({"summary": counts})
    elif not args.quiet:
        print(
            f"{counts['done']} done, {counts['skipped']} skipped, {counts['failed']} failed, "
            f"{counts['seconds']} s, {module.describe()['method']}, in {args.output}"
        )
    return 130 if interrupted else 3 if counts["failed"] else 0


def run_trainer(module: RecolorModule, data: PictureDataModule, writer: "ReportingWriter", options: dict) -> bool:
    """Predict under a Trainer; returns whether it was interrupted."""
    options = {"logger": False, "enable_model_summary": False, **options, "enable_progress_bar": False}
    trainer = pl.Trainer(callbacks=[writer], **options)
    try:
        with writer.progress if writer.shown else nullcontext():
            trainer.predict(module, data, return_predictions=False)
    except SystemExit:
        # Lightning turns a KeyboardInterrupt into an exit with code 1.
        return True
    return trainer.interrupted


class ReportingWriter(PictureWriter):
    """A writer that shows progress and says what failed."""

    def __init__(self, console: Console, total: int, as_json: bool, save_stages: bool, slow: bool = False) -> None:
        super().__init__(save_stages)
        self.console = console
        self.as_json = as_json
        columns = [
            TextColumn("Colouring{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        ]
        self.shown = console.is_terminal and not console.quiet and (total > 1 or (slow and total > 0))
        self.progress = Progress(*columns, TimeRemainingColumn(), console=console, disable=not self.shown)
        self.task = self.progress.add_task("", total=total)

    def on_progress(self, share: float) -> None:
        """Say how much of a batch is done; slow methods tell."""
        self.progress.update(self.task, description=f" ({share:.0%} of this batch)")

    def on_entry(self, entry: dict[str, Any]) -> None:
        """Advance the bar; print errors, notes, and the entry where JSON is wanted."""
        self.progress.advance(self.task)
        if self.as_json:
            print_json(entry)
        if entry["error"]:
            sys.stderr.write(f"{entry['error']}\n")
        else:
            for note in entry["notes"]:
                if not self.console.quiet:
                    sys.stderr.write(f"{entry['target']}: {note}\n")


def print_json(entry: dict[str, Any]) -> None:
    """A line of JSON on the standard output."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(entry, ensure_ascii=not is_utf8, default=str) + "\n")
    sys.stdout.flush()


def quiet_lightning() -> None:
    """Keep Lightning's remarks on hardware, tips and its own warnings off the terminal."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", category=PictureWarning)  # said with each picture, see ReportingWriter


def _weights(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--reference-weights must be numbers with commas, as 2,1; got {text!r}.") from error


def _say_plan(plan: Plan, module: RecolorModule, args: Namespace) -> None:
    bytes_per_pixel = BYTES_PER_PIXEL
    for job, done in [(j, False) for j in plan.jobs] + [(j, True) for j in plan.skipped]:
        entry = _plan_entry(job, done, module, bytes_per_pixel)
        if args.json:
            print_json(entry)
        elif done:
            print(f"skip  {job.target} -> {job.output}  (finished)")
        elif job.info is None:
            print(f"fail  {job.target}  (cannot be read)")
        else:
            working = "x".join(str(n) for n in reversed(entry["working_size"]))
            print(
                f"do    {job.target} -> {job.output}  {job.info.width}x{job.info.height}, "
                f"worked on at {working}, about {entry['memory_mb']} MB"
            )
    if not args.json:
        method = module.describe()["method"]
        print(f"{len(plan.jobs)} to do, {len(plan.skipped)} finished, by {method}; nothing was written.")


def _plan_entry(job: Job, done: bool, module: RecolorModule, bytes_per_pixel: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"target": str(job.target), "output": str(job.output), "finished": done}
    if job.info is not None:
        height, width = job.info.height, job.info.width
        size = working_size(height, width, module.max_side)
        total = height * width * bytes_per_pixel + size[0] * size[1] * module.method.bytes_per_pixel
        entry |= {"width": width, "height": height, "working_size": size, "memory_mb": round(total / 1e6)}
    return entry
