"""What Linux, macOS and Windows do each in its own way, at one door."""

import _thread
import ctypes
import gc
import mmap
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import BytesIO
from pathlib import Path, PureWindowsPath
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

BINARY = getattr(os, "O_BINARY", 0)
"""Flag of ``os.open``: without it Windows writes a carriage return before each line feed."""

HELD = (5, 32)
"""Windows' errors for a file that another program has open: access denied, sharing violation."""

PATIENCE = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between tries to replace a file that a virus scanner or a viewer holds, which lets go of most soon."""


M_MMAP_THRESHOLD = -3
"""Of mallopt: bytes from which a block is the system's own."""

BLOCK = 4 << 20

STACK = 10 << 20
"""Bytes of a thread: the stack that systems give it, 8 MB, and what Python and the C library keep for it."""

_NO_MEMORY = (
    "not enough memory",
    "out of memory",
    "can't allocate memory",  # torch on a CPU
    "cannot allocate memory",  # the system
    "bad_alloc",  # libraries in C++
    "failed to map segment",  # the loader of libraries
    "can't start new thread",
    "could not create a memory object",  # oneDNN
)

_NO_REASON = ("error return without exception set", "returned null without setting an exception")
"""What Python says of a library in C that failed and did not say why: one that got no memory (seen of PyAV)."""


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory: each library has a type and words of its own for that."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    if text == "could not create a primitive":  # oneDNN, which says "primitive descriptor" where it knows no way
        return True
    if isinstance(error, SystemError):
        return any(words in text for words in _NO_REASON)
    return isinstance(error, (RuntimeError, OSError, ImportError, ValueError)) and any(w in text for w in _NO_MEMORY)


def pass_on_lack_of_memory(error: BaseException) -> None:
    """``MemoryError`` where an error says that memory lacks: for handlers that take any other for damaged bytes."""
    if lacks_memory(error):
        raise MemoryError(str(error)) from error


@cache
def _exceptions() -> Callable[[], object]:
    """What gives a thread its place for exceptions of C++."""
    try:
        return ctypes.CDLL("libstdc++.so.6")["__cxa_get_globals"]
    except (OSError, AttributeError):  # other systems have other libraries
        return lambda: None


def prepare_thread() -> None:
    """Give this thread now what it takes to throw an exception in C++, as torch does where memory lacks.

    A thread gets that with the first exception otherwise, and glibc ends the process where memory lacks for it.
    """
    with suppress(MemoryError):
        _exceptions()()


def start_threads(count: int) -> "ThreadPoolExecutor":
    """A pool whose threads run and are prepared already: where memory lacks, Python waits for ever for one to start.

    Raises:
        MemoryError: there is not enough for them.
    """
    from concurrent.futures import ThreadPoolExecutor  # many a command needs none of it

    try:
        mmap.mmap(-1, count * STACK).close()  # address space alone, for a moment
    except OSError as error:
        raise MemoryError(f"no room for {count} threads") from error
    pool, met = ThreadPoolExecutor(count, initializer=prepare_thread), threading.Barrier(count)
    try:
        for _ in range(count):
            pool.submit(met.wait)  # or one thread would do for all
    except BaseException:
        met.abort()
        pool.shutdown()
        raise
    return pool


@cache
def give_memory_back() -> None:
    """Let arrays of some megabytes go back to the system when they are freed, from now on.

    The C library of Linux keeps what it got in blocks of up to 32 MB for the next that ask, between which there are
    holes: a large scan, whose working copies have that size, took 200 MB more at its peak.
    """
    with suppress(OSError, AttributeError, TypeError):  # it is of glibc alone
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, BLOCK)


