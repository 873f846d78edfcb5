import json

import numpy as np
import pytest

pytest.importorskip("av")
from film.clips import make_clip, without_frames

SMALL = ("--film.side", 48, "-m", "levin")


@pytest.fixture
def films(folder):
    """A folder with two films and something that is none."""
    (folder / "reels/1931").mkdir(parents=True)
    make_clip(folder / "reels/a.mp4", 6, codec="libx264")
    make_clip(folder / "reels/1931/b.avi", 5)
    (folder / "reels/c.mp4").write_text("no film")
    points = [{"x": 30, "y": 20, "radius": 3, "color": "#cc2200"}]
    (folder / "strokes.json").write_text(json.dumps({"size": [64, 48], "points": points}))
    return folder


def test_a_folder_of_films(recolor, films, entries):
    code, out, err = recolor("colorize", "reels", "--hints", "strokes.json", *SMALL, "-o", "out")
    assert code == 3
    assert out.startswith("2 done, 0 skipped, 1 failed of 3 films")
    assert "reels/c.mp4: not a film, damaged, or cut short" in err
    lines = {e["output"]: e for e in entries("out")}
    assert set(lines) == {"a.mp4", "c.mp4", "1931/b.mkv"}
    assert (lines["a.mp4"]["status"], lines["a.mp4"]["frames"], lines["a.mp4"]["codec"]) == ("done", 6, "h264")
    assert lines["a.mp4"]["shots"] == [{"first": 0, "last": 5, "begins": "start"}]
    assert sorted(p.name for p in (films / "out").iterdir()) == ["1931", "a.mp4", "run.jsonl"]
    code, out, _ = recolor("colorize", "reels", "--hints", "strokes.json", *SMALL, "-o", "out")
    assert out.startswith("0 done, 2 skipped, 1 failed")


