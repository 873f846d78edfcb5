"""``recolor hints``: look at files of given colors, and turn one form into another."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from recolor_torch.cli.parser import Parser, guess
from recolor_torch.cli.signatures import read_constant
from recolor_torch.cli.terminal import print_json
from recolor_torch.errors import UsageError
from recolor_torch.paths import as_path, exists, show_path

if TYPE_CHECKING:
    from torch import Tensor

    from recolor_torch.hints.read import Form, Hints

HELP = """usage: recolor hints convert IN OUT [--target PICTURE] [--form json|overlay|marked]
       recolor hints show IN [--target PICTURE] [--json]

Hints are colors given for some pixels: points and strokes in a JSON file, an overlay (a PNG that is
transparent where nothing is given), or a marked copy of the target (the target with strokes on it).

  recolor hints show scribbles.json
  recolor hints convert marked.png hints.json --target old.png
  recolor hints convert hints.json overlay.png --target old.png
  recolor hints convert hints.json marked.png --target old.png --form marked

recolor plot hints draws them; recolor colorize --hints uses them.
"""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if argv else 2
    actions = {"convert": _convert, "show": _show}
    if argv[0] not in actions:
        raise UsageError(f"unknown action {argv[0]!r}. Known actions: {', '.join(actions)}.{guess([argv[0]], actions)}")
    return actions[argv[0]](argv[1:])


def _parser(action: str, text: str) -> Parser:
    parser = Parser(prog=f"recolor hints {action}", description=text)
    parser.add_argument("input", metavar="IN", help="a file of hints of any form")
    parser.add_argument("--target", type=str, metavar="PICTURE", help="the picture that the hints are for")
    return parser


def _convert(argv: list[str]) -> int:
    parser = _parser("convert", HELP)
    parser.add_argument("output", metavar="OUT", help="the file to write, .json or .png")
    forms = read_constant("recolor_torch.hints.read", "FORMS")
    parser.add_argument("--form", choices=list(forms), help="json for .json and overlay for .png without it")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT where it exists")
    args = parser.parse_args(argv)
    output = as_path(args.output)
    form = _form(output, args.form)
    if exists(output) and not args.overwrite:
        raise UsageError(f"{show_path(output)} exists: choose another name, or replace it with --overwrite.")
    if form == "marked" and not args.target:
        raise UsageError("A marked copy is drawn on its target: name that with --target.")
    from recolor_torch.files import write_bytes_atomically
    from recolor_torch.hints.read import encode_hints

    hints, target = _read(args)
    data = encode_hints(hints, form, target)
    try:
        write_bytes_atomically(output, data)
    except OSError as error:
        raise UsageError(f"{show_path(output)}: cannot write this file ({error.strerror}).") from error
    print(f"{hints.describe()}; written as {form} to {show_path(output)}")
    if hints.links and form != "json":
        print("The links are not in it: links are kept in JSON alone.")
    return 0


def _form(output: Path, form: "Form | None") -> "Form":
    suffix = output.suffix.lower()
    if suffix not in (".json", ".png"):
        raise UsageError(
            f"{show_path(output)}: hints are written as .json or .png, not as {suffix or 'a file without suffix'!r}."
        )
    if form is not None and (form == "json") != (suffix == ".json"):
        raise UsageError(f"{show_path(output)}: the form {form} is written as {'.json' if form == 'json' else '.png'}.")
    return form or ("json" if suffix == ".json" else "overlay")


def _show(argv: list[str]) -> int:
    parser = _parser("show", HELP)
    parser.add_argument("--json", action="store_true", help="print what was understood as JSON")
    args = parser.parse_args(argv)
    hints, _ = _read(args)
    height, width = hints.mask.shape[-2:]
    colors = _colors(hints)
    if args.json:
        shapes, marks = hints.shapes, hints.marks
        entry = {
            "form": hints.form,
            "size": [width, height],
            "pixels": hints.count,
            "points": len(shapes.points) if shapes else None,
            "strokes": len(shapes.strokes) if shapes else None,
            "links": len(hints.links),
            "rule": marks.rule if marks else None,
            "threshold": marks.threshold if marks else None,
            "neutral": marks.neutral if marks else None,
            "colors": dict(colors),
        }
        print_json(entry)
        return 0
    print(f"{show_path(args.input)}: {hints.form}, {hints.describe()}")
    for note in hints.notes if hints.marks is None else ():
        print(note)
    for link in hints.links:
        print(f"link to {link.name}")
    shown = [f"{color} ({count})" for color, count in colors[:8]]
    more = f" and {len(colors) - 8} more" if len(colors) > 8 else ""
    if shown:
        print(f"colors: {', '.join(shown)}{more}")
    return 0


def _read(args: Namespace) -> "tuple[Hints, Tensor | None]":
    from recolor_torch.hints.read import read_hints
    from recolor_torch.pictures.read import PictureError, read_picture

    try:
        target = read_picture(args.target).image if args.target else None
        return read_hints(args.input, target), target
    except PictureError as error:
        raise UsageError(str(error)) from error


def _colors(hints: "Hints") -> list[tuple[str, int]]:
    """The colors by how many pixels have them."""
    given = hints.image[0].permute(1, 2, 0)[hints.mask[0, 0] > 0.5].mul(255).round().int()
    codes = (given[:, 0] * 65536 + given[:, 1] * 256 + given[:, 2]).tolist()
    return [(f"#{code:06x}", count) for code, count in Counter(codes).most_common()]
