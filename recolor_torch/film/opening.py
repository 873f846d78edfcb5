"""What a film file is: its header, told in a dataclass, or one sentence that says why it cannot be read."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recolor_torch.errors import UsageError
from recolor_torch.film.settings import FILM_SUFFIXES as FILM_SUFFIXES
from recolor_torch.paths import kind_of

if TYPE_CHECKING:
    import av.container

# Names of H.273's matrix coefficients (ISO/IEC 23091-2, table 4) that chroma is computed in, with (red, blue) weights.
MATRICES = {
    1: ("BT.709", 0.2126, 0.0722),
    4: ("FCC", 0.30, 0.11),
    5: ("BT.601", 0.299, 0.114),
    6: ("BT.601", 0.299, 0.114),
    7: ("SMPTE 240M", 0.212, 0.087),
    9: ("BT.2020", 0.2627, 0.0593),
}
_UNSPECIFIED = (2, 3)
# A film of more lines than the larger of the standard definition formats (PAL) is taken for high definition.
STANDARD_LINES, STANDARD_COLUMNS = 576, 1024

# Tags are bytes that need not be UTF-8, and come out as they went in.
TAG_ERRORS = "surrogateescape"

# What FFmpeg reads by its contents, whatever its name is, and follows to other files or into a network.
LISTS = {"concat", "concatf", "hls", "dash", "imf", "sdp", "rtsp", "webm_dash_manifest", "vobsub"}


def file_url(path: str | os.PathLike[str]) -> str:
    """A name that FFmpeg takes for a file: "concat:a.mkv" is one too, and no protocol of its."""
    return f"file:{os.fspath(path)}"


class FilmError(Exception):
    """A film that cannot be read or written: one sentence with the file and the cause."""


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
        matrix: number of H.273's matrix coefficients; ``matrix_tag`` is what the file says, 2 where it says nothing.
        full_range: luma goes from 0 to the top, else from 16 to 235 (in 8 bits).
        rate: frames a second on average, 25 where the file does not say.
        time_base: seconds a tick of frame times.
        frames: what the file says of their number, or about what its duration gives; 0 where neither is known.
        counted: the file says the number itself.
        seconds: how long the file says that its pictures last; 0 where it does not.
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
    matrix_tag: int
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

    @property
    def matrix_name(self) -> str:
        """Such as ``"BT.709"``."""
        return MATRICES[self.matrix][0]

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) of a frame as it is seen."""
        return (self.width, self.height) if self.rotation % 180 else (self.height, self.width)


def require_av() -> Any:
    """The module ``av``, with FFmpeg's own messages off.

    Older versions of torchvision turn them on. Then a thread of FFmpeg's that has something to say waits for Python's
    lock, and Python, when it frees a film, holds that lock and waits for the thread.

    Raises:
        UsageError: PyAV is not installed; the sentence says how to get it.
    """
    try:
        import av
    except ImportError as error:
        raise UsageError("Films need PyAV: pip install 'recolor-torch[film]' (or pip install av).") from error
    av.logging.set_level(None)
    return av


def show(path: str | os.PathLike[str]) -> str:
    """A path as text that any console can print."""
    return os.fsdecode(path).encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def open_film(path: str | os.PathLike[str]) -> Iterator["av.container.InputContainer"]:
    """The opened file; whatever FFmpeg objects to, here or in the block, becomes a ``FilmError``."""
    av = require_av()
    name = show(path)
    if kind_of(path) == "other":
        raise FilmError(f"{name}: this is a pipe or a device, and no file.")
    try:
        # Text of other encodings in tags is kept byte for byte.
        with av.open(file_url(path), metadata_errors=TAG_ERRORS) as container:
            if set(container.format.name.split(",")) & LISTS:
                raise FilmError(f"{name}: this is a list of other files, and no film.")
            try:
                yield container
            finally:
                require_av()  # torchvision may have been imported meanwhile
    except av.error.FFmpegError as error:
        raise FilmError(f"{name}: {_reason(error)}.") from error
    except OSError as error:
        raise FilmError(f"{name}: cannot be read ({error.strerror or error}).") from error


