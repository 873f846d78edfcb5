"""A procedure on fixed tensors that runs again and again: on a GPU it is recorded once and replayed as one launch.

Coarse levels and the scalars of an iteration are hundreds of tiny kernels. A GPU finishes each before the processor
has launched the next. A CUDA graph holds all of them, and the processor launches it at once. With
``RECOLOR_CUDA_GRAPHS=0`` in the environment nothing is recorded.
"""

import logging
import os
import threading
from collections.abc import Callable

import torch
from torch import Tensor

LOG = logging.getLogger("recolor_torch")

Procedure = Callable[[], None]
# Records a procedure, which does not change anything yet, and returns what does it.
Recorder = Callable[[Procedure, Tensor], Procedure]

# Where a field of this many bytes was recorded, and no recording is left, their memory goes back. A recording works in
# about six fields.
LARGE = 2**26


class Recording:
    """Runs a procedure, the same each time; from the second time on by a replay, where the device has a recorder.

    The procedure takes no arguments and returns nothing. It reads and writes tensors that stay where they are, and
    never waits for the device. Numbers of Python are burnt in. What it allocates is gone when it ends. Where a
    recording fails, that is said once, and the procedure goes on as it is.

    It is given at each call and not kept, so that the object whose method it is can keep the recording.

    Args:
        like: a tensor that it writes: of its device.
        kind: procedures of one kind call the same libraries and kernels. The first of a kind runs as it is, because
            a library that starts up cannot be recorded; later ones are recorded at once.
    """

    def __init__(self, like: Tensor, kind: str) -> None:
        self.like, self.kind = like, f"{kind} {like.device} {like.dtype}"
        self.replay: Procedure | None = None
        self.stream: object = None

    def __call__(self, procedure: Procedure) -> None:
        """Run it once."""
        recorder = RECORDERS.get(self.like.device.type)
        if recorder is None or self.kind in _FAILED:
            procedure()
        elif self.replay is not None:
            # On another stream, two replays could run at once in the same memory.
            (self.replay if self.stream == _stream(self.like) else procedure)()
        elif self.kind not in _WARM:
            procedure()
            _WARM.add(self.kind)
        else:
            self._record(recorder, procedure)

    def _record(self, recorder: Recorder, procedure: Procedure) -> None:
        try:
            self.replay = recorder(procedure, self.like)
            self.stream = _stream(self.like)
        except RuntimeError as error:  # torch.OutOfMemoryError is one
            if not _FAILED:
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
                LOG.warning("Steps of a solve are launched one by one: a CUDA graph could not be made (%s).", reason)
            _FAILED.add(self.kind)
            procedure()
        else:
            self.replay()


def recordable(device: torch.device) -> bool:
    """Whether procedures on ``device`` are recorded."""
    return device.type in RECORDERS


def _stream(like: Tensor) -> object:
    return torch.cuda.current_stream(like.device) if like.device.type == "cuda" else None


class _Pool:
    """The memory that the recordings of a stream work in, one after the other.

    A recording of one or two values keeps it alive from one hierarchy to the next, so that a folder of pictures does
    not ask the driver for memory each time.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.recordings, self.largest = device, 0, 0
        self.handle = torch.cuda.graph_pool_handle()
        self.anchor = torch.cuda.CUDAGraph()
        self.capture(self.anchor, lambda: torch.zeros(1, device=device).add_(1))

    def capture(self, graph: torch.cuda.CUDAGraph, procedure: Callable[[], object]) -> None:
        """Record on a stream beside: nothing is run, and the device need not be idle."""
        # One for all: cuBLAS keeps a workspace for each stream.
        stream = _BESIDE.setdefault(self.device, torch.cuda.Stream(self.device))
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            graph.capture_begin(self.handle, capture_error_mode="thread_local")
            try:
                procedure()
            except BaseException:
                try:
                    graph.capture_end()
                except RuntimeError:  # the recording is not valid, which is why it ends
                    torch._C._cuda_endAllocateToPool(self.device.index or 0, self.handle)  # noqa: SLF001
                raise
            graph.capture_end()


class _Replay:
    """A CUDA graph and its share in the pool of its stream."""

    def __init__(self, procedure: Procedure, like: Tensor) -> None:
        self.pool: _Pool | None = None  # until it is recorded
        self.graph: torch.cuda.CUDAGraph | None = torch.cuda.CUDAGraph()
        key = _stream(like)
        with _LOCK:
            if key not in _POOLS:
                _POOLS[key] = _Pool(like.device)
            pool = _POOLS[key]
            pool.capture(self.graph, procedure)
            pool.recordings += 1
            pool.largest = max(pool.largest, like.nbytes)
        self.key, self.pool = key, pool

    def __call__(self) -> None:
        assert self.graph is not None
        self.graph.replay()

    def __del__(self) -> None:
        self.graph = None
        if self.pool is None:
            return
        with _LOCK:
            self.pool.recordings -= 1
            if not self.pool.recordings and self.pool.largest > LARGE and _POOLS.get(self.key) is self.pool:
                del _POOLS[self.key]


_LOCK = threading.RLock()
_POOLS: dict[object, _Pool] = {}
_WARM: set[str] = set()
_FAILED: set[str] = set()
_BESIDE: dict[torch.device, torch.cuda.Stream] = {}
RECORDERS: dict[str, Recorder] = {} if os.environ.get("RECOLOR_CUDA_GRAPHS") == "0" else {"cuda": _Replay}
