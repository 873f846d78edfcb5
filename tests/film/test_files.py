import importlib
import os
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("av")
from film.clips import luma, make_clip, packets, without_frames

from recolor_torch.color import rgb_to_yuv
from recolor_torch.errors import UsageError
from recolor_torch.film import FilmError, probe_film, read_frames
from recolor_torch.film.color_tags import MATRICES
from recolor_torch.film.encoding import choose_encoding
from recolor_torch.film.muxing import mux
from recolor_torch.film.opening import open_film
from recolor_torch.film.parts import PartWriter
from recolor_torch.film.planes import chroma_levels, chroma_to_planes, chroma_to_rgb, luma_levels, planes_to_chroma
from recolor_torch.film.reader import turn_frame
from recolor_torch.film.sinks import FrameSink
from recolor_torch.pictures import read_picture


def color_all(source, output, chroma=(0.05, -0.04), codec="auto", quality="high", part=5):
    """Write ``source`` in one color, in parts of some frames; returns the encoding and the notes."""
    info = probe_film(source)
    encoding = choose_encoding(info, output, codec, quality)
    frames = list(read_frames(info))
    parts = []
    for start in range(0, len(frames), part):
        parts.append(output.with_name(f"part-{start}"))
        with PartWriter(parts[-1], info, encoding) as writer:
            for f in frames[start : start + part]:
                uv = torch.tensor(chroma).view(1, 2, 1, 1).expand(1, 2, 8, 9)
                writer.write(
                    f.time, f.duration, [f.planes[0], *chroma_to_planes(uv, f.planes[0], info, encoding.shift)]
                )
    return encoding, mux(info, encoding, parts, output)


def flat(index, width, height, depth):
    return np.full((height, width), 100 + index, np.uint8)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv410p", "yuv420p10le", "yuv422p12le", "gray"])
@pytest.mark.parametrize("full", [False, True])
def test_luma_survives_bit_for_bit(tmp_path, pix_fmt, full):
    planes = make_clip(tmp_path / "in.mkv", pix_fmt=pix_fmt, full=full)
    color_all(tmp_path / "in.mkv", tmp_path / "out.mkv")
    info = probe_film(tmp_path / "out.mkv")
    assert info.full_range == full
    assert info.has_chroma
    out = list(read_frames(info))
    assert len(out) == len(planes)
    for frame, wanted in zip(out, planes):
        np.testing.assert_array_equal(frame.planes[0], wanted)


def test_odd_sizes_survive(tmp_path):
    planes = make_clip(tmp_path / "in.mkv", size=(37, 23))
    color_all(tmp_path / "in.mkv", tmp_path / "out.mkv")
    for frame, wanted in zip(read_frames(probe_film(tmp_path / "out.mkv")), planes):
        np.testing.assert_array_equal(frame.planes[0], wanted)


def test_h264_asks_for_full_chroma_where_a_side_is_odd(tmp_path):
    make_clip(tmp_path / "in.mkv", size=(37, 23))
    encoding, _ = color_all(tmp_path / "in.mkv", tmp_path / "out.mp4")
    assert (encoding.codec, encoding.format) == ("h264", "yuv444p")
    assert len(encoding.notes) == 1
    assert probe_film(tmp_path / "out.mp4").width == 37


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_times_at_a_variable_rate_survive(tmp_path, suffix):
    times = [0, 40, 80, 81, 200, 240, 1000, 1040, 1080, 1120, 1300, 1340, 1380, 1460]
    make_clip(tmp_path / "in.mkv", len(times), times=times, codec="libx264")
    color_all(tmp_path / "in.mkv", tmp_path / f"out{suffix}")
    info = probe_film(tmp_path / f"out{suffix}")
    assert [f.time * info.time_base for f in read_frames(info)] == [Fraction(t, 1000) for t in times]


