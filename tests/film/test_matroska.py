import zlib
from fractions import Fraction

import pytest

pytest.importorskip("av")
from film.clips import make_clip, packets
from film.test_files import color_all

from recolor_torch.film import probe_film, read_frames
from recolor_torch.film.matroska import _elements, write_aspect


@pytest.mark.parametrize("codec", ["ffv1", "h264", "vp9", "av1"])
def test_the_aspect_of_a_pixel_is_in_the_header(tmp_path, codec):
    import av

    make_clip(tmp_path / "in.mp4", codec="libx264", aspect=Fraction(16, 15), sound=True, size=(64, 64))
    _, notes = color_all(tmp_path / "in.mp4", tmp_path / "out.mkv", codec=codec)
    after = probe_film(tmp_path / "out.mkv")
    assert (after.aspect, notes) == (Fraction(16, 15), [])
    assert len(list(read_frames(after, 9))) == 3
    sound = [[data for _, data in packets(tmp_path / name, "audio")] for name in ("in.mp4", "out.mkv")]
    assert sound[0] == sound[1]
    with av.open(str(tmp_path / "out.mkv")) as out:  # the index still leads to the frames
        out.seek(400_000)
        assert next(out.decode(video=0)).time <= 0.4


def test_webm_has_the_aspect_in_whole_pixels(tmp_path):
    make_clip(tmp_path / "in.mp4", codec="libx264", aspect=Fraction(16, 15), size=(60, 64))
    color_all(tmp_path / "in.mp4", tmp_path / "out.webm")
    assert probe_film(tmp_path / "out.webm").aspect == Fraction(16, 15)


def test_checksums_and_the_table_of_parts_are_right(tmp_path):
    make_clip(tmp_path / "in.mkv", aspect=Fraction(16, 15))
    before = (tmp_path / "in.mkv").read_bytes()
    assert write_aspect(tmp_path / "in.mkv", Fraction(64, 45), 0)
    data = (tmp_path / "in.mkv").read_bytes()
    assert len(data) == len(before) != sum(a == b for a, b in zip(data, before, strict=True))
    segment = next(start for name, _, start, _ in _elements(data, 0, len(data)) if name == 0x18538067)
    places, checked = {}, 0
    for name, at, start, end in _elements(data, segment, len(data)):
        places[name] = at - segment
        if data[start] == 0xBF:
            assert zlib.crc32(data[start + 6 : end]) == int.from_bytes(data[start + 2 : start + 6], "little")
            checked += 1
    assert checked >= 3
    table = next((a, b) for name, _, a, b in _elements(data, segment, len(data)) if name == 0x114D9B74)
    for name, _, start, end in _elements(data, *table):
        if name == 0x4DBB:
            known, place = (int.from_bytes(data[a:b]) for _, _, a, b in _elements(data, start, end))
            assert places[known] == place
    assert probe_film(tmp_path / "in.mkv").aspect == Fraction(64, 45)
    assert len(list(read_frames(probe_film(tmp_path / "in.mkv")))) == 12


@pytest.mark.parametrize("cut", [0, 30, 60, 100, 300])
def test_a_file_that_is_made_otherwise_is_left_as_it_was(tmp_path, cut):
    make_clip(tmp_path / "in.mkv")
    data = (tmp_path / "in.mkv").read_bytes()
    for name, part in (("short", data[:cut]), ("other", bytes(cut) + data)):
        if name == "other" and cut == 0:
            continue
        (tmp_path / name).write_bytes(part)
        assert not write_aspect(tmp_path / name, Fraction(4, 3), 0)
        assert (tmp_path / name).read_bytes() == part
