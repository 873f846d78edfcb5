"""``recolor gallery``: a collection of pictures in which the reference for a target is found by itself."""

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from recolor_torch.cli.gallery_build import add_vgg_flags, run_build, run_update, vgg_weights
from recolor_torch.cli.parser import Parser, guess
from recolor_torch.cli.terminal import clear_start, print_json, say_start
from recolor_torch.errors import UsageError
from recolor_torch.paths import as_path, printable, show_path

if TYPE_CHECKING:
    from torch import Tensor

    from recolor_torch.gallery import DescriptorSpec, Gallery, Match
    from recolor_torch.gallery.store import State

HELP = """usage: recolor gallery ACTION GALLERY ...

A gallery is a folder that knows what your pictures look like. Ask it with a gray picture, and it names
the color pictures that are most like it; color is never compared, so gray and color meet. The
pictures stay where they are: the gallery keeps some hundred numbers of each.

  recolor gallery build photos.gallery photos/            look at all pictures below a folder, once
  recolor gallery update photos.gallery                   take in what is new or changed, drop what is gone
  recolor gallery update photos.gallery more/             another folder, from now on
  recolor gallery query photos.gallery old.jpg            the five most alike
  recolor gallery query photos.gallery scans/ --json      a line of JSON for each of many targets
  recolor gallery query photos.gallery old.jpg -o sheet.png --rerank 20
  recolor gallery query photos.gallery --words "harbour evening"      by names, captions and keywords
  recolor gallery info photos.gallery                     what is in it, and how large
  recolor gallery verify photos.gallery                   check every byte
  recolor gallery remove photos.gallery photos/bad.jpg    never propose this one (the file stays)
  recolor gallery merge all.gallery a.gallery b.gallery   join galleries that were made apart

A build or update that is stopped, by Ctrl-C, kill or a power cut, goes on where it was when the same
command is given again; until it is done, the gallery answers as it did before. One process at a time
writes; any number may ask meanwhile. Features come from the colorization network, or with --layers from
VGG-19, whose weights are named by --weights or RECOLOR_VGG19. recolor gallery ACTION --help has the settings
of an action.
"""


# No space, a quota, a largest size of files, a disk that is for reading only.
FULL = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS") if hasattr(errno, name))


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if argv else 2
    actions = {
        "build": run_build,
        "update": run_update,
        "query": _query,
        "info": _info,
        "verify": _verify,
        "remove": _remove,
        "merge": _merge,
    }
    if argv[0] not in actions:
        raise UsageError(f"unknown action {argv[0]!r}. Known actions: {', '.join(actions)}.{guess([argv[0]], actions)}")
    try:
        return actions[argv[0]](argv[1:])
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise UsageError(f"cannot write the gallery ({error.strerror}); it is as it was before.") from error


def _query(argv: list[str]) -> int:
    text = """Find the pictures of a gallery that are most like each target.

  recolor gallery query photos.gallery old.jpg -k 3
  recolor gallery query photos.gallery scans/ --json > matches.jsonl
  recolor gallery query photos.gallery old.jpg --also more.gallery -o sheet.png
  recolor gallery query photos.gallery old.jpg --rerank 20
  recolor gallery query photos.gallery old.jpg --words "harbour evening"
  recolor gallery query photos.gallery --words "harbour evening"

--words looks among the pictures alone whose file names, folders, captions or keywords have these words; where none
has all of them, among those that have most. Without a target the pictures are in the order in which the words fit.
The score is a cosine, 1 for the same picture. "mirrored" says that the target is more like the picture's
mirror image. --rerank N compares features place by place over the best N (the report's rule) and prints
the distance instead: right for pictures of one scene, beside the point for pictures of one kind."""
    parser = Parser(prog="recolor gallery query", description=text)
    add = parser.add_argument
    add("gallery", metavar="GALLERY", help="the gallery")
    add("targets", nargs="*", metavar="TARGET", help="files, folders or globs")
    add("-k", type=int, default=5, metavar="N", help="how many pictures for each target")
    add("--also", action="append", metavar="GALLERY", help="search this one too, as if they were one; may be repeated")
    add("--json", action="store_true", help='a line a target: {"query", "matches": [{"path", "score", ...}]}')
    add("-o", "--output", type=str, metavar="SHEET", help="a sheet of the targets and their matches, .png or .svg")
    add("--words", type=str, metavar="WORDS", help="among the pictures that these words fit, by names and captions")
    add("--rerank", type=int, default=0, metavar="N", help="order the best N by the exact distance; 0 does not")
    add("--rerank-layer", type=str, default="conv_5", metavar="LAYER", help="layer of that distance")
    add_vgg_flags(parser)
    args = parser.parse_args(argv)
    if args.k < 1 or args.rerank < 0:
        raise UsageError(f"-k is 1 or more and --rerank 0 or more, got {args.k} and {args.rerank}.")
    if args.output and Path(args.output).suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"{show_path(args.output)}: a sheet is written as .png or .svg.")
    if not args.targets and (args.words is None or args.output or args.rerank):
        raise UsageError("Name a target: a gray picture, or several; or words alone, with --words.")
    say_start()
    from recolor_torch.gallery import Gallery
    from recolor_torch.run.targets import find_targets

    gallery = Gallery.open([args.gallery, *(args.also or [])])
    clear_start()
    _say_missing(gallery, args.words)
    if not args.targets:
        _print(Path("-"), gallery.named(args.words, args.k), args)
        return 0
    targets = [target.path for target in find_targets(args.targets)]
    if args.output and Path(args.output).resolve() in [path.resolve() for path in targets]:
        raise UsageError(
            f"{show_path(args.output)} is an input, and inputs are never overwritten: choose another output."
        )
    results, failed = _answer(gallery, targets, args)
    if args.output:
        _write_sheet(args.output, results, args.k)
        print(f"{len(results)} target{'' if len(results) == 1 else 's'}, in {show_path(args.output)}", file=sys.stderr)
    return 3 if failed else 0


