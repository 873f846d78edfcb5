"""Pictures by words."""

import pytest
from galleries import SPEC, FakeEmbed, put
from hypothesis import given, settings
from hypothesis import strategies as st

from recolor_torch.errors import UsageError
from recolor_torch.gallery import Gallery
from recolor_torch.gallery.merge import merge_galleries
from recolor_torch.gallery.store import open_state
from recolor_torch.gallery.table import Row, Table
from recolor_torch.gallery.upkeep import build_gallery, update_gallery
from recolor_torch.gallery.words import change_words, search_words, split_words, write_words


def row(i, path, text=""):
    return Row(path, 1, 1, bytes(32), 1, 1, i, text=text)


ROWS = [
    row(3, "photos/Harbours/evening_01.jpg"),
    row(4, "photos/harbour/morning.jpg"),
    row(5, "photos/Mountains/EveningLight.jpg"),
    row(7, "photos/café/IMG_2019.jpg", "Two friends at a red table\nVienna"),
]


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("harbour evening", (3,)),
        ("Harbours", (4, 3)),
        ("light", (5,)),
        ("cafe", (7,)),
        ("friend table", (7,)),
        ("vienna 2019", (7,)),
        ("the harbour in the morning", (4,)),
        ("img2019", (7,)),
    ],
)
def test_words_find_their_pictures(words, ids):
    found = search_words(None, ROWS, words)
    assert found.all
    assert found.ids[0] in ids
    assert sorted(found.ids) == sorted(ids)


def test_where_none_has_all_words_those_with_most_are_found():
    assert search_words(None, ROWS, "harbour evening vienna").ids == (3,)
    found = search_words(None, ROWS, "light table")
    assert not found.all
    assert set(found.ids) == {5, 7}
    assert search_words(None, ROWS, "harbour zebra").missing == ("zebra",)
    assert search_words(None, ROWS, "zebra").ids == ()
    with pytest.raises(UsageError, match="no words"):
        search_words(None, ROWS, "?! -")


@settings(max_examples=30)
@given(st.text(max_size=30))
def test_whatever_is_typed_is_words_or_a_sentence(text):
    if split_words(text):
        assert set(search_words(None, ROWS, text).ids) <= {3, 4, 5, 7}
    else:
        with pytest.raises(UsageError, match="no words"):
            search_words(None, ROWS, text)


def test_an_index_that_is_changed_is_one_that_is_made_anew(tmp_path):
    write_words(tmp_path / "a.sqlite", ROWS)
    new = [*ROWS[1:], row(3, "photos/Harbours/night.jpg"), row(9, "zoo/zebra.jpg")]
    change_words(tmp_path / "a.sqlite", tmp_path / "b.sqlite", ROWS[:1], new[-2:])
    for words in ("harbour", "evening", "night", "zebra", "vienna", "harbour night"):
        changed, fresh = search_words(tmp_path / "b.sqlite", [], words), search_words(None, new, words)
        assert (set(changed.ids), changed.missing) == (set(fresh.ids), fresh.missing), words
    assert search_words(tmp_path / "a.sqlite", [], "evening").ids  # the old one is as it was


def test_a_table_keeps_captions_and_older_ones_have_none():
    rows = [row(0, "a.jpg", "zwei Wörter"), row(1, "ö/b.jpg"), row(2, "c.jpg", "three")]
    table = Table.of(rows)
    assert list(table) == rows
    older = Table(table.rows[[name for name in table.rows.dtype.names if name != "text_end"]], table.paths)
    assert [(r.path, r.text) for r in older] == [("a.jpg", ""), ("ö/b.jpg", ""), ("c.jpg", "")]


