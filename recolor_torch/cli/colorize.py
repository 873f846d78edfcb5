"""``recolor colorize``: files in, colored files out. Here are its flags, read before anything slow is imported."""

import time
from contextlib import suppress

from jsonargparse import Namespace

from recolor_torch.cli.config_files import find_config
from recolor_torch.cli.devices import check_device
from recolor_torch.cli.method_text import check_method
from recolor_torch.cli.parser import Parser
from recolor_torch.cli.signatures import known_methods, outline
from recolor_torch.cli.terminal import say_start
from recolor_torch.errors import UsageError
from recolor_torch.film.settings import parse_rate
from recolor_torch.run.description import Loading, check_text
from recolor_torch.system import without_collecting

DESCRIPTION = """Put color into pictures.

  recolor colorize old.jpg -o new.jpg
  recolor colorize old.jpg -r color.jpg -o new.jpg
  recolor colorize old.jpg -r dawn.jpg -r noon.jpg --each-reference -o looks/
  recolor colorize scans/ --gallery photos.gallery -o colored/
  recolor colorize old.jpg --hints scribbles.png -o new.jpg
  recolor colorize old.jpg --text "red dress, green lawn, blond hair" -o new.jpg
  recolor colorize frames/ --hints some_frames/ --film.rate 24 -o film.mkv
  recolor colorize clip.mkv -r ref_0001.png -r ref_0240.png -o out.mkv
  recolor colorize --pairs pairs.csv -o colored/ --ext png

Pictures come back in the size, depth, profile and format they came in, with their luminance kept.
A run that was stopped goes on where it was when the same command is given again.
"""

MAIN = ("-o", "-m", "-r", "--gallery", "--hints", "--target", "--strength", "--max-side", "--overwrite", "--dry-run")
"""Flags that ``--help`` shows, in this order."""


def make_parser(own: dict[str, type] | None = None, only: str | None = None) -> Parser:
    """All flags; each method's settings are made from its signature.

    Args:
        own: a method of the user's by name, whose settings are flags too.
        only: the one method of the package whose settings are flags; None for those of all.
    """
    usage = "recolor colorize TARGET... -o OUT [-r PICTURE]... [-m METHOD] [--METHOD.SETTING VALUE]..."
    parser = Parser(prog="recolor colorize", description=DESCRIPTION, usage=usage, main=MAIN)
    _add_what(parser)
    _add_how(parser)
    _add_where(parser)
    for name, cls in {**known_methods(), **(own or {})}.items() if only is None else [(only, known_methods()[only])]:
        parser.add_class_arguments(cls, name)
    parser.add_class_arguments(outline("recolor_torch.film.settings", "FilmSettings"), "film", skip={"strength"})
    return parser


def _add_what(parser: Parser) -> None:
    """What is colored, and what the colors come from."""
    add = parser.add_argument
    add("targets", nargs="*", metavar="TARGET", help="files, folders (with all below them) or globs")
    add("--list", type=str, metavar="FILE", help="text file with a target a line")
    add(
        "--pairs",
        type=str,
        metavar="FILE",
        help="CSV, TSV or JSONL with the columns target, reference[, hints][, text]",
    )
    add("-o", "--output", type=str, metavar="OUT", help="a file for one target, else a folder")
    known = f"{', '.join(sorted(known_methods()))}, or module.Class of your own"
    add("-m", "--method", type=str, help=f"how to color: {known}; chosen by what is given without it")
    add(
        "-r",
        "--reference",
        action="append",
        metavar="PICTURE",
        help="picture whose colors are wanted; may be repeated",
    )
    add("--each-reference", action="store_true", help="a result from each -r, named after it, not one from all")
    add("--gallery", action="append", metavar="DIR", help="folder of recolor gallery: finds each target's references")
    add("--gallery-count", type=int, default=3, metavar="K", help="references that each target gets from the gallery")
    add("--words", type=str, metavar="WORDS", help="references from the gallery's pictures that these words fit alone")
    add("--reference-weights", type=str, metavar="a,b", help="share of each reference, as 2,1")
    add(
        "--reference-mask", action="append", metavar="PICTURE", help="white where its reference counts; one a reference"
    )
    add("--target-mask", type=str, metavar="PICTURE", help="white where to recolor; resized to each target")
    add("--hints", type=str, metavar="PATH", help="given colors: a file for one target, or a folder with one for each")
    add(
        "--text",
        type=str,
        metavar="WORDS",
        help="colors for things in the picture or film, as 'red dress, green lawn, blond hair'",
    )


