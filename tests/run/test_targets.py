import json
import unicodedata

import pytest

from recolor_torch.errors import UsageError
from recolor_torch.pictures.folders import natural_key
from recolor_torch.run.targets import find_targets, read_list, read_pairs


@pytest.fixture
def tree(tmp_path):
    for name in ("b/x2.png", "b/x10.jpg", "a.TIF", "b/notes.txt", ".hidden/y.png", "b/.z.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def relative(targets):
    return [t.relative.as_posix() for t in targets]


def test_folder_keeps_its_tree_in_natural_order_without_hidden_files(tree):
    assert relative(find_targets([str(tree)])) == ["a.TIF", "b/x2.png", "b/x10.jpg"]


def test_the_output_folder_inside_is_left_out(tree):
    (tree / "out").mkdir()
    (tree / "out" / "old.png").write_bytes(b"x")
    assert relative(find_targets([str(tree)], skip=tree / "out")) == ["a.TIF", "b/x2.png", "b/x10.jpg"]


def test_a_file_twice_is_one_target(tree):
    assert relative(find_targets([str(tree / "b" / "x2.png"), str(tree)])) == ["x2.png", "a.TIF", "b/x10.jpg"]


def test_globs_keep_the_tree_below_their_fixed_part(tree):
    assert "b/x2.png" in relative(find_targets([str(tree / "**" / "x*.png")]))
    assert relative(find_targets([str(tree / "b" / "x*")])) == ["x2.png", "x10.jpg"]


def test_a_name_with_brackets_is_a_file_first(tree):
    (tree / "c[1].png").write_bytes(b"x")
    assert relative(find_targets([str(tree / "c[1].png")])) == ["c[1].png"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("nope.png", "No such file or folder: .*nope.png"), ("*.webp", "No files match"), ("empty", "No pictures in the")],
)
def test_names_that_stand_for_nothing(tree, name, words):
    (tree / "empty").mkdir()
    with pytest.raises(UsageError, match=words):
        find_targets([str(tree / name)])


def test_list(tree):
    (tree / "list.txt").write_text("# scans\n\nb/x2.png\n/abs.png\n", encoding="utf-8")
    assert read_list(tree / "list.txt") == [str(tree / "b/x2.png"), "/abs.png"]
    with pytest.raises(UsageError, match="Cannot read the list .*no.txt: No such file"):
        read_list(tree / "no.txt")


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_pairs(tree, kind):
    rows = [("a.TIF", "b/x2.png"), ("b/x2.png", "a.TIF"), ("a.TIF", "b/x10.jpg")]
    file = tree / f"pairs.{kind}"
    if kind == "jsonl":
        file.write_text("\n".join(json.dumps({"target": t, "reference": r}) for t, r in rows))
    else:
        mark = "," if kind == "csv" else "\t"
        file.write_text("\n".join([f"target{mark}reference", *(f"{t}{mark}{r}" for t, r in rows)]))
    targets = read_pairs(file)
    assert [(t.path, t.references) for t in targets] == [
        (tree / "a.TIF", (tree / "b/x2.png", tree / "b/x10.jpg")),
        (tree / "b/x2.png", (tree / "a.TIF",)),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("target,ref\na.TIF,a.TIF\n", "line 1: needs the columns target and reference"),
        ("target,reference\na.TIF,nope.png\n", "line 2: no such file: nope.png"),
        ("target,reference\n", "there are no pairs in it"),
    ],
)
def test_bad_pairs(tree, text, words):
    (tree / "pairs.csv").write_text(text)
    with pytest.raises(UsageError, match=words):
        read_pairs(tree / "pairs.csv")


def test_numbers_sort_as_numbers():
    from pathlib import Path

    names = [Path(n) for n in ("f10", "f9", "F1", "f09b", "g", "f²")]
    assert [str(n) for n in sorted(names, key=natural_key)] == ["F1", "f9", "f09b", "f10", "f²", "g"]


SPREADSHEETS = {
    "blank rows": b"target,reference\r\na.TIF,b/x2.png\r\n,\r\n\r\n",
    "blank rows in front": b",\r\ntarget,reference\r\na.TIF,b/x2.png\r\n",
    "capitals": b"Target,REFERENCE\r\na.TIF,b/x2.png\r\n",
    "sep": b"sep=;\r\ntarget;reference\r\na.TIF;b/x2.png\r\n",
    "semicolons": b"target;reference;a,b\r\na.TIF;b/x2.png;\r\n",
    "spaces": b"target , reference\r\na.TIF , b/x2.png\r\n",
    "tabs": b"target\treference\r\na.TIF\tb/x2.png\r\n",
    "quotes": b'"target","reference"\n"a.TIF","b/x2.png"\n',
    "UTF-8 with a mark": b"\xef\xbb\xbftarget,reference\na.TIF,b/x2.png\n",
    "UTF-16": "target,reference\na.TIF,b/x2.png\n".encode("utf-16"),
    "other columns": b"id,Reference,note,Target\n1,b/x2.png,x,a.TIF\n",
}


@pytest.mark.parametrize("kind", SPREADSHEETS)
def test_pairs_as_spreadsheets_write_them(kind, tree):
    (tree / "pairs.csv").write_bytes(SPREADSHEETS[kind])
    (pair,) = read_pairs(tree / "pairs.csv")
    assert (pair.path.name, [r.name for r in pair.references]) == ("a.TIF", ["x2.png"])


@pytest.mark.parametrize(
    "text", ['[{"Target": "a.TIF", "reference": "b/x2.png"}]', '{"target":"a.TIF","reference":"b/x2.png"}']
)
def test_pairs_as_json(text, tree):
    (tree / "pairs.json").write_text(text)
    (pair,) = read_pairs(tree / "pairs.json")
    assert (pair.path.name, [r.name for r in pair.references]) == ("a.TIF", ["x2.png"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("picture;style\na.TIF;a.TIF\n", r"line 1: .*the columns are picture, style, parted by a semicolon"),
        (
            ",".join(f"c{n}" for n in range(99)) + "\n1,2\n",
            r"the columns are c0, c1, .*, c7 and 91 more, parted by a comma",
        ),
        ("sep=;\npicture\tstyle\n", r"line 2: .*the columns are picture\\tstyle, parted by a semicolon"),
        ("target,reference\n\n,\na.TIF,\n", "line 4: needs a target, and a reference, hints or a text"),
        ("", "no pairs in it"),
        (",,\n\n", "no pairs in it"),
    ],
)
def test_what_is_wrong_with_a_spreadsheet_is_said(text, said, tree):
    (tree / "pairs.csv").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_pairs(tree / "pairs.csv")


def test_letters_with_accents_in_one_sign_or_two(tree):
    for form, other in (("NFC", "NFD"), ("NFD", "NFC")):
        name = unicodedata.normalize(form, "café.png")
        (tree / "a.TIF").rename(tree / name)
        (tree / "pairs.csv").write_text(f"target,reference\n{unicodedata.normalize(other, name)},b/x2.png\n", "utf-8")
        assert read_pairs(tree / "pairs.csv")[0].path.name in (name, unicodedata.normalize(other, name))
        (tree / name).rename(tree / "a.TIF")
