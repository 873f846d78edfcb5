"""Types in words, for messages."""

from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "the name of a file",
    NoneType: "null",
}


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
