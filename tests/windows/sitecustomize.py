"""Takes away from Python on Linux what Windows lacks, in each process that has this folder on PYTHONPATH
and RECOLOR_SIMULATE_WINDOWS in its environment.

It is a simulation: what Windows has of its own (drive letters, sharing of files, its console) is not here.
"""

import contextlib
import errno
import io
import multiprocessing
import os
import signal
import sys

_OURS = "recolor_torch"
_open, _fsync, _kill = os.open, os.fsync, os.kill


def _without_folders(path, flags, mode=0o777, **more):
    """``os.open`` of Windows: folders are no files, and text is not told from bytes without its flag."""
    if not isinstance(path, int) and os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
    caller = sys._getframe(1).f_globals.get("__name__", "")
    if caller.startswith(_OURS) and not flags & os.O_BINARY:
        raise AssertionError(f"{caller} opens {path} without O_BINARY")
    return _open(path, flags & ~os.O_BINARY, mode, **more)


def _sync_of_writers(handle):
    """``os.fsync`` of Windows takes handles that were opened for writing."""
    number = handle if isinstance(handle, int) else handle.fileno()
    with open(f"/proc/self/fdinfo/{number}") as file:
        flags = int(next(line for line in file if line.startswith("flags:")).split()[1], 8)
    if flags & 3 == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor")
    _fsync(handle)


def _no_question(process, number):
    """``os.kill`` of Windows ends a process whatever the signal."""
    if number == 0:
        raise AssertionError("os.kill(process, 0) would send Ctrl-C on Windows")
    _kill(process, number)


def _take_away():
    os.O_BINARY = 1 << 30
    os.open, os.fsync, os.kill = _without_folders, _sync_of_writers, _no_question
    for name in ("pread", "pwrite", "preadv", "pwritev", "sched_getaffinity", "getuid"):
        with contextlib.suppress(AttributeError):
            delattr(os, name)
    for name in ("SIGHUP", "SIGALRM", "SIGQUIT", "SIGTSTP"):
        with contextlib.suppress(AttributeError):
            delattr(signal, name)
    for name in ("fcntl", "resource", "pwd", "grp", "termios"):
        sys.modules[name] = None
    multiprocessing.set_start_method("spawn")
    # A console of Western Europe. Files keep UTF-8, as Python's own are opened with their encoding named.
    for stream in ("stdout", "stderr"):
        with contextlib.suppress(AttributeError, io.UnsupportedOperation):
            getattr(sys, stream).reconfigure(encoding="cp1252", errors="strict")


if os.environ.get("RECOLOR_SIMULATE_WINDOWS"):
    _take_away()
