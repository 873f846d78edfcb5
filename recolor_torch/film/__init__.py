"""Film files: frames with their times, sound and tags, in and out, and their colors. The only import of PyAV."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recolor_torch.film.door import colorize_film as colorize_film
    from recolor_torch.film.opening import FilmError as FilmError
    from recolor_torch.film.probing import FilmInfo as FilmInfo
    from recolor_torch.film.probing import probe_film as probe_film
    from recolor_torch.film.reader import Frame as Frame
    from recolor_torch.film.reader import read_frames as read_frames
    from recolor_torch.film.settings import FilmSettings as FilmSettings

# Imported on first use: the command line asks for settings alone.
_PUBLIC = {
    "FilmError": "opening",
    "FilmInfo": "probing",
    "FilmSettings": "settings",
    "Frame": "reader",
    "colorize_film": "door",
    "probe_film": "probing",
    "read_frames": "reader",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