def video_stream(container: "av.container.InputContainer", path: str | os.PathLike[str]) -> Any:
    """The film's pictures: the first video stream that is no cover picture.

    Raises:
        FilmError: there is none.
    """
    av = require_av()
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            if stream.codec_context is None:
                raise FilmError(f"{show(path)}: its video is of a kind that is not known.")
            # What FFmpeg cannot decode of FFV1 it takes from the frame before, which another thread may not have done
            # yet: of a damaged film each reading would be another. Its frames are made of slices for threads.
            stream.thread_type = "SLICE" if stream.codec_context.name == "ffv1" else "AUTO"
            return stream
    raise FilmError(f"{show(path)}: there is no video in it.")


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


def refuse_interlaced(frame: Any, path: str | os.PathLike[str]) -> None:
    """Raise ``FilmError`` for a frame of two fields: its lines are of two moments, and motion would tear it."""
    if frame.interlaced_frame:
        raise FilmError(
            f"{show(path)}: the film is interlaced; deinterlace it first, such as with "
            "ffmpeg -i IN -vf bwdif -c:v ffv1 -c:a copy OUT.mkv."
        )


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
    if rgb:
        notes.append(f"The film is stored as RGB ({form.name}), so its luma was computed, by BT.709.")
    if len(form.components) in (2, 4) and not rgb:
        notes.append("The film's transparency is left out.")
    tag = 1 if rgb else int(first.colorspace)
    if tag in _UNSPECIFIED or (tag == 0 and not rgb):
        high = first.height > STANDARD_LINES or first.width > STANDARD_COLUMNS
        matrix, tag = (1 if high else 6), 2
        notes.append(f"The film does not say its color matrix: {MATRICES[matrix][0]} was taken, by its size.")
    elif tag == 10:
        matrix = 9
        notes.append("The constant luminance form of BT.2020 is treated like the common one.")
    elif tag in MATRICES:
        matrix = tag
    else:
        raise FilmError(f"{show(path)}: its color matrix (number {tag} of H.273) is not supported.")
    depth = 8 if rgb and form.has_palette else max(c.bits for c in (luma or form.components))
    full = rgb or form.name.startswith("yuvj") or int(first.color_range) == 2
    if int(first.color_range) == 0 and not form.name.startswith("yuvj") and not rgb:
        full = not chroma  # gray formats are full range where nothing is said, as in FFmpeg
        notes.append(f"The film does not say its range: {'full' if full else 'limited'} was taken.")
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    others = [s for s in container.streams if s is not stream]
    return FilmInfo(
        path=path,
        width=first.width,
        height=first.height,
        format=form.name,
        depth=depth,
        shift=shift,
        has_chroma=bool(chroma),
        matrix=matrix,
        matrix_tag=tag,
        primaries=int(first.color_primaries),
        transfer=int(first.color_trc),
        full_range=full,
        rate=rate,
        time_base=stream.time_base or 1 / rate,
        frames=stream.frames or _by_duration(container, stream, rate),
        codec=context.codec.canonical_name,
        rotation=int(round(first.rotation / 90) * 90),
        aspect=stream.sample_aspect_ratio or None,
        streams=tuple(f"{s.type} {s.codec_context.name if s.codec_context else ''}".strip() for s in others),
        notes=tuple(notes),
        counted=bool(stream.frames),
        seconds=_seconds(stream.metadata.get("DURATION", "")),
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


def _reason(error: Exception) -> str:
    """FFmpeg's words without its numbers and without the path."""
    text = getattr(error, "strerror", None) or str(error)
    known = {
        "Invalid data found when processing input": "not a film, or damaged",
        "moov atom not found": "the file is cut short",
        "End of file": "the file is cut short",
    }
    log = getattr(error, "log", None)
    if log and "moov atom not found" in str(log[-1]):
        return known["moov atom not found"]
    return known.get(text, " ".join(text.split()))
