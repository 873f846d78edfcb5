"""Types: whether a value is of one, and their names in words for messages."""

from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import jsonargparse

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "the name of a file",
    NoneType: "null",
}


def is_of_type(value: Any, kind: Any) -> bool:
    """Whether jsonargparse, which reads flags and YAML, reads a value as a type."""
    if kind is Any:
        return True
    if isinstance(value, bool) and bool not in (kind, *get_args(kind)):
        return False
    if value is None:
        return NoneType in get_args(kind)  # to jsonargparse a key that is null is one that is not given
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=kind)
    try:
        parser.parse_object({"value": value})
    except (jsonargparse.ArgumentError, TypeError, ValueError, RecursionError):
        return False
    return True


def type_words(kind: Any) -> str:
    """A type in words."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(type_words(part) for part in parts)
    if origin is Literal:
        return f"one of {', '.join(str(part) for part in parts)}"
    if origin in (list, tuple):
        inner = type_words(parts[0]) if parts else "values"
        return f"a list, each of it {inner}"
    if origin is dict or kind is dict:
        return "a table"
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))
