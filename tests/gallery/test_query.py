"""Asking: order, ties, several galleries, refusals, the exact rule."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from galleries import SPEC, FakeEmbed, fake_raw, never, put
from pictures import save_picture

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.features import VGG19, find_vgg19
from recolor_torch.gallery import Gallery, make_spec
from recolor_torch.gallery.descriptor import TEXTURE
from recolor_torch.gallery.index import suggest_factory
from recolor_torch.gallery.merge import merge_galleries
from recolor_torch.gallery.store import open_state
from recolor_torch.gallery.upkeep import build_gallery, update_gallery
from recolor_torch.gallery.verify import verify
from recolor_torch.gallery.whitening import to_vectors
from recolor_torch.pictures import read_picture


def build(place, name, files, spec=SPEC, text="picture"):
    put(place / f"{name}.in", files, text)
    build_gallery(place / name, [str(place / f"{name}.in")], spec, FakeEmbed(100), factory="Flat")
    return place / name


def test_order_is_that_of_a_comparison_with_all(tmp_path):
    folder = build(tmp_path, "g", [f"{n}.jpg" for n in range(300)])
    state = open_state(folder)
    queries = np.concatenate([fake_raw(f"query {n}".encode())[:1] for n in range(5)])
    rows = [fake_raw((folder.parent / "g.in" / row.path.split("/")[-1]).read_bytes()) for row in state.table]
    vectors = to_vectors(np.concatenate(rows), state.whitening)
    scores = (to_vectors(queries, state.whitening) @ vectors.T).reshape(5, 300, 2)
    for found, best in zip(Gallery.open(folder).query_raw(queries, 7), scores):
        order = np.argsort(-best.max(1), kind="stable")[:7]
        assert [m.id for m in found] == order.tolist()
        np.testing.assert_allclose([m.score for m in found], best.max(1)[order], atol=1e-5)
        assert [m.mirrored for m in found] == (best[order].argmax(1) == 1).tolist()


def test_ties_break_by_id_however_many_there_are(tmp_path):
    place = put(tmp_path / "in", ["other.jpg"])
    for n in range(40):
        (place / f"same_{n}.jpg").write_bytes(b"the same")
    build_gallery(tmp_path / "g", [str(place)], SPEC, FakeEmbed(), factory="Flat")
    found = Gallery.open(tmp_path / "g").query_raw(fake_raw(b"the same")[:1], 3)[0]
    same = sorted(row.id for row in open_state(tmp_path / "g").table if "same" in row.path)
    assert [m.id for m in found] == same[:3]


def test_more_than_there_are(tmp_path):
    folder = build(tmp_path, "g", ["a.jpg", "b.jpg", "c.jpg"])
    assert len(Gallery.open(folder).query_raw(fake_raw(b"x")[:1], 50)[0]) == 3
    with pytest.raises(ValueError, match="k must be 1 or more, got 0"):
        Gallery.open(folder).query(torch.rand(1, 3, 8, 8), 0)


def test_several_galleries_answer_as_one(tmp_path):
    a = build(tmp_path, "a", ["1.jpg", "2.jpg", "3.jpg"])
    b = build(tmp_path, "b", ["4.jpg", "5.jpg"])
    merged = merge_galleries(tmp_path / "m", [a, b])
    assert merged.pictures == 5
    both, one = Gallery.open([a, b]), Gallery.open(tmp_path / "m")
    assert len(both) == 5
    queries = np.concatenate([fake_raw(f"query {n}".encode())[:1] for n in range(6)])
    for x, y in zip(both.query_raw(queries, 4), one.query_raw(queries, 4)):
        assert [(m.path, m.mirrored) for m in x] == [(m.path, m.mirrored) for m in y]
        np.testing.assert_allclose([m.score for m in x], [m.score for m in y], atol=1e-6)


def test_a_picture_in_two_galleries_counts_once(tmp_path):
    a = build(tmp_path, "a", ["1.jpg", "2.jpg"])
    build_gallery(tmp_path / "b", [str(tmp_path / "a.in")], SPEC, FakeEmbed(), factory="Flat")
    assert len(Gallery.open([a, tmp_path / "b"]).query_raw(fake_raw(b"x")[:1], 9)[0]) == 2
    assert merge_galleries(tmp_path / "m", [a, tmp_path / "b"]).pictures == 2


def test_merging_keeps_the_first_ids_and_lives_on(tmp_path):
    a = build(tmp_path, "a", [f"{n}.jpg" for n in range(150)])
    b = build(tmp_path, "b", [f"{n}.jpg" for n in range(150)], text="further")
    before = {row.path: row.id for row in open_state(a).table}
    assert open_state(a).header.whitening is None
    header = merge_galleries(tmp_path / "deep/m", [a, b])
    assert header.whitened_on == 300
    assert verify(tmp_path / "deep/m") == []
    after = {row.path.removeprefix("../"): row.id for row in open_state(tmp_path / "deep/m").table}
    assert {path: after[path] for path in before} == before
    assert len(set(after.values())) == 300
    # It stands on its own, and updates like any other.
    shutil.rmtree(a)
    shutil.rmtree(b)
    put(tmp_path / "b.in", ["new.jpg"])
    (tmp_path / "a.in/7.jpg").unlink()
    assert update_gallery(tmp_path / "deep/m", [], FakeEmbed()).header.pictures == 300
    assert verify(tmp_path / "deep/m") == []
    with pytest.raises(UsageError, match="is a gallery already"):
        merge_galleries(tmp_path / "deep/m", [tmp_path / "deep/m"])


def test_galleries_of_other_features_do_not_go_together(tmp_path):
    a = build(tmp_path, "a", ["1.jpg"])
    b = build(tmp_path, "b", ["2.jpg"], dataclasses.replace(SPEC, side=96))
    with pytest.raises(UsageError, match="cannot be searched as one: side 160 there, 96 here"):
        Gallery.open([a, b])
    with pytest.raises(UsageError, match="cannot be merged: side 160 there, 96 here"):
        merge_galleries(tmp_path / "m", [a, b])
    c = build(tmp_path, "c", [f"{n}.jpg" for n in range(260)])
    with pytest.raises(UsageError, match="too few pictures to be whitened; join them with recolor gallery merge"):
        Gallery.open([a, c])


def test_there_is_no_gallery(tmp_path):
    with pytest.raises(UsageError, match="there is no such folder; make one with recolor gallery build"):
        Gallery.open(tmp_path / "nothing")
    with pytest.raises(UsageError, match="there is no gallery in this folder"):
        Gallery.open(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="a gallery is a folder, and this is a file"):
        Gallery.open(tmp_path / "file")


def test_the_kind_of_index_that_is_suggested():
    assert suggest_factory(100) == "Flat"
    assert suggest_factory(300_000) == "IVF2048,Flat"
    assert "PQ" in suggest_factory(100_000_000)


@pytest.fixture(scope="module")
def real(tmp_path_factory, request):
    """A gallery of six small pictures with the real network; returns (place, weights)."""
    weights = find_vgg19(request.getfixturevalue("vgg19_path"), depth=5)
    from recolor_torch.lit.gallery import embed_pictures

    place = tmp_path_factory.mktemp("real")
    for n in range(6):
        save_picture(place / f"in/{n}.png", 60 + 10 * n, 40, seed=n)
    (place / "in/broken.png").write_bytes(b"\x89PNG broken")

    def embed(folder, spec, files):
        return embed_pictures(folder, spec, files, weights, workers=0, batch_size=4, accelerator="cpu")

    spec = make_spec(weights, TEXTURE, side=64)
    build_gallery(place / "g", [str(place / "in")], spec, embed, factory="Flat")
    return place, weights


def test_pictures_under_the_trainer_are_found_by_query(real):
    place, weights = real
    gallery = Gallery.open(place / "g")
    assert [row.width for row in gallery.states[0].table] == [60, 70, 80, 90, 100, 110]
    assert [s.reason for s in gallery.states[0].skipped] == [
        f"{place}/in/broken.png: the picture is damaged, cut short, or of a variant that is not read."
    ]
    images = [read_picture(place / f"in/{n}.png").image for n in (2, 4)]
    first, second = gallery.query([images[0], images[1][0].flip(-1)], 3, weights)
    assert (first[0].path.name, first[0].mirrored) == ("2.png", False)
    assert (second[0].path.name, second[0].mirrored) == ("4.png", True)
    assert first[0].score == pytest.approx(1, abs=1e-5)
    assert second[0].score == pytest.approx(1, abs=1e-5)
    batch = gallery.query(torch.cat((images[0], images[0])), 3, weights)
    assert [m.id for m in batch[0]] == [m.id for m in batch[1]] == [m.id for m in first]
    assert update_gallery(place / "g", [], never).header.generation == 1


def test_the_exact_rule(real):
    place, weights = real
    gallery = Gallery.open(place / "g")
    target = read_picture(place / "in/3.png").image.flip(-1)
    found = gallery.query(target, 6, weights)
    ranked = gallery.rerank(target, found, lambda p: read_picture(p).image, weights, "conv_2", 48)[0]
    assert {m.id for m in ranked} == {m.id for m in found[0]}
    assert (ranked[0].path.name, ranked[0].mirrored) == ("3.png", True)
    assert ranked[0].score == pytest.approx(0, abs=1e-3)
    assert [m.score for m in ranked] == sorted((m.score for m in ranked), reverse=True)
    # By its definition, for one match.
    network = VGG19(weights, ["conv_2"])
    from recolor_torch.gallery.gallery import _squeeze

    other = ranked[1]
    picture = read_picture(other.path).image
    picture = picture.flip(-1) if other.mirrored else picture
    a, b = (network(_squeeze(x, 48))["conv_2"] for x in (picture, target))
    assert -other.score == pytest.approx(float((a - b).square().mean().sqrt()), rel=1e-4)

    def read(path):
        if path.name == "3.png":
            raise OSError("gone")
        return read_picture(path).image

    assert "3.png" not in [m.path.name for m in gallery.rerank(target, found, read, weights)[0]]


def test_other_weights_are_refused_and_missing_ones_named(real, monkeypatch):
    place, weights = real
    other = dataclasses.replace(weights, state={k: 1.01 * v for k, v in weights.state.items()})
    with pytest.raises(UsageError, match="cannot be asked with these weights: .* weights .* there, .* here"):
        Gallery.open(place / "g").query(torch.rand(1, 3, 32, 32), 1, other)
    monkeypatch.setenv("RECOLOR_VGG19", str(place / "none.pth"))
    with pytest.raises(WeightsMissing, match=r"none\.pth: there is no such file"):
        Gallery.open(place / "g").query(torch.rand(1, 3, 32, 32), 1)
    with pytest.raises(ValueError, match="images must have shape"):
        Gallery.open(place / "g").query([torch.rand(1, 8, 8)], 1, weights)
