import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("av")
from film.clips import luma, make_clip

from recolor_torch.film import probe_film, read_frames
from recolor_torch.film.dividing import plan_parts
from recolor_torch.film.planes import planes_to_chroma
from recolor_torch.film.settings import parse_rate
from recolor_torch.pictures import PictureError

SMALL = ("--film.side", 48, "-m", "levin", "--hints", "strokes.json")


@pytest.fixture
def frames(folder):
    """Numbered pictures that a texture drifts over, with a gap; returns what makes a folder of them."""
    points = [{"x": 30, "y": 20, "radius": 3, "color": "#cc2200"}]
    (folder / "strokes.json").write_text(json.dumps({"size": [64, 48], "points": points}))

    def make(name="scans", numbers=(8, 9, 10, 11, 20), size=(64, 48), depth=8, suffix="png", pattern="frame_{}"):
        (folder / name).mkdir(exist_ok=True)
        for i, number in enumerate(numbers):
            picture = Image.fromarray(luma(i, *size, depth=depth))
            picture.save(folder / name / f"{pattern.format(number)}.{suffix}")
        return [luma(i, *size, depth=depth) for i in range(len(numbers))]

    return make


def read(path):
    info = probe_film(path)
    return info, list(read_frames(info))


def test_pictures_become_one_film_with_their_values_as_luma(recolor, folder, frames, entries):
    """Frames in the order of their numbers, at the rate that is given; each level of a gray picture is kept."""
    pictures = frames()
    args = ("colorize", "scans", *SMALL, "-o", "film.mkv", "--film.codec", "ffv1", "--film.rate", "23.976")
    code, out, err = recolor(*args)
    assert (code, out[:37], "24 frames" in err) == (0, "1 done, 0 skipped, 0 failed of 1 film", False)
    info, found = read(folder / "film.mkv")
    assert (info.rate, info.format, info.full_range) == (Fraction(24000, 1001), "yuv420p", True)
    assert (info.matrix, info.primaries, info.transfer, info.notes) == (1, 1, 1, ())
    assert len(found) == len(pictures)
    for frame, wanted in zip(found, pictures):
        np.testing.assert_array_equal(frame.planes[0], wanted)
    assert int(found[0].planes[2][10, 15]) > 140  # red
    line = entries(".")[-1]
    assert (line["target"], line["output"], line["rate"], line["frames"]) == ("scans", "film.mkv", "24000/1001", 5)
    assert (line["first_frame"], line["last_frame"]) == ("frame_8.png", "frame_20.png")
    assert any("8 numbers of frame_8.png to frame_20.png are missing (12 to 19)" in note for note in line["notes"])
    assert recolor(*args)[1].startswith("0 done, 1 skipped")
    (folder / "scans/frame_9.png").write_bytes((folder / "scans/frame_8.png").read_bytes())
    assert "is kept; --overwrite replaces it" in recolor(*args)[2]
    assert recolor(*args, "--overwrite")[1].startswith("1 done")
    np.testing.assert_array_equal(read(folder / "film.mkv")[1][1].planes[0], pictures[0])


@pytest.mark.parametrize(
    ("suffix", "codec", "form", "full"),
    [
        ("mkv", "ffv1", "yuv420p16le", True),
        ("mp4", "auto", "yuv420p10le", False),
        ("mov", "prores", "yuv422p10le", False),
    ],
)
def test_deep_pictures_keep_what_the_codec_holds(recolor, folder, frames, suffix, codec, form, full):
    pictures = frames(numbers=(1, 2), depth=16, suffix="tif")
    code, _, err = recolor("colorize", "scans", *SMALL, "-o", f"film.{suffix}", "--film.codec", codec)
    assert code == 0
    assert ("have 16 bits a channel, and the film has 10" in err) == (codec != "ffv1")
    assert "24 frames a second were taken, as none were given" in err
    info, found = read(folder / f"film.{suffix}")
    assert (info.format, info.full_range, info.rate) == (form, full, 24)
    if full:
        for frame, wanted in zip(found, pictures, strict=True):
            np.testing.assert_array_equal(frame.planes[0], wanted)


