"""``recolor compare``: several methods on one target, side by side on one sheet."""

import time
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonargparse import Namespace
from torch import Tensor

from recolor_torch.cli.parser import Parser
from recolor_torch.cli.plot import refuse_inputs
from recolor_torch.data import PictureError, read_picture
from recolor_torch.data.hints import read_hints
from recolor_torch.errors import UsageError
from recolor_torch.evaluation import color_error, psnr
from recolor_torch.methods import METHODS, Guide, Recolorizer, Reference, build_method
from recolor_torch.output.plots import plot_strip, write_figure
from recolor_torch.pipeline import recolor

DESCRIPTION = """Put the results of several methods on one labelled sheet, with the seconds that each took.

  recolor compare old.jpg -r colour.jpg -o sheet.png
  recolor compare old.jpg -r colour.jpg --truth true.jpg -o sheet.png
  recolor compare old.jpg -r colour.jpg -o sheet.png --try histogram --try "histogram mode=rgb edge_threshold=0.2"

Without --try every method is shown that what is given suffices for.
"""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    parser = Parser(prog="recolor compare", description=DESCRIPTION)
    add = parser.add_argument
    add("target", metavar="TARGET", help="the picture")
    add("-o", "--output", type=str, metavar="SHEET", help="the sheet, .png or .svg")
    add("-r", "--reference", action="append", metavar="PICTURE", help="whose colours are wanted; may be repeated")
    add("--hints", type=str, metavar="FILE", help="given colours")
    add("--truth", type=str, metavar="PICTURE", help="the true colours: adds CIEDE2000 and PSNR")
    add("--try", action="append", metavar='"METHOD [SETTING=VALUE]..."', help="a method to show; may be repeated")
    add("--target-color", action="store_true", help="let methods see the target's own colour")
    add("--max-side", type=int, default=1024, metavar="N", help="work on copies with this longer side")
    args = parser.parse_args(argv)
    if not args.output or Path(args.output).suffix.lower() not in (".png", ".svg"):
        raise UsageError("Say where the sheet goes: -o SHEET.png or -o SHEET.svg.")
    refuse_inputs(args)
    try:
        panels, lines = _panels(args)
        write_figure(args.output, plot_strip(panels))
    except PictureError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"{args.output}: cannot write this file ({error.strerror}).") from error
    print("\n".join(lines))
    print(f"{len(lines)} results, in {args.output}")
    return 0


def _panels(args: Namespace) -> tuple[dict[str, Tensor], list[str]]:
    target = read_picture(args.target).image
    references = [read_picture(path).image for path in args.reference or []]
    truth = read_picture(args.truth).image if args.truth else None
    if truth is not None and truth.shape != target.shape:
        raise UsageError(f"{args.truth}: the truth must have the size of the target.")
    hints = read_hints(args.hints, target) if args.hints else None
    guide = Guide(
        tuple(Reference(x) for x in references),
        hints=None if hints is None else hints.image,
        hint_mask=None if hints is None else hints.mask,
    )
    panels = {"target": target} | {f"reference {i}": x for i, x in enumerate(references, start=1)}
    if truth is not None:
        panels["truth"] = truth
    lines = []
    for name, method in _methods(vars(args)["try"], guide).items():
        start = time.perf_counter()
        kind: Literal["gray", "color"] = "color" if args.target_color else "gray"
        try:
            result = recolor(target, method, guide, target=kind, max_side=args.max_side)
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from error
        label = f"{name}\n{time.perf_counter() - start:.2f} s"
        if truth is not None:
            label += f", CIEDE2000 {float(color_error(result, truth)):.2f}, {float(psnr(result, truth)):.1f} dB"
        panels[label] = result
        lines.append(label.replace("\n", ": "))
    return panels, lines


def _methods(tries: list[str] | None, guide: Guide) -> dict[str, Recolorizer]:
    try:
        if tries:
            return {text: _method(text) for text in tries}
        given = {"reference": bool(guide.references), "hints": guide.hints is not None}
        names = [name for name, cls in sorted(METHODS.items()) if all(given[need] for need in cls.needs)]
        if not names:
            raise UsageError("Say what colours are wanted: give a reference picture with -r, or --hints.")
        return {name: build_method(name) for name in names}
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error


def _method(text: str) -> Recolorizer:
    name, *settings = text.split()
    values: dict[str, Any] = {}
    for setting in settings:
        key, mark, value = setting.partition("=")
        if not mark:
            raise UsageError(f"{text!r}: a setting is written SETTING=VALUE, got {setting!r}.")
        values[key] = yaml.safe_load(value)
    return build_method(name, **values)
