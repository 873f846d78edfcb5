"""Objects as configs from which they can be made again."""

import inspect
from os import PathLike, fspath
from typing import Any

INSTANTIATOR = {"_instantiator": "lightning.pytorch.cli.instantiate_module"}
"""Beside the arguments in a checkpoint: Lightning makes the objects that they describe."""


def describe(value: Any) -> Any:
    """A value in plain types: an object of a class as ``class_path`` and ``init_args``, as LightningCLI reads it.

    The arguments are what a method ``settings`` gives, else the attributes of the same names. An argument that an
    object does not keep says how it began and not what it is (a file of weights to start from), and is left out.

    Example:
        >>> from pathlib import PurePosixPath
        >>> describe({"sizes": (1, 2), "file": PurePosixPath("a/b")})
        {'sizes': [1, 2], 'file': 'a/b'}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, list | tuple):
        return [describe(v) for v in value]
    if isinstance(value, dict):
        return {k: describe(v) for k, v in value.items()}
    kind = type(value)
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": arguments(value)}


def arguments(value: Any) -> dict[str, Any]:
    """The arguments that an object's class was called with, by name, as ``describe`` gives them."""
    if hasattr(value, "settings"):
        return {name: describe(v) for name, v in value.settings().items()}
    names = list(inspect.signature(type(value).__init__).parameters)[1:]
    return {name: describe(getattr(value, name)) for name in names if hasattr(value, name)}
