import json

import pytest
from pictures import save_picture

from recolor_torch.errors import UsageError
from recolor_torch.evaluation.cases import find_cases


def manifest(folder, content):
    (folder / "manifest.json").write_text(json.dumps(content))
    return folder


def test_a_folder_is_photographs_that_are_their_own_truth(tmp_path):
    for name in ("b.png", "a.png", "a.jpg", "sea/c.png"):
        save_picture(tmp_path / name)
    cases = find_cases(tmp_path)
    assert [case.name for case in cases] == ["a_1", "a_2", "b", "sea/c"]
    assert all(case.target == case.truth for case in cases)
    assert [case.group for case in cases] == ["", "", "", "sea"]
    assert [case.name for case in find_cases(tmp_path, ["sea"])] == ["sea/c"]
    assert [(c.name, c.truth) for c in find_cases(tmp_path / "a.jpg")] == [("a", tmp_path / "a.jpg")]


def test_the_sample_depends_on_the_seed_alone(tmp_path):
    for n in range(9):
        save_picture(tmp_path / f"{n}.png")
    names = [[c.name for c in find_cases(tmp_path, count=4, seed=seed)] for seed in (1, 1, 2)]
    assert names[0] == names[1] != names[2]
    assert names[0] == sorted(names[0])


def test_keys_of_a_manifest_and_their_other_names(tmp_path):
    entries = [
        {"name": "one", "target": "t.png", "truth": "c.png", "reference": ["r.png", "s.png"], "certain_color": True},
        {"name": "two", "gray": "g.png", "marked": "m.png", "ground_truth": None, "kind": "scribbles"},
        {"target": "x/pair.jpg", "reference": "r.png", "has_ground_truth": True, "subset": "video"},
        {"target": "x/pair_2.jpg", "reference": "r.png", "has_ground_truth": False},
        {"file": "photo.jpg"},
    ]
    one, photo, two, pair, other = find_cases(manifest(tmp_path, {"description": "", "cases": entries}))
    assert (one.name, one.certain, one.truth) == ("one", True, tmp_path / "c.png")
    assert one.references == (tmp_path / "r.png", tmp_path / "s.png")
    assert (two.target, two.hints, two.truth, two.group) == (tmp_path / "g.png", tmp_path / "m.png", None, "scribbles")
    assert (pair.name, pair.group) == ("x/pair", "video")
    assert pair.truth == pair.target
    assert other.truth is None
    assert photo.truth == photo.target


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"other": []}, "no list of pictures"),
        ({"pictures": [{"truth": "a.png"}]}, "entry 1: needs the key target"),
        ({"pictures": ["a.png"]}, "entry 1: needs the key target"),
        ({"pictures": [{"target": "a.png", "reference": [3]}]}, "a path must be text, got 3"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(tmp_path, content, words):
    with pytest.raises(UsageError, match=words):
        find_cases(manifest(tmp_path, content))


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="No such file or folder"):
        find_cases(tmp_path / "nope")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(UsageError, match="Cannot read the manifest"):
        find_cases(tmp_path)
    with pytest.raises(UsageError, match="no group 'sea'. Known groups: land"):
        find_cases(manifest(tmp_path, [{"target": "a.png", "group": "land"}]), ["sea"])


def test_the_shared_manifests(shared):
    pairs = find_cases(shared / "data/pairs")
    assert len(pairs) == 55
    assert {c.group for c in pairs if c.truth} == {"video", "multi_view"}
    scribbles = find_cases(shared / "data/scribbles")
    assert (len(scribbles), sum(c.truth is not None for c in scribbles)) == (22, 5)
    assert all(path.is_file() for case in pairs + scribbles for path in case.files)
