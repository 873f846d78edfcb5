import pytest
import torch

from recolor_torch.networks import ColorUNet
from recolor_torch.networks.finder import WordFinder


@pytest.fixture
def finder():
    torch.manual_seed(0)
    return WordFinder((3, 4, 5, 4, 3), things=6, width=16, layers=1, heads=2).eval()


@pytest.fixture
def features():
    g = torch.Generator().manual_seed(1)
    return [
        torch.randn(2, c, 32 // s * 3, 32 // s * 4, generator=g) for c, s in ((3, 8), (4, 16), (5, 32), (4, 16), (3, 8))
    ]


def test_a_map_for_each_thing_and_its_presence(finder, features):
    maps, presence = finder(features)
    assert maps.shape == (2, 6, 12, 16)
    assert presence.shape == (2, 6)


def test_what_is_found_for_a_word_does_not_depend_on_the_others(finder, features):
    maps, presence = finder(features)
    with torch.no_grad():
        finder.words[1:] *= -1
    again, other = finder(features)
    torch.testing.assert_close(again[:, 0], maps[:, 0])
    torch.testing.assert_close(other[:, 0], presence[:, 0])
    assert (again[:, 1] - maps[:, 1]).abs().max() > 1e-3


def test_pictures_of_a_batch_do_not_mix(finder, features):
    maps, _ = finder(features)
    alone, _ = finder([x[1:] for x in features])
    torch.testing.assert_close(alone, maps[1:], atol=1e-5, rtol=1e-4)


def test_gradients_reach_words_and_all_features(finder, features):
    features = [x.requires_grad_() for x in features]
    maps, presence = finder(features)
    (maps.square().mean() + presence.square().mean()).backward()
    assert all(x.grad.abs().max() > 0 for x in [*features, finder.words])


def test_the_network_gives_what_the_finder_reads():
    network = ColorUNet("lite0", (16, 16, 16, 16, 8)).eval()
    y = torch.rand(1, 1, 40, 70, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = network.understanding(y)
        for ours, theirs in zip(features, network.semantics(y)):
            assert torch.equal(ours, theirs)
        maps, _ = WordFinder(network.understanding_channels(), 3, width=8, heads=2).eval()(features)
    assert [x.shape[1] for x in features] == list(network.understanding_channels())
    assert [x.shape[-1] for x in features] == [12, 6, 3, 6, 12]
    assert maps.shape == (1, 3, 8, 12)
