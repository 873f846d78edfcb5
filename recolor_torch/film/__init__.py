"""Film files: frames with their times, sound and tags, in and out. The only import of PyAV."""

from recolor_torch.film.opening import FILM_SUFFIXES, FilmError, FilmInfo, probe_film
from recolor_torch.film.reader import Frame, read_frames

__all__ = ["FILM_SUFFIXES", "FilmError", "FilmInfo", "Frame", "probe_film", "read_frames"]
