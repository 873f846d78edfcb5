"""Long computations that end soon after nobody waits for them any more."""

from collections.abc import Callable
from typing import Any

from torch.overrides import TorchFunctionMode


class Interrupted(BaseException):
    """Nobody waits for what is computed. As for ``KeyboardInterrupt``, no handler of errors on the way takes it."""


class Interruptible(TorchFunctionMode):
    """While it is entered, every call of torch in this thread asks first, and raises ``Interrupted`` where told to.

    What is computed need not know of it: a search or a network ends within one of its operations.

    Args:
        stale: whether to stop; asked often.

    Example:
        >>> import torch
        >>> with Interruptible(lambda: False):
        ...     print(int(torch.ones(2).sum()))
        2
    """

    def __init__(self, stale: Callable[[], bool]) -> None:
        super().__init__()
        self.stale = stale

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Ask, then call."""
        if self.stale():
            raise Interrupted
        return func(*args, **(kwargs or {}))
