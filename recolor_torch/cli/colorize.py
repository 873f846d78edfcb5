"""``recolor colorize``: files in, coloured files out."""

import sys
import time
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from recolor_torch.cli.config import defaults_from_config
from recolor_torch.cli.parser import Parser
from recolor_torch.errors import UsageError
from recolor_torch.film.settings import FilmSettings
from recolor_torch.methods import METHODS, Recolorizer, build_method, choose_method, find_method, name_of
from recolor_torch.paths import as_path
from recolor_torch.run.film_targets import split_films
from recolor_torch.run.linked import holds_links
from recolor_torch.run.targets import read_pairs

DESCRIPTION = """Put colour into pictures.

  recolor colorize old.jpg -r colour.jpg -o new.jpg
  recolor colorize scans/ -r a.jpg -r b.jpg --reference-weights 2,1 -o coloured/
  recolor colorize old.jpg -r dawn.jpg -r noon.jpg --each-reference -o looks/
  recolor colorize scans/ --gallery photos.gallery -o coloured/
  recolor colorize old.jpg --hints scribbles.png -o new.jpg
  recolor colorize clip/ --hints some_frames/ --sequence -o coloured/
  recolor colorize clip.mp4 -o clip_colour.mp4
  recolor colorize clip.mkv -r ref_0001.png -r ref_0240.png -o out.mkv
  recolor colorize --pairs pairs.csv -o coloured/ --ext png
  recolor colorize scans/ -r a.jpg -o coloured/ --dry-run

Pictures come back in the size, depth, profile and format they came in, with their luminance kept.
A run that was stopped goes on where it was when the same command is given again.
"""


