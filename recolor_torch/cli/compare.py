"""``recolor compare``: several methods on one target, side by side on one sheet."""

from typing import TYPE_CHECKING

from jsonargparse import Namespace

from recolor_torch.cli.given_flags import add_guidance, check_sheet
from recolor_torch.cli.method_text import method_parts
from recolor_torch.cli.parser import Parser
from recolor_torch.cli.plot import refuse_output_among_inputs
from recolor_torch.cli.terminal import say_start
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.paths import show_path

if TYPE_CHECKING:
    from recolor_torch.guide import Guide
    from recolor_torch.methods import Recolorizer

DESCRIPTION = """Put the results of several methods on one labelled sheet, with the seconds that each took.

  recolor compare old.jpg -r color.jpg -o sheet.png
  recolor compare old.jpg -r color.jpg --hints scribbles.png --truth true.jpg -o sheet.png
  recolor compare old.jpg -r color.jpg -o sheet.png --try histogram --try "histogram mode=rgb edge_threshold=0.2"

Without --try every method is shown that what is given suffices for; one whose weights are missing says so in its
panel.
"""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    parser = Parser(prog="recolor compare", description=DESCRIPTION)
    add_guidance(parser)
    add = parser.add_argument
    add("-o", "--output", type=str, metavar="SHEET", help="the sheet, .png or .svg")
    add("--try", action="append", metavar='"METHOD [SETTING=VALUE]..."', help="a method to show; may be repeated")
    args = parser.parse_args(argv)
    check_sheet(args.output)
    refuse_output_among_inputs(args)
    for text in vars(args)["try"] or []:
        method_parts(text)
    say_start()
    from recolor_torch.cli.given import read_given
    from recolor_torch.cli.trial import refuse_nothing, run_trials
    from recolor_torch.pictures import PictureError
    from recolor_torch.plots.figures import plot_strip, write_figure

    try:
        given = read_given(args)
        methods = _methods(args, given.guide)
        trials = run_trials(given, methods, args)
        refuse_nothing(trials)
        panels = given.panels() | {trial.label: trial.picture for trial in trials}
        write_figure(args.output, plot_strip(panels))
    except PictureError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        if isinstance(error, WeightsMissing):
            raise
        raise UsageError(f"{show_path(args.output)}: cannot write this file ({error.strerror}).") from error
    for trial in trials:
        print(trial.line)
    print(f"{sum(trial.error is None for trial in trials)} results, in {show_path(args.output)}")
    return 0


def _methods(args: Namespace, guide: "Guide") -> dict[str, "Recolorizer"]:
    from recolor_torch.cli.given import build_given
    from recolor_torch.methods import METHODS

    tries = vars(args)["try"]
    if tries:
        return {text: build_given(*method_parts(text), args) for text in tries}
    given = {"reference": bool(guide.references), "hints": guide.hints is not None}
    names = [name for name, cls in sorted(METHODS.items()) if all(given[need] for need in cls.needs)]
    return {name: build_given(name, {}, args) for name in names}
