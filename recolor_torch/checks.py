"""Checks at the door of public functions, with one form of message.

Shape and dtype only, but for ``require_all``: reading values waits for the device.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def one_or_many(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function of pictures, (B, C, H, W), take one, (C, H, W), as well; what comes back has no B then.

    Example:
        >>> one_or_many(lambda x: x.mean((2, 3)))(torch.ones(3, 4, 5))
        tensor([1., 1., 1.])
    """

    @wraps(function)
    def either(*args: P.args, **kwargs: P.kwargs) -> R:
        if not (args and isinstance(args[0], Tensor) and args[0].ndim == 3):
            return function(*args, **kwargs)
        named = {name: _as_batch(x) for name, x in kwargs.items()}
        found: Any = function(*[_as_batch(x) for x in args], **named)
        return found[0] if found.ndim else found

    return either


def _as_batch(x: Any) -> Any:
    return x[None] if isinstance(x, Tensor) and x.ndim == 3 else x


def check_float(x: Tensor, name: str) -> None:
    """Raise ``TypeError`` unless ``x`` is a float32 or float64 (or lower precision) tensor."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(x).__name__}.")
    if not x.is_floating_point():
        raise TypeError(f"{name} must be a floating point tensor, got {x.dtype}.")


def check_image(x: Tensor, name: str, channels: int | None = None) -> None:
    """Raise unless ``x`` is a floating point (B, C, H, W) tensor with ``channels`` channels.

    Raises:
        TypeError: ``x`` is not a floating point tensor.
        ValueError: ``x`` has another shape, or no pixels.
    """
    check_float(x, name)
    wanted = "C" if channels is None else str(channels)
    if x.ndim != 4 or (channels is not None and x.shape[1] != channels):
        raise ValueError(f"{name} must have shape (B, {wanted}, H, W), got {_shape(x)}.")
    if x.numel() == 0:
        raise ValueError(f"{name} has no pixels: its shape is {_shape(x)}.")


def check_mask(mask: Tensor, name: str, like: Tensor, like_name: str = "image") -> None:
    """Raise unless ``mask`` is a floating point (B or 1, 1, H, W) tensor over the pixels of ``like``."""
    check_float(mask, name)
    b, _, h, w = like.shape
    if mask.ndim != 4 or mask.shape[0] not in (1, b) or tuple(mask.shape[1:]) != (1, h, w):
        raise ValueError(f"{name} must have shape ({b} or 1, 1, {h}, {w}) to go with {like_name}, got {_shape(mask)}.")


def check_batch(x: Tensor, name: str, like: Tensor, like_name: str = "image") -> None:
    """Raise unless the batch of ``x`` is 1 or that of ``like``."""
    if x.shape[0] not in (1, like.shape[0]):
        raise ValueError(
            f"{name} must have a batch of 1 or of {like.shape[0]} to go with {like_name}, got {x.shape[0]}."
        )


def check_same_size(x: Tensor, name: str, like: Tensor, like_name: str = "image") -> None:
    """Raise unless ``x`` has the height and width of ``like``."""
    if x.shape[-2:] != like.shape[-2:]:
        raise ValueError(
            f"{name} must be {like.shape[-2]} x {like.shape[-1]} pixels (height x width) like {like_name}, "
            f"got {x.shape[-2]} x {x.shape[-1]}."
        )


def check_choice(value: str, name: str, known: Sequence[str]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``known``; the message lists them."""
    if value not in known:
        raise ValueError(f"Unknown {name} {value!r}. Known: {', '.join(known)}.")


def require_all(condition: Tensor, message: str) -> None:
    """Raise ``ValueError`` with ``message`` unless ``condition`` is true everywhere.

    Inside of ``torch.compile`` it becomes a part of the graph, and a ``RuntimeError``: the graph stays whole.
    """
    if torch.compiler.is_compiling():
        torch._assert_async(condition.all(), message)  # noqa: SLF001
    elif not bool(condition.all()):
        raise ValueError(message)


def _shape(x: Tensor) -> str:
    return "(" + ", ".join(str(n) for n in x.shape) + ")"
