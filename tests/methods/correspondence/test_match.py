"""The search of matches, against sorting all scores."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recolor_torch.methods.correspondence import match as correspondence_match
from recolor_torch.methods.correspondence.match import find_matches, with_penalty


def descriptors(n, seed, d=7, batch=2, dtype=torch.float64):
    return torch.randn(batch, n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 70), m=st.integers(1, 70), k=st.integers(1, 9))
def test_the_best_are_those_of_a_full_sort(n, m, k):
    a, b = descriptors(n, 1), descriptors(m, 2)
    found = find_matches(a, b, k)
    scores = a @ b.mT
    torch.testing.assert_close(found.score, scores.topk(min(k, m), 2).values)
    torch.testing.assert_close(scores.gather(2, found.index), found.score)
    assert torch.equal(found.back, scores.argmax(1))


def test_chunks_change_nothing(monkeypatch):
    a, b = descriptors(100, 1), descriptors(90, 2)
    whole = find_matches(a, b, 5)
    monkeypatch.setattr(correspondence_match, "CHUNK", 1000)
    parts = find_matches(a, b, 5)
    assert torch.equal(whole.index, parts.index)
    assert torch.equal(whole.back, parts.back)


def test_memory_is_that_of_a_chunk(monkeypatch):
    monkeypatch.setattr(correspondence_match, "CHUNK", 4096)
    sizes = []
    largest = correspondence_match._largest

    def watch(s, k):
        sizes.append(s.numel())
        return largest(s, k)

    monkeypatch.setattr(correspondence_match, "_largest", watch)
    find_matches(descriptors(300, 1), descriptors(200, 2), 4)
    assert len(sizes) > 10
    assert max(sizes) <= 4096


def test_a_penalty_is_the_square_of_the_difference():
    a, b = descriptors(9, 1), descriptors(8, 2)
    ya, yb = descriptors(9, 3)[..., 0], descriptors(8, 4)[..., 0]
    charged_a, charged_b = with_penalty(a, b, ya, yb, 0.3)
    expected = a @ b.mT - 0.3 * (ya[:, :, None] - yb[:, None]).square()
    torch.testing.assert_close(charged_a @ charged_b.mT, expected)


def test_places_without_a_share_are_not_found():
    a = descriptors(20, 1)
    share = torch.ones(2, 20, dtype=torch.float64)
    share[:, ::2] = 0
    found = find_matches(a, a, 3, share)
    assert (found.index % 2 == 1).all()


def test_gradients_reach_the_scores():
    a, b = (descriptors(n, n, d=3, batch=1).requires_grad_() for n in (4, 5))
    assert torch.autograd.gradcheck(lambda x, y: find_matches(x, y, 2).score, (a, b))


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"reference must have shape \(2, N, 7\), got \(2, 5, 6\)"):
        find_matches(descriptors(5, 1), descriptors(5, 2, d=6))
