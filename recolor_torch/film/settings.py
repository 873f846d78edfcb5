"""How films are read, worked on and written."""

from dataclasses import dataclass, fields
from typing import Literal

from recolor_torch.errors import UsageError

Codec = Literal["auto", "h264", "hevc", "vp9", "av1", "prores", "ffv1", "png"]
Quality = Literal["small", "good", "high", "lossless"]

CODECS: tuple[Codec, ...] = ("auto", "h264", "hevc", "vp9", "av1", "prores", "ffv1", "png")
QUALITIES: tuple[Quality, ...] = ("small", "good", "high", "lossless")
# What a folder is searched for. Other files may be films too, and are tried when they are named one by one.
_SUFFIXES = "avi dv flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv"
FILM_SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())


@dataclass(frozen=True)
class FilmSettings:
    """How films are read, worked on and written.

    Args:
        codec: of the output; auto keeps the input's where the output's container can hold it; png makes a folder of
            numbered pictures of each film.
        quality: small, good, high, or lossless (luma bit for bit); prores and av1 have no lossless.
        side: longer side in pixels at which colors are worked on; they are enlarged to the film's own size.
        first_number: number of the first frame in names of references, hints and written pictures, as in ref_0001.png.
        strength: 0 keeps the film's own chroma, 1 takes the new.
        processes: that share the shots of a film, with the cores, or a GPU each; folders of frames take one.
    """

    codec: Codec = "auto"
    quality: Quality = "high"
    side: int = 320
    first_number: int = 1
    strength: float = 1.0
    processes: int = 1

    def __post_init__(self) -> None:
        for name in ("side", "processes"):
            if getattr(self, name) < 1:
                raise UsageError(f"film.{name} must be 1 or more, got {getattr(self, name)}.")

    def recipe(self) -> str:
        """All that a result depends on, which is not how many did it."""
        shown = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.name != "processes"]
        return f"{type(self).__name__}({', '.join(shown)})"
