"""What a build, an update and a removal make of folders, with a fake network."""

import os
import shutil

import numpy as np
import pytest
from galleries import SPEC, FakeEmbed, fake_raw, never, put

from recolor_torch.errors import UsageError
from recolor_torch.gallery import Gallery
from recolor_torch.gallery.pending import FOLDER
from recolor_torch.gallery.store import open_state
from recolor_torch.gallery.upkeep import build_gallery, find_gallery_files, remove_pictures, update_gallery
from recolor_torch.gallery.verify import verify

NOTES = ("lock", "writer.json")


@pytest.fixture
def place(tmp_path):
    put(tmp_path / "in", [f"{n}.jpg" for n in range(12)])
    put(tmp_path / "in/sub", ["a.jpg", "b.png"])
    return tmp_path


@pytest.fixture
def gallery(place):
    build_gallery(place / "g", [str(place / "in")], SPEC, FakeEmbed(), factory="Flat")
    return place / "g"


def ids(gallery):
    return {os.path.basename(row.path): row.id for row in open_state(gallery).table}


def answer(gallery, data):
    """Which picture is nearest to one with these bytes."""
    return Gallery.open(gallery).query_raw(fake_raw(data)[:1], 1)[0][0]


def test_a_build_holds_every_picture_and_finds_it(place, gallery):
    state = open_state(gallery)
    assert (state.header.pictures, state.header.vectors, state.header.generation) == (14, 28, 1)
    assert verify(gallery) == []
    for path in (place / "in").rglob("*.*"):
        match = answer(gallery, path.read_bytes())
        assert match.path == path
        assert match.score == pytest.approx(1, abs=1e-6)
        assert not match.mirrored
    mirrored = Gallery.open(gallery).query_raw(fake_raw(b"picture 3.jpg")[1:], 1)[0][0]
    assert (mirrored.path.name, mirrored.mirrored) == ("3.jpg", True)


def test_without_a_change_nothing_is_computed_or_written(place, gallery):
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in gallery.iterdir() if p.name not in NOTES}
    outcome = update_gallery(gallery, [], never)
    assert (outcome.added, outcome.changed, outcome.gone, outcome.embedded) == (0, 0, 0, 0)
    assert before == {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in gallery.iterdir() if p.name not in NOTES}


def test_only_new_and_changed_pictures_are_computed_and_ids_stay(place, gallery):
    old = ids(gallery)
    put(place / "in", ["new.jpg"])
    (place / "in/3.jpg").write_bytes(b"another picture")
    (place / "in/4.jpg").unlink()
    embed = FakeEmbed()
    outcome = update_gallery(gallery, [], embed)
    assert sorted(embed.seen) == ["3.jpg", "new.jpg"]
    assert (outcome.added, outcome.changed, outcome.gone) == (1, 1, 1)
    now = ids(gallery)
    assert now.pop("new.jpg") == 14
    assert now == {name: number for name, number in old.items() if name != "4.jpg"}
    assert answer(gallery, b"another picture").path.name == "3.jpg"
    assert answer(gallery, b"picture 3.jpg").score < 0.999
    assert answer(gallery, b"picture 4.jpg").score < 0.999
    assert verify(gallery) == []


def test_an_id_is_never_given_twice(place, gallery):
    (place / "in/sub/b.png").unlink()  # had the last id
    update_gallery(gallery, [], never)
    put(place / "in", ["new.jpg"])
    update_gallery(gallery, [], FakeEmbed())
    assert ids(gallery)["new.jpg"] == 14


def test_touched_moved_and_copied_files_are_not_computed_again(place, gallery):
    old = ids(gallery)
    os.utime(place / "in/1.jpg", ns=(1, 1))
    (place / "in/2.jpg").rename(place / "in/sub/moved.jpg")
    shutil.copy(place / "in/3.jpg", place / "in/copy.jpg")
    outcome = update_gallery(gallery, [], never)
    assert (outcome.added, outcome.moved, outcome.gone) == (1, 1, 0)
    now = ids(gallery)
    assert now["moved.jpg"] == old["2.jpg"]
    assert now["1.jpg"] == old["1.jpg"]
    assert now["copy.jpg"] == 14
    assert answer(gallery, b"picture 2.jpg").path.name == "moved.jpg"
    assert verify(gallery) == []
    assert update_gallery(gallery, [], never).header.generation == outcome.header.generation


