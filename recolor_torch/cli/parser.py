"""A parser whose errors are one sentence and whose help reads as text."""

import sys
from typing import Any, NoReturn

import jsonargparse

from recolor_torch.errors import UsageError


class Parser(jsonargparse.ArgumentParser):
    """jsonargparse's parser; a mistake raises ``UsageError``, and an unknown flag lists the known ones."""

    def error(self, message: str, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise the message as one sentence."""
        text = " ".join(str(message).split()).removesuffix(".")
        if "unrecognized arguments" in text:
            flags = sorted(flag for flag in self._option_string_actions if flag.startswith("--"))
            text = f"{text}. Known flags: {' '.join(flags)}"
        raise UsageError(f"{text}.")

    def print_help(self, file: Any = None) -> None:
        """Print the help without the marks of the docstrings."""
        (file or sys.stdout).write(self.format_help().replace("``", "").replace(" (default: null)", ""))
