"""A file is the old one or the new one, never a part."""

import hashlib
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from recolor_torch.files import SUFFIX, cached_file_hash, remove_stale_parts, write_atomically, write_bytes_atomically


def test_the_file_appears_at_the_end(tmp_path):
    target = tmp_path / "out.png"
    with write_atomically(target) as part:
        assert part.parent == tmp_path
        assert part.name.startswith(".")
        assert part.name.endswith(SUFFIX)
        part.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["out.png"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file(error, tmp_path):
    target = tmp_path / "out.png"
    target.write_bytes(b"old")

    def stumble():
        with write_atomically(target) as part:
            part.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        stumble()
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.png"]


def test_a_kill_leaves_the_old_file(tmp_path):
    target = tmp_path / "out.png"
    target.write_bytes(b"old")
    code = f"""
import time
from recolor_torch.files import write_atomically
with write_atomically({str(target)!r}) as part:
    part.write_bytes(b"half")
    print("ready", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    process.wait()
    process.stdout.close()
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    assert len(remove_stale_parts(tmp_path)) == 1  # young, but its process is no more
    assert [p.name for p in tmp_path.iterdir()] == ["out.png"]


def test_the_part_of_a_run_at_work_stays(tmp_path):
    with write_atomically(tmp_path / "out.png") as part:
        part.write_bytes(b"half")
        assert remove_stale_parts(tmp_path) == []
        assert part.exists()
    assert (tmp_path / "out.png").read_bytes() == b"half"


def test_before_replace_sees_the_whole_file_and_not_yet_its_name(tmp_path):
    seen = []
    target = tmp_path / "out.png"
    with write_atomically(target, before_replace=lambda p: seen.append((p.read_bytes(), target.exists()))) as part:
        part.write_bytes(b"whole")
    assert seen == [(b"whole", False)]


def test_stale_parts_are_only_ours_and_old(tmp_path):
    below = tmp_path / "below"
    below.mkdir()
    ours = [tmp_path / f".recolor-00c0ffee-1-abc_12{SUFFIX}", below / f".recolor-00c0ffee-2-x{SUFFIX}"]
    others = [tmp_path / ".recolor-abc.txt", tmp_path / f"a{SUFFIX}", tmp_path / ".hidden", tmp_path / "photo.png"]
    for path in ours + others:
        path.write_bytes(b"")
        os.utime(path, (time.time() - 7200,) * 2)
    assert remove_stale_parts(tmp_path) == [ours[0]]
    assert remove_stale_parts(tmp_path, recursive=True) == [ours[1]]
    assert all(path.exists() for path in others)
    assert remove_stale_parts(tmp_path / "missing") == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions(tmp_path):
    mask = os.umask(0o027)
    try:
        write_bytes_atomically(tmp_path / "new", b"1")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o604)
    write_bytes_atomically(tmp_path / "new", b"2")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o604


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_bytes_atomically(tmp_path / "link", b"new", fsync=False)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_bytes_atomically(tmp_path / "none" / "a", b"")
    with pytest.raises(IsADirectoryError):
        write_bytes_atomically(tmp_path, b"")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError):
        write_bytes_atomically(tmp_path / "file" / "a", b"")


def test_a_long_name_needs_no_longer_one(tmp_path):
    write_bytes_atomically(tmp_path / ("a" * 255), b"1")
    assert (tmp_path / ("a" * 255)).read_bytes() == b"1"


def test_a_hash_is_of_the_file_as_it_is_now(tmp_path):
    file = tmp_path / "reference.png"
    file.write_bytes(b"one")
    first = cached_file_hash(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(0, 1))
    assert cached_file_hash(file) == hashlib.sha256(b"two").hexdigest() != first
