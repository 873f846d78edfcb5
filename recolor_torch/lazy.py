"""Modules that are slow to import and that most runs do not need, and a mark for a compiler that is not imported."""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class LazyModule(ModuleType):
    """Stands for a module, which is imported when something of it is first used.

    Example:
        >>> LazyModule("math").floor(2.5)
        2
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


def constant(function: F) -> F:
    """Tell ``torch.compile`` to call ``function`` rather than to look inside: equal arguments give equal results.

    For tables of other libraries. ``torch.compiler.assume_constant_result`` sets the same mark, and takes a second to
    import the compiler.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]  # noqa: SLF001
    return function
