"""The ``recolor`` command. A verb's module is imported only when the verb is called, so help answers at once."""

import sys
from importlib import import_module

from recolor_torch.cli.terminal import prepare_console

VERBS = {
    "colorize": ("recolor_torch.cli.colorize", "put color into pictures, one or ten thousand"),
    "compare": ("recolor_torch.cli.compare", "several methods on one target, side by side"),
    "gallery": ("recolor_torch.cli.gallery", "a collection in which the reference for a target is found by itself"),
    "evaluate": ("recolor_torch.cli.evaluate", "methods judged on many pictures, with a report"),
    "fit": ("recolor_torch.cli.lightning", "optimise a picture or train a network from a Lightning config"),
    "hints": ("recolor_torch.cli.hints", "look at given colors, and turn one form of file into another"),
    "plot": ("recolor_torch.cli.plot", "draw histograms and other pictures that explain a result"),
    "predict": ("recolor_torch.cli.lightning", "recolor from a Lightning config, on any number of devices"),
    "studio": ("recolor_torch.cli.studio", "color with a brush, in the browser"),
    "sweep": ("recolor_torch.cli.sweep", "what settings do: a grid of results on one sheet"),
    "test": ("recolor_torch.cli.lightning", "measure a trained network on held-out pictures, from a Lightning config"),
    "tune": ("recolor_torch.cli.tune", "search for the settings that score best on a set of pictures"),
    "validate": ("recolor_torch.cli.lightning", "measure a network on the pictures for validation, from a config"),
}

LIGHTNING = ("fit", "predict", "test", "validate")
"""Verbs of LightningCLI, whose parser reads the verb itself."""

HELP = """usage: recolor VERB ...

Put color into grayscale photographs, and change the color of colored ones.

verbs:
{verbs}

examples:
  recolor colorize old.jpg -r color.jpg -o new.jpg        color one picture like another
  recolor colorize scans/ -r color.jpg -o colored/        a whole folder
  recolor VERB --help                                     what a verb can do

exit codes: 0 all done, 1 internal error, 2 usage or configuration, 3 some targets failed,
            4 weights missing, 130 interrupted
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    args = sys.argv[1:] if argv is None else argv
    prepare_console()
    if not args or args[0] in ("-h", "--help", "help"):
        print(HELP.format(verbs="\n".join(f"  {verb:<10} {text}" for verb, (_, text) in VERBS.items())))
        return 0 if args else 2
    if args[0] in ("-V", "--version"):
        from recolor_torch import __version__

        print(f"recolor_torch {__version__}")
        return 0
    if args[0] not in VERBS:
        from recolor_torch.cli.parser import guess

        print(
            f"recolor: unknown verb {args[0]!r}. Known verbs: {', '.join(VERBS)}.{guess([args[0]], VERBS)}",
            file=sys.stderr,
        )
        return 2
    return _run(args[0], args[1:])


def _run(verb: str, args: list[str]) -> int:
    from recolor_torch.cli.terminal import clear_start
    from recolor_torch.errors import UsageError, WeightsMissing
    from recolor_torch.paths import printable, reason, show_path
    from recolor_torch.system import (
        lacks_memory,
        let_threads_sleep,
        return_heap,
        stopped_by_signals,
        without_collecting,
    )

    let_threads_sleep()
    try:
        with stopped_by_signals():
            try:
                with without_collecting():
                    module = import_module(VERBS[verb][0])
                return module.main([verb, *args] if verb in LIGHTNING else args)
            finally:
                clear_start()
                return_heap()
    except (UsageError, WeightsMissing) as error:
        print(f"recolor {verb}: {printable(str(error))}", file=sys.stderr)
        return 4 if isinstance(error, WeightsMissing) else 2
    except KeyboardInterrupt:
        print(f"recolor {verb}: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe has gone (| head); Python would complain once more at exit.
        sys.stdout = None
        return 1
    except ValueError as error:
        if "null byte" not in str(error):
            raise
        print(f"recolor {verb}: a name of a file holds a zero byte.", file=sys.stderr)
        return 2
    except OSError as error:
        if lacks_memory(error):
            return _out_of_memory(verb)
        if error.filename is None and error.errno is None:
            raise  # not of the disk
        name = f"{show_path(error.filename)}: " if isinstance(error.filename, str) else ""
        print(f"recolor {verb}: {name}{reason(error)}.", file=sys.stderr)
        return 2
    except Exception as error:
        if lacks_memory(error):
            return _out_of_memory(verb)
        # Only a verb that has loaded the pictures can meet their error.
        pictures = sys.modules.get("recolor_torch.pictures.opening")
        if pictures is None or not isinstance(error, pictures.PictureError):
            raise
        print(f"recolor {verb}: {printable(str(error))}", file=sys.stderr)
        return 2 if isinstance(error.__cause__, OSError) else 3


def _out_of_memory(verb: str) -> int:
    print(f"recolor {verb}: not enough memory.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
