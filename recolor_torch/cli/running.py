"""Running ``recolor colorize``: flags to the description of a run, the engine or a Trainer, the closing line."""

import logging
import os
import sys
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace
from rich.console import Console

from recolor_torch.cli.launcher import forget_launcher
from recolor_torch.cli.reporting import Reporter, say_kept, say_plan, say_text
from recolor_torch.cli.terminal import clear_start, print_json
from recolor_torch.errors import UsageError
from recolor_torch.methods import Recolorizer, method_name
from recolor_torch.methods.words import text_notes
from recolor_torch.paths import as_path, show_path
from recolor_torch.pictures.read import PictureWarning
from recolor_torch.run.coloring import describe_bare, describe_method
from recolor_torch.run.description import Coloring, GallerySource, Guidance, Loading, Output, Run, Targets
from recolor_torch.run.engine import color_run, seed_everything
from recolor_torch.run.plan import Plan
from recolor_torch.run.planning import plan_run
from recolor_torch.text_guidance.phrases import parse

# Settings of a Trainer that the engine has an answer for; with another one, Lightning's Trainer runs the jobs.
_ONE_DEVICE: dict[str, tuple[Any, ...]] = {
    "accelerator": ("auto", "cpu", "gpu", "cuda", "mps"),
    "devices": (1, "1"),
    "precision": ("32-true", "32", 32, "64-true", "16-mixed", "bf16-mixed"),
    "logger": (False, None),
    "enable_progress_bar": (False, True),
    "enable_model_summary": (False, True),
    "num_nodes": (1,),
}


def colorize(
    method: Recolorizer, args: Namespace, device: tuple[str, Any], trainer_settings: dict[str, Any], start: float
) -> int:
    """What ``recolor colorize`` does once its flags are read; returns the exit code."""
    warnings.filterwarnings("ignore", category=PictureWarning)  # said with each picture, see Reporter
    if args.seed is not None:
        seed_everything(args.seed)
    run = describe_run(args)
    if args.sequence:
        from recolor_torch.cli.clips import color_clip

        return color_clip(run, method, args, device, start)
    console = Console(stderr=True, quiet=args.quiet)
    clear_start()
    with console.status(f"Loading {method_name(method)} ...") as status:

        def on_step(step: str, done: int, total: int) -> None:
            status.update(f"{step}: {done} of {total} ...")

        settings = describe_method(method, run.coloring)
        bare = describe_bare(method, run.coloring, bool(run.guidance.hints or run.targets.pairs))
        status.update("Looking for the targets ...")
        plan = plan_run(run, settings, on_step, bare)
    say_kept(plan, args.json, args.quiet)
    if args.dry_run:
        if args.text and not args.json:
            say_text(args.text)
        say_plan(plan, method, settings["method"], run.coloring, args.json)
        return 0
    once = text_notes(parse(args.text)) if args.text else ()
    reporter = Reporter(console, len(plan.jobs), args.json, method.reports_progress, once)
    method.on_progress = reporter.on_progress
    interrupted, counts = False, {"done": 0, "failed": 0}
    if plan.jobs:
        options = _options(args, device, trainer_settings)
        with reporter.progress if reporter.shown else nullcontext():
            if _is_for_the_engine(options):
                interrupted, counts = _run_engine(run, method, plan, settings, options, reporter)
            else:
                interrupted, counts = _run_trainer(run, method, plan, options, reporter)
    seconds = round(time.perf_counter() - start, 1)
    summary = {**counts, "skipped": len(plan.skipped), "seconds": seconds}
    if interrupted:
        sys.stderr.write("Interrupted; the same command goes on from here.\n")
    if args.json:
        for job in plan.skipped:
            print_json({"status": "skipped", "target": str(job.target), "output": job.key})
        print_json({"summary": summary})
    elif not args.quiet:
        kept = f"{len(plan.kept)} kept, " if plan.kept else ""
        print(
            f"{counts['done']} done, {len(plan.skipped)} skipped, {counts['failed']} failed, {kept}"
            f"{seconds} s, {settings['method']}, in {show_path(args.output)}"
        )
    return 130 if interrupted else 3 if counts["failed"] or plan.closed else 0


def describe_run(args: Namespace) -> Run:
    """The run that the flags describe."""
    gallery = None
    if args.gallery:
        galleries = tuple(as_path(g) for g in args.gallery)
        where = args.weights, args.download, args.vgg_preprocessing
        gallery = GallerySource(galleries, args.gallery_count, *where, args.words)
    return Run(
        Targets(tuple(args.targets), _path(args.list), _path(args.pairs), args.sequence),
        Output(
            as_path(args.output),
            args.suffix,
            args.ext,
            args.overwrite,
            args.save_stages,
            folder=args.output.endswith(("/", os.sep)),
        ),
        Guidance(
            tuple(as_path(r) for r in args.reference or ()),
            _weights(args.reference_weights),
            tuple(as_path(m) for m in args.reference_mask or ()),
            _path(args.target_mask),
            _path(args.hints),
            args.each_reference,
            args.text,
        ),
        gallery,
        Coloring(args.target, args.keep, args.strength, args.max_side),
        Loading(args.batch_size, args.batch_megapixels, args.workers, args.max_pixels),
    )