def make_parser(own: str | None = None) -> Parser:
    """All flags; each method's settings are made from its signature.

    Args:
        own: class path of a method of the user's, whose settings are flags too.
    """
    usage = "recolor colorize TARGET... -o OUT [-r PICTURE]... [-m METHOD] [--METHOD.SETTING VALUE]... [options]"
    parser = Parser(prog="recolor colorize", description=DESCRIPTION, usage=usage)
    add = parser.add_argument
    add("targets", nargs="*", metavar="TARGET", help="files, folders (with all below them) or globs")
    add("--list", type=str, metavar="FILE", help="text file with a target a line")
    add("--pairs", type=str, metavar="FILE", help="CSV, TSV or JSONL with the columns target, reference[, hints]")
    add("-o", "--output", type=str, metavar="OUT", help="a file for one target, else a folder")
    known = f"{', '.join(sorted(METHODS))}, or module.Class of your own"
    add("-m", "--method", type=str, help=f"how to colour: {known}; chosen by what is given without it")
    add(
        "-r",
        "--reference",
        action="append",
        metavar="PICTURE",
        help="picture whose colours are wanted; may be repeated",
    )
    add("--each-reference", action="store_true", help="a result from each -r, named after it, not one from all")
    add("--gallery", action="append", metavar="DIR", help="folder of recolor gallery: finds each target's references")
    add("--gallery-count", type=int, default=3, metavar="K", help="references that each target gets from the gallery")
    add("--words", type=str, metavar="WORDS", help="references from the gallery's pictures that these words fit alone")
    add("--reference-weights", type=str, metavar="a,b", help="share of each reference, as 2,1")
    add(
        "--reference-mask", action="append", metavar="PICTURE", help="white where its reference counts; one a reference"
    )
    add("--target-mask", type=str, metavar="PICTURE", help="white where to recolour; resized to each target")
    add("--hints", type=str, metavar="PATH", help="given colours: a file for one target, or a folder with one for each")
    add("--sequence", action="store_true", help="targets are frames of a clip, which are coloured as a film")
    add(
        "--target",
        choices=["gray", "color"],
        default="gray",
        help="gray: the target's own colour (a tint) is dropped first",
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
    add("--suffix", type=str, default="", help="put between an output's name and its extension, as _colour")
    add(
        "--ext",
        choices=["auto", "png", "jpg", "webp", "tif"],
        default="auto",
        help="format of outputs; auto: the target's",
    )
    add("--overwrite", action="store_true", help="replace existing outputs, and do finished targets again")
    add("--dry-run", action="store_true", help="say what would be done, at which size and with how much memory")
    add("--save-stages", action="store_true", help="write intermediate results beside each output")
    add("--config", type=str, metavar="FILE", help="YAML as for recolor predict; flags come before it")
    add("--batch-size", type=int, default=16, metavar="N", help="most pictures of one size worked on at once")
    add("--batch-megapixels", type=float, default=8.0, metavar="N", help="most megapixels worked on at once")
    add("--workers", type=int, default=-1, metavar="N", help="readers ahead of the method; -1 chooses")
    add("--max-pixels", type=int, default=1_000_000_000, metavar="N", help="refuse larger pictures")
    add("-q", "--quiet", action="store_true", help="print errors alone")
    add("--json", action="store_true", help="print the record of each target as a line of JSON")
    add("--shots", type=str, metavar="FILE", help="CSV of a film's shots, in place of those that are found")
    methods = METHODS if own is None else {**METHODS, **_own_method(own)}
    for name, cls in methods.items():
        parser.add_class_arguments(cls, name)
    parser.add_class_arguments(FilmSettings, "film", skip={"strength"})
    return parser


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    start = time.perf_counter()
    args, trainer_settings = _read(argv)
    if not args.output:
        raise UsageError("Say where the result goes: -o OUT.")
    if not 0 <= args.strength <= 1:
        raise UsageError(f"--strength must be in [0, 1], got {args.strength:g}.")
    if args.max_side is not None and args.max_side < 1:
        raise UsageError(f"--max-side must be 1 or more, got {args.max_side}.")
    if args.words is not None and not args.gallery:
        raise UsageError("--words choose among the pictures of a gallery: name one with --gallery.")
    references, hints = _kinds_given(args)
    name = name_of(find_method(args.method)) if args.method else choose_method(references, hints)
    _refuse_other_settings(argv, name)
    device = _device(args.device)

    args.targets, films = split_films(args.targets, as_path(args.output))
    single = len(films) == 1 and not args.targets and not args.list and Path(films[0][0]).name == films[0][1].name
    method = _build(name, args)
    try:
        method.require_kinds(references, hints)
    except ValueError as error:
        raise UsageError(str(error)) from error
    code = _color_films(films, method, args, device, single, start) if films else 0
    if films and not (args.targets or args.list or args.pairs):
        return code
    # Lightning is slow to import: mistakes that can be seen without it are seen without it.
    from recolor_torch.cli.running import colorize

    return code if code == 130 else max(code, colorize(method, args, device, trainer_settings, start))


def _color_films(
    films: list[tuple[Path, Path]], method: Recolorizer, args: Namespace, device: tuple[str, Any], single: bool,
    start: float,
) -> int:  # fmt: skip
    from recolor_torch.cli.films import colorize_films
    from recolor_torch.cli.running import print_json, quiet_lightning

    quiet_lightning()
    counts = colorize_films(films, method, args, device, single)
    interrupted = counts.pop("interrupted")
    seconds = round(time.perf_counter() - start, 1)
    if interrupted:
        sys.stderr.write("Interrupted; the same command goes on from here.\n")
    if args.json:
        print_json({"summary": {**counts, "seconds": seconds}})
    elif not args.quiet and not args.dry_run:
        done = ", ".join(f"{counts[name]} {name}" for name in ("done", "skipped", "failed"))
        print(f"{done} of {len(films)} film{'' if len(films) == 1 else 's'}, {seconds} s, in {args.output}")
    return 130 if interrupted else 3 if counts["failed"] else 0


def _refuse_other_settings(argv: list[str], name: str) -> None:
    """A setting of a method that is not the one at work would be passed over in silence."""
    for flag in argv:
        other = flag.removeprefix("--").partition(".")[0]
        if flag.startswith("--") and "." in flag and other in METHODS and other != name:
            key = flag.partition("=")[0]
            raise UsageError(f"{key} is a setting of {other}, and the method is {name}: choose with -m {other}.")


def _read(argv: list[str]) -> tuple[Namespace, dict[str, Any]]:
    """The flags, with a config's values as their defaults, and a config's settings of the Trainer."""
    parser = make_parser(_named_method(argv))
    args = parser.parse_args(argv)
    trainer_settings: dict[str, Any] = {}
    if args.config:
        defaults, trainer_settings = defaults_from_config(Path(args.config))
        if "." in defaults.get("method", ""):
            parser = make_parser(defaults["method"])
        parser.set_defaults(defaults)
        args = parser.parse_args(argv)
    if args.method:
        _own_method(args.method)
    return args, trainer_settings


def _named_method(argv: list[str]) -> str | None:
    """The class path that ``-m`` names, before the flags are read: its settings are flags too."""
    for i, flag in enumerate(argv):
        value = argv[i + 1] if flag in ("-m", "--method") and i + 1 < len(argv) else flag.partition("--method=")[2]
        if "." in value:
            return value
    return None


def _own_method(name: str) -> dict[str, type[Recolorizer]]:
    try:
        cls = find_method(name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return {name_of(cls): cls}


def _build(name: str, args: Namespace) -> Recolorizer:
    try:
        return build_method(args.method or name, **_settings(name, args))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _settings(name: str, args: Namespace) -> dict[str, Any]:
    """The method's settings from its flags, and from the flags that set one whatever the method."""
    settings = args[name].as_dict()
    for flag in ("weights", "download", "vgg_preprocessing"):
        if args[flag]:
            if flag not in settings and not args.gallery:
                can = ", ".join(method for method in METHODS if flag in args[method])
                raise UsageError(f"{name} has no use for --{flag.replace('_', '-')}, which is for {can or 'none yet'}.")
            if flag in settings:
                settings[flag] = args[flag]
    return settings


def _kinds_given(args: Namespace) -> tuple[bool, bool]:
    """Whether there are references, and whether there are hints."""
    pairs = read_pairs(Path(args.pairs)) if args.pairs else []
    hints = [*filter(None, (p.hints for p in pairs)), *([Path(args.hints)] if args.hints else [])]
    references = bool(args.reference or args.gallery) or any(p.references for p in pairs)
    references = references or any(map(holds_links, hints))
    return references, bool(hints)


def _device(name: str) -> tuple[str, Any]:
    """Lightning's accelerator and devices for ``--device``."""
    import torch

    kind, _, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and (kind != "cuda" or not index.isdecimal())):
        raise UsageError(f"Unknown device {name!r}. Known devices: auto, cpu, cuda, cuda:N, mps.")
    if kind == "cuda":
        count = torch.cuda.device_count()
        if not count:
            raise UsageError("No CUDA device was found; use --device cpu.")
        if index and int(index) >= count:
            raise UsageError(f"There is no device {name}; CUDA devices here: {count}.")
        return "gpu", [int(index)] if index else 1
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("No MPS device was found; use --device cpu.")
    return kind, 1
