"""Links of a hints file, by the real command."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recolor_torch.cli import main

SIZE = (64, 48)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A gray target, a reference that is red and blue, one that is green, and a link to its blue half."""
    dice = np.random.default_rng(5)
    gray = np.kron(dice.integers(60, 160, (12, 16)), np.ones((4, 4))).astype(np.uint8)
    Image.fromarray(gray).save(tmp_path / "old.png")
    two = np.stack([gray] * 3, 2).astype(int)
    two[:, :32, 0] += 60
    two[:, 32:, 2] += 60
    Image.fromarray(two.clip(0, 255).astype(np.uint8)).save(tmp_path / "two.png")
    green = np.stack([gray] * 3, 2).astype(int)
    green[..., 1] += 60
    Image.fromarray(green.clip(0, 255).astype(np.uint8)).save(tmp_path / "green.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, *links, **more):
    (folder / "h.json").write_text(json.dumps({"size": list(SIZE), "links": list(links), **more}))


def run(*args):
    return main(["colorize", "old.png", "--hints", "h.json", "-o", "new.png", "--overwrite", *args])


def shift(box):
    """Red less blue of the result in a box."""
    x0, y0, w, h = box
    part = np.asarray(Image.open("new.png").convert("RGB")).astype(float)[y0 : y0 + h, x0 : x0 + w]
    return (part[..., 0] - part[..., 2]).mean()


BOX = [4, 4, 20, 24]


def record(key):
    return json.loads(Path("run.jsonl").read_text().splitlines()[-1]).get(key)


def test_a_link_is_followed_and_a_change_of_it_is_a_change_of_the_result(desk, capsys):
    write(desk, {"target": BOX, "reference": [32, 0, 32, 48], "name": "two.png"})
    assert run("-r", "two.png") == 0
    assert record("method") == "semi_interactive"
    assert shift(BOX) < -5
    write(desk, {"target": BOX, "reference": [0, 0, 32, 48], "name": "two.png"})
    capsys.readouterr()
    assert main(["colorize", "old.png", "--hints", "h.json", "-o", "new.png", "-r", "two.png"]) == 0
    assert "1 done" in capsys.readouterr().out
    assert shift(BOX) > 5


def test_a_link_names_a_file_beside_the_hints(desk):
    """Nothing else is given: the rest is colored without a reference."""
    write(desk, {"target": BOX, "reference": [32, 0, 32, 48], "name": "two.png"})
    assert run() == 0
    assert shift(BOX) < -5
    assert record("method") == "semi_interactive"
    assert main(["colorize", "old.png", "--hints", "h.json", "-o", "two.png", "--overwrite"]) == 2  # it is an input


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ({"name": "none.png"}, 'links[0].name is "none.png", which is none of the references (two.png)'),
        ({"reference": [900, 0, 5, 5]}, "links[0].reference lies outside of two.png (64 x 48)"),
        ({"target": [1, 2]}, "links[0].target must be a rectangle"),
    ],
)
def test_mistakes_are_one_sentence(desk, link, said, capsys):
    write(desk, {"target": BOX, "reference": [0, 0, 5, 5], "name": "two.png", **link})
    assert run("-r", "two.png") == 3
    assert said in capsys.readouterr().err


def test_a_method_that_follows_no_links_says_so(desk, capsys):
    write(desk, {"target": BOX, "reference": [0, 0, 5, 5], "name": "two.png"})
    assert run("-m", "levin") == 3
    assert "levin does not follow links" in capsys.readouterr().err
    assert run("-m", "histogram", "-r", "green.png") == 0
    assert "histogram does not follow links: -m correspondence" in record("notes")[0]


def test_hints_show_and_convert_keep_links(desk, capsys):
    write(desk, {"target": BOX, "reference": [0, 0, 5, 5], "name": "two.png"})
    assert main(["hints", "show", "h.json"]) == 0
    assert "1 link to a reference" in capsys.readouterr().out
    assert main(["hints", "convert", "h.json", "again.json", "--target", "old.png"]) == 0
    assert json.loads(Path("again.json").read_text())["links"][0]["name"] == "two.png"
    capsys.readouterr()
    assert main(["hints", "convert", "h.json", "layer.png"]) == 0
    assert "links are kept in JSON alone" in capsys.readouterr().out
