"""Put color into grayscale photographs and films, and change the color of colored ones.

Names and subpackages are imported when they are first used, so that ``import recolor_torch as rt`` costs nothing:
``rt.recolor(image, reference=other)``, ``rt.color.rgb_to_yuv``, ``rt.linalg.solve``, ``rt.methods.spread_chroma``.

Ten words:

* *target*: the picture that is colored; *reference*: a picture whose colors are wanted.
* *hints*: colors that a person gave at some pixels; *mask*: 1 where there is one, else 0.
* *luminance*: Y of full-range BT.601 YUV, [0, 1]; *lightness*: L of CIE Lab, [0, 100].
* *chroma*: the other two channels, U and V in +-0.5, or a and b.
* *guide*: all that a method may be told: references, hints, masks, a soft estimate.
* *prior*: a soft estimate of the chroma, believed by its *confidence*.
* *gallery*: a folder in which the reference for a target is found by what the pictures show.
* *run record*: ``run.jsonl`` beside the results, from which the same command goes on.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from recolor_torch import moved

__version__ = "0.1.0"

_PUBLIC = {
    "recolor": "recolor_torch.pipeline",
    "Guide": "recolor_torch.guide",
    "Reference": "recolor_torch.guide",
    "Recolorizer": "recolor_torch.methods",
    "METHODS": "recolor_torch.methods",
    "build_method": "recolor_torch.methods",
    "read_hints": "recolor_torch.hints.read",
    "read_picture": "recolor_torch.pictures",
    "write_picture": "recolor_torch.pictures",
}

_SUBPACKAGES = (
    "color",
    "energies",
    "evaluation",
    "features",
    "film",
    "filters",
    "gallery",
    "hints",
    "linalg",
    "lit",
    "losses",
    "methods",
    "networks",
    "pictures",
    "plots",
    "run",
    "training",
)

__all__ = ["__version__", *_PUBLIC, *_SUBPACKAGES]

if TYPE_CHECKING:
    from recolor_torch.guide import Guide as Guide
    from recolor_torch.guide import Reference as Reference
    from recolor_torch.hints.read import read_hints as read_hints
    from recolor_torch.methods import METHODS as METHODS
    from recolor_torch.methods import Recolorizer as Recolorizer
    from recolor_torch.methods import build_method as build_method
    from recolor_torch.pictures import read_picture as read_picture
    from recolor_torch.pictures import write_picture as write_picture
    from recolor_torch.pipeline import recolor as recolor


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return import_module(f"recolor_torch.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'recolor_torch' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


moved.install()