def test_colored_pictures_give_the_luma_of_bt_709(recolor, folder, frames):
    """The luma is that of the film's own matrix, lossless or not, and strength mixes with the pictures' own colors."""
    rng = np.random.default_rng(0)
    (folder / "tinted").mkdir()
    rgb = rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)
    rgb[:24] = (90, 60, 30)
    for number in (1, 2):
        Image.fromarray(rgb).save(folder / f"tinted/{number:04d}.png")
    frames()  # for the strokes
    args = ("colorize", "tinted", *SMALL, "--film.codec", "ffv1", "--strength", 0, "-o", "film.mkv")
    assert recolor(*args)[0] == 0
    _, found = read(folder / "film.mkv")
    wanted = np.rint(rgb.astype(float) @ (0.2126, 0.7152, 0.0722))
    assert np.abs(found[1].planes[0] - wanted).max() == 0
    y = np.array((90, 60, 30)) @ (0.2126, 0.7152, 0.0722)
    u, v = (30 - y) / (2 * (1 - 0.0722)) + 128, (90 - y) / (2 * (1 - 0.2126)) + 128
    assert abs(int(found[1].planes[1][3, 9]) - u) < 1
    assert abs(int(found[1].planes[2][3, 9]) - v) < 1


def test_references_and_hints_find_frames_by_number_and_name(recolor, folder, frames):
    """Number 10 is the frame of that number, not the tenth, in a film and in a folder; so with hints."""
    frames()
    gray = np.asarray(Image.open(folder / "scans/frame_10.png")).astype(float)
    flat = np.clip(gray * 0.5 + 60, 0, 255)
    for number in (8, 9, 10, 11, 20):
        Image.fromarray(flat.astype(np.uint8)).save(folder / f"scans/frame_{number}.png")
    red = np.stack((flat + 40, flat - 12, flat - 12), -1).clip(0, 255).astype(np.uint8)
    Image.fromarray(red).save(folder / "ref_10.png")
    args = ("colorize", "scans", "-r", "ref_10.png", *SMALL, "-o")
    code, _, err = recolor(*args, "film.mkv", "--film.codec", "ffv1", "--shots", "shots.csv")
    assert (code, "No such file or folder: shots.csv" in err) == (2, True)
    (folder / "shots.csv").write_text("first\n0\n3\n")
    assert recolor(*args, "film.mkv", "--film.codec", "ffv1", "--shots", "shots.csv")[0] == 0
    info, found = read(folder / "film.mkv")
    chroma = planes_to_chroma(found[2].planes, info, (48, 64))
    wanted = torch.tensor((0.564 * (-12 - 3.5), 0.713 * (40 - 3.5))) / 255  # about
    assert (chroma.mean((0, 2, 3)) - wanted).abs().max() < 0.02
    (folder / "hints").mkdir()
    (folder / "hints/frame_20.json").write_text((folder / "strokes.json").read_text())
    args = ("colorize", "scans", "--hints", "hints", "-m", "levin", "--film.side", 48, "-o", "hinted.mkv")
    assert recolor(*args, "--film.codec", "ffv1", "--shots", "shots.csv")[0] == 0
    _, found = read(folder / "hinted.mkv")
    assert [int(f.planes[2][10, 15]) > 140 for f in found] == [False, False, False, True, True]  # the second shot
    args_of_folder = (*args[:-1], "colored", "--sequence", "-r", "ref_10.png", "--shots", "shots.csv")
    assert recolor(*args_of_folder)[0] == 0
    colored = [np.asarray(Image.open(folder / f"colored/frame_{n}.png")).astype(int) for n in (8, 10)]
    assert [np.subtract(*c[..., ::2].mean((0, 1))) > 30 for c in colored] == [True, True]  # red over blue, in its shot
    (folder / "hints/frame_20.json").rename(folder / "hints/strokes_12.json")
    code, _, err = recolor(*args, "--overwrite")
    assert (code, "the number of a frame of the film, 8 to 20, as in hints_000008.json" in err) == (2, True)


