"""How films are read, worked on and written."""

from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Literal

from recolor_torch.errors import UsageError

Codec = Literal["auto", "h264", "hevc", "vp9", "av1", "prores", "ffv1", "png"]
Quality = Literal["small", "good", "high", "lossless"]

CODECS: tuple[Codec, ...] = ("auto", "h264", "hevc", "vp9", "av1", "prores", "ffv1", "png")
QUALITIES: tuple[Quality, ...] = ("small", "good", "high", "lossless")
# What a folder is searched for. Other files may be films too, and are tried when they are named one by one.
_SUFFIXES = "avi dv flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv"
FILM_SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())
# Frames a second of pictures that become a film, where nothing is said.
DEFAULT_RATE = 24
# Frames a second, at least and at most; largest numerator and denominator (FFmpeg's are of 31 bits).
_SLOWEST, _FASTEST, _LARGEST = Fraction(1, 3600), 1000, 1_000_000


def parse_rate(value: float | str | None) -> Fraction:
    """Frames a second from a number or a fraction; None gives 24.

    The decimals that people write for rates of NTSC are these: a rate within 0.005 of 24, 30, 60, ... times 1000/1001.

    Raises:
        UsageError: it is neither, or no rate.

    Example:
        >>> parse_rate("24000/1001") == parse_rate(23.976) == parse_rate("23.98"), parse_rate("16.5"), parse_rate(None)
        (True, Fraction(33, 2), Fraction(24, 1))
    """
    if value is None:
        return Fraction(DEFAULT_RATE)
    try:
        rate = Fraction(str(value).strip())
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"film.rate must be a number or a fraction, as 25 or 24000/1001; got {value}.") from error
    if not _SLOWEST <= rate <= _FASTEST:
        raise UsageError(f"film.rate is in frames a second, from 1/3600 to 1000; got {value}.")
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    if rate.denominator > 1 and ntsc.numerator % 1001 and abs(rate - ntsc) < Fraction(1, 200) and round(rate) % 6 == 0:
        return ntsc
    while max(rate.numerator, rate.denominator) > _LARGEST:
        rate = rate.limit_denominator(rate.denominator // 2)
    return rate


@dataclass(frozen=True)
class FilmSettings:
    """How films are read, worked on and written.

    Args:
        codec: of the output; auto keeps the input's where the output's container can hold it; png makes a folder of
            numbered pictures of each film; ffv1 keeps pictures that become a film at all their bits.
        quality: small, good, high, or lossless (luma bit for bit); prores and av1 have no lossless.
        side: longer side in pixels at which colors are worked on; they are enlarged to the film's own size.
        first_number: number of the first frame in names of references, hints and written pictures, as in ref_0001.png.
        strength: 0 keeps the film's own chroma, 1 takes the new.
        processes: that share the shots of a film, with the cores, or a GPU each; folders of frames take one.
        rate: frames a second of pictures that become a film, as 24, 23.976 or 24000/1001; 24 where it is not given.
    """

    codec: Codec = "auto"
    quality: Quality = "high"
    side: int = 320
    first_number: int = 1
    strength: float = 1.0
    processes: int = 1
    rate: float | str | None = None

    def __post_init__(self) -> None:
        for name in ("side", "processes"):
            if getattr(self, name) < 1:
                raise UsageError(f"film.{name} must be 1 or more, got {getattr(self, name)}.")
        parse_rate(self.rate)

    @property
    def frame_rate(self) -> Fraction:
        """Frames a second of pictures."""
        return parse_rate(self.rate)

    def recipe(self) -> str:
        """All that a result depends on, which is not how many did it."""
        shown = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.name not in ("processes", "rate")]
        if self.rate is not None:  # results of runs without one keep their hash
            shown.append(f"rate='{self.frame_rate}'")
        return f"{type(self).__name__}({', '.join(shown)})"