def _say_missing(gallery: "Gallery", words: str | None) -> None:
    """Which of the words do not narrow anything."""
    found = [] if words is None else [f for f in gallery.find_words(words) if f.ids]
    missing = sorted(set.intersection(*(set(f.missing) for f in found))) if found else []
    if missing:
        print(f"no picture has {' or '.join(map(repr, missing))}: left out", file=sys.stderr)
    if found and not any(f.all for f in found):
        print("no picture has all of these words: those with most of them", file=sys.stderr)


def _answer(
    gallery: "Gallery", targets: Sequence[Path], args: Namespace
) -> "tuple[list[tuple[Path, list[Match]]], int]":
    from recolor_torch.features import layer_depth
    from recolor_torch.pictures import PictureError
    from recolor_torch.pictures.guidance import read_visible

    depth = gallery.header.spec.depth
    if args.rerank:
        try:
            depth = max(depth, layer_depth(args.rerank_layer))
        except ValueError as error:
            raise UsageError(str(error)) from error
    weights = vgg_weights(args, depth)
    results, failed = [], 0
    for path in targets:  # one at a time: a folder of scans may not fit into the memory
        try:
            image = read_visible(path)
        except PictureError as error:
            print(printable(str(error)), file=sys.stderr)
            failed += 1
            continue
        matches = gallery.query(image, max(args.k, args.rerank), weights, args.words)
        if args.rerank:
            matches = gallery.rerank(image, matches, _read, weights, args.rerank_layer)
        found = matches[0][: args.k]
        results.append((path, found))
        _print(path, found, args)
    return results, failed


def _read(path: Path) -> "Tensor":
    from recolor_torch.pictures import PictureError
    from recolor_torch.pictures.guidance import read_visible

    try:
        return read_visible(path)
    except PictureError as error:
        print(f"{error} It is left out.", file=sys.stderr)
        raise OSError(str(error)) from error


def _print(path: Path, matches: "Sequence[Match]", args: Namespace) -> None:
    if args.json:
        entries = [
            {"path": m.path.as_posix(), "score": round(m.score, 6), "id": m.id, "mirrored": m.mirrored} for m in matches
        ]
        print_json({"query": str(path), "matches": entries})
        return
    print(show_path(path))
    for match in matches:
        score = f"distance {-match.score:.3f}" if args.rerank else f"{match.score:7.3f}"
        print(f"  {score}  {show_path(match.path)}{'  (mirrored)' if match.mirrored else ''}")


def _write_sheet(output: str, results: "Sequence[tuple[Path, list[Match]]]", k: int) -> None:
    from recolor_torch.pictures import PictureError, read_picture
    from recolor_torch.plots.figures import write_figure
    from recolor_torch.plots.retrieval_sheet import plot_matches

    if not results:
        return
    try:
        write_figure(output, plot_matches(results, k, lambda path: read_picture(path).image))
    except PictureError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"{show_path(output)}: cannot write this file ({error.strerror}).") from error


def _info(argv: list[str]) -> int:
    text = "Say what a gallery holds, how it was made and how large it is.\n\n  recolor gallery info photos.gallery"
    parser = Parser(prog="recolor gallery info", description=text)
    parser.add_argument("gallery", metavar="GALLERY", help="the gallery")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--skipped", action="store_true", help="list the pictures that are passed over, with reasons")
    args = parser.parse_args(argv)
    from recolor_torch.gallery.store import open_state

    state = open_state(as_path(args.gallery))
    entry = describe_gallery(state)
    if args.json:
        print_json(entry)
        return 0
    for name, value in entry.items():
        print(f"{name:<12} {', '.join(value) if isinstance(value, list) else value}")
    if args.skipped:
        for s in state.skipped:
            print(f"  {show_path(s.path)}: {printable(s.reason)}")
    return 0