def test_odd_sides_have_full_chroma_or_ffv1(recolor, folder, frames):
    pictures = frames(numbers=(1, 2), size=(63, 47))
    code, _, err = recolor("colorize", "scans", *SMALL, "-o", "film.mp4")
    assert (code, "an odd side (63 x 47) has no half" in err) == (0, True)
    assert read(folder / "film.mp4")[0].format == "yuv444p"
    assert recolor("colorize", "scans", *SMALL, "-o", "film.mkv", "--film.codec", "ffv1")[0] == 0
    info, found = read(folder / "film.mkv")
    assert info.format == "yuv420p"
    np.testing.assert_array_equal(found[1].planes[0], pictures[1])


def test_frames_that_do_not_fit_are_refused_by_name_before_the_work(recolor, folder, frames, entries):
    frames(numbers=range(1, 6))
    good = (folder / "scans/frame_4.png").read_bytes()
    args = ("colorize", "scans", *SMALL, "-o", "film.mp4")
    Image.new("L", (64, 50)).save(folder / "scans/frame_4.png")
    code, out, err = recolor(*args)
    assert (code, out[:28]) == (3, "0 done, 0 skipped, 1 failed ")
    assert "scans/frame_4.png: has 64 x 50 pixels, and scans/frame_1.png has 64 x 48" in err
    assert entries(".")[-1]["status"] == "failed"
    for data in (b"no picture", good[: len(good) // 2]):
        (folder / "scans/frame_4.png").write_bytes(data)
        for more in ((), ("--dry-run",)):
            code, out, err = recolor(*args, *more)
            assert (code, "scans/frame_4.png: " in out + err) == (3, True)
    (folder / "scans/frame_4.png").write_bytes(good)
    Image.new("L", (64, 48)).save(folder / "scans/frame_4.tif")
    code, _, err = recolor(*args)
    assert (code, "frame_4.png has the same number" in err) == (3, True)
    (folder / "scans/frame_4.tif").unlink()
    with pytest.MonkeyPatch.context() as patch:  # the superuser may read everything
        patch.setattr("recolor_torch.film.numbered.file_hash", _refused)
        patch.setattr("recolor_torch.film.numbered.probe", _refused_picture)
        code, _, err = recolor(*args)
    assert (code, "no permission" in err, entries(".")[-1]["input_sha256"]) == (3, True, None)
    assert not list(folder.glob("film.mp4")) + list(folder.glob(".film*"))


def _refused(path):
    raise PermissionError(path)


def _refused_picture(path):
    raise PictureError(f"{path}: no permission to read it.")


class _Killed(BaseException):
    pass


def test_a_run_that_was_stopped_goes_on(recolor, folder, frames, monkeypatch):
    """A film that was stopped after its first part is made of that part and new ones, and the bytes are the same."""
    from recolor_torch.film import coloring, door

    frames(numbers=range(1, 7))
    args = ("colorize", "scans", *SMALL, "--film.codec", "ffv1", "-o")
    monkeypatch.setattr(coloring, "plan_parts", lambda shots, exact: plan_parts(shots, exact, 2))
    assert recolor(*args, "whole.mkv")[0] == 0
    part, real = folder / ".film.mkv.recolor-work/part-00000.packets", coloring.Meter.step

    def step(meter, name):
        real(meter, name)
        if part.exists():
            raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(coloring.Meter, "step", step)
        with pytest.raises(_Killed):
            recolor(*args, "film.mkv")
    assert part.exists()
    assert not (folder / "film.mkv").exists()
    resumed, color = [], door.color_film

    def color_film(*args, **more):
        resumed.append(color(*args, **more))
        return resumed[-1]

    monkeypatch.setattr(door, "color_film", color_film)
    assert recolor(*args, "film.mkv")[0] == 0
    assert resumed[0].resumed == 1
    assert (folder / "film.mkv").read_bytes() == (folder / "whole.mkv").read_bytes()
    assert not part.parent.exists()


def test_a_dry_run_says_what_a_film_of_pictures_takes(recolor, folder, frames):
    frames()
    args = ("colorize", *sorted(f"scans/{p.name}" for p in (folder / "scans").iterdir()), *SMALL, "-o", "film.mp4")
    code, out, _ = recolor(*args, "--dry-run", "--film.rate", "50/2")
    assert code == 0
    assert "5 frames in 1 shot, 25 a second (0.2 s), 64x48, worked on at 48x36, written as h264; about" in out
    assert "8 numbers of frame_8.png to frame_20.png are missing" in out
    code, out, _ = recolor(*args, "--dry-run", "--json")
    plan = json.loads(out.split("\n")[0])
    assert (plan["target"], plan["frames"], plan["rate"], plan["duration"]) == ("scans", 5, "24", 0.208)
    assert not (folder / "film.mp4").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("scans", "-o", "film.mkv", "--film.rate", "fast"), "film.rate must be a number or a fraction"),
        (("scans", "-o", "film.mkv", "--film.rate", "0"), "from 1/3600 to 1000; got 0"),
        (("scans", "-o", "out/", "--film.rate", "24"), "--film.rate is for pictures that become a film"),
        (("clip.mkv", "-o", "film.mkv", "--film.rate", "24"), "a film keeps its own rate"),
        (("scans", "clip.mkv", "-o", "film.mkv"), "film.mkv would be a film of pictures, and clip.mkv is a film"),
        (("scans", "-o", "film.avi"), "films are written as .mp4"),
        (("scans", "-o", "film.mp4", "--film.codec", "ffv1"), "does not hold ffv1; .mkv does"),
        (("scans", "-o", "film.mkv", "--film.codec", "png"), "makes a folder of pictures"),
        (("scans", "-o", "film.mkv", "--keep", "none"), "--keep is not for films"),
        (("scans/frame_8.png", "-o", "film.mkv"), "cannot write pictures of the kind '.mkv'"),
    ],
)
def test_what_does_not_go_with_films_of_pictures(recolor, folder, frames, args, words):
    frames()
    make_clip(folder / "clip.mkv", 2)
    code, _, err = recolor("colorize", *args, *SMALL)
    assert (code, words in err) == (2, True)
    assert not (folder / "film.mkv").exists()


