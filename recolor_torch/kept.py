"""What was made last, kept for the next call with the same tensors."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from torch import Tensor

T = TypeVar("T")


class Kept(Generic[T]):
    """One result, and what it was made of: the very tensors, not changed in place since, and equal other values.

    Changes in place of tensors that were made in inference mode are not counted by torch, and not seen.

    Example:
        >>> import torch
        >>> kept, x = Kept(), torch.ones(2)
        >>> kept.get([x], lambda: x.sum()) is kept.get([x], lambda: x.sum())
        True
        >>> kept.get([x.mul_(2)], lambda: x.sum())
        tensor(4.)
    """

    def __init__(self) -> None:
        self._made: tuple[list[Any], T] | None = None

    def get(self, of: Sequence[Any], make: Callable[[], T]) -> T:
        """The result that was made of ``of``; ``make`` makes it where the last one was made of something else."""
        now = [part for x in of for part in (x, _version(x))]
        made = self._made  # once: threads may share a method
        if made is None or not _same(made[0], now):
            made = self._made = now, make()
        return made[1]

    def clear(self) -> None:
        """Forget the result."""
        self._made = None


def _version(x: Any) -> int:
    """How often a tensor was changed in place, where that is counted."""
    return x._version if isinstance(x, Tensor) and not x.is_inference() else 0  # noqa: SLF001  it has no public name


def _same(before: list[Any], now: list[Any]) -> bool:
    return len(before) == len(now) and all(
        a is b or (not isinstance(a, Tensor) and not isinstance(b, Tensor) and a == b) for a, b in zip(before, now)
    )
