"""Names of files: from what the user wrote to a path, what the disk says of it, and how a message shows it."""

import errno
import os
import stat
from pathlib import Path
from typing import Literal

from recolor_torch.errors import UsageError
from recolor_torch.system import lacks_memory

Kind = Literal["file", "folder", "other", "missing"]
_REASONS = {
    errno.ENAMETOOLONG: "the name is too long",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.ELOOP: "a link that leads back to itself",
}


def as_path(name: str | os.PathLike[str]) -> Path:
    """The path that a name stands for; ``~`` alone or before a slash is the user's folder, unless there is such a file.

    ``~old.png`` is a file like any other.

    Raises:
        UsageError: the name is empty.

    Example:
        >>> as_path("~old.png").name, as_path("~/a.png") == Path.home() / "a.png"
        ('~old.png', True)
    """
    text = os.fspath(name)
    if not text:  # as an unset variable of a shell gives; it would stand for the current folder
        raise UsageError("a name of a file is empty.")
    if (text == "~" or text.startswith(("~/", "~\\"))) and not os.path.lexists("~"):
        text = os.path.expanduser(text)
    return Path(text)


def kind_of(path: str | os.PathLike[str]) -> Kind:
    """What the disk has under a path, links followed.

    Raises:
        UsageError: the disk does not say: the name is too long or holds a zero byte, or a folder may not be read.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except (OSError, ValueError) as error:
        raise UsageError(f"{show_path(path)}: {reason(error)}.") from error
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether there is anything; raises as ``kind_of`` does."""
    return kind_of(path) != "missing"


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a regular file; raises as ``kind_of`` does."""
    return kind_of(path) == "file"


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether there is a folder; raises as ``kind_of`` does."""
    return kind_of(path) == "folder"


def reason(error: Exception) -> str:
    """Why the disk refused, as a clause."""
    if isinstance(error, OSError) and error.errno is not None:
        return _REASONS.get(error.errno) or error.strerror or "the disk does not answer"
    if isinstance(error, ValueError) and "null" in str(error):
        return "a name cannot hold a zero byte"
    if isinstance(error, UnicodeError):
        return "the disk has no such letters"
    return " ".join(str(error).split())


def failure(path: str | os.PathLike[str], error: BaseException) -> str:
    """What went wrong with one file, as one sentence that names it."""
    name, text = show_path(path), printable(" ".join(str(error).split()))[:500]
    if lacks_memory(error):
        return f"{name}: not enough memory; try a smaller --max-side."
    if isinstance(error, OSError) and error.errno is not None:
        other = error.filename if isinstance(error.filename, str) else None
        return f"{name}: {show_path(other) + ': ' if other and other != os.fspath(path) else ''}{reason(error)}."
    if isinstance(error, UsageError):
        return text if text.startswith(name) else f"{name}: {text}"
    if isinstance(error, ValueError | ArithmeticError):  # what the package says in words of its own
        return f"{name}: {text.rstrip('.')}."
    return f"{name}: an error in the program ({type(error).__name__}: {text})."


def show_path(path: str | os.PathLike[str], most: int = 200) -> str:
    """The path for a message: as it is, escaped where it holds line breaks or bytes that are no text; shortened.

    Example:
        >>> show_path("scans/old.png"), show_path("a\\nb"), show_path(os.fsdecode(b"caf\\xe9"))
        ('scans/old.png', 'a\\\\nb', 'caf\\\\xe9')
    """
    text = printable(os.fspath(path))
    return f"{text[: most // 2]}...{text[-most // 2 :]}" if len(text) > most else text or "''"


def printable(text: str) -> str:
    """The text with what cannot be shown escaped; a byte of a file's name that is no text shows as that byte."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else letter.encode("unicode_escape").decode("ascii")
