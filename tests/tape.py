"""A recorder for the CPU with the habits of a CUDA graph: fixed places, burnt-in numbers, no reading of values."""

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITING = ("_local_scalar_dense", "nonzero", "equal", "_assert_async")


class Tape(TorchDispatchMode):
    """Records the operations of a procedure without a lasting effect; a call does them again, in the same memory."""

    def __init__(self, procedure, like):
        super().__init__()
        self.done, self.before = [], []
        with self:
            procedure()
        for tensor, value in reversed(self.before):
            tensor.copy_(value)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if any(word in str(func) for word in WAITING):
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}")
        for argument, value in zip(func._schema.arguments, [*args, *kwargs.values()]):
            if argument.alias_info is not None and argument.alias_info.is_write:
                self.before += [(t, t.clone()) for t in tree_leaves(value) if isinstance(t, Tensor)]
        for name, value in kwargs.items():
            if name == "out":
                self.before += [(t, t.clone()) for t in tree_leaves(value) if isinstance(t, Tensor)]
        out = func(*args, **kwargs)
        fresh = all(r.alias_info is None for r in func._schema.returns)
        self.done.append((func, args, kwargs, tree_leaves(out) if fresh else []))
        return out

    def __call__(self):
        for func, args, kwargs, places in self.done:
            for place, value in zip(places, tree_leaves(func(*args, **kwargs))):
                if isinstance(place, Tensor):
                    place.copy_(value)
