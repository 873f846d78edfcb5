"""Opening a picture file with Pillow: one kind of error, no warnings, our own size limit."""

import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from recolor_torch.paths import reason, show_path
from recolor_torch.pictures.previews import skip_previews
from recolor_torch.pictures.tiff import OddTiff, check_strips, open_odd_tiff, silent_logs
from recolor_torch.system import lacks_memory

# Pillow's size limit and Python's warning filters belong to the whole process: they are changed only
# while a header is read, by one thread at a time.
_HEADER = threading.Lock()


def _renew_lock() -> None:
    global _HEADER  # noqa: PLW0603
    _HEADER = threading.Lock()


if hasattr(os, "register_at_fork"):  # a worker may be forked while another thread holds the lock
    os.register_at_fork(after_in_child=_renew_lock)

# Pillow can name these but not draw them by itself, or runs another program to do so.
_NOT_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"}
# Kinds that these first bytes leave no doubt of: Pillow would ask twenty others before, in order of the alphabet.
_KINDS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"II\x2a\0": "TIFF", b"MM\0\x2a": "TIFF"}
_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b")


class PictureError(Exception):
    """A picture that cannot be read or written: one sentence with the file and the cause."""


@cache
def picture_suffixes() -> frozenset[str]:
    """Suffixes of files that can be read as pictures, as ``.png``; HEIC and JPEG XL where a plugin is installed."""
    with suppress(ImportError):
        import_module("pillow_heif").register_heif_opener()
    with suppress(ImportError):
        import_module("pillow_jxl")  # registers itself
    return frozenset(
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in _NOT_PICTURES
    )


@contextmanager
def quiet() -> Iterator[None]:
    """No Pillow size limit and no Python warnings inside; one thread at a time, so keep it short."""
    with _HEADER, silent_logs(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def open_picture(path: str | os.PathLike[str], max_pixels: int) -> Iterator[Image.Image | OddTiff]:
    """Open a picture; inside the ``with``, whatever fails comes out as ``PictureError``.

    Args:
        path: a regular file.
        max_pixels: refuse pictures with more pixels than this, by their header.

    Raises:
        PictureError: there is no such file, it is no picture, it is damaged, or it is too large.
    """
    name = show_path(path)
    try:
        with ExitStack() as stack:
            file = stack.enter_context(_open_file(path))
            with quiet():
                image = stack.enter_context(open_odd_tiff(file)) or stack.enter_context(_identify(file))
                try:
                    skip_previews(image, path)
                except ValueError as error:
                    raise PictureError(f"{name}: {error}.") from error
            if image.format in _NOT_PICTURES:
                raise PictureError(f"{name}: {image.format} files are not read.")
            width, height = image.size
            if width < 1 or height < 1:
                raise PictureError(f"{name}: the picture has no pixels.")
            if width * height > max_pixels:
                raise PictureError(
                    f"{name}: {width} x {height} pixels are over the limit of {max_pixels / 1e6:g} megapixels."
                )
            if image.format in ("JPEG", "MPO"):
                _check_end(file)
            elif image.format == "TIFF" and not isinstance(image, OddTiff):
                check_strips(image, file)
            with silent_logs():
                yield image
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(f"{name}: {_what_it_is(path)}.") from error
    # Decoders meet hostile bytes with nearly any exception: what they say is passed on.
    except Exception as error:
        if lacks_memory(error):
            raise PictureError(f"{name}: not enough memory for this picture.") from error
        raise PictureError(f"{name}: {_reason(error)}") from error


def _identify(file: io.BufferedReader) -> Image.Image:
    start = file.read(4)
    file.seek(0)
    kind = next((kind for magic, kind in _KINDS.items() if start.startswith(magic)), None)
    if kind is not None:
        with suppress(UnidentifiedImageError):
            return Image.open(file, formats=(kind,))
        file.seek(0)
    picture_suffixes()  # so that what reads HEIC is there
    return Image.open(file)


def _open_file(path: str | os.PathLike[str]) -> io.BufferedReader:
    name = show_path(path)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(f"{name}: this is a folder, not a picture.")
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device could block for ever
            raise PictureError(f"{name}: this is not a regular file.")
        if status.st_size == 0:
            raise PictureError(f"{name}: the file is empty.")
        return Path(path).open("rb")
    except OSError as error:
        why = {
            FileNotFoundError: "there is no such file",
            NotADirectoryError: "there is no such file",
            PermissionError: "no permission to read this file",
        }.get(type(error), reason(error))
        raise PictureError(f"{name}: {why}.") from error
    except ValueError as error:  # a NUL in the name
        raise PictureError(f"{name}: there is no such file.") from error


def _what_it_is(path: str | os.PathLike[str]) -> str:
    with Path(path).open("rb") as file:
        start = file.read(12)
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS and "HEIF" not in Image.OPEN:
        return "HEIC is read with pillow-heif: pip install 'recolor-torch[heif]'"
    if start.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")) and "JXL" not in Image.OPEN:
        return "JPEG XL is read with pillow-jxl-plugin: pip install 'recolor-torch[jxl]'"
    if start.startswith(_STARTS) or start[4:8] == b"ftyp":
        return "the picture is damaged, cut short, or of a variant that is not read"
    return "not a picture, or of a kind that is not known"


def _check_end(file: io.BufferedReader) -> None:
    """Raise where a JPEG ends in zeros in place of its data, as broken downloads and copies do.

    The decoder would take the zeros for pixels and give a gray or smeared half without a word.
    """
    place = file.tell()
    file.seek(0, os.SEEK_END)
    size = file.tell()
    file.seek(max(0, size - 64))
    if not any(file.read()):
        file.seek(0)
        if not file.read().rstrip(b"\0").endswith(b"\xff\xd9"):
            raise EOFError("truncated")
    file.seek(place)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    if "truncated" in text or "Truncated" in text or isinstance(error, EOFError):
        return "the file is cut short."
    return f"the picture is damaged ({type(error).__name__}: {text[:200]})."
