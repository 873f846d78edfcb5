"""Numbered pictures as the frames of a film: what their headers say, and their planes."""

import hashlib
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from recolor_torch.errors import UsageError
from recolor_torch.files import file_hash
from recolor_torch.film.encoding import Encoding, choose_encoding
from recolor_torch.film.opening import FilmError, show
from recolor_torch.film.planes import rgb_to_planes
from recolor_torch.film.probing import FilmInfo
from recolor_torch.film.reader import FilmFile, Frame
from recolor_torch.film.settings import Codec, Quality
from recolor_torch.pictures.info import PictureInfo
from recolor_torch.pictures.read import PictureError, PictureWarning, probe, read_picture

# BT.709's number in H.273's tables of matrices, primaries and transfers.
_BT709 = 1
# Gaps of the numbers, and kinds of names, that a note lists.
MOST_LISTED = 5


def probe_pictures(folder: Path, pictures: tuple[Path, ...], rate: Fraction, colors: bool = False) -> FilmInfo:
    """What a film of pictures is, by the headers of all of them.

    It has the matrix, primaries and transfer of BT.709, and the pictures' values as they are. ``fit_pictures`` gives it
    the depth and the range that it is written with.

    Args:
        folder: that they lie in, for messages and the record.
        pictures: the frames in order.
        rate: frames a second.
        colors: frames have chroma too, where a picture has colors.

    Raises:
        FilmError: a picture cannot be read, or its size is another than the first one's, or two have one number.
    """
    infos = [_probe(path) for path in pictures]
    first = infos[0]
    for info in infos:
        if (info.width, info.height) != (first.width, first.height):
            raise FilmError(
                f"{show(info.path)}: has {info.width} x {info.height} pixels, and {show(first.path)} has "
                f"{first.width} x {first.height}; the frames of a film have one size."
            )
    depth = max(info.bits for info in infos)
    notes = number_notes(pictures)
    shallow = [info for info in infos if info.bits < depth]
    if shallow:
        notes.append(f"{len(shallow)} of {len(infos)} pictures have 8 bits a channel, such as {shallow[0].path.name}.")
    kinds = sorted({info.format for info in infos})
    return FilmInfo(
        path=folder,
        width=first.width,
        height=first.height,
        format=f"{'/'.join(kinds)} pictures",
        depth=depth,
        shift=(1, 1),
        has_chroma=colors and any(info.mode != "gray" for info in infos),
        matrix=_BT709,
        primaries=_BT709,
        transfer=_BT709,
        full_range=True,
        rate=rate,
        time_base=1 / rate,
        frames=len(pictures),
        codec="pictures",
        notes=(*notes, *(note for note in _first_notes(pictures[0]) if note not in notes)),
        counted=True,
        pictures=pictures,
    )


def _probe(path: Path) -> PictureInfo:
    try:
        return probe(path)
    except PictureError as error:
        raise FilmError(str(error)) from error