def test_broken_films_are_one_sentence_each_and_exit_code_3(recolor, films):
    reels = films / "reels"
    make_clip(reels / "whole.mp4", 30, codec="libx264", sound=True)
    data = (reels / "whole.mp4").read_bytes()
    (reels / "cut.mp4").write_bytes(data[: len(data) // 2])
    without_frames(reels / "whole.mp4", reels / "silent.mkv")
    without_frames(reels / "whole.mp4", reels / "garbage.mkv", b"\x01")
    make_clip(reels / "tag.mkv", 2, space=8)
    code, out, err = recolor("colorize", "reels", "--hints", "strokes.json", *SMALL, "-o", "out")
    assert code == 3
    assert out.startswith("3 done, 0 skipped, 5 failed of 8 films")
    for name, words in {
        "c.mp4": "not a film, damaged, or cut short",
        "cut.mp4": "not a film, damaged, or cut short",
        "silent.mkv": "there is no frame in it",
        "garbage.mkv": "not a film, damaged, or cut short",
        "tag.mkv": "its color matrix (YCgCo, number 8 of H.273) is not supported",
    }.items():
        assert sum(f"reels/{name}: {words}" in line for line in err.split("\n")) == 1


def test_one_film_to_a_file_is_kept_by_another_recipe(recolor, films):
    from recolor_torch.film import probe_film, read_frames

    args = ("colorize", "reels/a.mp4", "--hints", "strokes.json", *SMALL, "-o", "out.mkv", "--film.codec", "ffv1")
    assert recolor(*args)[0] == 0
    info = probe_film(films / "out.mkv")
    before = next(read_frames(probe_film(films / "reels/a.mp4"))).planes[0]
    frame = next(read_frames(info))
    np.testing.assert_array_equal(frame.planes[0], before)
    assert int(frame.planes[2][10, 15]) > 140  # red
    old = (films / "out.mkv").read_bytes()
    code, out, err = recolor(*args[:-2], "--film.codec", "h264")
    assert (code, out[:38]) == (0, "0 done, 0 skipped, 0 failed, 1 kept of")
    assert "--overwrite replaces it" in err
    assert (films / "out.mkv").read_bytes() == old


def test_a_film_becomes_a_folder_of_pictures(recolor, films, entries):
    from PIL import Image

    from recolor_torch.film import probe_film, read_frames

    args = ("colorize", "reels/a.mp4", "--hints", "strokes.json", *SMALL, "-o", "out", "--film.codec", "png")
    code, out, _ = recolor(*args)
    assert (code, out[:23]) == (0, "1 done, 0 skipped, 0 fa")
    assert sorted(p.name for p in (films / "out").iterdir()) == ["a", "run.jsonl"]
    assert sorted(p.name for p in (films / "out/a").iterdir()) == [f"a_{n:06d}.png" for n in range(1, 7)]
    assert entries("out")[-1]["output"] == "a"
    info = probe_film(films / "reels/a.mp4")
    for number, frame in enumerate(read_frames(info), start=1):
        rgb = np.asarray(Image.open(films / f"out/a/a_{number:06d}.png")).astype(float)
        wanted = ((frame.planes[0].astype(float) - 16) / 219 * 255).clip(0, 255)
        assert np.abs(rgb @ (0.2126, 0.7152, 0.0722) - wanted).max() <= 0.6  # the film is tagged as BT.709
    first = np.asarray(Image.open(films / "out/a/a_000001.png")).astype(int)
    assert np.subtract(*first[16:25, 26:35, ::2].mean((0, 1))) > 20  # red over blue
    assert recolor(*args)[1].startswith("0 done, 1 skipped")
    code, out, err = recolor(*args, "--film.first_number", 101)
    assert "was made otherwise and is kept" in err
    assert recolor(*args, "--film.first_number", 101, "--overwrite")[1].startswith("1 done")
    assert min(p.name for p in (films / "out/a").iterdir()) == "a_000101.png"
    assert sorted(p.name for p in (films / "out").iterdir()) == ["a", "run.jsonl"]
    for name in ("out.mp4", "out.png"):
        code, _, err = recolor(*args[:-3], name, "--film.codec", "png")
        assert (code, "name one to put it in" in err) == (2, True)


def test_pictures_of_a_film_replace_no_folder_of_a_person(recolor, films):
    args = ("colorize", "reels/a.mp4", *SMALL, "--film.codec", "png", "-o", "out")
    strokes = ("--hints", "strokes.json")
    (films / "out/a").mkdir(parents=True)
    (films / "out/a/a_000001.png").write_text("a scan")
    assert recolor(*args, *strokes)[1].startswith("0 done, 0 skipped, 0 failed, 1 kept")
    code, _, err = recolor(*args, *strokes, "--overwrite")
    assert (code, "out/a is a folder that no run made" in err) == (2, True)
    assert [p.read_text() for p in (films / "out/a").iterdir()] == ["a scan"]
    (films / "out/a/a_000001.png").unlink()
    (films / "out/a").rmdir()
    assert recolor(*args, *strokes, "--film.processes", 2)[0] == 0
    (films / "out/a/shots.csv").write_text("first\n0\n")
    code, _, err = recolor(*args, *strokes, "--shots", "out/a/shots.csv", "--overwrite")
    assert (code, "out/a is an input or holds one" in err) == (2, True)
    (films / "out/a/shots.csv").unlink()
    assert len(list((films / "out/a").iterdir())) == 6


def test_a_dry_run_says_what_a_film_takes(recolor, films):
    args = ("colorize", "reels/a.mp4", "--hints", "strokes.json", *SMALL, "-o", "out.mp4", "--dry-run")
    code, out, _ = recolor(*args)
    assert code == 0
    assert "6 frames in 1 shot, 25 a second (0.2 s), 64x48, worked on at 48x36, written as h264; about" in out
    code, out, _ = recolor(*args, "--json")
    assert json.loads(out.split("\n")[0])["frames"] == 6
    assert not (films / "out.mp4").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--film.codec", "ffv1"), "does not hold ffv1; .mkv does"),
        (("--keep", "none"), "--keep is not for films"),
        (("--ext", "png"), "--ext is not for films"),
        (("--film.quality", "best"), "quality"),
        (("--shots", "no.csv"), "No such file or folder: no.csv"),
    ],
)
def test_what_does_not_go_with_films(recolor, films, args, words):
    code, _, err = recolor("colorize", "reels/a.mp4", "--hints", "strokes.json", *SMALL, *args, "-o", "out.mp4")
    assert (code, words in err) == (2, True)


def test_a_film_never_replaces_itself(recolor, films):
    code, _, err = recolor("colorize", "reels/a.mp4", "--hints", "strokes.json", *SMALL, "-o", "reels/a.mp4")
    assert (code, "inputs are never overwritten" in err) == (2, True)
