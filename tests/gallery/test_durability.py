"""Whatever happens to a writer, the gallery is the old one or the new one; whatever happens to a file is found."""

import errno
import json
import os
import sqlite3
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from galleries import SPEC, FakeEmbed, fake_raw, never, put

from recolor_torch.errors import UsageError
from recolor_torch.gallery import Gallery, GalleryDamaged, files, words
from recolor_torch.gallery.header import read_header
from recolor_torch.gallery.store import open_state
from recolor_torch.gallery.upkeep import build_gallery, remove_pictures, update_gallery
from recolor_torch.gallery.verify import verify


class Killed(BaseException):
    """Ends a writer as kill -9 does: nothing that it would still do is done."""


@pytest.fixture
def place(tmp_path):
    put(tmp_path / "in", [f"{n}.jpg" for n in range(280)])
    return tmp_path


@pytest.fixture
def gallery(place):
    build_gallery(place / "g", [str(place / "in")], SPEC, FakeEmbed(100), factory="Flat")
    return place / "g"


def contents(gallery):
    return {row.path: row.id for row in open_state(gallery).table}


def dying_at(step, monkeypatch):
    """Kill before the step-th of what changes the disk: fsync, rename, unlink, and writes of files."""
    count = 0

    def wrap(function):
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == step:
                raise Killed
            return function(*args, **kwargs)

        return call

    for name in ("fsync", "replace", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, wrap(getattr(os, name)))
    from pathlib import Path

    monkeypatch.setattr(Path, "unlink", wrap(Path.unlink))
    return lambda: count


def test_a_writer_that_dies_at_any_step_leaves_the_old_or_the_new_gallery(place, gallery):
    before = contents(gallery)
    (place / "in/3.jpg").unlink()
    put(place / "in", ["new.jpg"])
    states, step = set(), 0
    while True:
        step += 1
        with pytest.MonkeyPatch.context() as patch:
            steps = dying_at(step, patch)
            try:
                update_gallery(gallery, [], FakeEmbed())
                ended = True
            except Killed:
                ended = False
            made = steps()
        assert verify(gallery) == []
        now = contents(gallery)
        states.add("old" if now == before else "new")
        assert now == before or set(now) == set(before) - {"../in/3.jpg"} | {"../in/new.jpg"}
        assert len(Gallery.open(gallery).query_raw(fake_raw(b"picture 5.jpg")[:1], 3)[0]) == 3
        if ended and made < step:
            break
    assert states == {"old", "new"}
    assert 8 <= step <= 60
    assert {p.name for p in gallery.iterdir()} == {e.name for e in read_header(gallery).files()} | {
        "gallery.json",
        "lock",
        "writer.json",
    }


def test_what_was_computed_before_a_kill_is_not_computed_again(place, gallery):
    put(place / "in", [f"new_{n}.jpg" for n in range(10)])

    class Dying(FakeEmbed):
        def __call__(self, folder, spec, found):
            super().__call__(folder, spec, found[:6])
            raise Killed

    with pytest.raises(Killed):
        update_gallery(gallery, [], Dying(3))
    assert len(contents(gallery)) == 280
    embed = FakeEmbed()
    assert update_gallery(gallery, [], embed).added == 10
    assert len(embed.seen) == 4


def test_an_update_does_not_cover_damage_up(place, gallery):
    put(place / "in", ["new.jpg"])
    for n in range(200):  # most of the raw file is of no use any more, so that it is written anew
        (place / f"in/{n}.jpg").unlink()
    header = read_header(gallery)
    for entry in (header.table, header.paths, header.index, *header.raw.values()):
        data = (gallery / entry.name).read_bytes()
        (gallery / entry.name).write_bytes(data[:-3] + bytes([data[-3] ^ 64]) + data[-2:])
        named = verify(gallery)
        with pytest.raises(GalleryDamaged, match="other bytes than were written"):
            update_gallery(gallery, [], FakeEmbed())
        assert verify(gallery)[: len(named)] == named
        (gallery / entry.name).write_bytes(data)


def _ask_and_update(gallery):
    Gallery.open(gallery).query_raw(fake_raw(b"picture 5.jpg")[:1], 3)
    update_gallery(gallery, [], FakeEmbed())


