"""A method of a user's own, in a module of their own."""

import os
import sys
from collections.abc import Iterable
from importlib import import_module

from recolor_torch.methods.base import Recolorizer


def method_by_path(path: str, known: Iterable[str]) -> type[Recolorizer]:
    """The class of a method by its class path, as ``my_module.MyMethod``; modules of the current folder are found too.

    Args:
        path: the class path.
        known: names that the message lists where there is no such class.

    Raises:
        ValueError: there is no such class, or it is no method.
    """
    names = ", ".join(sorted(known))
    module, _, attribute = path.rpartition(".")
    if not module:
        raise ValueError(f"Unknown method {path!r}. Known methods: {names}; or module.Class.")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"Unknown method {path!r}: {error}. Known methods: {names}.") from error
    if not (isinstance(found, type) and issubclass(found, Recolorizer)):
        raise ValueError(f"{path} is no method: it must be a class derived from recolor_torch.Recolorizer.")
    return found
