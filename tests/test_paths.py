import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recolor_torch.errors import UsageError
from recolor_torch.paths import as_path, failure, kind_of, printable, show_path


def test_a_tilde_is_the_users_folder_only_before_a_slash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert as_path("~/a/b.png") == Path.home() / "a/b.png"
    assert as_path("~") == Path.home()
    for name in ("~old.png", "~root/a.png", "a/~/b.png", "scan~"):
        assert as_path(name) == Path(name)
    (tmp_path / "~").mkdir()
    assert as_path("~/a.png") == Path("~/a.png")  # a folder of that name, as a mistake in a script leaves it
    with pytest.raises(UsageError, match="empty"):
        as_path("")


def test_what_the_disk_has(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "loop")
    (tmp_path / "loop").symlink_to(tmp_path / "link")
    assert [kind_of(tmp_path / n) for n in ("file", "", "none", "file/inside")] == [
        "file",
        "folder",
        "missing",
        "missing",
    ]
    for name, why in (("n" * 300, "too long"), ("a\0b", "zero byte"), ("loop", "leads back")):
        with pytest.raises(UsageError, match=why):
            kind_of(tmp_path / name)


def test_no_permission(tmp_path):
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("this user may read everything")
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(UsageError, match="no permission"):
        kind_of(tmp_path / "closed" / "a.png")


@given(st.text(st.characters(codec=None), max_size=30), st.binary(max_size=20))
def test_whatever_is_shown_is_text_and_printable(text, data):
    for name in (text, os.fsdecode(data)):
        assert printable(name).isprintable()
        assert show_path(name).encode()
        if name.isprintable():
            assert printable(name) == name


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "out/a.png"), "in.png: out/a.png: No space left on device."),
        (PermissionError(13, "Permission denied"), "in.png: no permission."),
        (MemoryError(), "in.png: not enough memory; try a smaller --max-side."),
        (RuntimeError("CUDA out of memory.\nTried"), "in.png: not enough memory; try a smaller --max-side."),
        (KeyError("x"), "in.png: an error in the program (KeyError: 'x')."),
        (UsageError("in.png: the name is too long."), "in.png: the name is too long."),
        (ValueError("two\nlines"), "in.png: two lines."),
    ],
)
def test_any_error_of_one_file_is_one_sentence(error, said):
    assert failure("in.png", error) == said