def test_unreadable_pictures_are_tried_again_only_when_they_change(place):
    (place / "in/5.jpg").write_bytes(b"BAD")
    outcome = build_gallery(place / "g", [str(place / "in")], SPEC, FakeEmbed(), factory="Flat")
    assert [s.reason for s in outcome.skipped] == ["../in/5.jpg: not a picture."]
    assert outcome.failed == 1
    again = update_gallery(place / "g", [], never)
    assert (again.failed, len(again.skipped)) == (0, 1)
    (place / "in/5.jpg").write_bytes(b"good now")
    assert update_gallery(place / "g", [], FakeEmbed()).skipped == []
    assert answer(place / "g", b"good now").path.name == "5.jpg"


def test_removed_pictures_stay_away_until_they_are_named(place, gallery):
    old = ids(gallery)
    assert remove_pictures(gallery, [str(place / "in/3.jpg"), str(place / "in/sub")]).gone == 3
    assert verify(gallery) == []
    assert update_gallery(gallery, [], never).header.pictures == 11
    assert update_gallery(gallery, [str(place / "in/3.jpg")], FakeEmbed()).header.pictures == 12
    assert ids(gallery)["3.jpg"] == 14
    assert ids(gallery)["5.jpg"] == old["5.jpg"]
    with pytest.raises(UsageError, match="nothing.jpg is not in the gallery"):
        remove_pictures(gallery, [str(place / "nothing.jpg")])


def test_a_removed_source_is_no_longer_looked_through(place, gallery):
    put(place / "more", ["x.jpg", "y.jpg"])
    update_gallery(gallery, [str(place / "more")], FakeEmbed())
    assert remove_pictures(gallery, [str(place / "more")]).header.sources == ("../in",)
    put(place / "more", ["z.jpg"])
    assert update_gallery(gallery, [], never).header.pictures == 14


@pytest.mark.parametrize("empty", [False, True])
def test_a_folder_that_is_not_there_drops_nothing(place, gallery, empty):
    (place / "in").rename(place / "out")
    if empty:
        (place / "in").mkdir()
    with pytest.raises(UsageError, match="nothing was changed"):
        update_gallery(gallery, [], never)
    assert open_state(gallery).header.pictures == 14


def test_gallery_and_pictures_may_be_moved_together(place, gallery, tmp_path_factory):
    there = tmp_path_factory.mktemp("there") / "all"
    shutil.move(place, there)
    assert update_gallery(there / "g", [], never).header.generation == 1
    assert answer(there / "g", b"picture 3.jpg").path == there / "in/3.jpg"


def test_a_build_that_was_stopped_goes_on(place):
    class Stopped(FakeEmbed):
        def __call__(self, folder, spec, files):
            super().__call__(folder, spec, files[:7])
            return True

    stopped = build_gallery(place / "g", [str(place / "in")], SPEC, Stopped(), factory="Flat")
    assert stopped.interrupted
    with pytest.raises(UsageError, match="holds no pictures yet; go on with recolor gallery update"):
        Gallery.open(place / "g")
    assert verify(place / "g") == []
    embed = FakeEmbed()
    outcome = build_gallery(place / "g", [str(place / "in")], SPEC, embed, factory="Flat")
    assert len(embed.seen) == 7
    assert outcome.header.pictures == 14
    assert not (place / "g" / FOLDER).exists()
    assert verify(place / "g") == []


def test_a_build_that_was_stopped_at_its_first_steps_goes_on(place):
    (place / "g").mkdir()
    for name in ("lock", "writer.json"):  # before there is a header
        (place / "g" / name).write_bytes(b"{")
    build_gallery(place / "g", [str(place / "in")], SPEC, FakeEmbed(), factory="Flat")
    assert verify(place / "g") == []


def test_a_stopped_build_is_finished_by_update_too(place):
    def stop(folder, spec, files):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_gallery(place / "g", [str(place / "in")], SPEC, stop, factory="Flat")
    assert update_gallery(place / "g", [], FakeEmbed()).header.pictures == 14


