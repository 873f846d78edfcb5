"""Training of the finder of words, rehearsed."""

import numpy as np
import pytest
import torch

from recolor_torch.networks import ColorUNet
from recolor_torch.networks.finder import WordFinder
from scripts.training import refine_words, word_pack
from scripts.training.word_pictures import INDEX, NAMES, OTHER, UNKNOWN, VOID, Named, padded, truth_table
from scripts.training.word_training import Training, finder_loss


class Made:
    """Random features and truths, the same for each number."""

    training, held_out = list(range(8)), [8]

    def batch(self, indices, draw):
        shift = 0.0 if draw is None else float(draw.random())
        g = [torch.Generator().manual_seed(i) for i in indices]
        features = [
            torch.cat([torch.randn(1, c, n, n, generator=x) + shift for x in g])
            for c, n in ((3, 8), (4, 4), (5, 2), (4, 4), (3, 8))
        ]
        known = torch.cat([torch.randint(0, 2, (1, len(NAMES), 8, 8), generator=x, dtype=torch.uint8) for x in g])
        return features, known


def trained(file, *steps):
    torch.manual_seed(0)
    for count in steps:
        finder = WordFinder((3, 4, 5, 4, 3), len(NAMES), width=8, layers=1, heads=2)
        training = Training(finder, Made(), 3, file, lambda **_: None)
        training.run(None, count)
    return training


def test_a_run_that_goes_on_is_one_that_was_not_stopped(tmp_path, monkeypatch):
    whole = trained(tmp_path / "whole", 6)
    # The rate depends on the share that is over: a stop leaves the plan of all steps as it was.
    first = trained(tmp_path / "parts", 6)
    state = torch.load(tmp_path / "parts", weights_only=True)
    assert state["step"] == first.step == 6
    torch.manual_seed(0)
    half = Training(
        WordFinder((3, 4, 5, 4, 3), len(NAMES), width=8, layers=1, heads=2), Made(), 3, tmp_path / "x", print
    )
    monkeypatch.setattr("scripts.training.word_training.begin_from_vectors", lambda *_: None)
    from scripts.training.word_training import set_statistics

    set_statistics(half.finder, half.store)
    half.averaged.module.load_state_dict(half.finder.state_dict())
    for step in range(3):
        half.learn(step / 6)
    torch.save(half.state(), tmp_path / "half")
    again = trained(tmp_path / "half", 6)
    for a, b in zip(whole.finder.state_dict().values(), again.finder.state_dict().values()):
        assert torch.equal(a, b)
    for a, b in zip(whole.averaged.state_dict().values(), again.averaged.state_dict().values()):
        assert torch.equal(a, b)


