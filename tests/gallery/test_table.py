import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recolor_torch.gallery.files import load_array, save_array
from recolor_torch.gallery.raw import places_to_rewrite
from recolor_torch.gallery.table import Row, Table

PATHS = st.binary(min_size=1, max_size=20).filter(lambda b: b"\0" not in b).map(os.fsdecode)
LARGE = st.integers(0, 2**62)
ROWS = st.lists(
    st.builds(Row, PATHS, LARGE, LARGE, st.binary(min_size=32, max_size=32), st.integers(1, 2**30), st.integers(1, 99)),
    max_size=5,
)


@given(ROWS)
def test_rows_come_back(rows):
    table = Table.of(rows)
    assert list(table) == rows
    assert [table[i] for i in range(len(table))] == rows


def test_rows_come_back_from_files(tmp_path):
    for rows in ([], [Row("a/b.jpg", 5, 7, bytes(range(32)), 30, 20, 2**40, 3, 4)]):
        table = Table.of(rows)
        save_array(table.rows)(tmp_path / "rows.npy")
        save_array(table.paths)(tmp_path / "paths.npy")
        assert list(Table(load_array(tmp_path / "rows.npy"), load_array(tmp_path / "paths.npy"))) == rows


def test_position_by_id():
    ids = [3, 4, 9, 2**40]
    table = Table.of([Row(str(i), 1, 1, bytes(32), 1, 1, i) for i in ids])
    assert [table.position(i) for i in ids] == [0, 1, 2, 3]
    for missing in (0, 5, 2**41):
        with pytest.raises(KeyError):
            table.position(missing)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60))
def test_few_files_and_few_rewrites(sizes):
    """Files of additions one after another: their number and the total written stay logarithmic."""
    files: dict[int, int] = {}
    written = 0
    for number, size in enumerate(sizes, start=1):
        places = [(n, i) for n, count in files.items() for i in range(count)] + [(-1, i) for i in range(size)]
        chosen = places_to_rewrite(places, files)
        merged = size + sum(files.pop(n) for n in list(files) if n in chosen)
        files[number] = merged
        written += merged
    total = sum(sizes)
    assert sum(files.values()) == total
    assert len(files) <= total.bit_length() + 1
    assert written <= total * (total.bit_length() + 1)


def test_files_that_are_mostly_of_no_use_are_rewritten():
    assert places_to_rewrite([(1, 0), (2, 0), (2, 1), (2, 2)], {1: 10, 2: 4}) == {1}
    assert places_to_rewrite([(2, 0), (2, 1), (2, 2)], {1: 10, 2: 4}) == set()
