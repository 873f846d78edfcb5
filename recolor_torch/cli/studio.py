"""``recolor studio``: color with a brush, in the browser."""

import sys

from recolor_torch.cli.parser import Parser
from recolor_torch.errors import UsageError

DESCRIPTION = """Color pictures with a brush, in the browser, and see the colors at once.

  recolor studio old.jpg
  recolor studio scans/ --gallery photos.gallery -o colored/
  recolor studio old.jpg -r color.jpg --hints old.hints.json

The page opens with an automatic proposal. Paint where it is wrong: the color spreads over what belongs together and
stops at edges. A few short strokes in the middle of things do more than careful outlines.

  b brush   p point   e eraser   i eyedropper   n keep gray   l link to a reference   h move
  [ ] brush size   wheel zooms   space drags   x swaps colors   z undo   shift+z redo
  hold o: the original   c: before and after   0 fit   1 full size   ? all keys

What is painted is kept as NAME.hints.json beside the result, after every stroke. Export writes what recolor colorize
writes from these hints; the page shows that command. The page is served on this machine alone.
"""


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    usage = "recolor studio PICTURE|FOLDER... [-o OUT] [-r REFERENCE]... [--gallery DIR] [--hints FILE_OR_DIR]"
    parser = Parser(prog="recolor studio", description=DESCRIPTION, usage=usage)
    add = parser.add_argument
    add("targets", nargs="*", metavar="PICTURE|FOLDER", help="pictures, folders (with all below them) or globs")
    add("-o", "--output", type=str, metavar="OUT", help="a file for one picture, else a folder (recolored/)")
    add("-r", "--reference", action="append", metavar="PICTURE", help="picture whose colors are wanted; repeatable")
    add("--gallery", action="append", metavar="DIR", help="folder of recolor gallery, which finds references")
    add("--hints", type=str, metavar="PATH", help="hints to go on with: a file for one picture, or a folder")
    add("--max-side", type=int, default=1024, metavar="N", help="longer side at which results are solved")
    add("--port", type=int, default=0, metavar="N", help="port to listen on; 0 takes a free one")
    add("--host", type=str, default="127.0.0.1", help="address to listen on; another one lets other machines in")
    add("--no-browser", action="store_true", help="print the address, and open no browser")
    add("--weights", type=str, metavar="FILE", help="VGG-19 weights for references")
    add("--max-pixels", type=int, default=1_000_000_000, metavar="N", help="refuse larger pictures")
    args = parser.parse_args(argv)
    if args.max_side < 64:
        raise UsageError(f"--max-side must be 64 or more, got {args.max_side}.")
    if not 0 <= args.port < 65536:
        raise UsageError(f"--port must be from 0 to 65535, got {args.port}.")

    # What needs torch is imported after mistakes that can be seen without it.
    from recolor_torch.studio.desk import make_desk
    from recolor_torch.studio.server import bind, serve

    desk = make_desk(
        args.targets,
        args.output,
        args.reference or [],
        args.gallery or [],
        args.hints,
        side=args.max_side,
        max_pixels=args.max_pixels,
        weights=args.weights,
    )
    bound = bind(args.host, args.port)
    if args.host not in ("127.0.0.1", "localhost", "::1"):
        sys.stderr.write(
            f"recolor studio: listening on {args.host}: whoever can reach this machine and learns the address below, "
            "which travels unencrypted, can see these pictures and write results.\n"
        )

    def on_ready(url: str) -> None:
        print(f"The studio is open at {url}\nStop it with Ctrl+C; what is painted is kept.", flush=True)
        if not args.no_browser:
            import webbrowser

            webbrowser.open(url)

    serve(desk, bound, args.host, on_ready)
    return 0
