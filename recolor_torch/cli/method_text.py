"""Methods as text: a name or a class path, and settings as in YAML; read without importing a method."""

import sys
from inspect import Parameter, signature
from typing import Any

from recolor_torch.cli.parser import guess
from recolor_torch.cli.signatures import known_methods
from recolor_torch.errors import UsageError


def check_method(name: str) -> None:
    """Raise ``UsageError`` unless there is a method of this name; a class path is looked at when it is imported."""
    known = {**known_methods(), **_registered()}
    if name not in known and "." not in name:
        listed = ", ".join(sorted(known))
        raise UsageError(f"Unknown method {name!r}. Known methods: {listed}; or module.Class.{guess([name], known)}")


def _registered() -> dict[str, type]:
    """What a program that has imported the methods has put beside them."""
    return getattr(sys.modules.get("recolor_torch.methods"), "METHODS", {})


def method_parts(text: str) -> tuple[str, dict[str, Any]]:
    """Name and settings from ``"NAME SETTING=VALUE ..."``, values as in YAML.

    Raises:
        UsageError: there is no such method, or no such setting of it.
    """
    name, *settings = text.split() or [""]
    check_method(name)
    values: dict[str, Any] = {}
    for setting in settings:
        key, mark, value = setting.partition("=")
        if not mark:
            raise UsageError(f"{text!r}: a setting is written SETTING=VALUE, got {setting!r}.")
        check_setting(name, key)
        values[key] = parse_value(value)
    return name, values


def check_setting(method: str, key: str) -> None:
    """Raise ``UsageError`` unless the method has such a setting."""
    known = settings_of(method)
    if key not in known:
        raise UsageError(
            f"{method} has no setting {key!r}. Known settings: {', '.join(known) or 'none'}.{guess([key], known)}"
        )


def settings_of(method: str) -> dict[str, Parameter]:
    """The settings of a method by name; a class of the user's is imported for them.

    Raises:
        UsageError: there is no such method.
    """
    known = known_methods()
    if method in known:
        cls = known[method]
    else:
        from recolor_torch.methods import find_method

        try:
            cls = find_method(method)
        except ValueError as error:
            raise UsageError(str(error)) from error
    return dict(signature(cls).parameters)


def parse_value(text: str) -> Any:
    """A setting's value as YAML has it, and 1e-3 as the number that YAML takes for text."""
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{text!r} is no value: {' '.join(str(error).split())}.") from error
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
