"""The run record: ``run.jsonl`` beside the outputs, a line a target, from which a later run resumes."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recolor_torch.errors import UsageError
from recolor_torch.paths import exists
from recolor_torch.system import BINARY

NAME = "run.jsonl"
# Looks at an end without a newline, and seconds between them: a line that is being written has it a moment later.
_LOOKS, _MOMENT = 5, 0.002
_lock = threading.Lock()


def append(folder: Path, entry: dict[str, Any]) -> None:
    """Add a line to the record of ``folder``.

    The line is one write to a file opened for appending: processes that share the folder do not mix
    their lines, and a kill leaves at most one broken line, which :func:`load` passes over.
    """
    line = json.dumps(entry, ensure_ascii=False, default=str) + "\n"
    handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND | BINARY, 0o666)
    try:
        with _lock:
            _write_whole(handle, "\n" + line if _ends_torn(handle) else line)
        os.fsync(handle)
    finally:
        os.close(handle)


def _ends_torn(handle: int) -> bool:
    """Whether the last line was cut short, by a kill or a full disk, and not just begun by another process."""
    for _ in range(_LOOKS):
        # Reading moves the position, which appending does not go by.
        if not os.fstat(handle).st_size or os.lseek(handle, -1, os.SEEK_END) < 0 or os.read(handle, 1) == b"\n":
            return False
        time.sleep(_MOMENT)
    return True


def _write_whole(handle: int, line: str) -> None:
    """Write all bytes of a line; a disk that fills up takes a part of them, and says so at the next try alone."""
    try:
        data = line.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, from a JSON file: written as JSON's escape
        data = b"\n" * line.startswith("\n") + json.dumps(json.loads(line)).encode("ascii") + b"\n"
    while data:
        data = data[os.write(handle, data) :]


def load(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The lines about each output in the record of ``folder``, oldest first, by the output's path; {} without one."""
    entries: dict[str, list[dict[str, Any]]] = {}
    try:
        for entry in _lines(folder / NAME):
            if isinstance(entry, dict) and isinstance(entry.get("output"), str):
                entries.setdefault(entry["output"], []).append(entry)
    except OSError as error:
        raise UsageError(f"{folder / NAME}: cannot read the run record ({error.strerror}).") from error
    return entries


def _lines(path: Path) -> Iterator[Any]:
    if not exists(path):
        return
    with path.open("rb") as file:
        for line in file:
            try:
                yield json.loads(line.decode("utf-8", "surrogateescape"))
            except (ValueError, RecursionError):
                continue  # what a kill cut short, or what is no line of ours


def settings_hash(settings: dict[str, Any]) -> str:
    """SHA-256 of settings, whatever their order."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
