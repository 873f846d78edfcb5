"""``recolor plot``: pictures that explain a result."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from recolor_torch.cli.parser import Parser, guess
from recolor_torch.cli.terminal import say_start
from recolor_torch.errors import UsageError
from recolor_torch.paths import as_path, is_folder, show_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

HELP = """usage: recolor plot KIND PICTURE... -o PLOT.png

Draw what explains a result, as PNG or SVG by the suffix of the output.

kinds:
{kinds}

examples:
  recolor plot histogram old.jpg -r color.jpg -o histograms.png
  recolor plot lambda old.jpg -r color.jpg -o strip.png --schedules hard:6 hard:7 linear:0.3,0.2

recolor plot KIND --help has the settings of a kind.
"""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP.format(kinds="\n".join(f"  {kind:<10} {text}" for kind, (text, *_) in KINDS.items())))
        return 0 if argv else 2
    if argv[0] not in KINDS:
        raise UsageError(f"unknown kind {argv[0]!r}. Known kinds: {', '.join(KINDS)}.{guess([argv[0]], KINDS)}")
    text, add_arguments, draw = KINDS[argv[0]]
    description = f"{text[0].upper()}{text[1:]}.\n\n  recolor plot {argv[0]} {EXAMPLES[argv[0]]}"
    parser = Parser(prog=f"recolor plot {argv[0]}", description=description)
    add_arguments(parser)
    parser.add_argument("-o", "--output", type=str, metavar="PLOT", help="PNG or SVG")
    args = parser.parse_args(argv[1:])
    if not args.output or Path(args.output).suffix.lower() not in (".png", ".svg"):
        raise UsageError("Say where the plot goes: -o PLOT.png or -o PLOT.svg.")
    refuse_output_among_inputs(args)
    say_start()
    from recolor_torch.pictures import PictureError
    from recolor_torch.plots.figures import write_figure

    try:
        write_figure(args.output, draw(args))
    except PictureError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"{show_path(args.output)}: cannot write this file ({error.strerror}).") from error
    print(f"{argv[0]}, in {show_path(args.output)}")
    return 0


def refuse_output_among_inputs(args: Namespace) -> None:
    """Raise ``UsageError`` where the output is one of the files that are read."""
    output = os.path.realpath(args.output)
    for key, value in vars(args).items():
        for path in value if isinstance(value, list) else [value]:
            if key != "output" and isinstance(path, str) and os.path.exists(path) and os.path.realpath(path) == output:
                raise UsageError(
                    f"{show_path(path)} is an input, and inputs are never overwritten: choose another output."
                )


def _read(path: str) -> "Tensor":
    from recolor_torch.pictures.guidance import read_visible

    return read_visible(path)


def _histogram_arguments(parser: Parser) -> None:
    parser.add_argument("target", metavar="TARGET", help="the picture that is recolored")
    parser.add_argument("-r", "--reference", required=True, metavar="PICTURE", help="whose histograms are wanted")
    parser.add_argument("--result", type=str, metavar="PICTURE", help="a result; made by --mode where there is none")
    modes = ["rgb", "chroma", "yuv", "lab"]
    parser.add_argument("--mode", choices=modes, default="rgb", help="histogram method that makes the result")


def _draw_histogram(args: Namespace) -> "Figure":
    from recolor_torch.compose import Keep
    from recolor_torch.guide import Guide, Reference
    from recolor_torch.methods import build_method
    from recolor_torch.pipeline import recolor
    from recolor_torch.plots.figures import plot_histogram

    target, reference = _read(args.target), _read(args.reference)
    if args.result:
        result = _read(args.result)
    else:
        keep: Keep = "luma" if args.mode == "chroma" else "none"
        method = build_method("histogram", mode=args.mode)
        result = recolor(target, method, Guide(references=(Reference(reference),)), target="color", keep=keep)
    return plot_histogram(target, reference, result)


def _wavelet_arguments(parser: Parser) -> None:
    parser.add_argument("target", metavar="PICTURE", help="the picture")
    parser.add_argument("--wavelet", type=str, default="haar", help="a discrete wavelet of PyWavelets by name")
    parser.add_argument("--levels", type=int, default=3, help="levels of the transform")


def _draw_wavelet(args: Namespace) -> "Figure":
    from recolor_torch.filters import dwt2
    from recolor_torch.plots.figures import plot_wavelet

    try:
        return plot_wavelet(dwt2(_read(args.target), args.wavelet, args.levels))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _edges_arguments(parser: Parser) -> None:
    parser.add_argument("target", metavar="PICTURE", help="the picture")
    parser.add_argument("--threshold", type=float, default=0.2, help="edge probability from which a pixel is left out")


def _draw_edges(args: Namespace) -> "Figure":
    from recolor_torch.plots.figures import plot_edges

    return plot_edges(_read(args.target), args.threshold)


def _lambda_arguments(parser: Parser) -> None:
    parser.add_argument("target", metavar="TARGET", help="the picture that is recolored")
    parser.add_argument("-r", "--reference", required=True, metavar="PICTURE", help="where coarse colors come from")
    schedules = ["hard:4", "hard:5", "hard:6", "hard:7", "linear:0,0.1", "linear:0.3,0.2"]
    parser.add_argument("--schedules", nargs="+", default=schedules, help="schedules of the merging weights")


def _draw_lambda(args: Namespace) -> "Figure":
    from recolor_torch.guide import Guide, Reference
    from recolor_torch.methods import build_method
    from recolor_torch.pipeline import recolor
    from recolor_torch.plots.figures import plot_lambda

    target, reference = _read(args.target), _read(args.reference)
    guide = Guide(references=(Reference(reference),))
    try:
        results = {s: recolor(target, build_method("wavelet", schedule=s), guide) for s in args.schedules}
    except ValueError as error:
        raise UsageError(str(error)) from error
    return plot_lambda({"target": target, "reference": reference, **results})


def _hints_arguments(parser: Parser) -> None:
    parser.add_argument("hints", metavar="HINTS", help="JSON, overlay or marked copy")
    parser.add_argument("--target", type=str, metavar="PICTURE", help="the picture that the hints are for")


def _draw_hints(args: Namespace) -> "Figure":
    from recolor_torch.hints.read import read_hints
    from recolor_torch.plots.hint_plots import plot_hints

    target = _read(args.target) if args.target else None
    hints = read_hints(args.hints, target)
    return plot_hints(target, hints.image, hints.mask, hints.describe())


def _loss_arguments(parser: Parser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run, or its log of losses as CSV")


def _draw_loss(args: Namespace) -> "Figure":
    from recolor_torch.plots.loss_plots import plot_loss, read_log, read_snapshots

    runs = {run: read_log(Path(run)) for run in args.runs}
    return plot_loss(runs, read_snapshots(Path(args.runs[0])) if len(args.runs) == 1 else None)


def _shots_arguments(parser: Parser) -> None:
    parser.add_argument(
        "film",
        metavar="FILM",
        help="a film or a folder of frames; shots go beside the plot as CSV, to correct",
    )
    parser.add_argument("--shots", type=str, metavar="FILE", help="corrected CSV (column first, from 0)")


def _draw_shots(args: Namespace) -> "Figure":
    from recolor_torch.film.numbered import frames_of, probe_pictures
    from recolor_torch.film.opening import FilmError
    from recolor_torch.film.probing import probe_film
    from recolor_torch.film.scan import scan_film
    from recolor_torch.film.settings import parse_rate
    from recolor_torch.film.shots import write_shots
    from recolor_torch.pictures.folders import find_pictures
    from recolor_torch.plots.shot_sheet import plot_shots, shot_frames

    try:
        if is_folder(as_path(args.film)):
            pictures = tuple(path for path, _ in find_pictures([args.film]).files)
            info = probe_pictures(as_path(args.film), pictures, parse_rate(None))
        else:
            info = probe_film(args.film)
        scan = scan_film(info, Path(args.shots) if args.shots else None)
        film = frames_of(info, len(scan.times))
        figure = plot_shots(scan.shots, shot_frames(film, scan.shots), film.rate)
    except FilmError as error:
        raise UsageError(str(error)) from error
    if not args.shots:
        write_shots(Path(args.output).with_suffix(".csv"), scan.shots, film.rate)
    return figure


KINDS: dict[str, tuple[str, Callable[[Parser], None], Callable[[Namespace], "Figure"]]] = {
    "histogram": ("R, G and B of target, reference and result", _histogram_arguments, _draw_histogram),
    "wavelet": ("the wavelet coefficients of a picture, level by level", _wavelet_arguments, _draw_wavelet),
    "edges": ("edge kernels, edge probability and what it leaves out", _edges_arguments, _draw_edges),
    "hints": ("given colors as they were understood", _hints_arguments, _draw_hints),
    "shots": ("the shots of a film, to look at and to correct", _shots_arguments, _draw_shots),
    "loss": ("loss curves of runs, and the snapshots of a run", _loss_arguments, _draw_loss),
    "lambda": ("a strip of wavelet merging results over schedules", _lambda_arguments, _draw_lambda),
}

EXAMPLES = {
    "histogram": "old.jpg -r color.jpg -o histograms.png",
    "wavelet": "photo.jpg -o pyramid.png --levels 4",
    "edges": "photo.jpg -o edges.svg --threshold 0.3",
    "hints": "marked.png --target old.png -o hints.png",
    "loss": "runs/report-fig31/version_0 -o curves.png",
    "shots": "clip.mp4 -o shots.png",
    "lambda": "old.jpg -r color.jpg -o strip.png --schedules hard:6 linear:0.3,0.2",
}
