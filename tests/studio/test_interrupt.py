"""A long computation ends soon after nobody waits for it."""

import threading

import pytest
import torch

from recolor_torch.studio.interrupt import Interrupted, Interruptible


def test_it_ends_within_an_operation():
    calls = iter([False] * 5 + [True])
    sums = []

    def work():
        with Interruptible(lambda: next(calls)):
            for _ in range(100):
                sums.append(torch.ones(3) + 1)

    with pytest.raises(Interrupted):
        work()
    assert len(sums) < 5
    assert torch.ones(2).sum() == 2  # nothing of it is left


def test_networks_and_methods_of_tensors_are_asked_about():
    stop = False
    layer = torch.nn.Conv2d(1, 1, 3)
    with Interruptible(lambda: stop):
        picture = torch.rand(1, 1, 8, 8)
        stop = True
        for work in (lambda: layer(picture), lambda: picture.mul(2), lambda: picture + 1, lambda: picture[0]):
            with pytest.raises(Interrupted):
                work()


def test_other_threads_are_left_alone():
    with Interruptible(lambda: True):
        found = []
        thread = threading.Thread(target=lambda: found.append(float(torch.ones(2).sum())))
        thread.start()
        thread.join()
    assert found == [2.0]
