"""Tables of pairs, lists and hints of wrong types: one sentence with the file and the place, whatever is in them."""

import json

import pytest
from pictures import save_picture

from recolor_torch.errors import UsageError
from recolor_torch.hints.shapes import parse_shapes
from recolor_torch.run import record
from recolor_torch.run.targets import read_list, read_pairs
from recolor_torch.text import parse_json, read_text, short


@pytest.fixture
def folder(tmp_path):
    save_picture(tmp_path / "t.png", 8, 8)
    save_picture(tmp_path / "r.png", 8, 8)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("p.jsonl", b'{"target": "t.png", "reference": 5}', "line 1: reference must be the name of a file, got 5"),
        ("p.jsonl", b'{"target": 3, "reference": "r.png"}', "line 1: target must be the name of a file, got 3"),
        ("p.jsonl", b'{"target": ["t.png", "r.png"], "reference": "r.png"}', "line 1: a line has one target"),
        ("p.jsonl", b'{"target": "t.png", "reference": ["r.png", {}]}', "line 1: reference must be .*, got {}"),
        ("p.jsonl", b'{"target": "t.png", "reference": true}', "line 1: reference must be .*, got true"),
        ("p.jsonl", b'\n{"target": "t.png", "reference": "\\ud800"}', r"line 2: \\ud800: the disk has no such letters"),
        ("p.jsonl", b'{"target": "t.png", "reference": "a\\u0000b"}', "line 1: .*: a name cannot hold a zero byte"),
        ("p.jsonl", b"[1]", "entry 1: an entry must be an object with the key target, got 1"),
        ("p.jsonl", b"[" * 100_000, "it is not JSON: nested too deeply"),
        ("p.jsonl", b'{"target": "t.png"', "line 1: it is not JSON"),
        ("p.jsonl", b'{"target": "t.png", "size": ' + b"1" * 5000 + b"}", "line 1: it is not JSON"),
        ("p.csv", b"target,reference\nt.png,~nobody/r.png\n", "line 2: no such file: ~nobody/r.png"),
        ("p.csv", b"target,reference\nt.png," + b"x" * 300 + b".png\n", "line 2: xxx.*: the name is too long"),
        ("p.csv", b"target,reference\nt.png,r.png\nt.png," + b"x" * 140_000, "line 3.*field larger than field limit"),
        (
            "p.csv",
            b"target,reference\n\xff\xfet.png,r.png\n",
            "it is not UTF-8, byte 17; spreadsheets save such a table as CSV UTF-8",
        ),
        ("p.csv", b"target,reference\nt.png,a\0b\n", "it is not text, byte 24"),
        ("p.csv", b"target,reference\n", "there are no pairs in it"),
        ("p.csv", b"", "there are no pairs in it"),
        ("gone.csv", None, "Cannot read the pairs .*gone.csv: No such file"),
    ],
)
def test_pairs_that_will_not_do(folder, name, data, words):
    if data is not None:
        (folder / name).write_bytes(data)
    with pytest.raises(UsageError, match=words) as caught:
        read_pairs(folder / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_pairs_from_a_spreadsheet_in_utf_16(folder):
    (folder / "p.csv").write_text("target,reference\nt.png,r.png\n", encoding="utf-16")
    (pair,) = read_pairs(folder / "p.csv")
    assert pair.references == (folder / "r.png",)


def test_a_list_that_is_not_utf_8(folder):
    (folder / "list.txt").write_bytes(b"t.png\n\xe9t\xe9.png\n")
    with pytest.raises(UsageError, match=r"Cannot read the list .*list\.txt: it is not UTF-8, byte 6\."):
        read_list(folder / "list.txt")


def test_text_and_json(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfA\xc3\xa9")
    assert read_text(tmp_path / "a.txt") == "Aé"
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json('{"a":' * 50_000)
    assert short("\ud800") == '"\\ud800"'
    assert short({"a": float("nan")}) == '{"a": NaN}'
    assert len(short("x" * 500)) == 40


def test_hints_with_half_a_letter_are_refused_in_text_that_can_be_written(tmp_path):
    with pytest.raises(ValueError, match=r'points\[0\]\.color must be "#rrggbb", got "\\ud800"') as caught:
        parse_shapes('{"size": [4, 4], "points": [{"x": 1, "y": 1, "color": "\\ud800"}]}')
    str(caught.value).encode()


def test_a_record_takes_any_text(tmp_path):
    for output in ("a", "\udc80.png", "\ud800", "é\udcff\ud800"):
        record.append(tmp_path, {"output": output, "error": output})
    assert set(record.load(tmp_path)) == {"a", "\udc80.png", "\ud800", "é\udcff\ud800"}


def test_a_line_that_a_full_disk_cuts_is_an_error(tmp_path, monkeypatch):
    import os

    real, calls = os.write, []

    def full(handle, data):
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(handle, data[:5])

    record.append(tmp_path, {"output": "before"})
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        record.append(tmp_path, {"output": "cut"})
    monkeypatch.undo()
    record.append(tmp_path, {"output": "after"})
    assert set(record.load(tmp_path)) == {"before", "after"}
    assert json.loads((tmp_path / "run.jsonl").read_text().splitlines()[-1]) == {"output": "after"}
