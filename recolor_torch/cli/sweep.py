"""``recolor sweep``: one method over a grid of settings, as a labelled sheet."""

from itertools import product
from typing import TYPE_CHECKING, Any

from recolor_torch.cli.given_flags import add_guidance, check_sheet
from recolor_torch.cli.method_text import check_setting, method_parts, parse_value
from recolor_torch.cli.parser import Parser
from recolor_torch.cli.plot import refuse_output_among_inputs
from recolor_torch.cli.terminal import say_start
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.paths import show_path

if TYPE_CHECKING:
    from recolor_torch.cli.given import Given
    from recolor_torch.cli.trial import TrialPicture
    from recolor_torch.plots.sheets import Label

DESCRIPTION = """Show what settings do: a sheet with a result for each value, or for each pair of values of two.

  recolor sweep old.jpg -m levin --hints scribbles.png --param sigma=0.002,0.005,0.02 -o sheet.png
  recolor sweep old.jpg -m "histogram mode=rgb" -r color.jpg --param edge_threshold=null,0.1,0.3 -o sheet.png
  recolor sweep old.jpg -m levin --hints a.json --param sigma=0.002,0.005 --param neighbours=4,8 --truth t.jpg -o s.png
  recolor sweep old.jpg -m wavelet -r color.jpg --param "schedule=hard:6; linear:0.3,0.2" -o sheet.png

Values are written as in YAML; where one has a comma in it, they are parted by semicolons. The first setting runs
down the sheet and the second across. With --truth the best is in bold.
"""
MOST = 100


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    parser = Parser(prog="recolor sweep", description=DESCRIPTION)
    add_guidance(parser)
    add = parser.add_argument
    add("-o", "--output", type=str, metavar="SHEET", help="the sheet, .png or .svg")
    add("-m", "--method", type=str, metavar='"METHOD [SETTING=VALUE]..."', help="the method, with what stays as it is")
    add("--param", action="append", metavar="NAME=a,b,c", help="a setting and its values; may be given twice")
    args = parser.parse_args(argv)
    check_sheet(args.output)
    if not args.method:
        raise UsageError("Say which method: -m METHOD.")
    name, fixed = method_parts(args.method)
    values = read_values(name, args.param or [])
    if not 1 <= len(values) <= 2:
        raise UsageError("Say what to vary: --param NAME=a,b,c, once or twice.")
    refuse_output_among_inputs(args)
    settings = [dict(zip(values, combination)) for combination in product(*values.values())]
    if len(settings) > MOST:
        raise UsageError(f"{len(settings)} results are more than fit on a sheet, which takes {MOST}.")
    say_start()
    from recolor_torch.cli.given import build_given, read_given
    from recolor_torch.cli.trial import refuse_nothing, run_trials
    from recolor_torch.pictures import PictureError
    from recolor_torch.plots.figures import write_figure
    from recolor_torch.plots.sheets import plot_sheet

    methods = {_label(s): build_given(name, {**fixed, **s}, args) for s in settings}
    try:
        given = read_given(args)
        trials = run_trials(given, methods, args)
        refuse_nothing(trials)
        best = _best(trials)
        rows = _rows(given, trials, len(list(values.values())[-1]))
        write_figure(args.output, plot_sheet(rows, best.label if best else None))
    except PictureError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        if isinstance(error, WeightsMissing):
            raise
        raise UsageError(f"{show_path(args.output)}: cannot write this file ({error.strerror}).") from error
    for trial in trials:
        print(trial.line)
    if best is not None:
        print(f"lowest CIEDE2000: {best.name}")
    print(f"{sum(trial.error is None for trial in trials)} results, in {show_path(args.output)}")
    return 0


def read_values(method: str, params: list[str]) -> dict[str, list[Any]]:
    """Values by setting, from ``NAME=a,b,c`` or ``NAME=a;b;c``.

    Raises:
        UsageError: no such setting of the method, twice the same, or no value.
    """
    found: dict[str, list[Any]] = {}
    for text in params:
        name, _, values = text.partition("=")
        check_setting(method, name)
        if name in found:
            raise UsageError(f"The setting {name} is given twice.")
        parts = [part.strip() for part in values.split(";" if ";" in values else ",")]
        if not all(parts):
            raise UsageError(f"{text!r}: values are written NAME=a,b,c.")
        found[name] = [parse_value(part) for part in parts]
    return found


def _label(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key}={'null' if value is None else value}" for key, value in settings.items())


def _best(trials: "list[TrialPicture]") -> "TrialPicture | None":
    judged = [trial for trial in trials if trial.metrics is not None and "ciede2000" in trial.metrics]
    return min(judged, key=lambda trial: trial.metrics["ciede2000"]) if judged else None  # type: ignore[index]


def _rows(given: "Given", trials: "list[TrialPicture]", columns: int) -> "list[list[Label]]":
    inputs = list(given.panels().items())
    cells = [(trial.label, trial.picture) for trial in trials]
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    if len(rows) == 1 and columns > 4:
        # One setting alone needs no row of its own.
        width = -(-columns // -(-columns // 4))
        rows = [cells[i : i + width] for i in range(0, columns, width)]
    return [inputs, *rows]
