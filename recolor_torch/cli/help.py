"""The help of a verb: what matters on one screen, a method's settings, or all there is."""

# ruff: noqa: SLF001  argparse tells of its flags in private names alone, as its own formatters read them
import argparse
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

LEFT = 26
"""Columns for the names of flags."""

MOST_LISTED = 50
"""Letters of values that are listed beside a flag; more stand in its text."""

_PLACEHOLDERS: dict[Any, str] = {int: "N", float: "X", str: "TEXT", bool: "true|false", Path: "FILE"}
_EMPTY = (None, False, "", argparse.SUPPRESS)


def short_help(parser: argparse.ArgumentParser, main: Iterable[str] | None) -> str:
    """Usage, examples, and the flags that matter; those of a small verb all matter.

    Args:
        parser: of the verb.
        main: flags that are shown; all that are no settings of methods where None.
    """
    names = None if main is None else list(main)
    actions = [a for group in plain_groups(parser) for a in group if names is None or set(a.option_strings) & {*names}]
    if names is not None:
        actions.sort(key=lambda a: min(names.index(flag) for flag in a.option_strings if flag in names))
    lines = [_usage(parser), "", (parser.description or "").strip(), "", *flag_rows(actions)]
    more = []
    if names is not None:
        more.append(f"{parser.prog} --help all lists every flag")
    if topics(parser):
        more.append(f"--help NAME the settings of {', '.join(topics(parser))}")
    return "\n".join([*lines, *(["", *wrapped("; ".join(more) + ".")] if more else [])]) + "\n"


def full_help(parser: argparse.ArgumentParser) -> str:
    """Usage, description and every flag, group by group."""
    parts = [_usage(parser), "", (parser.description or "").strip(), ""]
    for group in plain_groups(parser):
        parts += flag_rows(group)
    for name in topics(parser):
        parts += ["", *topic_lines(parser, name)]
    return "\n".join(parts) + "\n"


def topic_help(parser: argparse.ArgumentParser, name: str) -> str:
    """The settings of a method, or of another thing that has some, such as ``film``."""
    return "\n".join(topic_lines(parser, name)) + "\n"


def topics(parser: argparse.ArgumentParser) -> list[str]:
    """What has settings of its own, as ``--NAME.SETTING``."""
    found = {flag[2:].partition(".")[0]: None for flag in parser._option_string_actions if "." in flag}
    return list(found)


def topic_lines(parser: argparse.ArgumentParser, name: str) -> list[str]:
    """What a method does, and its settings."""
    for group in parser._action_groups:
        flags = [a for a in group._group_actions if any(f.startswith(f"--{name}.") for f in a.option_strings)]
        if flags:
            return [name, *wrapped(_plain(group.title or ""), 2), "", *flag_rows(flags)]
    return []


def plain_groups(parser: argparse.ArgumentParser) -> Iterator[list[argparse.Action]]:
    """Flags that are no settings of methods, by group: first what stands without a flag."""
    own = set(topics(parser))
    for group in parser._action_groups:
        found = [a for a in group._group_actions if a.help is not argparse.SUPPRESS and a.dest != "help"]
        found = [a for a in found if not any(f[2:].partition(".")[0] in own for f in a.option_strings)]
        if found:
            yield found


def flag_rows(actions: Iterable[argparse.Action]) -> list[str]:
    """Two columns: a flag with what it takes, and what it does for a picture."""
    lines = []
    for action in actions:
        left = f"  {_names(action)}"
        text = wrapped(_plain(_described(action)), LEFT + 2)
        if len(left) > LEFT:
            lines += [left, *text]
        else:
            lines += [f"{left:<{LEFT + 2}}{text[0].strip()}" if text else left, *text[1:]]
    return lines


def wrapped(text: str, indent: int = 0) -> list[str]:
    """Text in lines that fit the terminal."""
    width = min(100, max(60, shutil.get_terminal_size((100, 24)).columns))
    space = " " * indent
    return textwrap.wrap(text, width, initial_indent=space, subsequent_indent=space, break_on_hyphens=False)


def _usage(parser: argparse.ArgumentParser) -> str:
    if parser.usage:
        return f"usage: {parser.usage}"
    words = [a.metavar or a.dest.upper() for a in parser._actions if not a.option_strings]
    return " ".join(["usage:", parser.prog, *map(str, words), "[options]"])


def _names(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest.upper())
    value = "" if action.nargs == 0 else f" {_placeholder(action)}"
    flags = sorted((flag for flag in action.option_strings if not flag.endswith("+")), key=len)
    return f"{', '.join(flags)}{value}"


def _placeholder(action: argparse.Action) -> str:
    if action.choices:
        return "|".join(map(str, action.choices))
    metavar = str(action.metavar or "")
    if metavar and not metavar.startswith("{") and "." not in action.dest:
        return metavar
    kind = getattr(action, "_typehint", None)
    parts = (kind,) if get_origin(kind) is Literal else (*get_args(kind), kind)
    first = next((part for part in parts if part is not type(None)), None)
    if get_origin(first) is Literal:
        listed = "|".join(map(str, get_args(first)))
        return listed if len(listed) <= MOST_LISTED else "NAME"
    return _PLACEHOLDERS.get(first, "VALUE")


def _described(action: argparse.Action) -> str:
    text = str(action.help or "").replace("%%", "%")
    kind = getattr(action, "_typehint", None)
    for part in (kind, *get_args(kind)):
        listed = ", ".join(map(str, get_args(part))) if get_origin(part) is Literal else ""
        if len(listed) > MOST_LISTED and not all(str(value) in text for value in get_args(part)):
            text = f"{text.rstrip('.')}: {listed}."
    default: Any = action.default
    unset = isinstance(default, bool | str | None) and default in _EMPTY
    return text if unset or action.nargs == 0 else f"{text.rstrip('.')} (default: {_shown(default)})"


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    text = str(default)
    return text if len(text) < 60 else f"{text[:57]}..."


def _plain(text: str) -> str:
    return re.sub(r"\s*\((required, )?type:[^()]*\)", "", " ".join(text.replace("``", "").split()))