def test_a_gallery_is_asked_by_words_through_all_its_states(tmp_path, monkeypatch):
    embed = FakeEmbed()
    photos = tmp_path / "photos"
    put(photos / "harbour", ["evening.jpg", "noon.jpg"])
    put(photos / "meadow", ["evening.jpg"])
    folder = tmp_path / "g"
    build_gallery(folder, [str(photos)], SPEC, embed, factory="Flat")

    def names(words, k=9):
        return [f"{m.path.parent.name}/{m.path.stem}" for m in Gallery.open(folder).named(words, k)]

    assert names("harbour evening") == ["harbour/evening"]
    assert sorted(names("evening")) == ["harbour/evening", "meadow/evening"]
    words = open_state(folder).header.words
    put(photos / "harbour", ["Night.jpg"])
    (photos / "harbour/noon.jpg").rename(photos / "meadow/noon.jpg")
    update_gallery(folder, [], embed)
    assert names("harbour night") == ["harbour/Night"]
    assert sorted(names("meadow")) == ["meadow/evening", "meadow/noon"]
    assert open_state(folder).header.words != words
    with pytest.raises(UsageError, match="No picture of the gallery has 'zebra' in its name"):
        names("zebra")
    # The vector search among them.
    state = open_state(folder)
    at = next(r for r in state.table if r.path.endswith("harbour/evening.jpg"))
    raw = Gallery.open(folder)
    from recolor_torch.gallery.raw import RawStore

    query = RawStore(folder, state.header.raw).take([(at.raw_file, at.raw_row)])[:, 0]
    matches = raw.query_raw(query, 5, "evening")[0]
    assert [m.path.parent.name for m in matches] == ["harbour", "meadow"]
    assert matches[0].score == pytest.approx(1)
    everywhere = {m.path: m.score for m in raw.query_raw(query, 9)[0]}
    assert all(everywhere[m.path] == pytest.approx(m.score, abs=1e-5) for m in matches)
    merge_galleries(tmp_path / "m", [folder])
    assert [m.path.stem for m in Gallery.open(tmp_path / "m").named("night")] == ["Night"]


def test_a_gallery_without_an_index_of_words_is_asked_by_its_names(tmp_path, monkeypatch):
    put(tmp_path / "photos/harbour", ["evening.jpg"])
    monkeypatch.setattr("recolor_torch.gallery.store._write_words", lambda *_: None)
    build_gallery(tmp_path / "g", [str(tmp_path / "photos")], SPEC, FakeEmbed(), factory="Flat")
    assert Gallery.open(tmp_path / "g").named("harbour evening")[0].path.stem == "evening"


COLLECTION = [
    row(i, path, text)
    for i, (path, text) in enumerate(
        [
            ("photos/2019/Genoa/harbour at evening.jpg", ""),
            ("photos/2019/Genoa/harbour_morning_02.jpg", ""),
            ("photos/2019/Genoa/IMG_0412.jpg", "Fishing boats and nets\nboats\nfishermen"),
            ("photos/2019/Alps/GlacierInMist.jpg", ""),
            ("photos/2019/Alps/hut_sunset.jpg", ""),
            ("photos/2020/garden/roses-red.jpg", ""),
            ("photos/2020/garden/roses-white.jpg", ""),
            ("photos/2020/garden/DSC_9001.jpg", "Grandmother under the apple tree"),
            ("photos/2020/Zürich/Straßenbahn.jpg", "blue tram"),
            ("photos/2020/Zürich/lake_swans.jpg", ""),
            ("photos/trains/steam_locomotive_1920.jpg", ""),
            ("photos/trains/station-hall.jpg", "Grand hall of the central station"),
            ("photos/people/wedding/bride_portrait.jpg", ""),
            ("photos/people/wedding/dancing.jpg", "Guests dance at night"),
            ("photos/people/children/boy with dog.jpg", ""),
            ("photos/people/children/girl-with-cat.jpg", ""),
            ("photos/food/pasta/tomato_basil.jpg", ""),
            ("photos/food/cakes/chocolateCake.jpg", ""),
            ("photos/beach/dunes.jpg", "Sand dunes and grass"),
            ("photos/beach/red_umbrella.jpg", ""),
            ("photos/forest/autumn/beeches.jpg", "yellow leaves"),
            ("photos/forest/winter/firs in snow.jpg", ""),
        ]
    )
]
QUERIES = {
    "harbour evening": 0,
    "morning in the harbour": 1,
    "fishing boat": 2,
    "glacier": 3,
    "alps sunset": 4,
    "red rose": 5,
    "white roses": 6,
    "apple trees": 7,
    "zurich tram": 8,
    "swan lake": 9,
    "steam locomotives": 10,
    "central station": 11,
    "bride": 12,
    "wedding dance": 13,
    "dog": 14,
    "girl cat": 15,
    "pasta with tomatoes": 16,
    "chocolate cakes": 17,
    "beach grass": 18,
    "umbrella red": 19,
    "yellow autumn": 20,
    "winter forest snow": 21,
}


def test_the_expected_picture_comes_first():
    first = {words: search_words(None, COLLECTION, words).ids[0] for words in QUERIES}
    assert first == QUERIES
