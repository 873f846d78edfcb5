"""References: of the command, of a gallery, and dropped."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from recolor_torch.cli import main
from recolor_torch.pictures import PictureError
from recolor_torch.studio.desk import make_desk
from recolor_torch.studio.library import MATCHES, MOST_UPLOADS, Library


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
    assert library.listed(0)[0] == {"key": found[0].key, "name": "c2.png", "source": "gallery", "score": found[0].score}
    assert library.search(0) is found
    assert library.read(found[0].key).shape == (1, 3, 120, 160)


def test_references_of_the_command_and_dropped_ones_have_keys(folder):
    library = Library(make_desk([str(folder / "old.png")], references=[str(folder / "photos" / "c1.png")]))
    data = (folder / "photos" / "c0.png").read_bytes()
    dropped = library.add(data, "C:\\pictures\\mine.png")
    assert [(e["key"], e["name"]) for e in library.listed(0)] == [("r0", "c1.png"), ("u0", "mine.png")]
    kept = library.keep(("r0", "u0"), folder / "out")
    assert kept == [folder / "photos" / "c1.png", folder / "out" / "references" / "u0-mine.png"]
    assert kept[1].read_bytes() == data
    path = dropped.path
    library.close()
    assert not path.exists()
    with pytest.raises(KeyError):
        library.read("../etc/passwd")


def test_so_many_pictures_can_be_dropped_and_no_more(folder):
    library = Library(make_desk([str(folder / "old.png")]))
    data = (folder / "photos" / "c0.png").read_bytes()
    for _ in range(MOST_UPLOADS):
        library.add(data, "x.png")
    with pytest.raises(PictureError, match="start the studio again"):
        library.add(data, "x.png")
    library.close()
