"""From what the user names (files, globs, folders, lists, pairs) to the list of targets."""

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recolor_torch.errors import UsageError
from recolor_torch.paths import as_path, exists, is_file, show_path
from recolor_torch.pictures.folders import Search, find_pictures
from recolor_torch.run.description import check_text
from recolor_torch.text import parse_json, read_text, short

# Columns of a table that a message names.
MOST_NAMED = 8
_JSON = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True)
class Target:
    """A picture to recolor.

    Args:
        path: the file.
        relative: where its output lies below the output folder, as a path with the target's own name.
        references: pictures for this target alone (a list of pairs names them), else empty.
        hints: hints for this target alone, else None.
        reference_masks: masks of ``references``; none where empty.
        look: what sets this result apart from others of the same target; it is put behind the name.
        text: colors for things for this target alone, else None.
    """

    path: Path
    relative: Path
    references: tuple[Path, ...] = ()
    hints: Path | None = None
    reference_masks: tuple[Path, ...] = ()
    look: str = ""
    text: str | None = None


def find_targets(names: list[str], skip: Path | None = None) -> list[Target]:
    """The pictures that files, globs and folders name, as targets; see :func:`find_pictures`."""
    return targets_of(find_pictures(names, skip))


def targets_of(search: Search) -> list[Target]:
    """What a search found, as targets; equal names from two folders get their folders in front."""
    targets = [Target(file, relative) for file, relative in search.files]
    return with_folders_back(targets, search.roots)


def one_each(targets: list[Target], references: tuple[Path, ...], masks: tuple[Path, ...]) -> list[Target]:
    """Each target once for each reference, with the name of the reference behind its own.

    Args:
        targets: the targets.
        references: pictures whose colors are wanted; where two have one name, all are numbered.
        masks: masks of the references, or none.
    """
    stems = [r.stem for r in references]
    numbered = len({s.casefold() for s in stems}) < len(stems)
    looks = [f"{i}_{stem}" if numbered else stem for i, stem in enumerate(stems, start=1)]
    return [
        replace(target, references=(reference,), reference_masks=masks[i : i + 1], look=look)
        for target in targets
        for i, (reference, look) in enumerate(zip(references, looks))
    ]


def with_folders_back(targets: list[Target], roots: list[Path]) -> list[Target]:
    """The targets with places of their own: where two folders hold one name, all of both get their folders in front.

    Args:
        targets: the targets.
        roots: for each the folder that its place counts from, or the file itself where that was named.
    """
    places: dict[str, set[Path]] = {}
    for target, root in zip(targets, roots):
        places.setdefault(_place(target.relative), set()).add(root)
    shared: set[Path] = set().union(*(found for found in places.values() if len(found) > 1))
    if not shared:
        return targets
    folders = [(root.parent if root == t.path else root).absolute().parts[1:] for t, root in zip(targets, roots)]
    for depth in range(1, max(map(len, folders)) + 1):
        named = [
            replace(t, relative=Path(*folder[-depth:], t.relative)) if root in shared else t
            for t, root, folder in zip(targets, roots, folders)
        ]
        if len({_place(t.relative) for t in named}) == len({(_place(t.relative), r) for t, r in zip(named, roots)}):
            return named
    return targets


def _place(relative: Path) -> str:
    """Names that differ in case alone are one file on some disks; the kind of file may be changed by --ext."""
    return relative.with_suffix("").as_posix().casefold()


def read_list(path: Path) -> list[str]:
    """The names in a text file, a line each; empty lines and lines that open with ``#`` are left out.

    Relative names are looked for from the current folder, then from the list's own.
    """
    try:
        lines = read_text(path).split("\n")
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot read the list {path}: {_reason(error)}.") from error
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return [str(_beside(as_path(name), path)) for name in names]


