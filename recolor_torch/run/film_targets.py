"""Which of the targets are films."""

import os
import re
from pathlib import Path

from recolor_torch.film.settings import FILM_SUFFIXES
from recolor_torch.paths import as_path, exists, is_folder


def split_films(names: list[str], output: Path) -> tuple[list[str], list[tuple[Path, Path]]]:
    """Take the films out of what the user named.

    Args:
        names: files, folders, globs.
        output: where results go; films in it are no targets.

    Returns:
        The names that are left for pictures (a folder that holds films and no pictures is not), and for each film its
        file and its place below the output folder.
    """
    rest: list[str] = []
    films: dict[Path, tuple[Path, Path]] = {}
    for name in names:
        path = as_path(name)
        found: list[tuple[Path, Path]] = []
        if is_folder(path):
            files = sorted(p for p in path.rglob("*") if _is_film(p, path, output))
            found = [(p, p.relative_to(path)) for p in files]
            if not found or _has_pictures(path):
                rest.append(name)
        elif path.suffix.lower() in FILM_SUFFIXES and exists(path):
            found = [(path, Path(path.name))]
        elif re.search(r"[*?\[]", name) and Path(name).suffix.lower() in FILM_SUFFIXES:
            base = Path(path.anchor) if path.is_absolute() else Path()
            pattern = str(path.relative_to(base)) if path.is_absolute() else str(path)
            found = [(p, Path(p.name)) for p in sorted(base.glob(pattern)) if p.is_file()]
            if not found:
                rest.append(name)
        else:
            rest.append(name)
        for file, relative in found:
            films.setdefault(file.absolute(), (file, relative))
    return rest, list(films.values())


def common_folder(files: tuple[Path, ...]) -> Path:
    """The folder that all files lie in or below."""
    parents = {file.parent for file in files}
    if len(parents) == 1:
        return parents.pop()
    try:
        return Path(os.path.commonpath([p.absolute() for p in parents]))
    except ValueError:  # of several drives
        return files[0].parent


def _is_film(path: Path, folder: Path, output: Path) -> bool:
    inner = path.relative_to(folder)
    if path.suffix.lower() not in FILM_SUFFIXES or any(part.startswith(".") for part in inner.parts):
        return False
    inside = output.absolute() in path.absolute().parents and output.absolute() != folder.absolute()
    return path.is_file() and not inside


def _has_pictures(folder: Path) -> bool:
    from PIL import Image

    known = set(Image.registered_extensions()) - FILM_SUFFIXES
    return any(p.suffix.lower() in known and p.is_file() for p in folder.rglob("*"))
