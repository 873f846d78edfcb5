"""Several processes of one run: where one of them ends, the others end within a batch, with a sentence."""

import os
import signal
import sys
import threading
import time
from typing import Any

import lightning.pytorch as pl

from recolor_torch.run.writer import clear_unfinished

LOST = "One of the processes of this run has ended, and so the others end too; the same command goes on from here.\n"
PATIENCE = 60.0  # seconds that the main process has to end in order, once another one is gone
# What torch says where another process is gone; its errors have no type of their own.
_WORDS = ("connection closed by peer", "connection reset by peer", "broken pipe", "nccl", "remote process exited")


class ProcessLost(Exception):
    """Another process of the run is gone."""


class StopTogether(pl.Callback):
    """Looks after the other processes before each batch, and ends this one where they do."""

    def __init__(self) -> None:
        super().__init__()
        self.parent = os.getppid()
        self.on_sigterm = signal.getsignal(signal.SIGTERM)

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give SIGTERM the meaning that it had: Lightning's asks the other processes, which may be waiting for this.

        Lightning's thread that looks after the other processes kills this one as it stands, with a picture half
        written; its list is emptied, which ends it, and a thread that first waits takes its place.
        """
        if trainer.world_size == 1:
            return
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self.on_sigterm)
        watched = _started(trainer)
        if watched:
            trainer.strategy.launcher.procs = mine = list(watched)  # type: ignore[union-attr]
            watched.clear()
            threading.Thread(target=_end_where_stuck, args=(mine,), daemon=True, name="end-where-stuck").start()

    def on_predict_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Raise ``ProcessLost`` where the main process, or one that it started, is gone."""
        if trainer.world_size == 1:
            return
        ended = any(p.poll() for p in _started(trainer))
        orphan = not trainer.is_global_zero and os.name == "posix" and os.getppid() != self.parent
        if ended or orphan:
            raise ProcessLost

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """End without the waits for others of Lightning's own end.

        Raises:
            KeyboardInterrupt: in the main process, where another one is gone.
        """
        interrupted, lost = isinstance(exception, KeyboardInterrupt), _is_lost(exception)
        if trainer.world_size == 1 or not (interrupted or lost):
            return
        if lost:
            sys.stderr.write(LOST)
        if not trainer.is_global_zero:
            sys.stderr.flush()
            os._exit(130)  # what was begun is written; the end of the interpreter would wait for the others
        processes = _started(trainer)
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
        plan = getattr(getattr(trainer, "datamodule", None), "plan", None)
        if plan is not None:
            clear_unfinished(plan)  # of pictures that they were writing
        processes.clear()  # _end_where_stuck has nothing left to look after
        if lost:
            raise KeyboardInterrupt from exception


def _end_where_stuck(processes: list[Any], every: float = 1.0) -> None:
    """End this process and ``processes`` where one of them is gone and this one waits for it for ever.

    Pictures are colored without a word between processes, so this one sees the loss at its next batch and empties
    the list; the waits at the start and the end of a run may never end on a GPU.
    """
    while processes and not any(p.poll() for p in processes):
        if all(p.poll() == 0 for p in processes):
            return
        time.sleep(every)
    until = time.monotonic() + PATIENCE
    while processes and time.monotonic() < until:
        time.sleep(every)
    if processes:
        for process in processes:
            process.kill()
        sys.stderr.write(LOST)
        sys.stderr.flush()
        os._exit(130)  # an exception would not reach the main thread


def _started(trainer: pl.Trainer) -> list[Any]:
    """The processes that this one has started."""
    return getattr(trainer.strategy.launcher, "procs", [])


def _is_lost(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, ProcessLost) or (isinstance(error, RuntimeError) and any(w in text for w in _WORDS))
