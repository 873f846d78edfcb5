"""How a film file is opened: what FFmpeg objects to becomes one sentence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from recolor_torch.errors import UsageError
from recolor_torch.paths import kind_of

if TYPE_CHECKING:
    import av.container

# Tags are bytes that need not be UTF-8, and come out as they went in.
TAG_ERRORS = "surrogateescape"

# What FFmpeg reads by its contents, whatever its name is, and follows to other files or into a network.
LISTS = {"concat", "concatf", "hls", "dash", "imf", "sdp", "rtsp", "webm_dash_manifest", "vobsub"}


def file_url(path: str | os.PathLike[str]) -> str:
    """A name that FFmpeg takes for a file: "concat:a.mkv" is one too, and no protocol of its."""
    return f"file:{os.fspath(path)}"


class FilmError(Exception):
    """A film that cannot be read or written: one sentence with the file and the cause."""


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


def refuse_interlaced(frame: Any, path: str | os.PathLike[str]) -> None:
    """Raise ``FilmError`` for a frame of two fields: its lines are of two moments, and motion would tear it."""
    if frame.interlaced_frame:
        raise FilmError(
            f"{show(path)}: the film is interlaced; deinterlace it first, such as with "
            "ffmpeg -i IN -vf bwdif -c:v ffv1 -c:a copy OUT.mkv."
        )


def _reason(error: Exception) -> str:
    """FFmpeg's words without its numbers and without the path."""
    text = getattr(error, "strerror", None) or str(error)
    known = {
        "Invalid data found when processing input": "not a film, damaged, or cut short",
        "End of file": "the file is cut short",
    }
    return known.get(text, " ".join(text.split()))
