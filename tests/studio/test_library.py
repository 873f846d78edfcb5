"""References: of the command, of a gallery, and dropped."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from recolor_torch.cli import main
from recolor_torch.hints.links import LinkShape, Region
from recolor_torch.pictures import PictureError
from recolor_torch.studio.desk import make_desk
from recolor_torch.studio.library import MATCHES, MOST_UPLOADS, Library
from recolor_torch.studio.painted import Marks
from recolor_torch.studio.protocol import Recipe


def picture(path, seed):
    """A colored picture of blocks."""
    blocks = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    image = Image.fromarray(blocks).resize((160, 120), Image.Resampling.NEAREST)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return image


@pytest.fixture
def folder(tmp_path):
    for seed in range(4):
        picture(tmp_path / "photos" / f"c{seed}.png", seed)
    picture(tmp_path / "old.png", 2).convert("L").save(tmp_path / "old.png")
    return tmp_path


def test_a_gallery_finds_references_for_a_picture_with_scores(folder, capsys):
    assert main(["gallery", "build", str(folder / "g"), str(folder / "photos"), "-q"]) == 0
    library = Library(make_desk([str(folder / "old.png")], galleries=[str(folder / "g")]))
    assert library.listed(0) == []
    found = library.search(0)
    assert 0 < len(found) <= MATCHES
    assert found[0].name == "c2.png"  # the same picture in color
    assert all(a.score >= b.score for a, b in pairwise(found))
    shown = {"key": found[0].key, "name": "c2.png", "source": "gallery", "score": found[0].score}
    assert library.listed(0)[0] == shown | {"file": "../photos/c2.png"}
    assert library.search(0) is found
    assert library.read(found[0].key).shape == (1, 3, 120, 160)


def test_references_of_the_command_and_dropped_ones_have_keys(folder):
    library = Library(make_desk([str(folder / "old.png")], references=[str(folder / "photos" / "c1.png")]))
    data = (folder / "photos" / "c0.png").read_bytes()
    dropped = library.add(data, "C:\\pictures\\mine.png")
    assert [(e["key"], e["name"]) for e in library.listed(0)] == [("r0", "c1.png"), ("u0", "mine.png")]
    kept = library.keep(("r0", "u0"), folder / "out")
    assert kept[0] == folder / "photos" / "c1.png"
    assert kept[1].parent == folder / "out" / "references"
    assert kept[1].read_bytes() == data
    # Another picture of that name, in this run or a later one, has a file of its own.
    library.add((folder / "photos" / "c3.png").read_bytes(), "mine.png")
    assert library.keep(("u1",), folder / "out")[0] != kept[1]
    path = dropped.path
    library.close()
    assert not path.exists()
    with pytest.raises(KeyError):
        library.read("../etc/passwd")


def test_links_name_files_from_the_folder_of_the_hints(folder):
    box = Region("rectangle", ((0.0, 0.0), (50.0, 50.0)))
    library = Library(make_desk([str(folder / "old.png")], references=[str(folder / "photos" / "c1.png")]))
    dropped = library.add((folder / "photos" / "c0.png").read_bytes(), "mine.png")
    files = [e["file"] for e in library.listed(0)]
    assert files[0] == "../photos/c1.png"
    links = tuple(LinkShape(box, box, name) for name in files)
    assert library.linked(0, links) == ["r0", dropped.key]
    guide = library.guide(0, ("r0",), Marks((160, 120), links=links), (60, 80))
    assert [r.weight for r in guide.references] == [1.0, 0.0]
    assert [k.reference for k in guide.links] == [0, 1]
    assert guide.links[0].target.sum() == 25 * 25
    for name in ("/etc/passwd", "../secret.png", "photos/c1.png", ""):
        with pytest.raises(KeyError, match="does not have"):
            library.linked(0, (LinkShape(box, box, name),))
    library.close()


def test_references_of_links_in_a_file_are_on_the_page(folder):
    box = Region("rectangle", ((0.0, 0.0), (50.0, 50.0)))
    library = Library(make_desk([str(folder / "old.png")], references=[str(folder / "photos" / "c1.png")]))
    (folder / "recolored").mkdir()
    names = ("c1.png", "../photos/c3.png", "gone.png")
    marks = library.adopt(0, Marks((160, 120), links=tuple(LinkShape(box, box, n) for n in names)))
    assert [k.name for k in marks.links] == ["../photos/c1.png", "../photos/c3.png", "gone.png"]
    assert [(e["source"], e["name"]) for e in library.listed(0)] == [("command", "c1.png"), ("hints", "c3.png")]
    assert len(library.linked(0, marks.links)) == 2


def test_what_was_started_from_is_kept_by_files(folder):
    library = Library(make_desk([str(folder / "old.png")], references=[str(folder / "photos" / "c1.png")]))
    assert library.start_of(0, Recipe()) == {}
    recipe = Recipe("reference", references=("r0",), trust=2.0)
    start = library.start_of(0, recipe)
    assert start == {"kind": "reference", "references": ["../photos/c1.png"], "trust": 2.0}
    assert library.recipe_of(0, start) == recipe
    (folder / "recolored").mkdir()
    other = Library(make_desk([str(folder / "old.png")]))  # started without -r: the file is found by its path
    assert [other.entries[k].name for k in other.recipe_of(0, start).references] == ["c1.png"]
    for broken in ({"kind": 3}, {"references": 7}, {"sample": "x"}, {"trust": -1}):
        assert library.recipe_of(0, broken) == Recipe()


def test_so_many_pictures_can_be_dropped_and_no_more(folder):
    library = Library(make_desk([str(folder / "old.png")]))
    data = (folder / "photos" / "c0.png").read_bytes()
    for _ in range(MOST_UPLOADS):
        library.add(data, "x.png")
    with pytest.raises(PictureError, match="start the studio again"):
        library.add(data, "x.png")
    library.close()