def test_folders_are_pictures_still(recolor, folder, frames):
    """A name without a suffix, or a folder that is there, gets pictures; a single frame with --sequence is a film."""
    frames(numbers=(1, 2))
    (folder / "film.mkv").mkdir()
    (folder / "hints").mkdir()
    (folder / "hints/frame_1.json").write_text((folder / "strokes.json").read_text())
    assert recolor("colorize", "scans", "--sequence", *SMALL[:-1], "hints", "-o", "film.mkv")[0] == 0
    assert sorted(p.name for p in (folder / "film.mkv").iterdir()) == ["frame_1.png", "frame_2.png", "run.jsonl"]
    assert recolor("colorize", "scans/frame_1.png", "--sequence", *SMALL, "-o", "one.mp4")[0] == 0
    assert len(read(folder / "one.mp4")[1]) == 1
    for words in ("1 done", "0 done, 1 skipped"):  # a film beside its frames is none of them
        assert recolor("colorize", "scans", *SMALL, "-o", "scans/film.mp4")[1].startswith(words)


def test_shots_of_pictures_are_plotted(recolor, folder, frames):
    frames()
    assert recolor("plot", "shots", "scans", "-o", "shots.png")[0] == 0
    assert (folder / "shots.csv").read_text().split("\n")[1] == "1,0,4,0.000,start"
    (folder / "scans/frame_9.png").write_bytes(b"nothing")
    code, _, err = recolor("plot", "shots", "scans", "-o", "shots.png")
    assert (code, "frame_9.png" in err) == (2, True)


def test_rates():
    for text in (23.976, "23.98", "24000/1001"):
        assert parse_rate(text) == Fraction(24000, 1001)
    assert (parse_rate("29.97"), parse_rate("16.5"), parse_rate(18)) == (Fraction(30000, 1001), Fraction(33, 2), 18)
