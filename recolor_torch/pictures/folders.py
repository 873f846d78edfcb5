"""Pictures in folders: which files a name, a glob or a folder stands for, and what was passed over."""

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from recolor_torch.errors import UsageError
from recolor_torch.paths import as_path, exists, is_folder, printable, show_path
from recolor_torch.pictures.opening import picture_suffixes
from recolor_torch.pictures.previews import RAW_SUFFIXES

LOG = logging.getLogger("recolor_torch")
# Folders in which systems and programs keep small copies and litter.
_LITTER = {"@eadir", "__macosx", "#recycle", "$recycle.bin", "lost+found", ".thumbnails", ".picasaoriginals"}
_NEED_HEIF = "HEIC, which takes pillow-heif: pip install 'recolor-torch[heif]'"
# Files that a person may take for pictures, and why they are none here. Other files are passed over in silence.
_KINDS = {
    **dict.fromkeys((".heic", ".heif", ".hif"), _NEED_HEIF),
    ".jxl": "JPEG XL, which takes pillow-jxl-plugin: pip install 'recolor-torch[jxl]'",
    **dict.fromkeys(sorted(RAW_SUFFIXES), "camera raw: develop it first"),
    **dict.fromkeys((".pdf", ".ps", ".eps", ".ai", ".svg", ".wmf", ".emf", ".psb", ".xcf", ".djvu"), "no photographs"),
    **dict.fromkeys((".h5", ".hdf", ".grib", ".bufr"), "no photographs"),
}
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")


@dataclass
class Search:
    """What a search came to.

    Args:
        files: each picture with its place below the folder or glob that named it.
        roots: for each of them what was named: a folder, the folder of a glob, or the picture itself.
        closed: folders that may not be read.
        passed: files and folders that were passed over, by the reason.
    """

    files: list[tuple[Path, Path]] = field(default_factory=list)
    roots: list[Path] = field(default_factory=list)
    closed: list[Path] = field(default_factory=list)
    passed: dict[str, list[Path]] = field(default_factory=dict)

    def pass_over(self, why: str, path: Path) -> None:
        """Note what is not looked at."""
        self.passed.setdefault(why, []).append(path)

    @property
    def notes(self) -> list[str]:
        """What a person should know of the search, a sentence each."""
        said = [f"{show_path(folder)}: no permission to look into this folder." for folder in self.closed]
        return said + [f"Passed over ({why}): {_some(paths)}." for why, paths in self.passed.items()]


def find_pictures(names: Iterable[str], skip: Path | None = None) -> Search:
    """The pictures that files, globs and folders name, each once, in natural order (frame_2 before frame_10).

    What is passed over is said in the log.

    Args:
        names: files, folders (searched with all their subfolders, hidden ones left out; files with a
            suffix that Pillow reads), or globs that the shell left as they are.
        skip: a folder whose pictures are not targets: the output folder where it lies in a target folder.

    Raises:
        UsageError: a name stands for nothing.
    """
    search = Search()
    seen = set()
    for name in names:
        path = as_path(name)
        root = path
        if is_folder(path):
            files = _pictures_in(path, skip, search)
            if not files and path not in search.closed:
                more = f" {' '.join(search.notes)}" if search.notes else ""
                raise UsageError(f"No pictures in the folder {show_path(path)}.{more}")
        elif exists(path):
            files = [(path, Path(path.name))]
        elif re.search(r"[*?\[]", os.fspath(name)):
            files, root = _glob(path)
            if not files:
                raise UsageError(f"No files match {show_path(name)}.")
        else:
            raise UsageError(f"No such file or folder: {show_path(name)}.")
        for file, relative in files:
            whole = file.absolute()
            if whole not in seen:
                seen.add(whole)
                search.files.append((file, relative))
                search.roots.append(root)
    if search.closed and not search.files:
        raise UsageError(" ".join(search.notes))
    for note in search.notes:
        LOG.warning(note)
    return search


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key in which numbers count as numbers."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]


def _pictures_in(folder: Path, skip: Path | None, search: Search) -> list[tuple[Path, Path]]:
    suffixes = picture_suffixes()
    skipped = None if skip is None or skip.absolute() == folder.absolute() else skip.absolute()
    files = []

    def closed(error: OSError) -> None:
        search.closed.append(Path(error.filename))

    for place, folders, names in os.walk(folder, onerror=closed):
        here = Path(place)
        kept = []
        for name in sorted(folders):
            inner = here / name
            if name.lower() in _LITTER or name.startswith("."):
                search.pass_over(
                    "small copies and trash that programs keep" if name.lower() in _LITTER else "hidden folders", inner
                )
            elif inner.is_symlink():
                search.pass_over("linked folders: name them to have them", inner)
            elif not name.endswith(".stages") and inner.absolute() != skipped:  # what --save-stages put beside results
                kept.append(name)
        folders[:] = kept
        for name in names:
            file = here / name
            suffix = file.suffix.lower()
            if name.startswith(".") or not (suffix in suffixes or suffix in _KINDS):
                continue
            if suffix in suffixes or _is_picture_by_bytes(file):
                if os.path.isfile(file):
                    files.append(file)
                else:
                    search.pass_over("links that lead nowhere" if file.is_symlink() else "pipes and devices", file)
            else:
                search.pass_over(_KINDS[suffix], file)
    return sorted(((f, f.relative_to(folder)) for f in files), key=lambda found: natural_key(found[1]))


def _is_picture_by_bytes(file: Path) -> bool:
    """Phones give JPEGs the name of HEIC, and the other way round."""
    try:
        with file.open("rb") as opened:
            return opened.read(8).startswith(_MAGIC)
    except OSError:
        return False


def _glob(full: Path) -> tuple[list[tuple[Path, Path]], Path]:
    parts = full.parts
    first = next(i for i, part in enumerate(parts) if re.search(r"[*?\[]", part))
    base = Path(*parts[:first]) if first else Path()
    suffixes = picture_suffixes()
    try:
        found = list(base.glob(str(Path(*parts[first:]))))
    except (OSError, ValueError):  # a folder on the way may not be read, or the pattern is none
        found = []
    files = [f for f in found if os.path.isfile(f) and f.suffix.lower() in suffixes]
    inner = [(f, f.relative_to(base)) for f in sorted(files, key=natural_key)]
    return [(f, r) for f, r in inner if not any(p.startswith(".") or p.endswith(".stages") for p in r.parts)], base


def _some(paths: list[Path], most: int = 3) -> str:
    shown = [printable(os.fspath(path)) for path in paths[:most]]
    return ", ".join(shown) + (f" and {len(paths) - most} more" if len(paths) > most else "")
