"""A parser whose errors are one sentence and whose help fits on a screen."""

import logging
import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Literal, NoReturn, get_args, get_origin

import jsonargparse

from recolor_torch.cli.help import flag_rows, full_help, short_help, topic_help, topics
from recolor_torch.cli.type_words import type_words
from recolor_torch.errors import UsageError


class Parser(jsonargparse.ArgumentParser):
    """jsonargparse's parser; a mistake raises ``UsageError``, and ``--help`` takes what to help with.

    ``--help`` shows the flags that matter, ``--help all`` every one, ``--help NAME`` a method's settings.

    Args:
        main: flags that matter, in the order in which help shows them; all that are no settings of methods where None.
        kwargs: of jsonargparse's parser.
    """

    def __init__(self, *, main: Iterable[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.main = main

    def parse_args(self, args: list[str] | None = None, **kwargs: Any) -> jsonargparse.Namespace:  # type: ignore[override]
        """Read the flags; ``--quiet`` keeps the package's warnings off the terminal."""
        words = sys.argv[1:] if args is None else args
        if not kwargs:  # not from within jsonargparse
            self._answer(words)
        found = super().parse_args(words, **kwargs)
        seed = found.get("seed")
        if isinstance(seed, int) and not 0 <= seed < 2**32:  # what all generators take
            raise UsageError(f"--seed must be 0 to {2**32 - 1}, got {seed}.")
        logging.getLogger("recolor_torch").setLevel(logging.ERROR if found.get("quiet") else logging.NOTSET)
        return found

    def knows(self, word: str) -> bool:
        """Whether a word, with a value behind ``=`` or without, is a flag that is written out."""
        return word.partition("=")[0] in self._option_string_actions

    def _answer(self, words: list[str]) -> None:
        """Print the help that is asked for, and end."""
        words = words[: words.index("--")] if "--" in words else words
        asks = [i for i, word in enumerate(words) if word in ("-h", "--help") or word.startswith("--help=")]
        if not asks:
            return
        asked = asks[0]
        following = words[asked + 1] if asked + 1 < len(words) else ""
        topic = words[asked].partition("=")[2] or ("" if following.startswith("-") else following)
        sys.stdout.write(self._help(topic))
        raise SystemExit(0)

    def _help(self, topic: str) -> str:
        if not topic:
            return short_help(self, self.main)
        if topic == "all":
            return full_help(self)
        if topic in topics(self):
            return topic_help(self, topic)
        known = ["all", *topics(self)]
        for flag, action in self._option_string_actions.items():
            if topic.lstrip("-") == flag.lstrip("-"):
                return "\n".join(flag_rows([action])) + "\n"
        raise UsageError(f"there is no help on {topic!r}.{guess([topic], known)} Known: {', '.join(known)}.")

    def error(self, message: str, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise the message as one sentence."""
        text = " ".join(str(message).split()).removesuffix(".").replace("typing.Literal", "one of ")
        if match := re.match(r'Parser key "(.+?)": (.*)', text):
            text = self._wrong_value(match[1], text)
        elif "unrecognized arguments" in text.lower():
            text = self._unrecognized(text.partition(":")[2].split() or text.split())
        raise UsageError(f"{text}.")

    def _wrong_value(self, key: str, text: str) -> str:
        """What a flag takes, in words, and what it was given."""
        known = self._option_string_actions
        action = known.get(f"--{key.replace('_', '-')}", known.get(f"--{key}"))
        kind, given = getattr(action, "_typehint", None), text.rpartition("Got value: ")[2]
        if action is None or kind is None or "Got value: " not in text:
            return text
        listed = [str(v) for part in (kind, *get_args(kind)) if get_origin(part) is Literal for v in get_args(part)]
        flag = max((f for f in action.option_strings if not f.endswith("+")), key=len)
        return f"{flag} must be {type_words(kind)}, got {given}.{guess([given], listed)}".rstrip(".")

    def _unrecognized(self, words: list[str]) -> str:
        """What is wrong with words that no flag takes: targets that stand apart, or flags that do not exist."""
        flags = [word.partition("=")[0] for word in words if word.startswith("-")]
        if not flags:
            return f"{' '.join(words)} stands apart: put all names in one place, before the flags or behind them"
        hint = guess(flags, self._option_string_actions)
        return f"unrecognized arguments: {' '.join(words)}.{hint} {self.prog} --help lists the flags"

    def format_help(self, *args: Any, **kwargs: Any) -> str:
        """The help with every flag."""
        return full_help(self)

    def print_help(self, file: Any = None) -> None:
        """Print the help with every flag."""
        (file or sys.stdout).write(full_help(self))


def guess(words: Iterable[str], known: Iterable[str]) -> str:
    """A sentence that offers the known word that is nearest to one that is not, with a space in front; or nothing.

    Example:
        >>> guess(["--strenght"], ["--strength", "--seed"])
        ' Did you mean --strength?'
    """
    names = sorted(known)
    by_plain = {_plain(name): name for name in names}
    for word in words:
        near = get_close_matches(_plain(word), list(by_plain), n=1, cutoff=0.65)
        near = near or [name for name in by_plain if len(word) > 3 and name.startswith(_plain(word))][:1]
        if not near and "." not in word:  # a setting without its method: --sigma for --levin.sigma
            tails = [name for name in names if _plain(name.rpartition(".")[2]) == _plain(word) and "." in name]
            near = [_plain(tails[0])] if tails else []
        if near:
            return f" Did you mean {by_plain[near[0]]}?"
    return ""


def _plain(word: str) -> str:
    """A word as people mean it: spelling of either side of the sea, and either kind of dash."""
    return word.lower().replace("_", "-").replace("colour", "color").replace("grey", "gray")
