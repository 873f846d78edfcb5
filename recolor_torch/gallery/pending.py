"""What a run has computed and not yet made part of the gallery: one whole file for each checkpoint.

A run that is killed loses what came after its last checkpoint; the next one takes up what is here.
"""

import json
import uuid
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from recolor_torch.gallery.descriptor import DescriptorSpec
from recolor_torch.gallery.files import replace_durably
from recolor_torch.gallery.table import Row, Table

FOLDER = "pending"
_SUFFIX = ".npz"


@dataclass(frozen=True)
class Skipped:
    """A picture that is passed over until its file changes, or for ever where it was removed by hand.

    Args:
        path: relative to the gallery's folder where it can be.
        size: bytes of the file when it was tried.
        mtime: its modification time, in nanoseconds.
        reason: one sentence.
        removed: taken out by ``recolor gallery remove``; it comes back only when it is named itself.
    """

    path: str
    size: int
    mtime: int
    reason: str
    removed: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """One pending file: rows whose ``raw_row`` counts in it, and pictures that could not be read."""

    path: Path
    rows: list[Row]
    skipped: list[Skipped]

    def raw(self) -> np.ndarray:
        """The raw descriptors, (N, copies, D) float32."""
        with np.load(self.path, allow_pickle=False) as file:
            return file["raw"]


def write_checkpoint(
    folder: Path, spec: DescriptorSpec, rows: Sequence[Row], raw: np.ndarray, skipped: Sequence[Skipped]
) -> None:
    """Keep what was computed, in one file that appears only when whole.

    Args:
        folder: the gallery.
        spec: what the descriptors were computed by.
        rows: the pictures.
        raw: their descriptors, (N, copies, D) float32.
        skipped: pictures that could not be read.
    """
    if len(rows) != len(raw):
        raise ValueError(f"{len(rows)} pictures need as many descriptors, got {len(raw)}.")
    table = Table.of(rows)
    notes = json.dumps({"spec": asdict(spec), "skipped": [asdict(s) for s in skipped]})
    place = folder / FOLDER
    place.mkdir(exist_ok=True)

    def write(path: Path) -> None:
        with path.open("wb") as file:
            text = np.frombuffer(notes.encode("ascii"), np.uint8)
            np.savez(file, rows=table.rows, paths=table.paths, raw=raw, notes=text)

    replace_durably(place / f"{uuid.uuid4().hex}{_SUFFIX}", write)


def read_checkpoints(folder: Path, spec: DescriptorSpec) -> list[Checkpoint]:
    """The pending files that were computed by ``spec`` and are whole; others are of no use and are passed over."""
    found = []
    for path in sorted((folder / FOLDER).glob(f"*{_SUFFIX}")):
        if pending_damage(path) is not None:
            continue
        with np.load(path, allow_pickle=False) as file:
            notes = json.loads(file["notes"].tobytes())
            if DescriptorSpec.from_json(notes["spec"]) == spec:
                table = Table(file["rows"], file["paths"])
                rows = [replace(row, raw_row=i) for i, row in enumerate(table)]
                found.append(Checkpoint(path, rows, [Skipped(**s) for s in notes["skipped"]]))
    return found


def pending_damage(path: Path) -> str | None:
    """What is wrong with a pending file; None where it is whole. Its parts have checksums of their own."""
    try:
        with zipfile.ZipFile(path) as file:
            bad = file.testzip()
            return None if bad is None else f"has other bytes than were written in its part {bad}"
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        return f"is damaged ({' '.join(str(error).split())})"


def clear_pending(folder: Path) -> None:
    """Remove the pending files, which are part of the gallery now or of no use."""
    for path in (folder / FOLDER).glob("*"):
        with suppress(OSError):
            path.unlink()
    with suppress(OSError):
        (folder / FOLDER).rmdir()