def read_pairs(path: Path) -> list[Target]:
    """Targets with their own references, from a table with the columns target, reference[, hints][, text].

    A table is CSV as any spreadsheet writes it (commas, semicolons or tabs, a first line ``sep=;``, UTF-8 or UTF-16,
    blank rows), JSONL, or a JSON list of objects. Capitals and spaces in the names of columns do not matter. A target
    that stands on several lines has several references. Relative paths are looked for from the current folder, then
    from the file's own.

    Raises:
        UsageError: the file cannot be read, a column is missing, or a file that it names does not exist.
    """
    targets: dict[Path, Target] = {}
    for where, row in _rows(path):
        names = {column: _names(row.get(column), column, where) for column in ("target", "reference", "hints")}
        text = _text(row.get("text"), where)
        if not names["target"] or not (names["reference"] or names["hints"] or text):
            raise UsageError(f"{where}: needs a target, and a reference, hints or a text.")
        if len(names["target"]) > 1 or len(names["hints"]) > 1:
            raise UsageError(f"{where}: a line has one target and one file of hints.")
        target = _existing(names["target"][0], path, where)
        hints = _existing(names["hints"][0], path, where) if names["hints"] else None
        old = targets.get(target.absolute(), Target(target, Path(target.name)))
        new = (*old.references, *(_existing(r, path, where) for r in names["reference"]))
        targets[target.absolute()] = Target(target, old.relative, new, hints or old.hints, text=text or old.text)
    if not targets:
        raise UsageError(
            f"{show_path(path)}: there are no pairs in it; the first line names the columns, as target,reference."
        )
    found = list(targets.values())
    return with_folders_back(found, [t.path for t in found])


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of a table that are not blank, by column, and where each is, in words."""
    try:
        text = read_text(path)
    except ValueError as error:
        way_out = "; spreadsheets save such a table as CSV UTF-8" if path.suffix.lower() not in _JSON else ""
        raise UsageError(f"Cannot read the pairs {show_path(path)}: {_reason(error)}{way_out}.") from error
    except OSError as error:
        raise UsageError(f"Cannot read the pairs {show_path(path)}: {_reason(error)}.") from error
    if path.suffix.lower() in _JSON:
        yield from _json_rows(path, text)
    else:
        yield from _csv_rows(path, text)


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if text.lstrip().startswith("["):
        parts = [("", text)]
    else:
        lines = enumerate(text.split("\n"), start=1)
        parts = [(f", line {number}", line) for number, line in lines if line.strip()]
    for place, part in parts:
        where = f"{show_path(path)}{place}"
        try:
            value = parse_json(part)
        except ValueError as error:
            raise UsageError(f"Cannot read the pairs {where}: {error}.") from error
        for number, row in enumerate(value if isinstance(value, list) else [value], start=1):
            one = where if place else f"{where}, entry {number}"
            if not isinstance(row, dict):
                raise UsageError(f"{one}: an entry must be an object with the key target, got {short(row)}.")
            yield one, {_column(key): cell for key, cell in row.items()}


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    lines = text.splitlines()
    skipped, separator = 0, ""
    while lines and not lines[0].strip(" ,;\t"):
        lines, skipped = lines[1:], skipped + 1
    if lines and (mark := re.fullmatch(r"\s*\"?sep=(.)\"?\s*", lines[0], re.IGNORECASE)):
        lines, skipped, separator = lines[1:], skipped + 1, mark[1]
    if not lines:
        return
    # The separator is what parts the names of the columns.
    separator = separator or max(("\t", ";", ",", "|"), key=lines[0].count)
    table = csv.reader(lines, delimiter=separator, skipinitialspace=separator != "\t")
    line = 0
    try:
        columns = [_column(name) for name in next(table)]
        if "target" not in columns or not {"reference", "hints"} & set(columns):
            word = {"\t": "a tab", ",": "a comma", ";": "a semicolon"}.get(separator, repr(separator))
            seen = ", ".join(short(name)[1:-1] for name in columns[:MOST_NAMED])
            seen += f" and {len(columns) - MOST_NAMED} more" if len(columns) > MOST_NAMED else ""
            raise UsageError(
                f"{show_path(path)}, line {skipped + 1}: needs the columns target and reference (or hints); "
                f"the columns are {seen or 'none'}, parted by {word}."
            )
        for row in table:
            line = table.line_num
            if any(cell.strip() for cell in row):
                yield f"{show_path(path)}, line {skipped + line}", dict(zip(columns, row))
    except csv.Error as error:  # of the line after the last that was read
        where = f"{show_path(path)}, line {skipped + line + 1}"
        raise UsageError(f"Cannot read the pairs {where}: {_reason(error)}.") from error


def _column(name: object) -> str:
    return str(name).strip(" \t\ufeff\"'").casefold()


def _names(value: Any, column: str, where: str) -> list[str]:
    """The file names of a cell: none, one, or a list of them (JSONL)."""
    names = value if isinstance(value, list) else [] if value is None or value == "" else [value]
    for name in names:
        if not isinstance(name, str):
            raise UsageError(f"{where}: {column} must be the name of a file, got {short(name)}.")
    return [name.strip() for name in names if name.strip()]


def _text(value: Any, where: str) -> str | None:
    """A cell of text, checked; None where it is empty."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise UsageError(f"{where}: text must be text, got {short(value)}.")
    if not value.strip():
        return None
    try:
        check_text(value)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    return value


def _existing(name: str, file: Path, where: str) -> Path:
    try:
        # Some systems write letters with accents in one sign, some in two; a table may come from the other kind.
        for form in (name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)):
            path = _beside(as_path(form), file)
            if is_file(path):
                return path
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    raise UsageError(f"{where}: no such file: {show_path(name)}.")


def _beside(path: Path, file: Path) -> Path:
    return path if path.is_absolute() or exists(path) else file.parent / path


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split())