def return_heap() -> None:
    """Return what was freed to the system, as far as it lies in whole pages.

    At the exit of a process torch's libraries touch 130 MB of their own: what nobody needs any more is then on top.
    """
    with suppress(OSError, AttributeError, TypeError):  # it is of glibc alone
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def without_collecting() -> Iterator[None]:
    """No search for garbage in the block, which imports torch, and none ever among what that made.

    A million objects come to life, and a search among them all, of which there are several, takes a tenth of a second.
    Where torch is there already, the block just runs.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if "torch" in sys.modules:
            gc.freeze()
        gc.enable()


def file_in_memory() -> IO[bytes]:
    """A file to write and read that is on no disk.

    Where the system has such files it is one of them, and no ``BytesIO``: into a file that the system knows Pillow
    encodes without Python's lock, for which all other threads would have to wait, the one that feeds a GPU too.
    """
    if not hasattr(os, "memfd_create"):
        return BytesIO()
    return open(os.memfd_create("recolor_torch"), "w+b")


def sync_file(path: Path) -> None:
    """Wait until the bytes of a file are on the disk."""
    try:
        handle = os.open(path, os.O_RDWR | BINARY)  # Windows syncs no handle that was opened for reading
    except PermissionError:
        handle = os.open(path, os.O_RDONLY | BINARY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where folders can be opened and synced."""
    with suppress(OSError):  # not on Windows, nor in some network folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def replace_file(part: Path, target: Path) -> None:
    """``os.replace``, tried for a while where another program holds the file.

    Raises:
        OSError: it is held still, or cannot be replaced at all.
    """
    for seconds in PATIENCE:
        try:
            os.replace(part, target)
            return
        except PermissionError as error:
            if getattr(error, "winerror", None) not in HELD:
                raise
        time.sleep(seconds)
    os.replace(part, target)


def is_alive(process: int) -> bool:
    """Whether a process of this computer runs; where that cannot be asked for, it is taken to."""
    if os.name == "nt":  # its os.kill ends a process, or sends it Ctrl-C
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is somebody else's
    return True


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP stop what runs in the block as Ctrl-C does; a second one ends the process at once.

    An interruption that came while Python ran a callback which cannot fail (of a weak reference, a ``__del__``) is
    dropped there; it is raised again behind it. A signal that is ignored (by ``nohup``) stays so. Only the main thread
    can do this; in others the block just runs.
    """

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    def again(dropped: "sys.UnraisableHookArgs") -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.default_int_handler)
            returned = threading.Event()

            def interrupt() -> None:
                returned.wait()  # before, it would be raised, and dropped, in here
                time.sleep(0.01)
                _thread.interrupt_main()

            threading.Thread(target=interrupt, daemon=True).start()  # this waits for the thread to run
            returned.set()
        else:
            hook(dropped)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [(n, signal.getsignal(n)) for n in numbers if signal.getsignal(n) == signal.SIG_DFL]
    hook, sys.unraisablehook = sys.unraisablehook, again
    for number, _ in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before:
            signal.signal(number, handler)


def let_threads_sleep() -> None:
    """Threads of OpenMP that have nothing to do sleep, unless the user says otherwise; to be called before torch comes.

    By default they spin, which takes the cores from every other process and from the program's own readers and
    writers: on a busy machine of two cores a picture then took two to four times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def usable_cores() -> int:
    """Processor cores that this process may use, 1 or more."""
    ask = getattr(os, "sched_getaffinity", None)
    return len(ask(0)) if ask else os.cpu_count() or 1


def reserved_part(path: Path) -> str | None:
    """The part of a path that Windows takes for a device or cannot hold, such as ``AUX.png``; None elsewhere."""
    if os.name != "nt":
        return None
    return next((part for part in path.parts if is_reserved(part)), None)


def is_reserved(name: str) -> bool:
    """Whether Windows has no files of this name.

    Example:
        >>> [is_reserved(name) for name in ("aux.png", "com1", "a?.png", "end.", "auxiliary.png")]
        [True, True, True, True, False]
    """
    if name != name.rstrip(". ") and name.strip(".") != "":
        return True
    devices = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
    is_drive = bool(PureWindowsPath(name).anchor)
    return not is_drive and (name.partition(".")[0].rstrip().upper() in devices or any(c in name for c in '<>:"|?*'))


@contextmanager
def file_lock(path: Path) -> Iterator[bool]:
    """Hold the lock of a file while the block runs, if no other process does; the lock ends with the process.

    Args:
        path: the lock's file, which is made. It holds nothing: Windows lets no other process read it.

    Yields:
        Whether the lock is held.

    Raises:
        OSError: the file cannot be made or locked at all.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0, mode=0o666)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