def test_a_disk_that_is_full_for_the_words_is_no_gallery_without_them(place, gallery, monkeypatch):
    def full(*args):
        raise sqlite3.OperationalError("database or disk is full")

    for name in ("write_words", "change_words"):
        monkeypatch.setattr(words, name, full)
    put(place / "in", [f"new_{n}.jpg" for n in range(200)])
    with pytest.raises(OSError, match="No space left"):
        update_gallery(gallery, [], FakeEmbed())
    assert verify(gallery) == []


@pytest.mark.skipif(os.name != "posix", reason="a limit of file sizes is POSIX's")
def test_a_build_that_meets_a_full_disk_goes_on_when_there_is_space(place):
    """The system's own refusal at every size, whichever library writes: the kernel lets no file grow beyond it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    embed, stopped = FakeEmbed(40), 0
    for kilobytes in (0, 1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * kilobytes, hard))
        try:
            build_gallery(place / "g", [str(place / "in")], SPEC, embed, factory="Flat")
            break
        except OSError as error:
            stopped += error.errno == errno.EFBIG
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        if (place / "g/gallery.json").exists():
            assert read_header(place / "g").generation == 0  # of a making that was stopped
    assert stopped >= 4
    assert verify(place / "g") == []
    assert len(contents(place / "g")) == 280
    again = build_gallery(place / "h", [str(place / "in")], SPEC, FakeEmbed(100), factory="Flat")
    assert again.added == 280
    assert contents(place / "g") == contents(place / "h")
    # What a stopped build had kept was not computed again.
    assert len(embed.seen) < 280 * stopped


@pytest.mark.parametrize("what", ["raw", "table", "whitening", "header"])
def test_files_with_something_else_in_them_are_one_sentence(place, gallery, what):
    header = read_header(gallery)
    name = {"raw": header.raw[1].name, "table": header.table.name, "whitening": header.whitening.name}.get(what)
    path = gallery / (name or "gallery.json")
    data = path.read_bytes()
    put(place / "in", ["new.jpg"])
    for n in range(200):
        (place / f"in/{n}.jpg").unlink()
    for wrong in (
        data.replace(b"(280", b"(-28").replace(b"(13,", b"(-1,"),
        data.replace(b"'<f4'", b"'|O' ").replace(b"'<i8'", b"'|O' "),
        data.replace(b"}", b"{"),
        data[:20] + bytes(len(data) - 20),
        b"[" * len(data) if what == "header" else data[: len(data) // 2].ljust(len(data), b"["),
    ):
        if wrong == data:
            continue
        path.write_bytes(wrong)
        with pytest.raises(UsageError, match="damaged") as caught:
            _ask_and_update(gallery)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("way", ["flip", "cut", "lengthen", "remove"])
def test_any_damage_to_any_file_is_named(place, gallery, way):
    put(place / "in", ["new.jpg"])
    update_gallery(gallery, [], FakeEmbed())
    names = [entry.name for entry in read_header(gallery).files()] + ["gallery.json"]
    assert len(names) == 9  # two of raw descriptors
    rng = np.random.default_rng(0)
    for name in names:
        path = gallery / name
        whole = path.read_bytes()
        for place_ in rng.integers(0, len(whole), 6 if way in ("flip", "cut") else 1):
            broken = bytearray(whole)
            if way == "flip":
                broken[place_] ^= 1 << int(rng.integers(8))
            path.write_bytes({"cut": whole[:place_], "lengthen": whole + b"\0"}.get(way, bytes(broken)))
            if way == "remove":
                path.unlink()
            if way == "lengthen" and name == "gallery.json":
                path.write_bytes(whole + b"}")
            if way == "remove" and name == "gallery.json":
                with pytest.raises(UsageError, match="there is no gallery in this folder"):
                    verify(gallery)
            else:
                problems = verify(gallery)
                assert problems, (name, way, place_)
                assert name in problems[0]
            path.write_bytes(whole)
    assert verify(gallery) == []


def test_files_that_do_not_fit_together_are_named(gallery):
    """As a defect of a writer would leave them: every checksum is right."""
    header = read_header(gallery)
    from dataclasses import replace

    from recolor_torch.gallery.header import write_header

    raw = next(iter(header.raw.values()))
    values = np.load(gallery / raw.name)
    values[7] += 1
    entry = files.write_durably(gallery / raw.name, files.save_array(values))
    write_header(gallery, replace(header, raw={1: entry}))
    (picture,) = (row.id for row in open_state(gallery).table if row.raw_row == 7)
    assert verify(gallery) == [f"the vector of picture {picture} in the index is not that of its descriptor."]
    write_header(gallery, replace(header, raw={1: entry}, next_id=100))
    assert "never given" in verify(gallery)[0]


def test_a_damaged_gallery_refuses_to_answer(gallery):
    name = read_header(gallery).index.name
    data = (gallery / name).read_bytes()
    (gallery / name).write_bytes(data[:-100])
    with pytest.raises(GalleryDamaged, match=f"{name} has {len(data) - 100} bytes, and {len(data)} were written"):
        Gallery.open(gallery)
    (gallery / name).unlink()
    with pytest.raises(GalleryDamaged, match="is missing"):
        Gallery.open(gallery)


def test_damaged_checkpoints_are_named_and_computed_again(place, gallery):
    put(place / "in", ["new.jpg"])

    def dying(folder, spec, found):
        FakeEmbed()(folder, spec, found)
        raise Killed

    with pytest.raises(Killed):
        update_gallery(gallery, [], dying)
    (path,) = (gallery / "pending").glob("*.npz")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert path.name in verify(gallery)[0]
    embed = FakeEmbed()
    update_gallery(gallery, [], embed)
    assert embed.seen == ["new.jpg"]
    assert verify(gallery) == []


def test_the_second_writer_is_told_who_the_first_is(place, gallery):
    code = "import sys, time\nfrom pathlib import Path\nfrom recolor_torch.gallery.files import writer_lock\n"
    code += f"with writer_lock(Path({str(gallery)!r})):\n    print('locked', flush=True)\n    time.sleep(60)\n"
    first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "locked\n"
        for write in (
            lambda: update_gallery(gallery, [], never),
            lambda: remove_pictures(gallery, [str(place / "in")]),
        ):
            with pytest.raises(
                UsageError, match=f"is being written by process {first.pid} on .* since 20.*; try again"
            ):
                write()
        assert len(Gallery.open(gallery)) == 280  # asking is never refused
    finally:
        first.kill()
        first.wait()
    update_gallery(gallery, [], never)  # the lock went with its process


def test_an_open_gallery_stays_as_it_was(place, gallery):
    opened = Gallery.open(gallery)
    for path in (place / "in").glob("1*.jpg"):
        path.unlink()
    update_gallery(gallery, [], never)
    assert len(opened) == 280
    assert opened.query_raw(fake_raw(b"picture 100.jpg")[:1], 1)[0][0].path.name == "100.jpg"
    assert len(Gallery.open(gallery)) == 280 - 111


def test_a_newer_format_is_refused(gallery):
    entry = json.loads((gallery / "gallery.json").read_text())
    (gallery / "gallery.json").write_text(json.dumps({**entry, "version": 2}))
    with pytest.raises(UsageError, match="this gallery has format 2, and 1 is the newest known here"):
        Gallery.open(gallery)


@pytest.mark.slow
def test_killed_for_real_at_random_moments(place):
    """Processes that build and update under kill -9; a picture comes and goes meanwhile."""
    code = textwrap.dedent(f"""
        import os, random, signal, sys, time
        sys.path.insert(0, {os.path.dirname(os.path.dirname(__file__))!r})
        from pathlib import Path
        from galleries import SPEC, FakeEmbed
        from recolor_torch.gallery.upkeep import build_gallery, update_gallery
        from recolor_torch.gallery.header import read_header
        from recolor_torch.gallery.verify import verify

        place, rng = Path({str(place)!r}), random.Random(0)

        def work():
            if not (place / "g/gallery.json").exists():
                build_gallery(place / "g", [str(place / "in")], SPEC, FakeEmbed(100), factory="Flat")
            while True:
                update_gallery(place / "g", [], FakeEmbed(100), refit=rng.random() < 0.5)
                if (place / "in/0.jpg").exists():
                    (place / "in/0.jpg").unlink()
                else:
                    (place / "in/0.jpg").write_bytes(b"again")

        for _ in range(30):
            child = os.fork()
            if not child:
                work()
            time.sleep(rng.uniform(0, 1.0))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            if (place / "g/gallery.json").exists():
                print(read_header(place / "g").generation, verify(place / "g"), flush=True)
    """)
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=alone)
    assert run.returncode == 0, run.stderr[-2000:]
    generations = [int(line.split()[0]) for line in run.stdout.splitlines()]
    assert all(line.endswith(" []") for line in run.stdout.splitlines()), run.stdout
    assert generations == sorted(generations)
    assert generations[-1] > 10
