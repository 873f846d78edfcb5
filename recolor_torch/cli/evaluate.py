"""``recolor evaluate``: methods judged on many pictures, with a report."""

import sys

from jsonargparse import Namespace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from recolor_torch.cli.given import add_weights, build, method_parts, torch_device
from recolor_torch.cli.parser import Parser
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation.cases import Case, find_cases
from recolor_torch.evaluation.lpips import Lpips
from recolor_torch.evaluation.protocols import REFERENCES, Protocol
from recolor_torch.evaluation.report import headline, write_report
from recolor_torch.evaluation.run import Outcome, evaluate
from recolor_torch.methods import METHODS, Recolorizer
from recolor_torch.paths import as_path, show_path

DESCRIPTION = """Judge methods on many pictures whose true colours are known.

  recolor evaluate photos/ --methods histogram,levin -o report/
  recolor evaluate photos/ --count 50 --references crop --points 20 -o report/
  recolor evaluate pairs/manifest.json --groups video --try "histogram mode=rgb" --try histogram -o report/

DATA is a folder of colour photographs, which are made gray and get simulated references and points, or a
manifest: JSON with a list "pictures" of entries with target, truth, reference, hints, name, group, and
"certain_color": true for things that have a certain colour in life, which are reported apart. Pictures of a
manifest without hints get simulated points where their truth is known.

REPORT has index.html, metrics.csv, summary.json, plots/ and pictures/. The same command goes on where a run
was stopped.
"""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    args = make_parser().parse_args(argv)
    if not args.output:
        raise UsageError("Say where the report goes: -o REPORT/.")
    protocol = protocol_from(args)
    groups = [g for g in (args.groups or "").split(",") if g]
    if args.count is not None and args.count < 1:
        raise UsageError(f"--count must be 1 or more, got {args.count}.")
    cases = find_cases(args.data, groups, args.count, args.seed)
    device = torch_device(args.device)
    lpips = Lpips(args.lpips) if args.lpips else None
    notes = [] if lpips else ["LPIPS is left out: its weights were not given (--lpips FILE)."]
    methods = _methods(args, cases, protocol, notes)
    out = as_path(args.output)
    console = Console(stderr=True, quiet=args.quiet)
    columns = [TextColumn("Judging"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()]
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal or args.quiet) as progress:
            task = progress.add_task("", total=len(cases))
            outcome = evaluate(
                cases, methods, out, protocol, lpips, device, progress=lambda name: progress.advance(task)
            )
        _refuse_nothing(outcome, methods, cases)
        about = {
            "data": str(args.data),
            "methods": {
                label: {"parameters": m.settings(), "provenance": m.provenance()} for label, m in methods.items()
            },
            "notes": notes,
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


def make_parser() -> Parser:
    """All flags."""
    parser = Parser(prog="recolor evaluate", description=DESCRIPTION)
    add = parser.add_argument
    add("data", metavar="DATA", help="folder of colour photographs, or a manifest")
    add("-o", "--output", type=str, metavar="REPORT", help="folder for the report")
    add("--methods", type=str, metavar="a,b,c", help="names of methods; all that apply without it")
    add("--try", action="append", metavar='"METHOD [SETTING=VALUE]..."', help="a method to judge; may be repeated")
    add_protocol(parser)
    add_weights(parser)
    add("--lpips", type=str, metavar="FILE", help="weights of AlexNet, VGG-16 or SqueezeNet 1.1: adds LPIPS")
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("-q", "--quiet", action="store_true", help="print errors alone")
    return parser


def add_protocol(parser: Parser) -> None:
    """Flags that say which pictures are taken and how they are prepared."""
    add = parser.add_argument
    add("--groups", type=str, metavar="a,b", help="only pictures of these groups")
    add("--count", type=int, metavar="N", help="a random sample of this many pictures")
    add("--side", type=int, default=256, metavar="N", help="longer side of the comparison; 0 for full size")
    words = "; ".join(f"{name}: {text}" for name, text in REFERENCES.items())
    add("--references", choices=list(REFERENCES), default="half", help=f"how they are simulated. {words}")
    add("--points", type=int, default=10, metavar="N", help="true points that are given where they are simulated")
    offers = ["none", "points", "reference", "both"]
    add("--offer", choices=offers, default="none", help="what methods that need nothing are given all the same")
    add("--seed", type=int, default=0, metavar="N", help="of everything that is random")


def protocol_from(args: Namespace) -> Protocol:
    """The protocol that the flags of :func:`add_protocol` name."""
    for name, value in (("side", args.side), ("points", args.points), ("seed", args.seed)):
        if value < 0:
            raise UsageError(f"--{name} must be 0 or more, got {value}.")
    return Protocol(args.side, args.references, args.points, args.seed, args.offer)


def _methods(args: Namespace, cases: list[Case], protocol: Protocol, notes: list[str]) -> dict[str, Recolorizer]:
    tries = vars(args)["try"] or []
    names = [name.strip() for name in (args.methods or "").split(",") if name.strip()]
    if names or tries:
        return {name: build(name, {}, args) for name in names} | {
            text: build(*method_parts(text), args) for text in tries
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
            method = build(name, {}, args)
            try:
                method.prepare()
                methods[name] = method
            except WeightsMissing as error:
                notes.append(f"{name} is left out: {error}")
    if not methods:
        raise UsageError(f"{args.data}: no method applies to what is given. {' '.join(notes)}")
    return methods


def _refuse_nothing(outcome: Outcome, methods: dict[str, Recolorizer], cases: list[Case]) -> None:
    """A method that was judged on nothing, though pictures could be read, was asked for in vain."""
    if outcome.failures:
        return
    for label, method in methods.items():
        if not any(row.method == label for row in outcome.rows):
            raise UsageError(f"{label} needs {' and '.join(method.needs)}, which no picture of {len(cases)} has.")
