"""What a film file is: its header and first frame, told in a dataclass, or one sentence that says why not."""

import os
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from recolor_torch.film.color_tags import MATRICES, read_color_tags
from recolor_torch.film.opening import FilmError, open_film, refuse_interlaced, show, video_stream


@dataclass(frozen=True)
class FilmInfo:
    """What the header and the first frame of a film say.

    Args:
        path: the file.
        width, height: of the stored frames, in pixels, before rotation.
        format: FFmpeg's name of the pixel format.
        depth: bits of a luma sample.
        shift: binary logarithms of the chroma subsampling, (across, down); (1, 1) is 4:2:0. (0, 0) for gray.
        has_chroma: whether there are chroma planes; gray and RGB have none.
        matrix, full_range, primaries, transfer: as in ``ColorTags``.
        rate: frames a second on average, 25 where the file does not say.
        time_base: seconds a tick of frame times.
        frames: what the file says of their number, or about what its duration gives; 0 where neither is known.
        counted: the file says the number itself.
        pictures: the frames, where the film is no file but numbered pictures; ``path`` is their folder then.
        seconds: when, from the beginning of the file, its pictures end by what it says; 0 where it does not.
        codec: name of the decoder.
        rotation: degrees counterclockwise that bring a frame upright: 0, 90, -90, 180.
        aspect: of a pixel, width to height; None where the file does not say.
        streams: kinds of the other streams, as ``("audio aac", ...)``.
        notes: what had to be guessed, a sentence each.
    """

    path: Path
    width: int
    height: int
    format: str
    depth: int
    shift: tuple[int, int]
    has_chroma: bool
    matrix: int
    primaries: int
    transfer: int
    full_range: bool
    rate: Fraction
    time_base: Fraction
    frames: int
    codec: str
    rotation: int = 0
    aspect: Fraction | None = None
    streams: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    counted: bool = False
    seconds: float = 0.0
    pictures: tuple[Path, ...] = ()

    @property
    def matrix_name(self) -> str:
        """Such as ``"BT.709"``."""
        return MATRICES[self.matrix][0]

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) of a frame as it is seen."""
        return (self.width, self.height) if self.rotation % 180 else (self.height, self.width)


def probe_film(path: str | os.PathLike[str]) -> FilmInfo:
    """Read a film's header and first frame.

    Raises:
        FilmError: one sentence: not a film, no video, no frame, interlaced, or a matrix that is not supported.
        UsageError: PyAV is not installed.
    """
    with open_film(path) as container:
        stream = video_stream(container, path)
        first = next(container.decode(stream), None)
        if first is None:
            raise FilmError(f"{show(path)}: there is no frame in it.")
        refuse_interlaced(first, path)
        return _info(Path(path), container, stream, first)


def _info(path: Path, container: Any, stream: Any, first: Any) -> FilmInfo:
    context, form = stream.codec_context, first.format
    notes: list[str] = []
    luma = [c for c in form.components if c.is_luma]
    rgb = form.is_rgb or form.has_palette or not luma
    # PyAV's is_chroma is false where chroma has the size of luma.
    chroma = form.components[1:3] if not rgb and len(form.components) > 2 else []
    shift = (0, 0)
    if chroma:
        shift = (_log2(first.width, chroma[0].width), _log2(first.height, chroma[0].height))
    if len(form.components) in (2, 4) and not rgb:
        notes.append("The film's transparency is left out.")
    depth = 8 if rgb and form.has_palette else max(c.bits for c in (luma or form.components))
    tags = read_color_tags(first, show(path), rgb=rgb, chroma=bool(chroma))
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    others = [s for s in container.streams if s is not stream]
    # An AVI counts places for frames: one that is empty repeats the frame before it.
    places = stream.frames if container.format.name == "avi" else 0
    return FilmInfo(
        path=path,
        width=first.width,
        height=first.height,
        format=form.name,
        depth=depth,
        shift=shift,
        has_chroma=bool(chroma),
        matrix=tags.matrix,
        primaries=tags.primaries,
        transfer=tags.transfer,
        full_range=tags.full_range,
        rate=rate,
        time_base=stream.time_base or 1 / rate,
        frames=stream.frames or _by_duration(container, stream, rate),
        codec=context.codec.canonical_name,
        rotation=int(round(first.rotation / 90) * 90),
        aspect=stream.sample_aspect_ratio or None,
        streams=tuple(f"{s.type} {s.codec_context.name if s.codec_context else ''}".strip() for s in others),
        notes=(*notes, *tags.notes),
        counted=bool(stream.frames) and not places,
        seconds=float(places / rate) or _seconds(stream.metadata.get("DURATION", "")),
    )


def _seconds(text: str) -> float:
    """Matroska's duration of a stream, as 00:01:02.500000000."""
    match = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", text)
    return 0.0 if match is None else 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3])


def _by_duration(container: Any, stream: Any, rate: Fraction) -> int:
    if stream.duration and stream.time_base:
        return round(stream.duration * stream.time_base * rate)
    return round(container.duration * rate / 1_000_000) if container.duration else 0


def _log2(full: int, part: int) -> int:
    """0, 1 or 2: how often ``full`` was halved, with remainders rounded up."""
    return next(n for n in range(4) if -(-full // 2**n) == part)
