"""Files whose first picture is only a preview: camera raw, and TIFF with a thumbnail in front."""

import os
from pathlib import Path
from typing import Any

from recolor_torch.pictures.tiff import OddTiff

_RAW = """
3fr ari arw bay cap cr2 cr3 crw dcr dcs dng eip erf fff iiq k25 kdc mdc mef mos mrw nef nrw orf pef
ptx pxn r3d raf raw rw2 rwl rwz sr2 srf srw x3f
"""
RAW_SUFFIXES = frozenset(f".{name}" for name in _RAW.split())
_SUBFILE, _SUBDIRECTORIES, _DNG_VERSION, _PHOTOMETRIC = 254, 330, 50706, 262
_SENSOR = (32803, 34892)  # a color filter array, and linear raw
RAW = "this is a camera's raw file, of which only a preview could be read: develop it to a TIFF or JPEG first"


def skip_previews(image: Any, path: str | os.PathLike[str]) -> None:
    """Bring a TIFF that is open and not loaded to its first page that is not a smaller copy.

    Raises:
        ValueError: a clause that says why there is none.
    """
    if image.format != "TIFF":
        return
    tags = image.tag_v2
    raw = _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) in _SENSOR or Path(path).suffix.lower() in RAW_SUFFIXES
    if raw or (_is_copy(tags) and _SUBDIRECTORIES in tags):
        raise ValueError(RAW)
    if not _is_copy(tags) or isinstance(image, OddTiff):
        return
    for page in range(1, getattr(image, "n_frames", 1)):
        image.seek(page)
        if not _is_copy(image.tag_v2):
            return
    image.seek(0)


def _is_copy(tags: Any) -> bool:
    value = tags.get(_SUBFILE, 0)
    return isinstance(value, int) and bool(value & 1)
