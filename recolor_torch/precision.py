"""Which types are computed in, and which are not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from recolor_torch.errors import UsageError

HALF = (torch.float16, torch.bfloat16)
"""Types in which a picture may come and go, and in which no histogram, sum or solve of one is right."""


def in_float32(function: Callable[..., Tensor], first: Tensor, *others: Any) -> Tensor:
    """``function(first, *others)`` computed in float32 and given back in the type of ``first``, which has 16 bits.

    Tensors inside of tuples and dataclasses (references, a guide) are widened too.

    Example:
        >>> half = torch.full((1,), 300.0, dtype=torch.float16)
        >>> half.square().sqrt(), in_float32(lambda x: x.square().sqrt(), half)
        (tensor([inf], dtype=torch.float16), tensor([300.], dtype=torch.float16))
    """
    return function(first.float(), *(widened(x) for x in others)).to(first.dtype)


def widened(value: Any) -> Any:
    """A value with its tensors of 16 bits in float32."""
    if isinstance(value, Tensor):
        return value.float() if value.dtype in HALF else value
    if type(value) is tuple:
        return tuple(widened(v) for v in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: widened(getattr(value, f.name)) for f in fields(value) if f.init})
    return value


def in_single(module: nn.Module, first: Tensor, second: Any) -> Tensor:
    """``module(first, second)`` in float32 where ``first`` is float64, and the result in float64 again.

    For modules whose weights are made for float32; a run in float64 has widened them, and what they make anew.
    """
    if first.dtype != torch.float64:
        return module(first, second)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        return module.float()(first.float(), _narrowed(second)).double()
    finally:
        torch.set_default_dtype(default)


def _narrowed(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.dtype == torch.float64 else value
    if type(value) is tuple:
        return tuple(_narrowed(v) for v in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _narrowed(getattr(value, f.name)) for f in fields(value) if f.init})
    return value


def refuse_half(precision: object, what: str) -> None:
    """Raise ``UsageError`` for a Trainer's precision that keeps weights and pictures in 16 bits."""
    if str(precision) in ("16-true", "bf16-true"):
        raise UsageError(f"{what} in {precision} would lose levels: use bf16-mixed, 16-mixed, 32-true or 64-true.")


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """On a GPU, convolutions that add up in one order, and of float32's own 24 bits, not TF32's 11.

    Steps of an optimization amplify the least difference: without this the same call gives another picture each time.
    Where the best match is chosen by features, another one is chosen: colors were up to five levels away.
    """
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.allow_tf32
    cudnn.deterministic, cudnn.allow_tf32 = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.allow_tf32 = before
