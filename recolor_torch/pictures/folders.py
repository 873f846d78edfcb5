"""Pictures in folders: which files a name, a glob or a folder stands for."""

import re
from pathlib import Path

from PIL import Image

from recolor_torch.errors import UsageError


def find_pictures(names: list[str], skip: Path | None = None) -> list[tuple[Path, Path]]:
    """The pictures that files, globs and folders name, each once, in natural order (frame_2 before frame_10).

    Args:
        names: files, folders (searched with all their subfolders, hidden ones left out; files with a
            suffix that Pillow knows), or globs that the shell left as they are.
        skip: a folder whose pictures are not targets: the output folder where it lies in a target folder.

    Raises:
        UsageError: a name stands for nothing.
    """
    found: dict[Path, tuple[Path, Path]] = {}
    for name in names:
        path = Path(name).expanduser()
        if path.is_dir():
            files = [(f, f.relative_to(path)) for f in _pictures_in(path, skip)]
            if not files:
                raise UsageError(f"No pictures in the folder {path}.")
        elif path.exists():
            files = [(path, Path(path.name))]
        elif re.search(r"[*?\[]", name):
            files = _glob(name)
            if not files:
                raise UsageError(f"No files match {name}.")
        else:
            raise UsageError(f"No such file or folder: {name}.")
        for file, relative in files:
            found.setdefault(file.absolute(), (file, relative))
    return list(found.values())


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key in which numbers count as numbers."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]


def _pictures_in(folder: Path, skip: Path | None) -> list[Path]:
    suffixes = set(Image.registered_extensions())
    hidden = None if skip is None else skip.absolute()
    files = []
    for file in folder.rglob("*"):
        inner = file.relative_to(folder)
        if _is_hidden(inner) or file.suffix.lower() not in suffixes:
            continue
        if hidden is not None and hidden != folder.absolute() and hidden in file.absolute().parents:
            continue
        if file.is_file():
            files.append(file)
    return sorted(files, key=lambda f: natural_key(f.relative_to(folder)))


def _glob(pattern: str) -> list[tuple[Path, Path]]:
    full = Path(pattern).expanduser()
    parts = full.parts
    first = next(i for i, part in enumerate(parts) if re.search(r"[*?\[]", part))
    base = Path(*parts[:first]) if first else Path()
    suffixes = set(Image.registered_extensions())
    files = [f for f in base.glob(str(Path(*parts[first:]))) if f.is_file() and f.suffix.lower() in suffixes]
    return [(f, f.relative_to(base)) for f in sorted(files, key=natural_key) if not _is_hidden(f.relative_to(base))]


def _is_hidden(path: Path) -> bool:
    """Hidden files and folders, and the stages that ``--save-stages`` puts beside results."""
    return any(part.startswith(".") or part.endswith(".stages") for part in path.parts)
