"""What a search finds, and what it says of the rest."""

import os

import pytest
from pictures import save_picture

from recolor_torch.errors import UsageError
from recolor_torch.pictures.folders import find_pictures
from recolor_torch.run.targets import Target, find_targets, with_folders_back


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_picture(tmp_path / "scans/a.png")
    return tmp_path


def names(search):
    return [relative.as_posix() for _, relative in search.files]


def test_what_is_no_photograph_is_said_once(tree, caplog):
    for name in ("letter.pdf", "b.jxl", "camera.dng", "c.NEF", "notes.txt", "x.xmp", "data.h5"):
        (tree / "scans" / name).write_bytes(b"%PDF-1.4")
    save_picture(tree / "real.jpg").rename(tree / "scans/IMG_1.HEIC")  # phones do that
    search = find_pictures(["scans"])
    assert names(search) == ["a.png", "IMG_1.HEIC"]
    said = " ".join(search.notes)
    assert said.count("letter.pdf") == 1
    for name in ("b.jxl", "camera.dng", "c.NEF", "data.h5"):
        assert name in said
    assert "notes.txt" not in said
    assert "x.xmp" not in said
    assert [r.message for r in caplog.records] == search.notes
    assert names(find_pictures(["scans/letter.pdf"])) == ["letter.pdf"]  # what is named is tried


def test_heic_names_what_reads_it(tree):
    (tree / "scans/b.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    try:
        import pillow_heif  # noqa: F401
    except ImportError:
        assert "recolor-torch[heif]" in " ".join(find_pictures(["scans"]).notes)
    else:
        assert names(find_pictures(["scans"])) == ["a.png", "b.heic"]


def test_hidden_small_copies_and_linked_folders_are_left_out_and_said(tree):
    for folder in ("@eaDir", ".thumbnails", "__MACOSX", ".git", "sub", "a.png.stages"):
        save_picture(tree / "scans" / folder / "t.png")
    save_picture(tree / "other/o.png")
    (tree / "scans/link").symlink_to(tree / "other", target_is_directory=True)
    (tree / "scans/back").symlink_to(tree / "scans", target_is_directory=True)
    save_picture(tree / "scans/._a.png")
    search = find_pictures(["scans"])
    assert names(search) == ["a.png", "sub/t.png"]
    said = " ".join(search.notes)
    for folder in ("@eaDir", "__MACOSX", "scans/link", "scans/back"):
        assert folder in said
    assert names(find_pictures(["scans/link"])) == ["o.png"]


def test_a_folder_without_permission_is_said(tree):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    save_picture(tree / "scans/closed/b.png")
    (tree / "scans/closed").chmod(0)
    try:
        search = find_pictures(["scans"])
        assert names(search) == ["a.png"]
        assert [folder.name for folder in search.closed] == ["closed"]
        with pytest.raises(UsageError, match="no permission to look"):
            find_pictures(["scans/closed"])
        with pytest.raises(UsageError, match="no permission to look"):
            find_pictures(["scans/closed/b.png"])
    finally:
        (tree / "scans/closed").chmod(0o755)


def places(*roots, tree):
    return sorted(t.relative.as_posix() for t in find_targets([str(tree / r) for r in roots]))


def test_equal_names_from_two_folders_get_their_folders_back(tree):
    for name in ("1931/p.png", "1932/p.png", "1931/q.png", "x/1931/p.png", "y/z.png", "1932/P.jpg"):
        save_picture(tree / name)
    assert places("1931", tree=tree) == ["p.png", "q.png"]
    assert places("1931", "y", tree=tree) == ["p.png", "q.png", "z.png"]
    assert places("1931", "1932", "y", tree=tree) == ["1931/p.png", "1931/q.png", "1932/P.jpg", "1932/p.png", "z.png"]
    deep = places("1931", "x/1931", tree=tree)
    assert deep == [f"{tree.name}/1931/p.png", f"{tree.name}/1931/q.png", "x/1931/p.png"]
    assert places("1931/p.png", "1932/p.png", "y/z.png", tree=tree) == ["1931/p.png", "1932/p.png", "z.png"]


def test_places_stay_apart_however_folders_are_named(tmp_path):
    roots = [tmp_path / "a/b", tmp_path / "c/b", tmp_path / "b", tmp_path / "B"]
    targets = [Target(root / "sub/p.png", (root / "sub/p.png").relative_to(root)) for root in roots[:3]]
    found = [t.relative.as_posix().casefold() for t in with_folders_back(targets, roots[:3])]
    assert len(set(found)) == 3
    assert all(place.endswith("sub/p.png") for place in found)


def test_links_that_lead_nowhere_are_said(tmp_path, caplog):
    """As the pictures of a disk that is not mounted."""
    save_picture(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "gone" / "b.png")
    search = find_pictures([str(tmp_path)])
    assert [place.name for _, place in search.files] == ["a.png"]
    assert f"Passed over (links that lead nowhere): {tmp_path / 'b.png'}." in caplog.text
