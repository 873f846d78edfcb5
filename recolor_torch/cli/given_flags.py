"""Flags that several verbs share."""

from pathlib import Path

from recolor_torch.cli.parser import Parser
from recolor_torch.errors import UsageError


def add_guidance(parser: Parser) -> None:
    """The flags that :func:`read_given` reads."""
    add = parser.add_argument
    add("target", metavar="TARGET", help="the picture")
    add("-r", "--reference", action="append", metavar="PICTURE", help="whose colors are wanted; may be repeated")
    add("--hints", type=str, metavar="FILE", help="given colors")
    add("--truth", type=str, metavar="PICTURE", help="the true colors: adds CIEDE2000 and PSNR")
    add("--target-color", action="store_true", help="let methods see the target's own color")
    add("--max-side", type=int, default=1024, metavar="N", help="work on copies with this longer side")
    add("--seed", type=int, default=0, metavar="N", help="make what is random repeatable")
    add_given_weights(parser)


def add_given_weights(parser: Parser) -> None:
    """The flags that :func:`build` reads."""
    parser.add_argument("--weights", type=str, metavar="FILE", help="weights of VGG-19, for the methods that need it")
    parser.add_argument("--download", action="store_true", help="let torchvision fetch them (550 MB)")


def check_sheet(output: str | None) -> None:
    """Raise ``UsageError`` unless ``output`` names a sheet that can be written."""
    if not output or Path(output).suffix.lower() not in (".png", ".svg"):
        raise UsageError("Say where the sheet goes: -o SHEET.png or -o SHEET.svg.")
