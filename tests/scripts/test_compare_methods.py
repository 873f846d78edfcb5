"""The comparison of all methods, on a small set of its own."""

import importlib
import json
import sys

import pytest
from pictures import save_picture


@pytest.fixture
def data(tmp_path):
    pairs = []
    for n, kind in enumerate(("video", "multi_view", "multi_view")):
        for part, seed in (("target", n), ("ref", n + 1)):
            save_picture(tmp_path / f"data/pairs/{kind}/{n}_{part}.png", 40, 30, seed=seed)
        entry = {"name": f"pair_{n}", "kind": kind, "has_ground_truth": True}
        pairs.append(entry | {"target": f"{kind}/{n}_target.png", "reference": f"{kind}/{n}_ref.png"})
    (tmp_path / "data/pairs/manifest.json").write_text(json.dumps({"pairs": pairs}))
    folder = tmp_path / "data/scribbles"
    save_picture(folder / "a_truth.png", 40, 30, seed=5)
    save_picture(folder / "a_gray.png", 40, 30, mode="L", seed=5)
    (folder / "a.json").write_text(
        '{"size": [40, 30], "points": [{"x": 9, "y": 9, "radius": 3, "color": "#aa3311"},'
        ' {"x": 30, "y": 20, "radius": 3, "color": "#1133aa"}]}'
    )
    case = {"name": "a", "gray": "a_gray.png", "marked": "a.json", "ground_truth": "a_truth.png"}
    (folder / "manifest.json").write_text(json.dumps({"cases": [case]}))
    return tmp_path


@pytest.fixture
def script():
    return importlib.import_module("scripts.evaluations.compare_methods")


def test_the_table_has_every_method_best_first(script, data, monkeypatch, capsys):
    arguments = [str(data / "data"), str(data / "out"), "--methods", "histogram,levin,wavelet", "--repeats", "0"]
    monkeypatch.setattr(sys, "argv", ["compare_methods.py", *arguments])
    assert script.main() == 0
    assert capsys.readouterr().err == ""
    lines = (data / "out/table.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    head, _, gray, *methods = rows
    assert head[:5] == ["method", "needs", "video", "multi_view", "all"]
    assert gray[0] == "gray itself"
    means = [float(row[4]) for row in methods]
    assert means == sorted(means)
    assert {row[0] for row in methods} == {"`histogram`", "`levin`", "`wavelet`"}
    for row in methods:
        assert row[1] == ("points" if row[0] == "`levin`" else "reference")
        assert row[6].endswith(" of 3")
    assert any(line.startswith("levin, CIEDE2000 on the 1 scribbled pictures") for line in lines)
    assert (data / "out/pairs/index.html").is_file()


def test_speed_and_memory_are_taken_in_a_process_of_their_own(script, data, monkeypatch):
    for part, seed in (("target", 1), ("ref", 2)):
        save_picture(data / f"data/pairs/{script.PAIR}_{part}.jpg", 120, 80, seed=seed)
    arguments = script.argparse.Namespace(data=data / "data", out=data, megapixels=0.05, repeats=1, points=3)
    got = script.measure(arguments, "levin")
    assert 0 < got["seconds"] < 60
    assert got["megabytes"] >= 0


def test_every_method_has_a_word_on_where_it_fails(script):
    assert set(script.FAILS) == set(script.METHODS)