def test_the_loss_is_least_for_the_truth_and_does_not_see_what_is_unknown():
    known = torch.randint(0, 2, (2, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    right = torch.where(known == 1, 20.0, -20.0)
    presence = torch.full((2, 3), 20.0)
    assert finder_loss(right, presence, known) < 0.1
    assert finder_loss(-right, presence, known) > 5
    half = known.clone()
    half[..., :4] = UNKNOWN
    other = right.clone()
    other[..., :3] *= -1
    torch.testing.assert_close(finder_loss(other, presence, half), finder_loss(right, presence, half))


def test_what_labels_say_of_things():
    people, scenes = truth_table("people"), truth_table("scenes")
    assert people[INDEX["dress"], [INDEX[n] for n in ("dress", "clothes", "person", "skin", "sky")]].tolist() == [
        1,
        1,
        1,
        0,
        0,
    ]
    assert people[INDEX["jacket"], INDEX["coat"]] == UNKNOWN
    assert people[OTHER, INDEX["hat"]] == 0
    assert people[OTHER, INDEX["sky"]] == UNKNOWN
    assert scenes[INDEX["person"], INDEX["dress"]] == UNKNOWN
    assert scenes[INDEX["dog"], INDEX["animal"]] == 1
    assert (scenes[VOID] == UNKNOWN).all()


def test_a_pack_is_read_as_it_was_written(tmp_path):
    rng = np.random.default_rng(0)
    pictures = []
    for i in range(6):
        pixels = np.full((90, 60, 3), 40 + 20 * i, np.uint8)
        labels = np.full((90, 60), INDEX["dress"], np.uint8)
        labels[:, 30:] = OTHER
        pixels[:, 30:] = rng.integers(0, 256, (90, 30, 3))
        pictures.append(Named(f"{i}.jpg", "people", pixels, labels))
    word_pack.write_pack(pictures, tmp_path / "p.tar", 64)
    network = ColorUNet("lite0", (8, 8, 8, 8, 8), attention=1).eval()
    store = word_pack.LiveStore(tmp_path / "p.tar", network, torch.device("cpu"))
    assert sorted(store.training + store.held_out) == list(range(6))
    features, known = store.batch([0, 1], None)
    assert [len(x) for x in features] == [2] * 5
    dress = known[0, INDEX["dress"]]
    column = dress[:, 30]
    assert (dress == 1).float().mean() == pytest.approx(1 / 3, abs=0.05)
    assert set(column.tolist()) <= {0, 1, UNKNOWN}
    a, b = (store.batch([0, 1], np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(a[1], b[1])
    assert torch.equal(a[0][0], b[0][0])


def test_pictures_become_squares_without_labels_beyond_them():
    pixels, labels = padded(np.zeros((30, 10, 3), np.uint8), np.zeros((30, 10), np.uint8))
    assert pixels.shape == (256, 256, 3)
    assert (labels == VOID).mean() == pytest.approx(2 / 3, abs=0.01)


def test_close_parts_are_of_a_person_and_of_the_upper_half_mostly():
    labels = np.full((300, 200), OTHER, np.uint8)
    labels[60:90, 80:120], labels[90:280, 70:130] = INDEX["hair"], INDEX["coat"]
    pixels = np.repeat(labels[..., None], 3, -1)
    draw, hair = np.random.default_rng(0), 0
    for _ in range(40):
        picture, named = refine_words.close(pixels, labels, draw)
        assert picture.shape == (256, 256, 3)
        assert np.isin(named, refine_words.PEOPLE).any()
        assert (named == picture[..., 0]).mean() > 0.9  # both are cut alike
        hair += bool((named == INDEX["hair"]).any())
    assert hair > 15
    assert refine_words.close(pixels, np.full_like(labels, OTHER), draw) is None


def test_a_finder_learns_from_close_parts_and_keeps_its_other_answers():
    torch.manual_seed(0)
    finder = WordFinder((3, 4, 5, 4, 3), len(NAMES), width=8, layers=1, heads=2).eval()
    shapes = ((3, 8), (4, 4), (5, 2), (4, 4), (3, 8))
    g = torch.Generator().manual_seed(0)

    def features():
        return [torch.randn(c, n, n, generator=g).half() for c, n in shapes]

    truth = torch.randint(0, 2, (len(NAMES), 32, 32), generator=g, dtype=torch.uint8)
    training, other = [refine_words.View(features(), truth)], features()
    with torch.no_grad():
        maps, presence = finder([x[None].float() for x in other])
    maps = torch.nn.functional.interpolate(maps, size=(32, 32), mode="bilinear")
    others = [refine_words.View(other, maps[0].half(), presence[0])]
    told = []
    learned = refine_words.train(finder, training, others, 100, lambda **entry: told.append(entry))
    assert told[0]["step"] == 100
    assert any(not torch.equal(a, b) for a, b in zip(finder.state_dict().values(), learned.state_dict().values()))
    torch.testing.assert_close(refine_words.likeness(maps, maps), torch.zeros(()))
    assert refine_words.likeness(maps + 1, maps) > 0.1
    found = refine_words.known(training)
    assert set(refine_words.overlap(learned, found)) >= {"mean", "hair"}