def test_sound_tags_and_chapters_come_out_as_they_went_in(tmp_path):
    chapters = [
        {"id": 1, "start": 0, "end": 300, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}},
        {"id": 2, "start": 300, "end": 480, "time_base": Fraction(1, 1000), "metadata": {"title": "two"}},
    ]
    make_clip(
        tmp_path / "in.mp4", codec="libx264", sound=True, tags={"title": "Łódź", "comment": "x"}, chapters=chapters
    )
    color_all(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert packets(tmp_path / "out.mp4", "audio") == packets(tmp_path / "in.mp4", "audio")
    assert len(packets(tmp_path / "out.mp4", "audio")) > 10
    import av

    with av.open(str(tmp_path / "in.mp4")) as a, av.open(str(tmp_path / "out.mp4")) as b:
        for key in ("title", "comment"):
            assert b.metadata[key] == a.metadata[key]
        assert b.streams.audio[0].metadata["language"] == "deu"
        assert [(c["start"] * c["time_base"], c["metadata"]) for c in b.chapters()] == [
            (c["start"] * c["time_base"], c["metadata"]) for c in a.chapters()
        ]
        assert [s.type for s in b.streams] == [s.type for s in a.streams]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_when_a_film_was_made_is_kept_and_tracks_of_chapter_titles_are_not_missed(tmp_path, suffix):
    import av

    chapters = [{"id": 1, "start": 0, "end": 480, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}]
    made = "1998-04-03T10:11:12.000000Z"
    make_clip(tmp_path / "in.mp4", codec="libx264", tags={"creation_time": made}, chapters=chapters)
    _, notes = color_all(tmp_path / "in.mp4", tmp_path / f"out{suffix}")
    assert notes == []
    with av.open(str(tmp_path / f"out{suffix}")) as out:
        assert out.metadata["creation_time"] == made
        assert [c["metadata"]["title"] for c in out.chapters()] == ["one"]


@pytest.mark.parametrize(
    ("codec", "quality"), [("h264", "high"), ("hevc", "high"), ("hevc", "lossless"), ("av1", "high")]
)
def test_encoders_say_nothing_on_the_terminal(tmp_path, capfd, codec, quality):
    make_clip(tmp_path / "in.mkv", codec="ffv1", size=(64, 64))
    color_all(tmp_path / "in.mkv", tmp_path / "out.mkv", codec=codec, quality=quality)
    assert "".join(capfd.readouterr()) == ""


def test_messages_of_ffmpeg_are_off_where_a_film_is_opened_and_closed(tmp_path):
    """A thread of FFmpeg's that speaks waits for Python, which may be waiting for that thread: a hang."""
    import av

    make_clip(tmp_path / "in.mkv", frames=2)
    av.logging.set_level(av.logging.ERROR)  # as torchvision 0.21 to 0.24 do when they are imported
    with open_film(tmp_path / "in.mkv"):
        assert av.logging.get_level() is None
        av.logging.set_level(av.logging.ERROR)
    assert av.logging.get_level() is None


def test_tags_that_are_not_utf8_come_out_byte_for_byte(tmp_path):
    chapters = [{"id": 1, "start": 0, "end": 300, "time_base": Fraction(1, 1000), "metadata": {"title": "A_c"}}]
    make_clip(tmp_path / "in.mkv", tags={"title": "Z_rich", "K_y": "1"}, chapters=chapters)
    data = (tmp_path / "in.mkv").read_bytes()
    for text, latin in (
        (b"Z_rich", b"Z\xfcrich"),
        (b"K_Y", b"K\xf6Y"),
        (b"A_c", b"A\xe7c"),
        (b"DURATION", b"DURA\xffION"),
    ):
        assert text in data
        data = data.replace(text, latin)
    (tmp_path / "in.mkv").write_bytes(data)
    for name in ("out.mkv", "out.mp4"):
        color_all(tmp_path / "in.mkv", tmp_path / name)
        found = (tmp_path / name).read_bytes()
        assert b"Z\xfcrich" in found
        assert b"A\xe7c" in found
    found = (tmp_path / "out.mkv").read_bytes()
    assert b"K\xf6Y" in found
    assert b"DURA\xffION" in found


@pytest.mark.parametrize("rotation", [90, -90, 180])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_rotation_and_aspect_survive(tmp_path, rotation, suffix):
    make_clip(tmp_path / "in.mp4", codec="libx264", rotation=rotation, aspect=Fraction(4, 3))
    color_all(tmp_path / "in.mp4", tmp_path / f"out{suffix}")
    before, after = probe_film(tmp_path / "in.mp4"), probe_film(tmp_path / f"out{suffix}")
    assert before.rotation % 360 == rotation % 360
    assert (after.rotation, after.aspect) == (before.rotation, before.aspect)
    assert before.upright == ((64, 48) if rotation % 180 else (48, 64))
    frame = next(read_frames(before))
    upright = frame.luminance(before)
    assert tuple(upright.shape[-2:]) == before.upright
    flat = torch.from_numpy(np.rot90(frame.planes[0], rotation // 90).astype(np.float32).copy())
    black, span = luma_levels(before)
    torch.testing.assert_close(upright[0, 0], ((flat - black) / span).clamp(0, 1))


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("depth", [8, 10])
def test_chroma_is_computed_in_the_films_own_matrix(tmp_path, matrix, full, depth):
    """Decoded by the textbook formula, a pixel has the hue that was asked for, and its own luma."""
    pix_fmt = "yuv420p" if depth == 8 else "yuv420p10le"
    middle = 2 ** (depth - 1)

    def flat(index, width, height, depth):
        return np.full((height, width), middle, np.uint8 if depth == 8 else np.uint16)

    make_clip(tmp_path / "in.mkv", 1, pix_fmt=pix_fmt, space=matrix, full=full, texture=flat)
    info = probe_film(tmp_path / "in.mkv")
    assert info.matrix == matrix
    wanted = torch.tensor([0.06, 0.1]).view(1, 2, 1, 1).expand(1, 2, 6, 8)
    luma = next(read_frames(info)).planes[0]
    u, v = (int(p[3, 3]) for p in chroma_to_planes(wanted, luma, info, (1, 1)))
    _, red, blue = MATRICES[matrix]
    (black, span), (neutral, levels) = luma_levels(info), chroma_levels(info)
    y, cb, cr = (middle - black) / span, (u - neutral) / levels, (v - neutral) / levels
    r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
    g = (y - red * r - blue * b) / (1 - red - blue)
    got = rgb_to_yuv(torch.tensor([r, g, b], dtype=torch.float64).view(1, 3, 1, 1)).flatten()[1:]
    assert (got - torch.tensor([0.06, 0.1], dtype=torch.float64)).abs().max() < 0.6 / 2 ** (depth - 1)
    back = planes_to_chroma([luma, *chroma_to_planes(wanted, luma, info, (1, 1))], info, (6, 8))
    assert (back - wanted).abs().max() < 0.6 / 2 ** (depth - 1)


def test_chroma_outside_the_gamut_keeps_its_hue(tmp_path):
    make_clip(tmp_path / "in.mkv", 1, texture=lambda i, w, h, d: np.full((h, w), 220, np.uint8))
    info = probe_film(tmp_path / "in.mkv")
    wanted = torch.tensor([-0.2, 0.3]).view(1, 2, 1, 1).expand(1, 2, 24, 32)
    luma = next(read_frames(info)).planes[0]
    back = planes_to_chroma([luma, *chroma_to_planes(wanted, luma, info, (1, 1))], info, (24, 32))[0, :, 3, 3]
    assert back.norm() < 0.2
    assert float(back[0] / back[1]) == pytest.approx(-2 / 3, abs=0.05)


def test_interlaced_films_are_refused(tmp_path):
    make_clip(tmp_path / "in.mkv", codec="libx264", interlaced=True)
    with pytest.raises(FilmError, match=r"in.mkv: the film is interlaced; deinterlace it first"):
        probe_film(tmp_path / "in.mkv")


@pytest.mark.parametrize(
    ("name", "data"), [("text.mp4", b"no film"), ("empty.mkv", b""), ("zeros.mov", bytes(4096)), ("absent.mp4", None)]
)
def test_what_is_no_film_is_one_sentence(tmp_path, name, data):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(FilmError) as caught:
        list(read_frames(probe_film(tmp_path / name)))
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_film_without_video_is_one_sentence(tmp_path):
    import av

    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(FilmError, match=r"a.mp4: there is no video in it"):
        probe_film(tmp_path / "a.mp4")


def test_nothing_is_left_where_writing_fails(tmp_path):
    make_clip(tmp_path / "in.mkv")
    info = probe_film(tmp_path / "in.mkv")
    encoding = choose_encoding(info, tmp_path / "out.mkv")
    broken = tmp_path / "part"
    broken.write_bytes(b"\x00\x00\x00\x00" + b"\xff" * 7)
    with pytest.raises(Exception):  # noqa: B017  a damaged part
        mux(info, encoding, [broken], tmp_path / "out.mkv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mkv", "part"]


def test_untagged_films_say_what_was_taken(tmp_path):
    make_clip(tmp_path / "small.mkv", 1, space=2)
    make_clip(tmp_path / "large.mkv", 1, size=(1280, 720), space=2)
    assert probe_film(tmp_path / "small.mkv").matrix_name == "BT.601"
    info = probe_film(tmp_path / "large.mkv")
    assert info.matrix_name == "BT.709"
    assert any("does not say its color matrix: BT.709" in note for note in info.notes)


@pytest.mark.parametrize(
    ("tag", "pix_fmt", "matrix", "words"),
    [
        (
            0,
            "yuv420p",
            "BT.601",
            "says that it is RGB, which its pixels (yuv420p) are not: BT.601 was taken, by its size",
        ),
        (10, "yuv420p", "BT.2020", "constant luminance form of BT.2020 is treated like the common one"),
        (8, "gray", "BT.601", "has a color matrix (number 8) that means nothing for its pixels (gray)"),
        (9, "bgr0", "BT.709", "is stored as RGB (bgr0), so its luma was computed, by BT.709"),
    ],
)
def test_a_matrix_that_the_pixels_contradict_is_said_and_a_guess_is_taken(tmp_path, tag, pix_fmt, matrix, words):
    planes = make_clip(tmp_path / "in.mkv", 2, pix_fmt=pix_fmt, space=tag, texture=flat)
    info = probe_film(tmp_path / "in.mkv")
    assert info.matrix_name == matrix
    assert any(words in note for note in info.notes), info.notes
    color_all(tmp_path / "in.mkv", tmp_path / "out.mkv")
    after = probe_film(tmp_path / "out.mkv")
    assert (after.matrix_name, after.full_range, after.notes) == (matrix, info.full_range, ())
    if pix_fmt != "bgr0":
        for frame, wanted in zip(read_frames(after), planes, strict=True):
            np.testing.assert_array_equal(frame.planes[0], wanted)


@pytest.mark.parametrize(("tag", "name"), [(8, "YCgCo"), (14, "ICtCp"), (13, "constant luminance")])
def test_chroma_of_a_kind_that_cannot_be_computed_is_one_sentence_with_a_way_out(tmp_path, tag, name):
    make_clip(tmp_path / "in.mkv", 2, space=tag)
    with pytest.raises(
        FilmError, match=rf"in\.mkv: its color matrix .*{name}.* is not supported; .*setparams"
    ) as caught:
        probe_film(tmp_path / "in.mkv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "ffv1"])
@pytest.mark.parametrize(("primaries", "transfer"), [(9, 16), (13, 19), (22, 18)])
def test_primaries_and_transfer_that_nobody_knows_are_left_out(tmp_path, codec, primaries, transfer):
    """x265 refuses numbers that it has no name for."""
    make_clip(tmp_path / "in.mkv", 2, texture=flat, primaries=primaries, transfer=transfer)
    info = probe_film(tmp_path / "in.mkv")
    assert info.primaries == (2 if primaries == 13 else primaries)
    assert any("primaries (number 13) are none of H.273" in note for note in info.notes) == (primaries == 13)
    encoding, _ = color_all(tmp_path / "in.mkv", tmp_path / "out.mkv", codec=codec)
    assert len(encoding.notes) == (codec in ("h264", "hevc") and primaries == 22)
    after = probe_film(tmp_path / "out.mkv")
    assert after.transfer == info.transfer
    assert after.primaries == (info.primaries if not encoding.notes else 2)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize("data", [None, b"\x01", bytes(300)])
def test_a_film_whose_pictures_cannot_be_decoded_is_one_sentence(tmp_path, suffix, data):
    make_clip(tmp_path / f"in.{suffix}", 4, codec="libx264", sound=True)
    without_frames(tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}", data)
    words = "not a film, damaged, or cut short|there is no frame in it|there is no video in it"
    with pytest.raises(FilmError, match=rf"out\.{suffix}: ({words})\.$"):
        probe_film(tmp_path / f"out.{suffix}")


def test_choices_that_do_not_go_together_are_one_sentence(tmp_path):
    make_clip(tmp_path / "in.mkv", 1)
    make_clip(tmp_path / "deep.mkv", 1, pix_fmt="yuv420p12le")
    info, deep = probe_film(tmp_path / "in.mkv"), probe_film(tmp_path / "deep.mkv")
    with pytest.raises(UsageError, match="does not hold ffv1; .mkv does"):
        choose_encoding(info, tmp_path / "out.mp4", "ffv1")
    with pytest.raises(UsageError, match="does not have 12 bits"):
        choose_encoding(deep, tmp_path / "out.mp4", "h264")
    with pytest.raises(UsageError, match="never lossless"):
        choose_encoding(info, tmp_path / "out.mp4", "av1", "lossless")
    with pytest.raises(UsageError, match="films are written as"):
        choose_encoding(info, tmp_path / "out.xyz")
    assert choose_encoding(deep, tmp_path / "out.mp4").codec == "hevc"


def test_without_pyav_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UsageError, match=r"pip install 'recolor-torch\[film\]'"):
        probe_film("any.mp4")
    assert importlib.import_module("recolor_torch.film")


def test_luma_of_the_clips_uses_its_whole_range():
    assert luma(0).min() == 0
    assert luma(0).max() == 255


def test_a_damaged_film_is_the_same_at_each_reading(tmp_path):
    """FFmpeg takes what it cannot decode from the frame before, which a thread beside may not have done yet."""
    path = tmp_path / "clip.mkv"
    make_clip(path, 6, (48, 32), "gray", "ffv1")
    whole = path.read_bytes()
    for start in range(len(whole) // 2, len(whole) - 400, len(whole) // 40):
        path.write_bytes(whole[:start] + bytes(400) + whole[start + 400 :])
        info = probe_film(path)
        first, *others = ([f.planes[0] for f in read_frames(info)] for _ in range(4))
        assert len(first) >= 3
        assert all(np.array_equal(a, b) for other in others for a, b in zip(first, other, strict=True))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "clip.mkv")
    with pytest.raises(FilmError, match=r"clip\.mkv: this is a pipe or a device, and no file"):
        probe_film(tmp_path / "clip.mkv")


def test_a_list_of_other_files_is_no_film(tmp_path):
    make_clip(tmp_path / "clip.mkv", 3)
    (tmp_path / "list.mkv").write_text("ffconcat version 1.0\nfile clip.mkv\n")
    with pytest.raises(FilmError, match=r"list\.mkv: this is a list of other files, and no film"):
        probe_film(tmp_path / "list.mkv")


@pytest.mark.skipif(os.name != "posix", reason="names with a colon")
def test_a_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("concat:clip.mkv", "data:clip.mkv", "http:clip.mkv"):
        make_clip(tmp_path / name, 3)
        assert probe_film(Path(name)).width == 64
        color_all(Path(name), Path(f"out:{name}"))
        assert len(list(read_frames(probe_film(Path(f"out:{name}"))))) == 3


def test_video_of_an_unknown_kind_is_one_sentence(tmp_path):
    make_clip(tmp_path / "clip.mp4", 3, codec="libx264")
    data = (tmp_path / "clip.mp4").read_bytes()
    (tmp_path / "clip.mp4").write_bytes(data.replace(b"avc1", b"zzzz"))
    with pytest.raises(FilmError, match="is of a kind that is not known"):
        probe_film(tmp_path / "clip.mp4")


@pytest.mark.parametrize(("pix_fmt", "rotation"), [("yuv420p", 90), ("yuv422p10le", 0), ("gray", 0)])
def test_frames_as_pictures_have_the_films_luma_upright(tmp_path, pix_fmt, rotation):
    make_clip(tmp_path / "in.mkv", 2, pix_fmt=pix_fmt, rotation=rotation)
    info = probe_film(tmp_path / "in.mkv")
    sink = FrameSink(info, tmp_path, tmp_path / "out", 0.5, 0)
    frames = list(read_frames(info))
    sink.write(0, ((f, torch.full((1, 2, *info.upright), 0.05)) for f in frames))
    assert sink.has(0)
    assert not sink.has(1)
    assert not (tmp_path / "out").exists()
    sink.finish(1)
    sink.finish(1)  # of a run that was ended right after
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["out_000000.png", "out_000001.png"]
    deep = info.depth > 8
    picture = read_picture(tmp_path / "out/out_000001.png")
    assert picture.info.bits == (16 if deep else 8)
    rgb = picture.image
    assert tuple(rgb.shape[-2:]) == info.upright
    luma = torch.tensor([0.2126, 0.7152, 0.0722]) @ rgb[0].flatten(1)
    truth = frames[1].luminance(info).flatten()
    assert (luma - truth).abs().max() < (2e-4 if deep else 0.003)
    before = planes_to_chroma(frames[1].planes, info, (48, 64)) if info.has_chroma else torch.zeros(1, 2, 48, 64)
    wanted = chroma_to_rgb(before.lerp(torch.full_like(before, 0.05), 0.5), frames[1].planes[0], info)
    assert (turn_frame(wanted, info.rotation) - rgb).abs().max() < 0.003


def test_what_pictures_of_a_film_do_not_hold_is_said(tmp_path):
    make_clip(tmp_path / "in.mp4", 2, codec="libx264", aspect=Fraction(4, 3), primaries=9, transfer=16, sound=True)
    info = probe_film(tmp_path / "in.mp4")
    encoding = choose_encoding(info, tmp_path / "out", "png")
    assert (encoding.format, encoding.lossless) == ("rgb24", True)
    said = " ".join(encoding.notes)
    assert all(word in said for word in ("audio aac", "not square (4/3)", "read as sRGB"))
