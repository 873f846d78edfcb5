import torch

from recolor_torch.kept import Kept
from recolor_torch.methods import NetworkColorization


def test_a_result_is_made_again_where_what_it_was_made_of_is_another_or_has_changed():
    calls = []

    def make():
        calls.append(1)
        return len(calls)

    kept, x = Kept(), torch.ones(3)
    assert [kept.get((x, 0.5), make) for _ in range(2)] == [1, 1]
    assert kept.get((x, 0.6), make) == 2  # another setting
    assert kept.get((x.clone(), 0.6), make) == 3  # another tensor of equal values
    assert kept.get((x, 0.6), make) == 4
    x[0] = 2
    assert kept.get((x, 0.6), make) == 5  # changed in place
    assert kept.get((x, 0.6, None), make) == 6
    assert kept.get((x, 0.6, None), make) == 6
    kept.clear()
    assert kept.get((x, 0.6, None), make) == 7


def test_a_result_of_another_thread_is_not_taken_for_ones_own():
    kept, mine, other = Kept(), torch.zeros(1), torch.ones(1)

    def make():
        kept.get((other,), lambda: "other")  # as a thread does that comes between
        return "mine"

    assert kept.get((mine,), make) == "mine"

    class Late:
        """Is compared last, and lets another thread in."""

        def __eq__(self, value):
            kept.get((other, 0), lambda: "other")
            return True

        __hash__ = None

    assert kept.get((mine, Late()), lambda: "mine") == "mine"
    assert kept.get((mine, Late()), lambda: "never") == "mine"


def test_a_network_sees_a_picture_again_that_was_changed_in_place():
    method, luminance = NetworkColorization(side=32), torch.rand(1, 1, 32, 32)
    before = method.estimate(luminance)
    assert method.estimate(luminance) is before
    luminance.mul_(0.5)
    after = method.estimate(luminance)
    torch.testing.assert_close(after.chroma, NetworkColorization(side=32).estimate(luminance.clone()).chroma)
    assert (after.chroma - before.chroma).abs().max() > 1e-3