def _options(args: Namespace, device: tuple[str, Any], trainer_settings: dict[str, Any]) -> dict[str, Any]:
    """Where and how to compute; flags come before a config's Trainer."""
    options = {"accelerator": device[0], "devices": device[1], "precision": args.precision, **trainer_settings}
    if args.device != "auto":
        options |= {"accelerator": device[0], "devices": device[1]}
    if args.precision != "32-true":
        options["precision"] = args.precision
    return options


def _run_engine(
    run: Run, method: Recolorizer, plan: Plan, settings: dict[str, Any], options: dict[str, Any], reporter: Reporter
) -> tuple[bool, dict[str, int]]:
    counts = {"done": 0, "failed": 0}

    def on_entry(entry: dict[str, Any]) -> None:
        counts[entry["status"]] += 1
        reporter.on_entry(entry)

    precision: Any = "32-true" if str(options["precision"]) == "32" else options["precision"]
    try:
        place = _torch_device(options["accelerator"], options["devices"])
        color_run(run, method, plan, settings, device=place, precision=precision, on_entry=on_entry)
    except KeyboardInterrupt:
        return True, counts
    return False, counts


def _run_trainer(
    run: Run, method: Recolorizer, plan: Plan, options: dict[str, Any], reporter: Reporter
) -> tuple[bool, dict[str, int]]:
    """Predict under a Trainer: several devices, its plugins."""
    import lightning.pytorch as pl
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    from recolor_torch.lit import PictureDataModule, PictureWriter, RecolorModule
    from recolor_torch.lit.together import StopTogether

    class Writer(PictureWriter):
        def on_entry(self, entry: dict[str, Any]) -> None:
            reporter.on_entry(entry)

    quiet_lightning()
    if options["devices"] in (1, "1"):
        forget_launcher()
    writer = Writer(run.output.save_stages)
    options = {"logger": False, "enable_model_summary": False, **options, "enable_progress_bar": False}
    try:
        trainer = pl.Trainer(callbacks=[writer, StopTogether()], **options)
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise UsageError(f"The config's trainer cannot be made: {' '.join(str(error).split())}") from error
    c = run.coloring
    module = RecolorModule(method, c.target, c.keep, c.strength, c.max_side)
    try:
        trainer.predict(module, PictureDataModule.of(run, plan), return_predictions=False)
    except (SystemExit, KeyboardInterrupt):
        # Lightning turns a KeyboardInterrupt into an exit with code 1; StopTogether raises one.
        return True, writer.entries
    return trainer.interrupted, writer.entries


def quiet_lightning() -> None:
    """Keep Lightning's remarks on hardware, tips and its own warnings off the terminal."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Where one of several processes was killed, Lightning kills the others: here they get a word for it.
    launcher = logging.getLogger("lightning.fabric.strategies.launchers.subprocess_script")
    launcher.setLevel(logging.INFO)
    launcher.addFilter(_in_plain_words)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", category=PictureWarning)


def _in_plain_words(record: logging.LogRecord) -> bool:
    from recolor_torch.lit.together import LOST

    if "Forcefully terminating" in record.getMessage():
        record.msg, record.args = LOST.strip(), ()
    return True


def _is_for_the_engine(options: dict[str, Any]) -> bool:
    """Whether one device does, with settings that the engine has an answer for."""

    def answered(key: str, value: Any) -> bool:
        if key == "devices" and isinstance(value, list) and len(value) == 1:
            return True
        if key == "devices" and value == "auto":
            return torch.cuda.device_count() <= 1
        return any(value is known or value == known for known in _ONE_DEVICE.get(key, ()))

    return all(answered(key, value) for key, value in options.items())


def _torch_device(accelerator: str, devices: Any) -> torch.device:
    """The device that Lightning would choose."""
    if accelerator in ("cuda", "gpu") or (accelerator == "auto" and torch.cuda.is_available()):
        if accelerator != "auto" and not torch.cuda.is_available():
            if accelerator == "gpu" and torch.backends.mps.is_available():
                return torch.device("mps")
            raise UsageError("No CUDA device was found; use --device cpu.")
        return torch.device("cuda", devices[0] if isinstance(devices, list) else 0)
    if accelerator == "mps" or (accelerator == "auto" and torch.backends.mps.is_available()):
        return torch.device("mps")
    return torch.device("cpu")


def _path(name: str | None) -> Path | None:
    return None if name is None else as_path(name)


def _weights(text: str | None) -> tuple[float, ...]:
    if text is None:
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--reference-weights must be numbers with commas, as 2,1; got {text!r}.") from error
