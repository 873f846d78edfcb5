"""Put colour into grayscale photographs and change the colour of coloured ones.

The public names below are imported on first use, so that ``import recolor_torch`` costs nothing.
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

__all__ = ["__version__", *_PUBLIC]

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
    if name not in _PUBLIC:
        raise AttributeError(f"module 'recolor_torch' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


moved.install()
