"""Text files of the user: UTF-8, or what spreadsheets make of it; else a clause that names the first wrong byte."""

import codecs
import json
from pathlib import Path
from typing import Any


def read_text(path: Path) -> str:
    """The text of a file: UTF-8 with or without a mark in front, or UTF-16 with one.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such text; a clause that names the byte.
    """
    data = path.read_bytes()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not {'UTF-16' if utf16 else 'UTF-8'}, byte {error.start}") from error
    if "\0" in text:
        raise ValueError(f"it is not text, byte {data.index(0)}")
    return text


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none, or is nested too deeply; a clause.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is not JSON: nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from error


def short(value: Any) -> str:
    """A value for a message: as JSON, 40 letters at most, and printable."""
    try:
        text = "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        text = type(value).__name__
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= 40 else text[:37] + "..."
