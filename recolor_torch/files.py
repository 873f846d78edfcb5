"""Files that appear under their name only when whole, and the hashes by which files are known."""

import hashlib
import os
import re
import socket
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from recolor_torch.system import is_alive, replace_file, sync_file, sync_folder

SUFFIX = ".recolor-part"
_TEMPORARY = re.compile(r"\.recolor-([0-9a-f]{8})-(\d+)-[a-z0-9_]+" + re.escape(SUFFIX) + r"$")
_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"


@contextmanager
def write_atomically(
    path: str | os.PathLike[str], *, fsync: bool = True, before_replace: Callable[[Path], None] | None = None
) -> Iterator[Path]:
    """Give a temporary path in the folder of ``path``, which takes its place when the block ends well.

    The temporary file is hidden (``.recolor-HOST-PROCESS-XXXXXXXX.recolor-part``) and removed where the block raises.
    An existing file is replaced in one step and keeps its permissions; a link is followed.

    Args:
        path: the file to write.
        fsync: wait until the bytes are on the disk, so that a power cut cannot leave an empty file.
        before_replace: called with the whole temporary file just before it takes the name.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with write_atomically(target) as part:
        ...     _ = part.write_text("whole")
        >>> target.read_text()
        'whole'
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(21, "Is a directory", str(path))
    handle, name = tempfile.mkstemp(prefix=f".recolor-{_HOST}-{os.getpid()}-", suffix=SUFFIX, dir=target.parent)
    os.close(handle)
    part = Path(name)
    try:
        _give_permissions(part, target)
        yield part
        if fsync:
            sync_file(part)
        if before_replace is not None:
            before_replace(part)
        replace_file(part, target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    if fsync:
        sync_folder(target.parent)


def write_bytes_atomically(path: str | os.PathLike[str], data: bytes, *, fsync: bool = True) -> None:
    """Write ``data`` to ``path``; the file is the old one or the new one, never a part."""
    with write_atomically(path, fsync=fsync) as part:
        part.write_bytes(data)


def remove_stale_parts(
    folder: str | os.PathLike[str], *, older_than: float = 3600.0, recursive: bool = False
) -> list[Path]:
    """Remove the temporary files that killed runs left in ``folder``.

    Args:
        folder: where pictures were written.
        older_than: seconds since the file last grew. Younger ones are removed where the process that made
            them ran on this computer and is no more.
        recursive: look into folders below too.

    Returns:
        The files that were removed.
    """
    removed = []
    for part in Path(folder).glob("**/.recolor-*" if recursive else ".recolor-*"):
        match = _TEMPORARY.search(part.name)
        if match is None or part.is_symlink():
            continue
        orphan = match[1] == _HOST and not is_alive(int(match[2]))
        with suppress(OSError):
            if orphan or time.time() - part.stat().st_mtime >= older_than:
                part.unlink()
                removed.append(part)
    return removed


def _give_permissions(part: Path, target: Path) -> None:
    """What the file had, else what a new file gets; mkstemp's own are for the owner alone."""
    try:
        mode = target.stat().st_mode & 0o777
    except OSError:
        mode = 0o666 & ~_umask()
    os.chmod(part, mode)


def _umask() -> int:
    """The process's mask; asking means setting it, which other threads would see, so Linux's note comes first."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached_file_hash(path: Path) -> str:
    """SHA-256 of a file that many targets share (a reference, a mask): read once, and again where it was changed."""
    status = os.stat(path)
    return _hash_as_of(os.path.abspath(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _hash_as_of(path: str, _size: int, _mtime_ns: int) -> str:
    return file_hash(Path(path))
