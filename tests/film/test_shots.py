import pytest
import torch

from recolor_torch.errors import UsageError
from recolor_torch.film.shots import THUMB, Shot, find_shots, read_shots, shot_thumbnail, write_shots


def scene(seed, frames, step=(0.0, 0.0), gain=0.0, grain=0.01):
    """A window that moves over a texture, with flicker of the light and grain, (T, 36, 64) bytes."""
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, 12, 20, generator=g)
    large = torch.nn.functional.interpolate(coarse, (240, 400), mode="bicubic")[0, 0].clamp(0, 1) * 0.7 + 0.1
    out = []
    for t in range(frames):
        y, x = int(20 + t * step[1]), int(20 + t * step[0])
        view = large[y : y + 144, x : x + 256] * (1 + gain * (-1) ** t)
        view = view + grain * torch.randn(view.shape, generator=g)
        out.append(shot_thumbnail(view.clamp(0, 1)[None, None]))
    return torch.stack(out)


def test_cuts_are_found_and_pans_flicker_and_grain_are_none():
    parts = [scene(1, 20, (3, 1)), scene(2, 15, gain=0.1), scene(3, 25, (0, 2), grain=0.03), scene(4, 9)]
    shots = find_shots(torch.cat(parts))
    assert [s.start for s in shots] == [0, 20, 35, 60]
    assert [s.begins for s in shots] == ["start", "cut", "cut", "cut"]
    assert shots[-1].end == 69


def test_a_fade_through_black_ends_a_shot():
    first, second = scene(1, 16).float(), scene(2, 16).float()
    down = torch.linspace(1, 0, 16).view(-1, 1, 1)
    black = torch.zeros(4, *THUMB)
    thumbs = torch.cat((first, first * down, black, second * down.flip(0), second)).to(torch.uint8)
    shots = find_shots(thumbs)
    assert len(shots) == 2
    assert shots[1].begins == "fade"
    assert 28 <= shots[1].start <= 40


def test_a_flash_ends_no_shot():
    thumbs = scene(1, 30)
    thumbs[14] = 255
    assert find_shots(thumbs) == [Shot(0, 30, "start")]


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_short_films_are_one_shot(frames):
    assert find_shots(scene(1, 3)[:frames]) == [Shot(0, frames, "start")]


def test_shots_come_back_from_their_file(tmp_path):
    shots = [Shot(0, 20, "start"), Shot(20, 35), Shot(35, 60, "fade")]
    write_shots(tmp_path / "shots.csv", shots, 25.0)
    assert [(s.start, s.end) for s in read_shots(tmp_path / "shots.csv", 60)] == [(0, 20), (20, 35), (35, 60)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there are no shots"),
        ("shot,first\n1,x\n", 'line 2: .* got "x"'),
        ("first\n99\n", "there is no frame 99"),
        ("first\n" + 99_999 * "a", r"got \"a+\.\.\."),
        ("first\n" + 99_999 * "9", r"there is no frame 9+\.\.\.;"),
        ("first\n²\n", "a frame's number"),
        ("first\n\udcff\n", "it is not UTF-8, byte 6"),
    ],
)
def test_files_of_shots_that_do_not_fit(tmp_path, text, words):
    (tmp_path / "s.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=words) as caught:
        read_shots(tmp_path / "s.csv", 50)
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


def test_plot_shots_draws_a_sheet_and_writes_a_table_that_can_be_read(tmp_path, capsys):
    pytest.importorskip("av")
    from film.clips import make_clip
    from PIL import Image

    from recolor_torch.cli import main

    make_clip(tmp_path / "clip.mkv", 24, (96, 64))
    assert main(["plot", "shots", str(tmp_path / "clip.mkv"), "-o", str(tmp_path / "sheet.png")]) == 0
    assert Image.open(tmp_path / "sheet.png").width > 400
    assert read_shots(tmp_path / "sheet.csv", 24)[0].start == 0
    (tmp_path / "sheet.csv").write_text("shot,first\n1,0\n2,12\n")
    args = ["plot", "shots", str(tmp_path / "clip.mkv"), "--shots", str(tmp_path / "sheet.csv")]
    assert main([*args, "-o", str(tmp_path / "two.png")]) == 0
    assert main(["plot", "shots", str(tmp_path / "no.mkv"), "-o", str(tmp_path / "x.png")]) == 2
    assert "no.mkv" in capsys.readouterr().err
