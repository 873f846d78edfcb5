"""Threads on which the newest job of each kind wins."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial

from recolor_torch.system import prepare_thread

Stale = Callable[[], bool]
Job = Callable[[Stale], None]

_LOG = logging.getLogger(__name__)


class Worker:
    """A thread with one waiting job for each key: a newer job replaces it and makes the running one stale.

    Args:
        name: of the thread.
        begin: called on the thread before its first job.
    """

    def __init__(self, name: str, begin: Callable[[], None] | None = None) -> None:
        self._ready = threading.Condition()
        self._jobs: OrderedDict[Hashable, tuple[Job, bool]] = OrderedDict()
        self._newest: dict[Hashable, int] = {}
        self._running: Hashable = None
        self._gentle = False
        self._closed = False
        self._begin = begin
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, key: Hashable, job: Job, gentle: bool = False) -> None:
        """Run ``job`` when the thread is free; it is given a function that says whether a newer one waits.

        Args:
            key: of the job.
            job: what to run.
            gentle: where the running job is gentle too, it may end first: a stream of them is not starved.
        """
        with self._ready:
            self._jobs[key] = job, gentle
            if not (gentle and key == self._running and self._gentle):
                self._newest[key] = self._newest.get(key, 0) + 1
            self._ready.notify()

    def cancel(self, key: Hashable) -> None:
        """Forget what waits under ``key``, and make stale what runs."""
        with self._ready:
            self._jobs.pop(key, None)
            if key == self._running:
                self._newest[key] = self._newest.get(key, 0) + 1
            else:
                self._newest.pop(key, None)

    def close(self) -> None:
        """End after the running job, which becomes stale."""
        with self._ready:
            self._closed = True
            self._jobs.clear()
            self._ready.notify()
        self._thread.join(timeout=30)

    def _stale(self, key: Hashable, mine: int) -> bool:
        return self._closed or self._newest.get(key) != mine

    def _run(self) -> None:
        prepare_thread()
        if self._begin is not None:
            self._begin()
        while True:
            with self._ready:
                while not self._jobs and not self._closed:
                    self._ready.wait()
                if self._closed:
                    return
                key, (job, self._gentle) = self._jobs.popitem(last=False)
                mine = self._newest[key]
                self._running = key
            try:
                job(partial(self._stale, key, mine))
            except Exception:  # noqa: BLE001 # the worker lives on
                _LOG.exception("A job of the studio failed.")
            with self._ready:
                self._running = None
                if key not in self._jobs:
                    self._newest.pop(key, None)