def test_build_refuses_a_gallery_and_other_folders(place, gallery):
    with pytest.raises(UsageError, match="is a gallery of 14 pictures already: use recolor gallery update"):
        build_gallery(gallery, [str(place / "in")], SPEC, never, factory="Flat")
    with pytest.raises(UsageError, match="is not empty and holds no gallery"):
        build_gallery(place / "in", [str(place / "in")], SPEC, never, factory="Flat")
    with pytest.raises(UsageError, match="faiss makes no index 'Flatt'"):
        build_gallery(place / "h", [str(place / "in")], SPEC, never, factory="Flatt")
    put(place / "bad", ["x.jpg"], "BAD")
    with pytest.raises(UsageError, match="None of the 1 pictures can be read"):
        build_gallery(place / "h", [str(place / "bad")], SPEC, FakeEmbed(), factory="Flat")


def test_overwrite_takes_other_features_and_keeps_descriptors_of_the_same(place, gallery):
    other = type(SPEC)(**{**vars(SPEC), "pooling": "max"})
    build_gallery(gallery, [str(place / "in")], SPEC, never, factory="Flat", overwrite=True)
    embed = FakeEmbed()
    header = build_gallery(gallery, [str(place / "in")], other, embed, factory="Flat", overwrite=True).header
    assert len(embed.seen) == 14
    assert (header.spec.pooling, header.generation) == ("max", 3)
    assert verify(gallery) == []


def test_whitening_is_fitted_once_and_refitted_on_demand(place):
    put(place / "in", [f"more_{n}.jpg" for n in range(241)])
    header = build_gallery(place / "g", [str(place / "in")], SPEC, FakeEmbed(100), factory="Flat").header
    assert (header.whitening, header.whitened_on, header.dimension) == (None, 0, 12)
    put(place / "in", ["last.jpg"])
    first = update_gallery(place / "g", [], FakeEmbed()).header
    assert first.whitened_on == 256
    put(place / "in", [f"further_{n}.jpg" for n in range(10)])
    second = update_gallery(place / "g", [], FakeEmbed()).header
    assert second.whitening == first.whitening
    assert verify(place / "g") == []
    third = update_gallery(place / "g", [], never, refit=True).header
    assert third.whitened_on == 266
    assert third.whitening.sha256 != first.whitening.sha256
    assert verify(place / "g") == []


@pytest.mark.parametrize("factory", ["Flat", "SQ8", "HNSW16", "IVF4,Flat", "IVF4,PQ4x4"])
def test_every_kind_of_index_follows_updates(place, factory):
    put(place / "in", [f"more_{n}.jpg" for n in range(286)])
    build_gallery(place / "g", [str(place / "in")], SPEC, FakeEmbed(100), factory=factory)
    (place / "in/3.jpg").unlink()
    (place / "in/4.jpg").write_bytes(b"changed")
    put(place / "in", ["new.jpg"])
    update_gallery(place / "g", [], FakeEmbed())
    assert verify(place / "g") == []
    names = {"new.jpg": b"picture new.jpg", "4.jpg": b"changed", "5.jpg": b"picture 5.jpg"}
    looked_at = 50 if "PQ" in factory else 10  # four bits for three numbers tell random vectors apart badly
    for name, data in names.items():
        best = Gallery.open(place / "g").query_raw(fake_raw(data)[:1], looked_at)[0]
        assert name in [m.path.name for m in best]
    found = {m.path.name for m in Gallery.open(place / "g").query_raw(fake_raw(b"picture 3.jpg")[:1], 50)[0]}
    assert "3.jpg" not in found
    # Another kind of index, from the same descriptors.
    assert update_gallery(place / "g", [], never, factory="auto").header.factory == "Flat"
    assert answer(place / "g", b"changed").path.name == "4.jpg"


def test_names_with_odd_bytes(place):
    odd = os.fsdecode(b"in/\xff line\nbreak \xc3\xa9.jpg")
    try:
        (place / odd).write_bytes(b"odd")
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such names")
    build_gallery(place / "g", [str(place / "in")], SPEC, FakeEmbed(), factory="Flat")
    assert answer(place / "g", b"odd").path == place / odd
    assert update_gallery(place / "g", [], never).header.generation == 1


def test_raw_files_stay_few_over_many_updates(place, gallery):
    for n in range(20):
        put(place / "in", [f"day_{n}.jpg"])
        update_gallery(gallery, [], FakeEmbed())
    header = open_state(gallery).header
    assert len(header.raw) <= 5
    assert sum(np.load(gallery / e.name).shape[0] for e in header.raw.values()) == header.pictures == 34
    assert verify(gallery) == []


