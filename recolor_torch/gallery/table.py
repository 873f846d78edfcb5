"""The table of pictures: one row a picture in a structured array, their paths in one string of bytes."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ROW = np.dtype(
    [
        ("id", "<i8"),
        ("size", "<i8"),
        ("mtime", "<i8"),
        ("sha256", "u1", 32),
        ("width", "<i4"),
        ("height", "<i4"),
        ("raw_file", "<i4"),
        ("raw_row", "<i4"),
        ("path_start", "<i8"),
        ("path_end", "<i8"),
        ("text_end", "<i8"),
    ]
)
"""``mtime`` is in nanoseconds; ``raw_file`` and ``raw_row`` say where the raw descriptor is. Captions follow a path, up
to ``text_end``, which older tables lack."""


@dataclass(frozen=True)
class Row:
    """A picture of a gallery.

    Args:
        path: relative to the gallery's folder where it can be, with ``/``.
        size: bytes of the file.
        mtime: its modification time, in nanoseconds.
        sha256: of its bytes, 32 bytes.
        width: pixels across, after EXIF orientation.
        height: pixels down.
        id: 0 or more, never given twice; -1 where there is none yet.
        raw_file: number of the file that holds the raw descriptor; -1 where it is not in a file yet.
        raw_row: its row there.
        text: what the file says of the picture: captions and keywords.
    """

    path: str
    size: int
    mtime: int
    sha256: bytes
    width: int
    height: int
    id: int = -1
    raw_file: int = -1
    raw_row: int = -1
    text: str = ""


class Table(Sequence[Row]):
    """Rows by position, read from the arrays only when they are asked for.

    Args:
        rows: structured array of ``ROW``; memory-mapped or not.
        paths: the paths' bytes (``os.fsencode``), each with its captions (UTF-8) behind it, uint8.
    """

    def __init__(self, rows: np.ndarray, paths: np.ndarray) -> None:
        self.rows = rows
        self.paths = paths

    @classmethod
    def empty(cls) -> "Table":
        """A table without pictures."""
        return cls(np.zeros(0, ROW), np.zeros(0, np.uint8))

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Table":
        """A table of ``rows`` in their order."""
        rows = list(rows)
        array = np.zeros(len(rows), ROW)
        parts, start = [], 0
        for i, row in enumerate(rows):
            path = os.fsencode(row.path)
            end = start + len(path)
            text = row.text.encode("utf-8", "replace")
            digest = np.frombuffer(row.sha256, np.uint8)
            array[i] = (
                row.id, row.size, row.mtime, digest, row.width, row.height, row.raw_file, row.raw_row, start, end,
                end + len(text),
            )  # fmt: skip
            parts += [path, text]
            start = end + len(text)
        return cls(array, np.frombuffer(b"".join(parts), np.uint8))

    def check(self, pictures: int) -> None:
        """Raise ``ValueError`` where this is no table of so many pictures."""
        shapes = self.rows.shape, self.rows.dtype, self.paths.ndim, self.paths.dtype
        if shapes != ((pictures,), ROW, 1, np.dtype(np.uint8)):
            raise ValueError("the table has another form")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self._row(self.rows[index])

    def __iter__(self) -> Iterator[Row]:
        for record in np.asarray(self.rows):
            yield self._row(record)

    def position(self, picture: int) -> int:
        """Where the picture with an id is; rows are in the order of ids. Touches a few pages only."""
        ids = self.rows["id"]
        low, high = 0, len(ids)
        while low < high:
            middle = (low + high) // 2
            if ids[middle] < picture:
                low = middle + 1
            else:
                high = middle
        if low == len(ids) or ids[low] != picture:
            raise KeyError(picture)
        return low

    def _row(self, record: np.void) -> Row:
        path = bytes(self.paths[record["path_start"] : record["path_end"]])
        text = b""
        if "text_end" in (record.dtype.names or ()):
            text = bytes(self.paths[record["path_end"] : record["text_end"]])
        return Row(
            os.fsdecode(path),
            int(record["size"]),
            int(record["mtime"]),
            bytes(record["sha256"]),
            int(record["width"]),
            int(record["height"]),
            int(record["id"]),
            int(record["raw_file"]),
            int(record["raw_row"]),
            text.decode("utf-8", "replace"),
        )
