"""What ``recolor tune`` does once its flags are read."""

import sys
from typing import Any

import numpy as np
import torch
import yaml
from jsonargparse import Namespace
from rich.console import Console

import recolor_torch
from recolor_torch.cli.evaluating import protocol_from
from recolor_torch.cli.given import build_given
from recolor_torch.cli.method_text import method_parts, parse_value
from recolor_torch.cli.progress import progress_bar
from recolor_torch.cli.terminal import clear_start
from recolor_torch.errors import UsageError
from recolor_torch.evaluation.cases import find_cases
from recolor_torch.evaluation.metrics import METRICS
from recolor_torch.evaluation.protocols import Prepared, Protocol, prepare_case
from recolor_torch.evaluation.tuning import Tuned, combinations, default_space, mean_score, read_space, tune
from recolor_torch.files import write_bytes_atomically
from recolor_torch.methods import METHODS, Recolorizer, find_method, method_name
from recolor_torch.paths import as_path, show_path
from recolor_torch.pictures import PictureError


def tune_method(args: Namespace) -> int:
    """Search; returns the exit code."""
    output, protocol = as_path(args.output), protocol_from(args)
    name, fixed = method_parts(args.method)
    space = read_space(name, args.param, parse_value) if args.param else default_space(name)
    space = {key: what for key, what in space.items() if key not in fixed}
    if not space:
        raise UsageError(f"{name} has no setting whose type lists values: name some, as --param NAME=LOW..HIGH.")

    def make(settings: dict[str, Any]) -> Recolorizer:
        return build_given(name, {**fixed, **settings}, args)

    make({}).prepare()
    pictures, failures = _pictures(args, make({}), protocol)
    development, held_out = _halves(pictures, args.seed)

    clear_start()
    out, bar = sys.stdout, progress_bar(Console(stderr=True), not args.quiet)
    task = bar.add_task("Trying settings", total=min(args.trials, combinations(space)) + 1)

    def say(settings: dict[str, Any], value: float | None) -> None:
        bar.advance(task)
        if not args.quiet:
            text = ", ".join(f"{k}={v}" for k, v in settings.items()) or "as they are"
            # On a terminal a line goes above the bar; into a file it goes past it.
            file = sys.stdout if out.isatty() else out
            print(f"{'not possible' if value is None else f'{value:.4f}'}  {text}", file=file, flush=True)

    with bar:
        tuned = tune(make, space, development, args.metric, args.trials, args.seed, args.offer, say)
    before = mean_score(make({}), held_out, args.metric, args.seed, args.offer)
    after = mean_score(make(tuned.settings), held_out, args.metric, args.seed, args.offer)
    lines = _verdict(args, name, tuned, len(development), len(held_out), before, after)
    try:
        write_bytes_atomically(output, _config(name, make(tuned.settings), lines).encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise UsageError(f"{show_path(output)}: cannot write this file ({error.strerror}).") from error
    for sentence in failures:
        sys.stderr.write(f"{sentence}\n")
    print("\n".join(lines))
    print(f"{len(tuned.trials)} settings tried; the best, in {show_path(output)}")
    return 3 if failures else 0


def _pictures(args: Namespace, method: Recolorizer, protocol: Protocol) -> tuple[dict[str, Prepared], list[str]]:
    """What the method can be judged on, by name, and what could not be read."""
    groups = [g for g in (args.groups or "").split(",") if g]
    cases = find_cases(args.data, groups, args.count, args.seed)
    photographs = tuple(case.target for case in cases if case.truth == case.target)
    pictures, failures = {}, []
    for case in cases:
        if case.truth is None:
            continue
        try:
            prepared = prepare_case(case, protocol, photographs)
            method.require(prepared.guide)
            pictures[case.name] = prepared
        except PictureError as error:
            failures.append(f"{case.name}: {error}")
        except ValueError:
            continue  # without the guidance that the method needs
    if len(pictures) < 2:
        raise UsageError(
            f"{args.data}: a search takes two pictures or more with true colors and what {method_name(method)} "
            f"needs, and there are {len(pictures)}. {' '.join(failures)}".strip()
        )
    return pictures, failures


def _halves(pictures: dict[str, Prepared], seed: int) -> tuple[dict[str, Prepared], dict[str, Prepared]]:
    names = sorted(pictures)
    order = np.random.default_rng(seed).permutation(len(names))
    half = {names[i] for i in order[: (len(names) + 1) // 2]}
    return {n: pictures[n] for n in names if n in half}, {n: pictures[n] for n in names if n not in half}


def _verdict(
    args: Namespace, name: str, tuned: Tuned, searched: int, others: int, before: float, after: float
) -> list[str]:
    title = METRICS[args.metric].title
    settings = ", ".join(f"{k}={v}" for k, v in tuned.settings.items()) or "the settings as they were"
    better = after < before if METRICS[args.metric].better == "lower" else after > before
    lines = [
        f"{name}: {settings}",
        f"mean {title} on the {searched} pictures of the search: {tuned.value:.4f}, before {tuned.default:.4f}",
        f"mean {title} on the {others} others: {after:.4f}, before {before:.4f}",
    ]
    if tuned.settings and not better:
        lines.append("What was found does not hold for the others: more pictures, or fewer settings, are needed.")
    return lines


def _class_path(name: str, method: Recolorizer) -> str:
    return f"recolor_torch.methods.{type(method).__name__}" if name in METHODS else name


def _config(name: str, method: Recolorizer, lines: list[str]) -> str:
    """A config for ``colorize --config`` and ``predict --config``."""
    plain = method.settings()
    defaults = find_method(name)().settings()
    settings = {key: value for key, value in plain.items() if value != defaults[key]}
    model: dict[str, Any] = {"method": {"class_path": _class_path(name, method), "init_args": settings}}
    side = method.largest_side
    if side is not None:
        model["max_side"] = side
    config = {
        "model": {"class_path": "recolor_torch.lit.RecolorModule", "init_args": model},
        "data": {"class_path": "recolor_torch.lit.PictureDataModule", "init_args": {"batch_size": 16}},
        "trainer": {
            "accelerator": "auto",
            "devices": 1,
            "logger": False,
            "callbacks": [{"class_path": "recolor_torch.lit.PictureWriter"}],
        },
    }
    about = [f"Settings found by recolor tune (recolor_torch {recolor_torch.__version__}, torch {torch.__version__})."]
    return "".join(f"# {line}\n" for line in [*about, *lines]) + yaml.safe_dump(config, sort_keys=False)
