"""Threads on which the newest job wins."""

import threading

import pytest

from recolor_torch.studio.worker import Worker


@pytest.fixture
def worker():
    worker = Worker("test")
    yield worker
    worker.close()


def blocked(worker, key, gentle=False):
    """A running job that waits, with what it is asked to do and what it sees."""
    begun, go, seen = threading.Event(), threading.Event(), []

    def job(stale):
        begun.set()
        go.wait(20)
        seen.append(stale())

    worker.submit(key, job, gentle)
    assert begun.wait(20)
    return go, seen


def finish(worker):
    done = threading.Event()
    worker.submit("end", lambda stale: done.set())
    assert done.wait(20)


def test_of_jobs_that_wait_the_newest_alone_runs(worker):
    go, _ = blocked(worker, "other")
    ran = []
    for n in range(5):
        worker.submit("key", lambda stale, n=n: ran.append((n, stale())))
    go.set()
    finish(worker)
    assert ran == [(4, False)]


@pytest.mark.parametrize(
    ("running", "newer", "stale"), [(False, False, True), (True, False, True), (True, True, False)]
)
def test_a_newer_job_makes_the_running_one_stale_unless_both_are_gentle(worker, running, newer, stale):
    go, seen = blocked(worker, "key", running)
    ran = []
    worker.submit("key", lambda stale: ran.append(stale()), newer)
    go.set()
    finish(worker)
    assert seen == [stale]
    assert ran == [False]


def test_other_keys_are_left_alone_and_cancel_ends_its_own(worker):
    go, seen = blocked(worker, "key")
    ran = []
    worker.submit("other", lambda stale: ran.append("other"))
    worker.submit("third", lambda stale: ran.append("third"))
    worker.cancel("third")
    worker.cancel("key")
    go.set()
    finish(worker)
    assert seen == [True]
    assert ran == ["other"]


def test_a_job_that_fails_does_not_end_the_thread(worker, caplog):
    worker.submit("key", lambda stale: 1 / 0)
    finish(worker)
    assert "failed" in caplog.text
