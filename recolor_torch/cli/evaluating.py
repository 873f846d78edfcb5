"""What ``recolor evaluate`` does once its flags are read."""

import sys
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from rich.console import Console

from recolor_torch.cli.devices import torch_device
from recolor_torch.cli.evaluate import method_names
from recolor_torch.cli.given import build_given
from recolor_torch.cli.method_text import method_parts
from recolor_torch.cli.progress import progress_bar
from recolor_torch.cli.terminal import clear_start
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation.cases import Case, find_cases
from recolor_torch.evaluation.frechet import DeepFeatures
from recolor_torch.evaluation.lpips import Lpips
from recolor_torch.evaluation.protocols import Protocol
from recolor_torch.evaluation.recognition import Classifier
from recolor_torch.evaluation.report import headline, write_report
from recolor_torch.evaluation.run import Judges, Scored, evaluate, recognized_in_truth, set_distances
from recolor_torch.methods import METHODS, Recolorizer
from recolor_torch.paths import as_path, show_path


def run_evaluate(args: Namespace) -> int:
    """Judge and write the report; returns the exit code."""
    protocol = protocol_from(args)
    groups = [g for g in (args.groups or "").split(",") if g]
    cases = find_cases(args.data, groups, args.count, args.seed)
    device = torch_device(args.device)
    judges, notes = _judges(args)
    methods = _methods(args, cases, protocol, notes)
    out = as_path(args.output)
    console = Console(stderr=True, quiet=args.quiet)
    clear_start()
    try:
        with progress_bar(console) as progress:
            task = progress.add_task("Judging", total=len(cases))
            outcome = evaluate(
                cases, methods, out, protocol, judges, device, progress=lambda name: progress.advance(task)
            )
        _refuse_nothing(outcome, methods, cases)
        about = {
            "data": str(args.data),
            "methods": {
                label: {"parameters": m.settings(), "provenance": m.provenance()} for label, m in methods.items()
            },
            "notes": notes,
            **_together(cases, outcome, out, protocol, judges, notes),
        }
        summary = write_report(out, outcome, about, protocol)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; the same command goes on from here.\n")
        return 130
    except OSError as error:
        if isinstance(error, WeightsMissing):
            raise
        raise UsageError(f"{show_path(out)}: cannot write the report ({error.strerror}).") from error
    for sentence in outcome.failures:
        sys.stderr.write(f"{sentence}\n")
    if not args.quiet:
        for note in notes:
            print(note)
        print(headline(summary))
        print(
            f"{len(outcome.rows)} results, {outcome.computed} of them new, {len(outcome.failures)} failed, "
            f"in {show_path(out / 'index.html')}"
        )
    return 3 if outcome.failures else 0


def _judges(args: Namespace) -> tuple[Judges, list[str]]:
    """The networks that judge, and what to say of those that are left out."""
    judges = Judges(
        Lpips(args.lpips) if args.lpips else None,
        Classifier(args.classifier) if args.classifier else None,
        DeepFeatures(args.frechet) if args.frechet else None,
    )
    notes = [] if judges.lpips else ["LPIPS is left out: its weights were not given (--lpips FILE)."]
    return judges, notes


def _together(
    cases: list[Case], outcome: Scored, out: Path, protocol: Protocol, judges: Judges, notes: list[str]
) -> dict[str, Any]:
    """What is known of all pictures together, for the summary; notes for the page."""
    found: dict[str, Any] = {}
    if judges.classifier is not None:
        right, total = recognized_in_truth(cases, protocol, judges.classifier)
        found["recognition"] = {"classifier": judges.classifier.name, "in_truth": right, "with_class": total}
        if total:
            notes.append(f"{judges.classifier.name} recognizes {right} of {total} pictures in their true colors.")
    if judges.features is not None:
        distances = set_distances(outcome, out, judges.features)
        found["frechet"] = {"features": judges.features.name, "methods": distances}
        if not distances:
            side = judges.features.smallest_side
            notes.append(f"The Fréchet distance is left out: it needs two pictures with sides of {side} or more.")
    return found


def protocol_from(args: Namespace) -> Protocol:
    """The protocol that the flags of ``add_protocol`` name."""
    return Protocol(args.side, args.references, args.points, args.seed, args.offer)


def _methods(args: Namespace, cases: list[Case], protocol: Protocol, notes: list[str]) -> dict[str, Recolorizer]:
    tries = vars(args)["try"] or []
    names = method_names(args)
    if names or tries:
        return {name: build_given(name, {}, args) for name in names} | {
            text: build_given(*method_parts(text), args) for text in tries
        }
    bare = any(c.truth and not c.references and not c.hints for c in cases)
    unmarked = any(c.truth and not c.hints for c in cases)
    given = {
        "reference": any(c.references for c in cases) or (bare and protocol.references != "none"),
        "hints": any(c.hints for c in cases) or (unmarked and protocol.points > 0),
    }
    methods = {}
    for name, cls in sorted(METHODS.items()):
        if all(given[need] for need in cls.needs):
            method = build_given(name, {}, args)
            try:
                method.prepare()
                methods[name] = method
            except WeightsMissing as error:
                notes.append(f"{name} is left out: {error}")
    if not methods:
        raise UsageError(f"{args.data}: no method applies to what is given. {' '.join(notes)}")
    return methods


def _refuse_nothing(outcome: Scored, methods: dict[str, Recolorizer], cases: list[Case]) -> None:
    """A method that was judged on nothing, though pictures could be read, was asked for in vain."""
    if outcome.failures:
        return
    for label, method in methods.items():
        if not any(row.method == label for row in outcome.rows):
            raise UsageError(f"{label} needs {' and '.join(method.needs)}, which no picture of {len(cases)} has.")
