"""What goes to the terminal, whatever letters it has: names of files need not be text, and consoles not UTF-8."""

import codecs
import json
import sys
import warnings
from contextlib import suppress
from typing import Any

from recolor_torch.paths import printable

_ESCAPE = "recolor_torch.escape"


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    shown = (
        printable(c) if 0xD800 <= ord(c) <= 0xDFFF else c.encode("ascii", "backslashreplace").decode() for c in part
    )
    return "".join(shown), error.end


codecs.register_error(_ESCAPE, _escape)


_format = warnings.formatwarning


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """What a warning looks like: one of a picture names its file, and the line of code is nothing to the user."""
    if category.__name__ == "PictureWarning":  # known by name: not every verb loads the pictures
        return f"{printable(str(message))}\n"
    return _format(message, category, filename, lineno, line)


def prepare_console() -> None:
    """Let the standard output and the standard error escape what their encoding does not have, and never fail.

    Warnings of pictures are a sentence each.
    """
    warnings.formatwarning = _format_warning
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):  # a stream of another kind, or one that is closed
            stream.reconfigure(errors=_ESCAPE)  # type: ignore[union-attr]


def print_json(entry: Any) -> None:
    """A line of JSON on the standard output; where that has not all letters, they are escaped as JSON does."""
    text = json.dumps(entry, ensure_ascii=False, default=str)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(entry, default=str)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


_START = "Starting ..."
_shown: list[str] = []


def say_start(quiet: bool = False) -> None:
    """Say on a terminal that the command is at work: importing PyTorch takes a second or more."""
    if not quiet and sys.stderr.isatty():
        sys.stderr.write(_START)
        sys.stderr.flush()
        _shown.append(_START)


def clear_start() -> None:
    """Take away what :func:`say_start` wrote, before something else is shown."""
    while _shown:
        sys.stderr.write(f"\r{' ' * len(_shown.pop())}\r")
        sys.stderr.flush()