def _add_how(parser: Parser) -> None:
    """How, and on what device."""
    add = parser.add_argument
    add(
        "--sequence",
        action="store_true",
        help="frames of a clip, colored as a film, into pictures or a film (film.mkv)",
    )
    add(
        "--target",
        choices=["gray", "color"],
        default="gray",
        help="gray: the target's own color (a tint) is dropped first",
    )
    add(
        "--keep",
        choices=["luma", "none"],
        default="luma",
        help="luma: the target's luminance is kept (before JPEG's own loss)",
    )
    add("--strength", type=float, default=1.0, metavar="0..1", help="0 returns the input, 1 the full result")
    add(
        "--max-side", type=int, metavar="N", help="work on a copy with this longer side; chroma is brought to full size"
    )
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:N or mps")
    precisions = ["32-true", "64-true", "16-mixed", "bf16-mixed"]
    add("--precision", choices=precisions, default="32-true", help="arithmetic of the method")
    add("--seed", type=int, metavar="N", help="make what is random repeatable")
    add("--weights", type=str, metavar="FILE", help="weights of the method's network: VGG-19's, or the network's own")
    add("--download", action="store_true", help="let torchvision fetch VGG-19 (550 MB) where no weights are found")
    add(
        "--vgg-preprocessing",
        choices=["torchvision", "caffe", "caffe-bgr"],
        help="how VGG-19's input is made, where the weights' file does not say",
    )


def _add_where(parser: Parser) -> None:
    """Where results go, and what is said of them."""
    add = parser.add_argument
    add("--suffix", type=str, default="", help="in a folder: put between an output's name and its extension, as _color")
    add(
        "--ext",
        choices=["auto", "png", "jpg", "webp", "tif"],
        default="auto",
        help="format of outputs in a folder; auto: the target's (a file that -o names is as its name says)",
    )
    add("--overwrite", action="store_true", help="replace existing outputs, and do finished targets again")
    add("--dry-run", action="store_true", help="say what would be done, with how much memory and time")
    add("--save-stages", action="store_true", help="write intermediate results beside each output")
    add("--config", type=str, metavar="FILE", help="YAML as for recolor predict; flags come before it")
    add("--batch-size", type=int, default=-1, metavar="N", help="most pictures worked on at once; -1 chooses")
    add("--batch-megapixels", type=float, default=8.0, metavar="N", help="most megapixels worked on at once")
    add("--workers", type=int, default=-1, metavar="N", help="readers ahead of the method; -1 chooses")
    add("--max-pixels", type=int, default=1_000_000_000, metavar="N", help="refuse larger pictures")
    add("-q", "--quiet", action="store_true", help="print errors alone")
    add("--json", action="store_true", help="print the record of each target as a line of JSON")
    add("--shots", type=str, metavar="FILE", help="CSV of shots (column first, from 0), in place of those found")


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    start = time.perf_counter()
    args = _read_flags(argv)
    check(args, argv)
    say_start(args.quiet)
    # What follows imports torch: mistakes that can be seen without it have been seen.
    with without_collecting():
        from recolor_torch.cli.starting import color

    return color(args, argv, start)


def _read_flags(argv: list[str]) -> Namespace:
    name = named_method(argv)
    if name is not None and "." in name:
        from recolor_torch.cli.starting import own_method

        return make_parser(own_method(name)).parse_args(argv)
    if name in known_methods() and not {"-h", "--help", "--config"} & {word.partition("=")[0] for word in argv}:
        # The flags of the other methods take a tenth of a second to make; where any could be meant, they are made.
        parser = make_parser(only=name)
        with suppress(UsageError):
            if all(parser.knows(word) for word in argv if word.startswith("--")):
                return parser.parse_args(argv)
    return make_parser().parse_args(argv)


def check(args: Namespace, argv: list[str]) -> None:
    """Raise ``UsageError`` for what is wrong with flags, whatever the files hold."""
    if not args.output:
        raise UsageError("Say where the result goes: -o OUT.")
    if args.output == "-":
        raise UsageError("Results are files and folders, no stream: -o OUT names one (./- for one that is called so).")
    if not 0 <= args.strength <= 1:
        raise UsageError(f"--strength must be in [0, 1], got {args.strength:g}.")
    for flag, least in (("max_side", 1), ("max_pixels", 1)):
        value = args[flag]
        if value is not None and value < least:
            raise UsageError(f"--{flag.replace('_', '-')} must be {least} or more, got {value}.")
    if args.words is not None and not args.gallery:
        raise UsageError("--words choose among the pictures of a gallery: name one with --gallery.")
    if not args.batch_megapixels > 0:
        raise UsageError(f"--batch-megapixels must be more than 0, got {args.batch_megapixels:g}.")
    check_text(args.text)
    parse_rate(args.film.rate)
    Loading(args.batch_size, args.batch_megapixels, args.workers, args.max_pixels)  # checks itself
    check_device(args.device)
    if args.config:
        args.config = str(find_config(args.config))
    if args.method and "." not in args.method:
        check_method(args.method)
        refuse_other_settings(argv, args.method)


def refuse_other_settings(argv: list[str], name: str) -> None:
    """A setting of a method that is not the one at work would be passed over in silence."""
    for flag in argv:
        other = flag.removeprefix("--").partition(".")[0]
        if flag.startswith("--") and "." in flag and other in known_methods() and other != name:
            key = flag.partition("=")[0]
            raise UsageError(f"{key} is a setting of {other}, and the method is {name}: choose with -m {other}.")


def named_method(argv: list[str]) -> str | None:
    """The method that ``-m`` names, before the flags are read: the settings of one's own are flags too."""
    for i, flag in enumerate(argv):
        value = argv[i + 1] if flag in ("-m", "--method") and i + 1 < len(argv) else flag.partition("--method=")[2]
        if value:
            return value
    return None
