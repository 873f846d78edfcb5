"""Files that last: written to the disk before anything names them, with checksums, under one writer's lock."""

import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recolor_torch.errors import UsageError
from recolor_torch.system import file_lock, pass_on_lack_of_memory, replace_file, sync_file, sync_folder
from recolor_torch.text import parse_json

LOCK = "lock"
WRITER = "writer.json"
"""Who holds the lock. A file of its own: Windows lets nobody read a locked one."""


class GalleryDamaged(UsageError):
    """A file of the gallery is not as it was written: one sentence that names it."""


@dataclass(frozen=True)
class FileEntry:
    """A file of a gallery as the header names it."""

    name: str
    bytes: int
    sha256: str


def write_durably(path: Path, write: Callable[[Path], None]) -> FileEntry:
    """Let ``write`` make the file, wait until its bytes are on the disk, and take its checksum."""
    write(path)
    sync_file(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(path.name, path.stat().st_size, digest)


def replace_durably(path: Path, write: Callable[[Path], None]) -> FileEntry:
    """As ``write_durably``, under a temporary name first: the file is the old one or the new one, never a part."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        entry = write_durably(part, write)
        replace_file(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)
    return FileEntry(path.name, entry.bytes, entry.sha256)


def damage(folder: Path, entry: FileEntry) -> str | None:
    """What is wrong with a file, in words that follow its name; None where it is as it was written."""
    path = folder / entry.name
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            return f"has {size} bytes, and {entry.bytes} were written"
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                return "has other bytes than were written"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None


def check_whole(folder: Path, entries: Iterable[FileEntry | None]) -> None:
    """Raise ``GalleryDamaged`` for the first file that is not as it was written.

    Whoever makes a new file of old ones asks this first: the new one's checksum would cover the damage up.
    """
    for entry in entries:
        wrong = None if entry is None else damage(folder, entry)
        if entry is not None and wrong is not None:
            raise GalleryDamaged(f"{folder / entry.name} {wrong}; the gallery is damaged.")


def load_array(path: Path) -> np.ndarray:
    """A ``.npy`` file, memory-mapped.

    Raises:
        OSError: it cannot be opened.
        GalleryDamaged: it holds no array, or objects.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # NumPy reads the header as Python's text, which fails in any way
        pass_on_lack_of_memory(error)
        raise GalleryDamaged(f"{path} is damaged; there is no array in it.") from error


def save_array(array: np.ndarray) -> Callable[[Path], None]:
    """A writer of ``array`` for ``write_durably``."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)

    return write


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Be the only writer of the gallery in ``folder``; the lock goes with the process, however that ends.

    Raises:
        UsageError: another process writes; the message says which, where and since when.
    """
    note = folder / WRITER
    with ExitStack() as stack:
        try:
            held = stack.enter_context(file_lock(folder / LOCK))
        except OSError as error:
            raise UsageError(f"{folder}: cannot write in this gallery ({error.strerror or error}).") from error
        if not held:
            raise UsageError(f"{folder} is being written by {_holder(note)}; try again when that has ended.")
        words = [Path(sys.argv[0]).name, *sys.argv[1:3]]
        holder = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "command": " ".join(words),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        with suppress(OSError):  # it serves the message alone
            note.write_text(json.dumps(holder), encoding="utf-8")
        yield


def _holder(note: Path) -> str:
    try:
        holder = parse_json(note.read_text(encoding="utf-8"))
        return f"process {holder['process']} on {holder['host']} ({holder['command']}) since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
