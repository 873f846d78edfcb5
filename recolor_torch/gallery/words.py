"""Pictures by words: names, captions and keywords in a full-text index of SQLite (FTS5)."""

import re
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from recolor_torch.errors import UsageError
from recolor_torch.gallery.table import Row

# Names count more than captions, and the nearest folders more than those above.
_WEIGHTS = (4.0, 2.0, 3.0)
_TABLE = (
    "CREATE VIRTUAL TABLE words USING fts5(name, folders, text, content='', detail=none, columnsize=1, "
    "tokenize='porter unicode61 remove_diacritics 2')"
)
FOLDERS = 3
"""So many folders above a picture are words of it: those further up are of the whole collection."""

# The file appears under its name only when it is whole and on the disk.
_QUICK = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
_SMALL = {"a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"}


@dataclass(frozen=True)
class Found:
    """Pictures by words.

    Args:
        ids: the pictures, the best first.
        missing: words that no picture has.
        all: whether each picture has all of the words that any has.
    """

    ids: tuple[int, ...]
    missing: tuple[str, ...] = ()
    all: bool = True


def split_words(text: str) -> list[str]:
    """Words of a name or of a person: parted at signs, at capitals inside, and between letters and digits.

    Example:
        >>> split_words("SunsetBeach_2019-07.jpg")
        ['Sunset', 'Beach', '2019', '07', 'jpg']
    """
    parted = re.sub(r"(?<=[a-z\u00df-\u00ff])(?=[A-Z\u00c0-\u00de])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", text)
    return re.findall(r"[^\W_]+", parted)


def write_words(path: Path, rows: Iterable[Row]) -> None:
    """Write the index of some pictures as a file of SQLite.

    Raises:
        sqlite3.Error: this Python's SQLite knows no full-text index.
    """
    with closing(sqlite3.connect(path)) as base:
        _fill(base, rows)


def change_words(old: Path, path: Path, gone: Iterable[Row], fresh: Iterable[Row]) -> None:
    """Write the index of a file with some rows taken out, as they were when they came in, and others put in."""
    shutil.copyfile(old, path)
    columns = "rowid, name, folders, text"
    with closing(sqlite3.connect(path)) as base:
        base.executescript(_QUICK)
        out = f"INSERT INTO words(words, {columns}) VALUES ('delete', ?, ?, ?, ?)"
        base.executemany(out, map(_entry, gone))
        base.executemany(f"INSERT INTO words({columns}) VALUES (?, ?, ?, ?)", map(_entry, fresh))
        base.commit()


def search_words(path: Path | None, rows: Iterable[Row], words: str) -> Found:
    """Pictures of a gallery that words fit.

    Those that have all words, by how well they fit; where there are none, those that have most of them. The ending of
    an English word does not count, nor do capitals and accents.

    Args:
        path: the index; made of ``rows`` where the gallery has none.
        rows: the pictures.
        words: what is looked for.

    Raises:
        UsageError: there are no words in ``words``, or this Python's SQLite knows no full-text index.
    """
    wanted = list(dict.fromkeys(w.lower() for w in split_words(words)))
    wanted = [w for w in wanted if w not in _SMALL] or wanted
    if not wanted:
        raise UsageError(f"There are no words to look for in {words!r}.")
    try:
        place = "file::memory:" if path is None else f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(place, uri=True)) as base:
            if path is None:
                _fill(base, rows)
            return _find(base, wanted)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite's message on a damaged file may quote the damage
        reason = "the file is damaged" if isinstance(error, UnicodeDecodeError) else error
        raise UsageError(f"Words cannot be looked for: {reason}.") from error


def _fill(base: sqlite3.Connection, rows: Iterable[Row]) -> None:
    base.executescript(f"{_QUICK} {_TABLE};")
    base.executemany("INSERT INTO words(rowid, name, folders, text) VALUES (?, ?, ?, ?)", map(_entry, rows))
    base.execute("INSERT INTO words(words) VALUES ('optimize')")
    base.commit()


def _entry(row: Row) -> tuple[int, str, str, str]:
    *above, name = row.path.split("/")
    folders = [part for part in above[-FOLDERS:] if part not in ("..", ".")]
    return row.id, _joined(name.rpartition(".")[0] or name), _joined(" ".join(folders)), _joined(row.text)


def _joined(text: str) -> str:
    """The words of a text, and in front of them the text as it is written: "McDonald" is found by either."""
    text = text.encode("utf-8", "replace").decode()  # names may hold bytes that are no text
    return f"{text.replace('_', ' ')} {' '.join(split_words(text))}" if text else ""


def _find(base: sqlite3.Connection, wanted: Sequence[str]) -> Found:
    sets = [_with(base, word) for word in wanted]
    missing = tuple(word for word, ids in zip(wanted, sets) if not ids)
    there = [(word, ids) for word, ids in zip(wanted, sets) if ids]
    if not there:
        return Found((), missing, False)
    common = set.intersection(*(ids for _, ids in there))
    counts: dict[int, int] = {}
    for _, ids in there:
        for i in ids:
            counts[i] = counts.get(i, 0) + 1
    query = " OR ".join(f'"{word}"' for word, _ in there)
    weights = ", ".join(map(str, _WEIGHTS))
    ranked = base.execute(
        f"SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words, {weights}), rowid", (query,)
    )
    order = [i for (i,) in ranked if not common or i in common]
    most = max(counts[i] for i in order)
    return Found(tuple(i for i in order if counts[i] == most), missing, bool(common))


def _with(base: sqlite3.Connection, word: str) -> set[int]:
    return {i for (i,) in base.execute("SELECT rowid FROM words WHERE words MATCH ?", (f'"{word}"',))}