def test_the_gallery_is_not_looked_through_for_pictures(place):
    build_gallery(place / "in/g", [str(place / "in")], SPEC, FakeEmbed(), factory="Flat")
    (place / "in/g/picture.jpg").write_bytes(b"inside the gallery")
    assert len(find_gallery_files(place / "in/g", [".."])) == 14


def test_a_picture_that_changed_between_two_stopped_builds(place):
    class Stopped(FakeEmbed):
        def __call__(self, folder, spec, files):
            super().__call__(folder, spec, files)
            return True

    for n in range(6):  # checkpoints have random names: any may be read first
        (place / "in/3.jpg").write_bytes(b"version " + bytes([n]))
        build_gallery(place / "g", [str(place / "in")], SPEC, Stopped(), factory="Flat")
    build_gallery(place / "g", [str(place / "in")], SPEC, never, factory="Flat")
    assert answer(place / "g", b"version " + bytes([5])).path.name == "3.jpg"
    assert verify(place / "g") == []


def test_single_pictures_as_sources_may_go(place, gallery):
    put(place / "more", ["x.jpg", "y.jpg"])
    names = [str(place / "more/x.jpg"), str(place / "more/y.jpg"), str(place / "in/3.jpg")]
    header = update_gallery(gallery, names, FakeEmbed()).header
    assert header.sources == ("../in", "../more/x.jpg", "../more/y.jpg")  # 3.jpg lies in a source
    (place / "more/x.jpg").unlink()
    outcome = update_gallery(gallery, [], never)
    assert (outcome.gone, outcome.header.sources) == (1, ("../in", "../more/y.jpg"))
    assert update_gallery(gallery, [], never).header.generation == outcome.header.generation


@pytest.mark.parametrize("how", ["empty", "lost+found", "deep", "closed"])
def test_a_folder_that_is_empty_or_closed_drops_nothing(how, place, gallery, caplog):
    """A disk that is not mounted leaves an empty folder behind."""
    away = place / "in/sub"
    put(away / "deep", ["c.jpg"])
    update_gallery(gallery, [], FakeEmbed())
    old = ids(gallery)
    if how == "closed":
        if os.geteuid() == 0:
            pytest.skip("root may read everything")
        away.chmod(0)
    else:
        shutil.move(away, place / "disk")
        away.mkdir()
        if how == "lost+found":
            (away / "lost+found").mkdir()
        if how == "deep":  # the folder that held the picture is not there either
            shutil.copytree(place / "disk", away, dirs_exist_ok=True)
            shutil.rmtree(away / "deep")
            (away / "deep").mkdir()
    try:
        outcome = update_gallery(gallery, [], never)
    finally:
        away.chmod(0o755)
    assert (outcome.gone, outcome.embedded) == (0, 0)
    assert ids(gallery) == old
    said = "its one picture stays" if how == "deep" else "its 3 pictures stay"
    assert said in caplog.text
    assert "--prune" in caplog.text
    if how != "closed":
        assert update_gallery(gallery, [], never, prune=True).gone == (1 if how == "deep" else 3)
        assert verify(gallery) == []


def test_pictures_that_were_deleted_one_by_one_leave(place, gallery, caplog):
    (place / "in/sub/a.jpg").unlink()
    assert update_gallery(gallery, [], never).gone == 1
    assert caplog.text == ""


def test_a_folder_that_was_moved_and_is_named_computes_nothing(place, gallery):
    old = ids(gallery)
    shutil.move(place / "in", place / "elsewhere")
    with pytest.raises(UsageError, match="nothing was changed"):
        update_gallery(gallery, [], never)
    outcome = update_gallery(gallery, [str(place / "elsewhere")], never)
    assert (outcome.moved, outcome.gone, outcome.embedded) == (14, 0, 0)
    assert ids(gallery) == old
    assert open_state(gallery).header.sources == ("../elsewhere",)
    assert update_gallery(gallery, [], never).moved == 0
    put(place / "third", ["1.jpg"])
    shutil.rmtree(place / "elsewhere")
    with pytest.raises(UsageError, match="elsewhere is gone, and 13 of its pictures are not in what was named"):
        update_gallery(gallery, [str(place / "third")], never)
    assert ids(gallery) == old
