"""What a film says of its colors: matrix, range, primaries and transfer, and what is taken where it says nothing."""

from dataclasses import dataclass
from typing import Any

from recolor_torch.film.opening import FilmError

# Names of H.273's matrix coefficients (ISO/IEC 23091-2, table 4) that chroma is computed in, with (red, blue) weights.
MATRICES = {
    1: ("BT.709", 0.2126, 0.0722),
    4: ("FCC", 0.30, 0.11),
    5: ("BT.601", 0.299, 0.114),
    6: ("BT.601", 0.299, 0.114),
    7: ("SMPTE 240M", 0.212, 0.087),
    9: ("BT.2020", 0.2627, 0.0593),
}
# Those whose luma is no plain sum of red, green and blue, or whose chroma has no two axes of its own.
_OTHER_MATRICES = {
    8: "YCgCo",
    11: "SMPTE ST 2085",
    12: "chromaticity-derived",
    13: "chromaticity-derived, constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}
_RGB, UNSPECIFIED, _CONSTANT_LUMINANCE = 0, 2, 10
# Numbers of H.273's tables 2 and 3 that mean something.
_PRIMARIES = {1, *range(4, 13), 22}
_TRANSFERS = {1, *range(4, 19)}
# A film of more lines than the larger of the standard definition formats (PAL) is taken for high definition.
STANDARD_LINES, STANDARD_COLUMNS = 576, 1024


@dataclass(frozen=True)
class ColorTags:
    """How the levels of a film mean colors.

    Args:
        matrix: number of H.273's matrix coefficients, one of ``MATRICES``.
        full_range: luma goes from 0 to the top, else from 16 to 235 (in 8 bits).
        primaries, transfer: numbers of H.273; 2 where the film says nothing that is known.
        notes: what had to be guessed, a sentence each.
    """

    matrix: int
    full_range: bool
    primaries: int
    transfer: int
    notes: tuple[str, ...] = ()


def read_color_tags(frame: Any, name: str, *, rgb: bool, chroma: bool) -> ColorTags:
    """The color tags of a film's first frame, as PyAV has them, and a guess for what they leave open.

    A tag that the pixels contradict says nothing: RGB for what is stored as luma and chroma, a matrix for RGB.

    Args:
        frame: of PyAV.
        name: of the film, for messages.
        rgb: the pixels are red, green and blue, or a palette of them.
        chroma: there are planes of chroma.

    Raises:
        FilmError: chroma is in a matrix that is not supported.
    """
    notes = [f"The film is stored as RGB ({frame.format.name}), so its luma was computed, by BT.709."] if rgb else []
    matrix = 1 if rgb else _matrix(frame, name, chroma, notes)
    full = rgb or frame.format.name.startswith("yuvj") or int(frame.color_range) == 2
    if not full and int(frame.color_range) == 0:
        full = not chroma  # gray formats are full range where nothing is said, as in FFmpeg
        notes.append(f"The film does not say its range: {'full' if full else 'limited'} was taken.")
    primaries = _known(int(frame.color_primaries), _PRIMARIES, "primaries", notes)
    transfer = _known(int(frame.color_trc), _TRANSFERS, "transfer", notes)
    return ColorTags(matrix, full, primaries, transfer, tuple(notes))


def _matrix(frame: Any, name: str, chroma: bool, notes: list[str]) -> int:
    tag = int(frame.colorspace)
    if tag in MATRICES:
        return tag
    if tag == _CONSTANT_LUMINANCE:
        notes.append("The constant luminance form of BT.2020 is treated like the common one.")
        return 9
    if tag in _OTHER_MATRICES and chroma:
        raise FilmError(
            f"{name}: its color matrix ({_OTHER_MATRICES[tag]}, number {tag} of H.273) is not supported; where that is "
            "wrong, say another first, such as with "
            "ffmpeg -i IN -vf setparams=colorspace=bt709 -c:v ffv1 -c:a copy OUT.mkv."
        )
    matrix = 1 if frame.height > STANDARD_LINES or frame.width > STANDARD_COLUMNS else 6
    says = "does not say its color matrix"
    if tag == _RGB:
        says = f"says that it is RGB, which its pixels ({frame.format.name}) are not"
    elif tag != UNSPECIFIED:
        says = f"has a color matrix (number {tag}) that means nothing for its pixels ({frame.format.name})"
    notes.append(f"The film {says}: {MATRICES[matrix][0]} was taken, by its size.")
    return matrix


def _known(tag: int, numbers: set[int], what: str, notes: list[str]) -> int:
    if tag in numbers:
        return tag
    if tag not in (0, UNSPECIFIED):
        notes.append(f"The film's color {what} (number {tag}) are none of H.273 and are left out.")
    return UNSPECIFIED
