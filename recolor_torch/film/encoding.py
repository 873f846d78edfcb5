"""Which codec a colored film is written with, and an encoder for it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recolor_torch.errors import UsageError
from recolor_torch.film.color_tags import UNSPECIFIED
from recolor_torch.film.opening import require_av, show
from recolor_torch.film.probing import FilmInfo
from recolor_torch.film.settings import CODECS, QUALITIES, Codec, Quality

# What FFmpeg calls the encoders, and the containers that hold what they make.
ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "prores": "prores_ks",
    "ffv1": "ffv1",
}
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_HOLDS = {
    "mp4": ("h264", "hevc", "av1", "vp9"),
    "mov": ("h264", "hevc", "prores"),
    "matroska": ("h264", "hevc", "vp9", "av1", "prores", "ffv1"),
    "webm": ("vp9", "av1"),
}
# Numbers of H.273: PQ and HLG, and the primaries of BT.2020.
_HDR, _BT2020 = (16, 18), 9
# In place of a container: a folder of pictures.
FRAMES = "frames"
# Constant quality of each encoder. "high" is meant to be told from the input only by measuring.
_OPTIONS: dict[str, dict[str, dict[str, str]]] = {
    "h264": {"small": {"crf": "24"}, "good": {"crf": "19"}, "high": {"crf": "15"}, "lossless": {"qp": "0"}},
    "hevc": {
        "small": {"crf": "26"},
        "good": {"crf": "21"},
        "high": {"crf": "16"},
        "lossless": {"x265-params": "lossless=1:log-level=none"},
    },
    "vp9": {"small": {"crf": "36"}, "good": {"crf": "28"}, "high": {"crf": "18"}, "lossless": {"lossless": "1"}},
    "av1": {"small": {"crf": "40"}, "good": {"crf": "28"}, "high": {"crf": "18"}},
    "prores": {"small": {"profile": "lt"}, "good": {"profile": "standard"}, "high": {"profile": "hq"}},
    "ffv1": {q: {"level": "3", "slicecrc": "1"} for q in QUALITIES},
}
_ALWAYS = {
    "h264": {"preset": "medium"},
    "hevc": {"preset": "medium", "x265-params": "log-level=none"},
    "vp9": {"b:v": "0", "deadline": "good", "cpu-used": "3", "row-mt": "1"},
    "av1": {"preset": "7"},
}
# Primaries that an encoder has no name for: it drops them or refuses to start.
_UNKNOWN_PRIMARIES = {"h264": (22,), "hevc": (22,)}
# One number for all machines: the result of some encoders depends on it.
THREADS = 4


@dataclass(frozen=True)
class Encoding:
    """How a film is written.

    Args:
        container: FFmpeg's name of the format, or ``FRAMES``.
        codec: one of ``CODECS``.
        options: of the encoder.
        format: FFmpeg's name of the pixel format.
        shift: its chroma subsampling, as in ``FilmInfo``.
        notes: what differs from the input, a sentence each.
    """

    container: str
    codec: str
    options: dict[str, str]
    format: str
    shift: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def lossless(self) -> bool:
        """Whether what is written is what was computed."""
        return self.codec in ("ffv1", "png") or "qp" in self.options or "lossless" in str(self.options)


def choose_encoding(info: FilmInfo, output: Path, codec: Codec = "auto", quality: Quality = "high") -> Encoding:
    """The encoding for a film, as near to the input as the output's container allows.

    The input's codec is kept where the container can hold it and its encoder has the pixel format; else the first of
    h264, hevc, vp9, av1, ffv1 that has it.

    Raises:
        UsageError: an unknown choice, or a codec that does not go with the container or the film's depth.
    """
    for value, known, name in ((codec, CODECS, "--film.codec"), (quality, QUALITIES, "--film.quality")):
        if value not in known:
            raise UsageError(f"Unknown {name} {value!r}. Known: {', '.join(known)}.")
    if codec == "png":
        return _as_pictures(info)
    container = CONTAINERS.get(output.suffix.lower())
    if container is None:
        raise UsageError(f"{show(output)}: films are written as {', '.join(CONTAINERS)}.")
    if codec != "auto":
        if codec not in _HOLDS[container]:
            raise UsageError(f"{show(output)}: this container does not hold {codec}; {_other(codec)} does.")
        found = _encoding(info, container, codec, quality)
        if found is None:
            raise UsageError(f"--film.codec {codec} does not have {info.depth} bits a sample, and the film does.")
        return found
    order = [c for c in (info.codec, "h264", "hevc", "vp9", "av1", "prores", "ffv1") if c in _HOLDS[container]]
    if quality == "lossless":
        order = [c for c in order if "lossless" in _OPTIONS[c]]
        order.sort(key=lambda c: c != "ffv1")
    for name in order:
        found = _encoding(info, container, name, quality)
        if found is not None:
            return found
    raise UsageError(f"{show(output)}: no codec of this container has {info.depth} bits a sample; use .mkv.")


def _as_pictures(info: FilmInfo) -> Encoding:
    notes = []
    if info.streams:
        notes.append(f"Left out, for pictures do not hold them: {', '.join(info.streams)}.")
    if info.aspect not in (None, 1):
        notes.append(f"Pixels are not square ({info.aspect}), which the pictures do not say.")
    if info.transfer in _HDR or info.primaries == _BT2020:
        notes.append("The pictures have the film's own levels and primaries (HDR or BT.2020), and are read as sRGB.")
    return Encoding(FRAMES, "png", {}, "rgb24" if info.depth == 8 else "rgb48be", (0, 0), tuple(notes))


def _encoding(info: FilmInfo, container: str, codec: str, quality: str) -> Encoding | None:
    if quality not in _OPTIONS[codec]:
        raise UsageError(f"{codec} is never lossless: choose --film.codec ffv1, or another --film.quality.")
    av = require_av()
    try:
        formats = {f.name for f in av.codec.Codec(ENCODERS[codec], "w").video_formats or ()}
    except av.error.FFmpegError:
        return None
    shift = info.shift if info.has_chroma or info.pictures else (1, 1) if info.format.startswith("gray") else (0, 0)
    notes: list[str] = []
    even = codec != "ffv1"  # encoders of halved chroma want even sides
    tries = [shift, (1, 0), (0, 0)]
    for across, down in tries:
        if (across, down) != (0, 0) and even and (info.width % 2**across or info.height % 2**down):
            continue
        if across < shift[0] - 1 and (across, down) != (0, 0):
            continue
        name = _format_name((across, down), info)
        if name is not None and name in formats:
            if (across, down) != shift:
                notes.append(f"Chroma is stored at a finer resolution than in the input ({name}).")
            if info.primaries in _UNKNOWN_PRIMARIES.get(codec, ()):
                notes.append(f"The film's color primaries (number {info.primaries}) are left out: {codec} lacks them.")
            options = {**_ALWAYS.get(codec, {}), **_OPTIONS[codec][quality]}
            return Encoding(container, codec, options, name, (across, down), tuple(notes))
    return None


def _format_name(shift: tuple[int, int], info: FilmInfo) -> str | None:
    family = {(1, 1): "420", (1, 0): "422", (0, 0): "444", (2, 0): "411", (2, 2): "410", (0, 1): "440"}.get(shift)
    if family is None:
        return None
    # Full range at 8 bits has names of its own, which these two encoders read the range from.
    return f"yuv{family}p" if info.depth == 8 else f"yuv{family}p{info.depth}le"


def _other(codec: str) -> str:
    suffixes = [s for s, c in CONTAINERS.items() if codec in _HOLDS[c]]
    return " or ".join(suffixes)


def set_up(context: Any, info: FilmInfo, encoding: Encoding) -> None:
    """Settings of an encoder, before it is opened: alike for every part of a film and for the file as a whole."""
    av = require_av()
    os.environ.setdefault("SVT_LOG", "1")  # of the AV1 encoder, which speaks of its settings on the terminal: errors
    context.width, context.height = info.width, info.height
    context.pix_fmt = encoding.format
    context.time_base = info.time_base
    context.framerate = info.rate
    context.options = dict(encoding.options)
    context.thread_count = THREADS
    context.color_range = 2 if info.full_range else 1
    context.colorspace = info.matrix
    unknown = info.primaries in _UNKNOWN_PRIMARIES.get(encoding.codec, ())
    context.color_primaries = UNSPECIFIED if unknown else info.primaries
    context.color_trc = info.transfer
    if info.aspect is not None:
        context.sample_aspect_ratio = info.aspect
    context.flags |= av.codec.context.Flags.global_header


def make_encoder(info: FilmInfo, encoding: Encoding) -> Any:
    """An opened encoder."""
    av = require_av()
    context = av.CodecContext.create(ENCODERS[encoding.codec], "w")
    set_up(context, info, encoding)
    context.open()
    return context
