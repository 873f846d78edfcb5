"""Files that last: written to the disk before anything names them, with checksums, under one writer's lock."""

import errno
import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recolor_torch.errors import UsageError

LOCK = "lock"


@dataclass(frozen=True)
class FileEntry:
    """A file of a gallery as the header names it."""

    name: str
    bytes: int
    sha256: str


def write_durably(path: Path, write: Callable[[Path], None]) -> FileEntry:
    """Let ``write`` make the file, wait until its bytes are on the disk, and take its checksum."""
    write(path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(path.name, path.stat().st_size, digest)


def replace_durably(path: Path, write: Callable[[Path], None]) -> FileEntry:
    """As ``write_durably``, under a temporary name first: the file is the old one or the new one, never a part."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        entry = write_durably(part, write)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)
    return FileEntry(path.name, entry.bytes, entry.sha256)


def sync_folder(folder: Path) -> None:
    """Wait until the names in ``folder`` are on the disk."""
    with suppress(OSError):  # some network folders cannot be synced
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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


def load_array(path: Path) -> np.ndarray:
    """A ``.npy`` file, memory-mapped."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


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
    try:
        import fcntl
    except ImportError as error:
        raise UsageError("Galleries can be read but not written on this system, which has no file locks.") from error
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UsageError(f"{folder}: cannot write in this gallery ({error.strerror}).") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise UsageError(f"{folder}: cannot lock this gallery ({error.strerror}).") from error
            raise UsageError(
                f"{folder} is being written by {_holder(handle)}; try again when that has ended."
            ) from error
        words = [Path(sys.argv[0]).name, *sys.argv[1:3]]
        note = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "command": " ".join(words),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(note).encode(), 0)
        yield
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    try:
        note = json.loads(os.pread(handle, 4096, 0))
        return f"process {note['process']} on {note['host']} ({note['command']}) since {note['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
