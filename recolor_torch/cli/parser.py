"""A parser whose errors are one sentence and whose help reads as text."""

import argparse
import logging
import re
import sys
from difflib import get_close_matches
from typing import Any, NoReturn

import jsonargparse

from recolor_torch.errors import UsageError


class _Formatter(argparse.RawDescriptionHelpFormatter, jsonargparse.DefaultHelpFormatter):
    """Keeps the line breaks of the description, where the examples are."""


class Parser(jsonargparse.ArgumentParser):
    """jsonargparse's parser; a mistake raises ``UsageError``, and an unknown flag lists the known ones."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, formatter_class=_Formatter, **kwargs)

    def parse_args(self, *args: Any, **kwargs: Any) -> jsonargparse.Namespace:  # type: ignore[override]
        """Read the flags; ``--quiet`` keeps the package's warnings off the terminal."""
        found = super().parse_args(*args, **kwargs)
        seed = found.get("seed")
        if isinstance(seed, int) and not 0 <= seed < 2**32:  # what all generators take
            raise UsageError(f"--seed must be 0 to {2**32 - 1}, got {seed}.")
        logging.getLogger("recolor_torch").setLevel(logging.ERROR if found.get("quiet") else logging.NOTSET)
        return found

    def error(self, message: str, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise the message as one sentence."""
        text = " ".join(str(message).split()).removesuffix(".").replace("typing.Literal", "one of ")
        if "unrecognized arguments" in text.lower():
            text = self._unrecognized(text.partition(":")[2].split() or text.split())
        raise UsageError(f"{text}.")

    def _unrecognized(self, words: list[str]) -> str:
        """What is wrong with words that no flag takes: targets that stand apart, or flags that do not exist."""
        flags = [word for word in words if word.startswith("-")]
        if not flags:
            return f"{' '.join(words)} stands apart: put all names in one place, before the flags or behind them"
        known = sorted(flag for flag in self._option_string_actions if flag.startswith("--"))
        near = [f for word in flags for f in get_close_matches(word.partition("=")[0], known, n=1, cutoff=0.7)]
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"unrecognized arguments: {' '.join(words)}.{hint} {self.prog} --help lists the flags"

    def format_help(self, *args: Any, **kwargs: Any) -> str:
        """The help without the marks of docstrings, and without the types that are said in words."""
        text = super().format_help(*args, **kwargs).replace("``", "")
        text = re.sub(r"\s*\((required, )?type:\s[^()]*?(default:\s([^()]*?))?\)", _default, text)
        text = re.sub(r"\n  --\S+ CONFIG\s+Path to a configuration file\.", "", text)
        return re.sub(r"\s*\((default: null|default: False|required)\)", "", text)

    def print_help(self, file: Any = None) -> None:
        """Print the help."""
        (file or sys.stdout).write(self.format_help())


def _default(match: re.Match[str]) -> str:
    value = " ".join((match[3] or "").split())
    return "" if value in ("", "null", "False", "''", '""') else f" (default: {value})"
