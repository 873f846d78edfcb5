"""The finished film: the video of all parts, and everything else as it was in the input."""

from collections.abc import Iterator
from contextlib import nullcontext
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from recolor_torch.files import write_atomically
from recolor_torch.film.encoding import ENCODERS, Encoding, set_up
from recolor_torch.film.matroska import write_aspect
from recolor_torch.film.opening import TAG_ERRORS, FilmError, file_url, open_film, require_av, show, video_stream
from recolor_torch.film.parts import Packet, read_part, read_times
from recolor_torch.film.probing import FilmInfo

# Tags that the muxer writes itself, for the new file.
_OWN_TAGS = ("encoder", "major_brand", "minor_version", "compatible_brands", "duration")

# Without random numbers and the version of the library in the file: the same film gives the same bytes.
_REPEATABLE = {"fflags": "+bitexact"}


def mux(info: FilmInfo, encoding: Encoding, parts: list[Path], output: Path) -> list[str]:
    """Write ``output`` from its parts and the other streams of the input (pictures have none), whole or not at all.

    Packets of sound and subtitles are copied as they are; frame times are the input's.

    Returns:
        What could not be kept, a sentence each.

    Raises:
        FilmError: the input cannot be read again, or the output cannot be written.
    """
    av = require_av()
    notes: list[str] = []
    try:
        with write_atomically(output) as part:
            with (
                nullcontext() if info.pictures else open_film(info.path) as source,
                av.open(
                    file_url(part),
                    "w",
                    format=encoding.container,
                    container_options=_REPEATABLE,
                    metadata_errors=TAG_ERRORS,
                ) as target,
            ):
                copies: dict[int, Any] = {}
                if source is None:
                    video = _add_video(target, info, encoding)
                else:
                    copies, video = _set_up_streams(source, target, info, encoding, notes)
                target.start_encoding()
                _interleave(source, target, video, copies, _timed(parts), info.time_base)
                track = [s for s in target.streams if s.type != "attachment"].index(video)
            if not _aspect_written(part, info, encoding, track):
                notes.append(f"The aspect of a pixel ({info.aspect}) is not in the file's header.")
    except av.error.FFmpegError as error:
        raise FilmError(f"{show(output)}: cannot be written ({' '.join(str(error).split())}).") from error
    except OSError as error:
        raise FilmError(f"{show(output)}: cannot be written ({error.strerror or error}).") from error
    return notes


def _aspect_written(path: Path, info: FilmInfo, encoding: Encoding, track: int) -> bool:
    """Whether the header has the aspect of a pixel; PyAV writes it into .mp4 and .mov alone."""
    if info.aspect is None or info.aspect == 1 or encoding.container not in ("matroska", "webm"):
        return True
    return write_aspect(path, info.aspect, track, webm=encoding.container == "webm")


def _set_up_streams(
    source: Any, target: Any, info: FilmInfo, encoding: Encoding, notes: list[str]
) -> tuple[dict[int, Any], Any]:
    """Make the output's streams in the input's order; returns the copies by the input's number, and the video."""
    film = video_stream(source, info.path)
    copies: dict[int, Any] = {}
    video: Any = None
    target.metadata.update({k: v for k, v in source.metadata.items() if k.lower() not in _OWN_TAGS})
    chapters = source.chapters()
    for stream in source.streams:
        if stream is film:
            video = new = _add_video(target, info, encoding)
        elif stream.type == "attachment":
            if encoding.container == "matroska":
                target.add_attachment(stream.name or "attachment", stream.mimetype or "", stream.data)
            else:
                notes.append("An attachment is left out: only .mkv holds one.")
            continue
        elif stream.codec_context is None or stream.codec_context.name not in target.supported_codecs:
            if stream.type == "data" and chapters and "mp4" in source.format.name:
                continue  # titles of chapters, which are written anew
            name = stream.codec_context.name if stream.codec_context else "unknown"
            notes.append(f"A stream is left out ({stream.type}, {name}): this kind of file does not hold it.")
            continue
        else:
            new = target.add_stream_from_template(stream, opaque=True)
            copies[stream.index] = new
        new.metadata.update({k: v for k, v in stream.metadata.items() if k.lower() not in _OWN_TAGS})
        new.disposition = stream.disposition
    if chapters:
        target.set_chapters(chapters)
    return copies, video


def _add_video(target: Any, info: FilmInfo, encoding: Encoding) -> Any:
    stream = target.add_stream(ENCODERS[encoding.codec], rate=info.rate)
    set_up(stream.codec_context, info, encoding)
    stream.time_base = info.time_base
    if info.rotation:
        stream.set_display_rotation(info.rotation)
    return stream


def _timed(parts: list[Path]) -> Iterator[tuple[int, Packet]]:
    """The packets of all parts with decoding times.

    A packet is decoded as many frames before it is shown as the film's deepest reordering asks: the i-th in decoding
    order gets the time of the frame that is shown i - depth frames from the start. So times grow and are never after
    the showing, at a variable rate too.
    """
    orders = [read_times(part) for part in parts]
    shown = sorted(time for order in orders for time in order)
    place = {time: i for i, time in enumerate(shown)}
    depth, done = 0, 0
    for order in orders:
        depth = max([depth, *(done + i - place[time] for i, time in enumerate(order))])
        done += len(order)
    step = min((b - a for a, b in pairwise(shown)), default=1)
    i = 0
    for part in parts:
        for packet in read_part(part):
            yield (shown[i - depth] if i >= depth else shown[0] - (depth - i) * step), packet
            i += 1


def _interleave(
    source: Any, target: Any, video: Any, copies: dict[int, Any], frames: Iterator[tuple[int, Packet]], unit: Fraction
) -> None:
    """Write video and copied packets in the order of their times: the muxer holds little back."""
    av = require_av()
    waiting = next(frames, None)

    def write_video(until: Fraction | None) -> None:
        nonlocal waiting
        while waiting is not None and (until is None or waiting[0] * unit <= until):
            decode_time, packet = waiting
            out = av.Packet(packet.data)
            out.pts, out.dts, out.time_base = packet.time, decode_time, unit
            out.duration, out.is_keyframe, out.stream = packet.duration, packet.key, video
            target.mux_one(out)
            waiting = next(frames, None)

    for packet in source.demux([source.streams[i] for i in copies]) if copies else ():
        if packet.size == 0 and packet.pts is None:
            continue  # the end of a stream
        if packet.dts is not None:
            write_video(packet.dts * packet.time_base)
        packet.stream = copies[packet.stream.index]
        target.mux_one(packet)
    write_video(None)
