"""The header: the one small file whose renaming makes a new state of the gallery the gallery."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recolor_torch.errors import UsageError
from recolor_torch.gallery.descriptor import DescriptorSpec
from recolor_torch.gallery.files import FileEntry, replace_durably
from recolor_torch.gallery.files import GalleryDamaged as GalleryDamaged
from recolor_torch.paths import exists, kind_of
from recolor_torch.text import parse_json

NAME = "gallery.json"
VERSION = 1


@dataclass(frozen=True)
class Header:
    """What the gallery is at one moment, and which files hold it.

    Args:
        spec: layers, pooling, preprocessing and the weights' digest.
        sources: folders, files and globs that are looked through by an update, relative to the gallery.
        generation: counts the states; 0 before the first is whole.
        pictures: how many there are.
        next_id: no id from here on was ever given.
        raw_dimension: numbers in a raw descriptor.
        dimension: numbers in a vector of the index.
        metric: always ``cosine``: inner product of unit vectors.
        factory: faiss's name for the kind of index, as ``Flat`` or ``IVF4096,Flat``.
        nprobe: lists that are searched of an inverted file; None for other kinds.
        whitened_on: pictures that whitening was fitted on; 0 where it is that of this package, or there is none.
        table, paths, skipped, index, whitening: files; the last two None where there is none.
        words: file of the full-text index; None where there is none, as in older galleries.
        raw: files of raw descriptors by number.
        version: of this format.
    """

    spec: DescriptorSpec
    sources: tuple[str, ...]
    generation: int = 0
    pictures: int = 0
    next_id: int = 0
    raw_dimension: int = 0
    dimension: int = 0
    metric: str = "cosine"
    factory: str = "Flat"
    nprobe: int | None = None
    whitened_on: int = 0
    table: FileEntry | None = None
    paths: FileEntry | None = None
    skipped: FileEntry | None = None
    index: FileEntry | None = None
    whitening: FileEntry | None = None
    words: FileEntry | None = None
    raw: dict[int, FileEntry] = field(default_factory=dict)
    version: int = VERSION

    @property
    def vectors(self) -> int:
        """Rows of the index."""
        return self.pictures * self.spec.copies

    def files(self) -> list[FileEntry]:
        """All files that belong to this state."""
        single = (self.table, self.paths, self.skipped, self.index, self.whitening, self.words)
        return [entry for entry in (*single, *self.raw.values()) if entry is not None]


def write_header(folder: Path, header: Header) -> None:
    """Make ``header`` the state of the gallery, in one rename."""
    entry = asdict(header)
    entry["raw"] = {str(number): file for number, file in entry["raw"].items()}  # as JSON has it, and its checksum
    text = json.dumps({**entry, "checksum": _checksum(entry)}, indent=1) + "\n"
    replace_durably(folder / NAME, lambda path: _write_text(path, text))


def read_header(folder: Path) -> Header:
    """The state of the gallery in ``folder``.

    Raises:
        UsageError: there is no gallery, or it is of a newer version.
        GalleryDamaged: the header is not as it was written.
    """
    path = folder / NAME
    kind_of(path)  # a name that no file can have is one sentence
    try:
        entry = parse_json(path.read_text(encoding="ascii"))
    except FileNotFoundError as error:
        what = "there is no such folder" if not exists(folder) else "there is no gallery in this folder"
        raise UsageError(f"{folder}: {what}; make one with recolor gallery build.") from error
    except NotADirectoryError as error:
        raise UsageError(f"{folder}: a gallery is a folder, and this is a file.") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot read this file ({error.strerror}).") from error
    except ValueError as error:
        raise GalleryDamaged(f"{path}: the header is damaged; it is no JSON.") from error
    if isinstance(entry, dict) and isinstance(entry.get("version"), int) and entry["version"] > VERSION:
        raise UsageError(f"{path}: this gallery has format {entry['version']}, and {VERSION} is the newest known here.")
    try:
        if entry.pop("checksum") != _checksum(entry):
            raise ValueError("its checksum does not fit")
        return _from_json(entry)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise GalleryDamaged(f"{path}: the header is damaged; it has other contents than were written.") from error


def _from_json(entry: dict[str, Any]) -> Header:
    entry["spec"] = DescriptorSpec.from_json(entry["spec"])
    entry["sources"] = tuple(entry["sources"])
    for name in ("table", "paths", "skipped", "index", "whitening", "words"):
        entry[name] = None if entry.get(name) is None else FileEntry(**entry[name])
    entry["raw"] = {int(number): FileEntry(**file) for number, file in entry["raw"].items()}
    return Header(**entry)


def _checksum(entry: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")
