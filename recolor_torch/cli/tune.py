"""``recolor tune``: the settings of a method that score best on a set of pictures, as a config."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jsonargparse import Namespace

import recolor_torch
from recolor_torch.cli.evaluate import add_protocol, protocol_from
from recolor_torch.cli.given import add_weights, build, method_parts, parse_value
from recolor_torch.cli.parser import Parser
from recolor_torch.errors import UsageError
from recolor_torch.evaluation.cases import find_cases
from recolor_torch.evaluation.metrics import METRICS
from recolor_torch.evaluation.protocols import Prepared, Protocol, prepare
from recolor_torch.evaluation.tuning import Space, Tuned, default_space, mean_score, read_space, tune
from recolor_torch.files import write_bytes_atomically
from recolor_torch.methods import METHODS, Recolorizer
from recolor_torch.paths import as_path, exists, show_path
from recolor_torch.pictures import PictureError

DESCRIPTION = """Search for the settings of a method that score best on a set of pictures (with Optuna).

  recolor tune photos/ -m levin --param sigma=0.001..0.05:log --param neighbours=4,8 -o levin.yaml
  recolor tune pairs/manifest.json --groups video -m histogram --param mode --param smoothing=0..32 -o best.yaml
  recolor colorize old.jpg --hints scribbles.png -o new.jpg --config levin.yaml

DATA is as for recolor evaluate. One half of its pictures is searched on, and the other tells whether what was
found holds for pictures that were not searched on. --param NAME=LOW..HIGH is a range (:log for a logarithmic one),
NAME=a,b,c are values, NAME alone takes all that its type lists; without --param that is done for every setting
whose type lists values.
"""
_TARGETS = [name for name, metric in METRICS.items() if metric.better and metric.needs_truth and name != "lpips"]


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    args = _parser().parse_args(argv)
    name, fixed, space, output = _check(args)
    protocol = protocol_from(args)

    def make(settings: dict[str, Any]) -> Recolorizer:
        return build(name, {**fixed, **settings}, args)

    make({}).prepare()
    pictures, failures = _pictures(args, make({}), protocol)
    development, held_out = _halves(pictures, args.seed)

    def say(settings: dict[str, Any], value: float | None) -> None:
        if not args.quiet:
            text = ", ".join(f"{k}={v}" for k, v in settings.items()) or "as they are"
            print(f"{'not possible' if value is None else f'{value:.4f}'}  {text}", flush=True)

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


def _parser() -> Parser:
    parser = Parser(prog="recolor tune", description=DESCRIPTION)
    add = parser.add_argument
    add("data", metavar="DATA", help="folder of colour photographs, or a manifest")
    add("-m", "--method", type=str, metavar='"METHOD [SETTING=VALUE]..."', help="the method, with what stays as it is")
    add("--param", action="append", metavar="NAME[=...]", help="a setting to search; may be repeated")
    add("-o", "--output", type=str, metavar="CONFIG", help="the YAML file to write")
    add("--overwrite", action="store_true", help="replace CONFIG where it exists")
    add("--metric", choices=_TARGETS, default="ciede2000", help="what is to become better")
    add("--trials", type=int, default=40, metavar="N", help="how many settings are tried")
    add_protocol(parser)
    add_weights(parser)
    add("-q", "--quiet", action="store_true", help="print the outcome alone")
    return parser


def _check(args: Namespace) -> tuple[str, dict[str, Any], Space, Path]:
    if not args.method:
        raise UsageError("Say which method: -m METHOD.")
    if not args.output or Path(args.output).suffix.lower() not in (".yaml", ".yml"):
        raise UsageError("Say where the config goes: -o CONFIG.yaml.")
    output = as_path(args.output)
    if exists(output) and not args.overwrite:
        raise UsageError(f"{show_path(output)} exists: choose another name, or replace it with --overwrite.")
    if args.trials < 1:
        raise UsageError(f"--trials must be 1 or more, got {args.trials}.")
    name, fixed = method_parts(args.method)
    space = read_space(name, args.param, parse_value) if args.param else default_space(name)
    space = {key: what for key, what in space.items() if key not in fixed}
    if not space:
        raise UsageError(f"{name} has no setting whose type lists values: name some, as --param NAME=LOW..HIGH.")
    return name, fixed, space, output


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
            prepared = prepare(case, protocol, photographs)
            method.require(prepared.guide)
            pictures[case.name] = prepared
        except PictureError as error:
            failures.append(f"{case.name}: {error}")
        except ValueError:
            continue  # without the guidance that the method needs
    if len(pictures) < 2:
        raise UsageError(
            f"{args.data}: a search takes two pictures or more with true colours and what {type(method).__name__} "
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


def _config(name: str, method: Recolorizer, lines: list[str]) -> str:
    """A config for ``colorize --config`` and ``predict --config``."""
    plain = method.settings()
    defaults = METHODS[name]().settings()
    settings = {key: value for key, value in plain.items() if value != defaults[key]}
    model: dict[str, Any] = {
        "method": {"class_path": f"recolor_torch.methods.{type(method).__name__}", "init_args": settings}
    }
    side = getattr(method, "largest_side", None)
    if side:
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
