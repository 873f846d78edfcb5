"""TIFF files that Pillow cannot read or would read wrongly, through tifffile.

Those are 16-bit channels stored in planes, 16-bit gray with alpha, color in floating point or 32 bits, and
half or double precision. Everything else goes through Pillow, whose libtiff knows every compression.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from recolor_torch.lazy import LazyModule
from recolor_torch.system import pass_on_lack_of_memory

if TYPE_CHECKING:
    import tifffile
else:
    tifffile = LazyModule("tifffile")


_MAGIC = (b"II\x2a\x00", b"MM\x00\x2a", b"II\x2b\x00", b"MM\x00\x2b")
_COLORS = {0: "gray", 1: "gray", 2: "rgb"}
# Size, samples, rows a strip, planes, and size of a tile.
_LAYOUT = (256, 257, 277, 278, 284, 322, 323)
_SILENT = threading.local()


@contextmanager
def silent_logs() -> Iterator[None]:
    """Drop what tifffile and Pillow log from this thread: a damaged file's error says it in one sentence."""
    before = getattr(_SILENT, "on", False)
    _SILENT.on = True
    try:
        yield
    finally:
        _SILENT.on = before


def _silence_libtiff() -> None:
    """Keep Pillow's libtiff from printing its errors to the terminal; Pillow raises them anyway.

    Where Pillow brings its libtiff in a file of its own (its wheels for Linux and macOS) it can be told.
    """
    package = Path(Image.__file__).parent
    for library in [*package.parent.glob("pillow.libs/libtiff*"), *package.glob(".dylibs/libtiff*")]:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(str(library)).TIFFSetErrorHandler(None)


for _name in ("tifffile", "PIL.TiffImagePlugin"):
    logging.getLogger(_name).addFilter(lambda record: not getattr(_SILENT, "on", False))
_silence_libtiff()


class OddTiff:
    """The first page of such a file.

    It has the attributes of a Pillow image that a header gives.

    Args:
        page: tifffile's page.
        exif: its tags, as Pillow's EXIF.
    """

    format = "TIFF"
    n_frames = 1

    def __init__(self, page: tifffile.TiffPage, exif: Image.Exif) -> None:
        self.page = page
        self.exif = exif
        self.size = (page.imagewidth, page.imagelength)
        self.mode = _COLORS[page.photometric]
        self.info: dict[str, object] = {"icc_profile": exif.get(34675)}
        inch = {2: 1.0, 3: 2.54}.get(exif.get(296, 2))
        if inch and 282 in exif and 283 in exif:
            self.info["dpi"] = (exif[282] * inch, exif[283] * inch)

    @property
    def tag_v2(self) -> Image.Exif:
        """The tags, under the name that Pillow gives those of a TIFF."""
        return self.exif

    @property
    def fp(self) -> tifffile.FileHandle:
        """The open file."""
        return self.page.parent.filehandle

    def getexif(self) -> Image.Exif:
        """The tags, under the name that Pillow gives them."""
        return self.exif

    def read(self) -> np.ndarray:
        """Values (H, W, C) as they are stored; gray where white is zero is turned over."""
        page, end = self.page, self.page.parent.filehandle.size
        layout = {tag.code: tag.value for tag in page.tags if tag.code in _LAYOUT}
        _check_parts(layout, page.dataoffsets, page.databytecounts, end)
        if any(start + size > end for start, size in zip(page.dataoffsets, page.databytecounts)):
            raise EOFError("truncated")  # tifffile would fill in zeros
        planes = page.asarray(squeeze=False, maxworkers=1)[:, 0]  # (plane, H, W, sample)
        values = planes[0] if len(planes) == 1 else planes[..., 0].transpose(1, 2, 0)
        if page.photometric == 0:
            top = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1
            values[..., 0] = top - values[..., 0]
        return values

    @property
    def colors(self) -> int:
        """Channels that are color; one more is alpha, others mean nothing here."""
        return 3 if self.mode == "rgb" else 1

    @property
    def has_alpha(self) -> bool:
        """Whether the channel after the colors is alpha."""
        extra = tuple(self.page.extrasamples)
        return bool(extra) and extra[0] in (1, 2)

    @property
    def is_multiplied(self) -> bool:
        """Whether colors are stored multiplied by alpha."""
        return self.has_alpha and self.page.extrasamples[0] == 1


def check_strips(image: Image.Image, file: IO[bytes]) -> None:
    """Raise ``EOFError`` where a TIFF that Pillow has opened has fewer strips or tiles than its size needs.

    Pillow leaves black what no strip covers, and allocates the whole picture first.
    """
    place = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(place)
    tags: Mapping[int, Any] = image.tag_v2  # type: ignore[attr-defined]
    offsets = _numbers(tags.get(324) or tags.get(273))
    _check_parts(tags, offsets, _numbers(tags.get(325) or tags.get(279)), end)


def _check_parts(tags: Mapping[int, Any], offsets: Sequence[int], sizes: Sequence[int], end: int) -> None:
    """Each strip or tile that TIFF 6.0, sections 3 and 15, asks for is there, and starts inside the file."""
    width, height, samples = (int(tags.get(tag) or 1) for tag in (256, 257, 277))
    if tags.get(322) and tags.get(323):
        needed = -(-width // int(tags[322])) * -(-height // int(tags[323]))
    else:
        needed = -(-height // min(height, int(tags.get(278) or height)))
    if tags.get(284) == 2:
        needed *= samples
    if len(offsets) < needed or any(not 0 < start < end for start in offsets[:needed]):
        raise EOFError("truncated")
    if any(size == 0 for size in sizes[:needed]):  # a hole: nothing was ever written there
        raise EOFError("truncated")


def _numbers(value: Any) -> tuple[int, ...]:
    return () if value is None else tuple(value) if isinstance(value, (tuple, list)) else (value,)


@contextmanager
def open_odd_tiff(file: IO[bytes]) -> Iterator[OddTiff | None]:
    """The first page of a TIFF that needs tifffile; None for all other files, whose errors Pillow will name."""
    if file.read(4) not in _MAGIC:
        file.seek(0)
        yield None
        return
    file.seek(0)
    with ExitStack() as stack:
        try:
            odd = _open(stack.enter_context(tifffile.TiffFile(file)), file)
        except Exception as error:  # noqa: BLE001 # what tifffile cannot read, Pillow may
            pass_on_lack_of_memory(error)
            odd = None
        file.seek(0)
        yield odd


def _open(tiff: tifffile.TiffFile, file: IO[bytes]) -> OddTiff | None:
    page = tiff.pages[0]
    if not isinstance(page, tifffile.TiffPage) or not _is_odd(page):
        return None
    exif = Image.Exif()
    file.seek(0)
    exif.load_from_fp(file)
    return OddTiff(page, exif)


def _is_odd(page: tifffile.TiffPage) -> bool:
    if page.photometric not in _COLORS or page.dtype is None:
        return False
    bits, kind, samples = page.dtype.itemsize * 8, page.dtype.kind, page.samplesperpixel
    apart = page.planarconfig == 2 and samples > 1
    if kind == "f":
        return samples > 1 or bits != 32
    return kind == "u" and ((bits == 16 and (apart or samples in (2, 5, 6))) or (bits == 32 and samples > 1))
