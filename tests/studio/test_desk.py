"""The desk: files, states and commands."""

import json

import pytest
from PIL import Image
from studios import gray_picture

from recolor_torch.errors import UsageError
from recolor_torch.hints.links import LinkShape, Region
from recolor_torch.hints.shapes import Stroke, parse_shapes
from recolor_torch.pictures import PictureError
from recolor_torch.studio.desk import make_desk, shell_line
from recolor_torch.studio.painted import Mark, Marks
from recolor_torch.studio.protocol import Recipe

PAINTED = Marks((64, 48), (Mark(Stroke(((9, 9), (20, 9)), 2, "#ff0000")),))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scans" / "inner").mkdir(parents=True)
    for name in ("a.png", "inner/b.jpg"):
        gray_picture(64, 48).save(tmp_path / "scans" / name)
    return tmp_path


def test_a_folder_keeps_its_tree_and_a_picture_its_states(folder):
    desk = make_desk([str(folder / "scans")], str(folder / "out"))
    assert [i.name for i in desk.items] == ["a.png", "inner/b.jpg"]
    item = desk.items[1]
    assert item.output == folder / "out" / "inner" / "b.jpg"
    assert item.hints == folder / "out" / "inner" / "b.hints.json"
    assert item.state() == "new"
    desk.save_marks(1, PAINTED)
    assert item.state() == "touched"
    assert desk.load_marks(1) == PAINTED
    gray_picture(64, 48).save(item.output)
    assert item.state() == "done"


def test_the_last_mark_takes_its_file_along_but_for_one_that_was_given(folder):
    desk = make_desk([str(folder / "scans" / "a.png")])
    path = desk.items[0].hints
    desk.save_marks(0, PAINTED, {"sample": 1})
    assert parse_shapes(path.read_text()).notes == ()  # no method stumbles over what the studio keeps
    assert desk.load_start(0) == {"sample": 1}
    desk.save_marks(0, Marks((64, 48)))
    assert not path.exists()
    assert desk.load_start(0) == {}
    path.write_text(PAINTED.to_file())
    given = make_desk([str(folder / "scans" / "a.png")], hints=str(path))
    given.save_marks(0, Marks((64, 48)))
    assert path.exists()


def test_without_an_output_results_go_beside_the_pictures(folder):
    assert make_desk([str(folder / "scans" / "a.png")]).items[0].output == folder / "scans" / "recolored" / "a.png"


def test_results_beside_the_pictures_are_no_pictures_of_the_next_start(folder):
    names = [str(folder / "scans")]
    first = make_desk(names)
    for item in first.items:
        item.output.parent.mkdir(parents=True, exist_ok=True)
        gray_picture(64, 48).save(item.output)
    assert [i.target for i in make_desk(names).items] == [i.target for i in first.items]
    assert {i.state() for i in make_desk(names).items} == {"done"}


def test_given_hints_are_gone_on_with(folder):
    own = folder / "own.hints.json"
    own.write_text(json.dumps({"size": [128, 96], "points": [{"x": 20, "y": 20, "radius": 4, "color": "#00ff00"}]}))
    desk = make_desk([str(folder / "scans" / "a.png")], hints=str(own))
    mark = desk.load_marks(0).items[0]
    assert mark.stroke == Stroke(((10, 10),), 2, "#00ff00")
    assert desk.items[0].hints == own
    overlay = Image.new("RGBA", (64, 48))
    overlay.putpixel((5, 6), (255, 0, 0, 255))
    (folder / "marks").mkdir()
    overlay.save(folder / "marks" / "a.png")
    desk = make_desk([str(folder / "scans")], hints=str(folder / "marks"))
    assert desk.load_marks(0).items[0].stroke.points == ((5.5, 6.5),)
    assert desk.load_marks(1).items == ()


def test_damaged_hints_are_one_sentence(folder):
    desk = make_desk([str(folder / "scans" / "a.png")])
    desk.items[0].hints.parent.mkdir()
    desk.items[0].hints.write_text("{}")
    with pytest.raises(PictureError, match=r"a\.hints\.json: cannot read these hints"):
        desk.load_marks(0)


@pytest.mark.parametrize(
    ("marks", "recipe", "words"),
    [
        (Marks((64, 48)), Recipe(), "-m network --max-side"),
        (PAINTED, Recipe(), "a.hints.json -m network --max-side 1024"),
        (PAINTED, Recipe(sample=3, trust=2.0), "--network.head distribution --network.samples 3 --network.sample 1"),
        (PAINTED, Recipe("plain", strength=0.5), "-m levin --strength 0.5"),
        (PAINTED, Recipe(text="red dress"), "-m network --text 'red dress' --max-side"),
        (PAINTED, Recipe("reference", references=("r0",)), "-m semi_interactive -r"),
        (Marks((64, 48)), Recipe("reference", references=("r0",)), "-m correspondence -r"),
    ],
)
def test_commands(folder, marks, recipe, words):
    desk = make_desk([str(folder / "scans" / "a.png")], references=[str(folder / "scans" / "a.png")])
    args = desk.command(0, marks, recipe, desk.references)
    assert words in shell_line(args)
    from recolor_torch.cli.colorize import make_parser

    make_parser().parse_args(args[1:])  # the command line knows every flag


def test_nothing_to_export(folder):
    with pytest.raises(UsageError, match="paint a stroke"):
        make_desk([str(folder / "scans" / "a.png")]).command(0, Marks((64, 48)), Recipe("plain"))


def test_links_count_beside_references_or_alone(folder):
    desk = make_desk([str(folder / "scans" / "a.png")])
    box = Region("rectangle", ((0.0, 0.0), (9.0, 9.0)))
    linked = Marks((64, 48), links=(LinkShape(box, box, "../c.png"),))
    alone = Recipe("reference")
    assert "a.hints.json -m correspondence --max-side" in shell_line(desk.command(0, linked, alone))
    painted = Marks((64, 48), PAINTED.items, linked.links)
    assert "a.hints.json -m semi_interactive --max-side" in shell_line(desk.command(0, painted, alone))
    assert "--hints" not in desk.command(0, linked, Recipe())  # the network follows no links
    with pytest.raises(UsageError, match="neither a reference nor a link"):
        desk.command(0, PAINTED, alone)


def test_links_out_of_the_folder_are_passed_over(folder):
    gray_picture(32, 32).save(folder / "secret.png")
    (folder / "scans" / "way.png").symlink_to(folder / "secret.png")
    (folder / "scans" / "inside.png").symlink_to(folder / "scans" / "a.png")
    names = [i.name for i in make_desk([str(folder / "scans")], str(folder / "out")).items]
    assert "way.png" not in names
    assert "inside.png" in names


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (([],), "Name a picture"),
        ((["missing.png"],), "missing.png"),
        ((["scans"], None, ["no.png"]), r"no\.png"),
        ((["scans"], None, [], [], "no.json"), r"no\.json"),
        ((["scans"], None, [], [], "scans/a.png"), "one file of hints for 2"),
        ((["scans"], "scans"), "never overwritten"),
    ],
)
def test_mistakes_are_one_sentence(folder, monkeypatch, args, message):
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError, match=message):
        make_desk(*args)