def describe_gallery(state: "State") -> dict[str, object]:
    """What ``info`` says of a gallery, by name."""
    from recolor_torch.gallery.index import suggest_factory

    header, spec = state.header, state.header.spec
    removed = sum(s.removed for s in state.skipped)
    size = sum(entry.bytes for entry in header.files())
    whitening = f"to {header.dimension} numbers, fitted on {header.whitened_on} pictures"
    if header.whitening is not None and not header.whitened_on:
        whitening = f"to {header.dimension} numbers, as fitted on other photographs: its own from 256 pictures on"
    if header.whitening is None:
        whitening = "none: it needs 256 pictures or more; with fewer, similar pictures are found less well"
    index = header.factory if header.nprobe is None else f"{header.factory}, {header.nprobe} lists searched"
    advice = suggest_factory(header.vectors)
    if advice != header.factory and "Flat" in (advice, header.factory):
        index += f" (with {header.vectors} vectors {advice} would suit: recolor gallery update --index {advice})"
    elif header.factory == "Flat":
        index += " (exact; inverted lists pay from about 100000 vectors)"
    return {
        "pictures": header.pictures,
        "passed over": f"{len(state.skipped) - removed} unreadable, {removed} removed",
        "sources": list(header.sources),
        "vectors": f"{header.vectors}{', each picture also mirrored' if spec.mirrored else ''}",
        "features": f"{' + '.join(spec.layers)}, {spec.pooling}, luminance at {spec.side} pixels, "
        f"{header.raw_dimension} numbers",
        "weights": "; ".join(_weights_said(spec)),
        "whitening": whitening,
        "metric": header.metric,
        "index": index,
        "on disk": f"{size / 1e6:.1f} MB",
        "state": f"{header.generation}, format {header.version}" if header.generation else "its making was stopped",
    }


def _weights_said(spec: "DescriptorSpec") -> list[str]:
    from recolor_torch.gallery.encoder import encoders_of

    names = {"encoder": "colorization network", "imagenet": "EfficientNet-Lite2 of ImageNet"}
    encoders = " with ".join(names[family] for family in encoders_of(spec.layers))
    said = [f"{encoders} {spec.encoder[:16]}"] if spec.encoder else []
    if spec.depth:
        made = f"{spec.scale:g} * (rgb - {spec.mean}) / {spec.std}"
        said.append(f"VGG-19 {spec.digest[:16]}, {made}, {spec.network_pooling} pooling")
    return said


def _verify(argv: list[str]) -> int:
    text = """Check every byte of a gallery, and its files against each other; exit code 3 where something is wrong.

  recolor gallery verify photos.gallery"""
    parser = Parser(prog="recolor gallery verify", description=text)
    parser.add_argument("gallery", metavar="GALLERY", help="the gallery")
    args = parser.parse_args(argv)
    from recolor_torch.gallery.store import open_state
    from recolor_torch.gallery.verify import verify

    folder = as_path(args.gallery)
    problems = verify(folder)
    for problem in problems:
        print(printable(problem), file=sys.stderr)
    if problems:
        print(f"{show_path(folder)} is damaged: make it anew with recolor gallery build --overwrite.", file=sys.stderr)
        return 3
    header = open_state(folder).header
    print(f"{show_path(folder)} is whole: {header.pictures} pictures, {header.vectors} vectors.")
    return 0


def _remove(argv: list[str]) -> int:
    text = """Take pictures out of a gallery; their files stay. Later updates pass over them until they are named.

  recolor gallery remove photos.gallery photos/bad.jpg photos/scans/
  recolor gallery update photos.gallery photos/bad.jpg        takes it in again"""
    parser = Parser(prog="recolor gallery remove", description=text)
    parser.add_argument("gallery", metavar="GALLERY", help="the gallery")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="pictures or folders that are in it")
    args = parser.parse_args(argv)
    from recolor_torch.gallery.upkeep import remove_pictures

    outcome = remove_pictures(as_path(args.gallery), args.pictures)
    print(f"{outcome.gone} removed, {outcome.header.pictures} pictures are left in {show_path(args.gallery)}")
    return 0


def _merge(argv: list[str]) -> int:
    text = """Join galleries that were made apart, with the same features, into a new one; nothing is computed again.

  recolor gallery merge all.gallery a.gallery b.gallery"""
    parser = Parser(prog="recolor gallery merge", description=text)
    parser.add_argument("output", metavar="NEW", help="the new gallery")
    parser.add_argument("galleries", nargs="+", metavar="GALLERY", help="the galleries")
    parser.add_argument("--index", type=str, metavar="KIND", help="kind of index; the first gallery's without it")
    args = parser.parse_args(argv)
    from recolor_torch.gallery.merge import merge_galleries

    shards = [as_path(name) for name in args.galleries]
    header = merge_galleries(as_path(args.output), shards, factory=args.index)
    print(f"{header.pictures} pictures in {show_path(args.output)}")
    return 0
