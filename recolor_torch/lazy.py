"""Modules that are slow to import and that most runs do not need."""

from importlib import import_module
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """Stands for a module, which is imported when something of it is first used.

    Example:
        >>> LazyModule("math").floor(2.5)
        2
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)