def _first_notes(path: Path) -> list[str]:
    """What was lost or assumed on reading the first picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PictureWarning)
            picture = read_picture(path)
    except PictureError as error:
        raise FilmError(str(error)) from error
    lost = [] if picture.is_opaque() else ["The transparency of the pictures is left out."]
    return [*(f"{path.name}: {note}" for note in picture.notes), *lost]


def fit_pictures(info: FilmInfo, output: Path, codec: Codec, quality: Quality) -> tuple[FilmInfo, Encoding]:
    """The film that pictures become, with the depth, range and chroma that it is written with; and its encoding.

    A lossless film is of full range: the luma of gray pictures is then what they hold. Else it is of limited range,
    which every player shows. FFV1 holds all of 16 bits, other encoders 10 where they can.

    Raises:
        UsageError: as of ``choose_encoding``.
    """
    deep = info.depth > 8
    # At 10 bits more players know HEVC than H.264.
    film = replace(info, codec="hevc") if deep else info
    depths = [8, 10] if not deep else [16, 10, 8] if codec == "ffv1" or quality == "lossless" else [10, 8]
    problem: UsageError | None = None
    for depth in depths:
        try:
            encoding = choose_encoding(replace(film, depth=depth), output, codec, quality)
            break
        except UsageError as error:
            problem = problem or error
    else:
        assert problem is not None
        raise problem
    notes: tuple[str, ...] = ()
    if depth < info.depth:
        notes += (f"The pictures have 16 bits a channel, and the film has {depth} ({encoding.codec}); ffv1 keeps all.",)
    if encoding.shift == (0, 0) and (info.width % 2 or info.height % 2):
        size = f"{info.width} x {info.height}"
        notes += (
            f"Chroma is stored at full resolution ({encoding.format}), which not all players show: an odd side "
            f"({size}) has no half.",
        )
    film = replace(info, depth=depth, full_range=encoding.lossless, shift=encoding.shift)
    return film, replace(encoding, notes=notes)


class PictureFile(FilmFile):
    """A film of pictures as frames to be colored; references and hints find them by name or number."""

    def __init__(self, info: FilmInfo) -> None:
        super().__init__(info, len(info.pictures))
        self.stems = {path.stem: i for i, path in enumerate(info.pictures)}
        self.numbers = numbers_of(info.pictures)

    def read(self, start: int) -> Iterator[Frame]:
        """The frames from number ``start`` on."""
        for index in range(start, self.frames):
            yield Frame(index, index, 1, _planes(self.info, index))


def frames_of(info: FilmInfo, frames: int) -> FilmFile:
    """What reads the frames of a film, a file or pictures.

    Args:
        info: of the film.
        frames: how many it has.
    """
    return PictureFile(info) if info.pictures else FilmFile(info, frames)


def _planes(info: FilmInfo, index: int) -> list[np.ndarray]:
    path = info.pictures[index]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PictureWarning)
            image = read_picture(path).image
    except PictureError as error:
        raise FilmError(str(error)) from error
    height, width = image.shape[-2:]
    if (height, width) != (info.height, info.width):
        raise FilmError(f"{show(path)}: has {width} x {height} pixels now; it was changed meanwhile.")
    return rgb_to_planes(image, info)


def input_hash(path: Path, pictures: tuple[Path, ...] = ()) -> str:
    """SHA-256 of a film's file, or of the names and the bytes of its pictures."""
    if not pictures:
        return file_hash(path)
    stamps = ((os.fspath(p), status.st_size, status.st_mtime_ns) for p in pictures for status in [p.stat()])
    return _hash_as_of(tuple(stamps))


@lru_cache(maxsize=2)
def _hash_as_of(stamps: tuple[tuple[str, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for name, _, _ in stamps:
        path = Path(name)
        whole.update(f"{path.name}\0{file_hash(path)}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def numbers_of(pictures: tuple[Path, ...]) -> dict[int, int]:
    """The places of the frames by the numbers in their names; empty where these do not tell them all apart.

    Example:
        >>> numbers_of((Path("s_0098.tif"), Path("s_0100.tif")))
        {98: 0, 100: 1}
    """
    numbers = [_number(path) for path in pictures]
    found = {number: i for i, number in enumerate(numbers) if number is not None}
    return found if len(found) == len(pictures) else {}


def number_notes(pictures: tuple[Path, ...]) -> list[str]:
    """What the names of the frames tell: numbers that are missing, and names of several kinds, a sentence each.

    Raises:
        FilmError: two pictures of one name have one number.
    """
    kinds: dict[tuple[Path, str], dict[int, Path]] = {}
    for path in pictures:
        number = _number(path)
        if number is not None:
            same = kinds.setdefault((path.parent, re.sub(r"\d+$", "", path.stem)), {})
            if number in same:
                raise FilmError(f"{show(path)}: {same[number].name} has the same number; name those of one kind.")
            same[number] = path
    notes = []
    bare = len(pictures) - sum(map(len, kinds.values()))
    if len(kinds) > len(pictures) / 2:  # the number that tells the frames apart stands elsewhere in the names
        return []
    if len(kinds) + (bare > 0) > 1:
        named = [f"{len(paths)} like {next(iter(paths.values())).name}" for paths in kinds.values()]
        named = [*named[:MOST_LISTED], *(["others"] if len(named) > MOST_LISTED else [])]
        named += [f"{bare} without a number"] if bare else []
        notes.append(f"The names of the pictures are of several kinds, which follow each other: {', '.join(named)}.")
    for paths in kinds.values():
        ordered = sorted(paths)
        steps = [b - a for a, b in pairwise(ordered)]
        step = max(set(steps), key=lambda s: (steps.count(s), -s), default=1)
        missing = [(a + step, b - step) for a, b in pairwise(ordered) if b - a > step]
        if missing:
            count = sum((b - a) // step + 1 for a, b in missing)
            listed = ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in missing[:MOST_LISTED])
            more = ", ..." if len(missing) > MOST_LISTED else ""
            one = "Number" if count == 1 else f"{count} numbers"
            verb = "is" if count == 1 else "are"
            notes.append(
                f"{one} of {paths[ordered[0]].name} to {paths[ordered[-1]].name} {verb} missing ({listed}{more}); "
                "the frames around follow each other."
            )
    return notes


def _number(path: Path) -> int | None:
    match = re.search(r"\d+$", path.stem)
    return int(match[0]) if match and len(match[0]) < 19 else None
