from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("av")
from recolor_torch.film.numbered import fit_pictures, frames_of, number_notes, numbers_of, probe_pictures
from recolor_torch.film.opening import FilmError


def named(*names):
    return tuple(Path(name) for name in names)


@pytest.mark.parametrize(("suffix", "depth", "black", "white"), [("mp4", 8, 16, 235), ("mkv", 16, 0, 65535)])
def test_levels_are_those_of_the_film(tmp_path, suffix, depth, black, white):
    """The luma of a gray picture is its level, in the range of the film: rounded once."""
    deep = depth == 16
    values = np.arange(48, dtype=np.uint16).reshape(6, 8) * (1390 if deep else 5)
    values[-1, -1] = 65535 if deep else 255
    Image.fromarray(values if deep else values.astype(np.uint8)).save(tmp_path / "1.png")
    info = probe_pictures(tmp_path, (tmp_path / "1.png",), Fraction(24))
    film, encoding = fit_pictures(info, tmp_path / f"film.{suffix}", "ffv1" if deep else "auto", "high")
    assert (film.depth, film.full_range, encoding.shift) == (depth, deep, (1, 1))
    (frame,) = frames_of(film, 1).read(0)
    wanted = np.rint(black + values.astype(float) / values.max() * (white - black))
    np.testing.assert_array_equal(frame.planes[0], wanted)
    assert frame.luminance(film).shape == (1, 1, 6, 8)
    share = torch.from_numpy(values.astype(np.float32) / values.max())
    assert (frame.luminance(film)[0, 0] - share).abs().max() <= 0.5 / (white - black) + 1e-6


def test_what_numbers_tell():
    assert numbers_of(named("a_1.png", "a_2.png", "a_10.png")) == {1: 0, 2: 1, 10: 2}
    assert numbers_of(named("a_1.png", "b_1.png")) == numbers_of(named("a.png", "a_2.png")) == {}
    assert number_notes(named("a_1.png", "a_2.png", "a_3.png")) == []
    assert number_notes(named("a_10.png", "a_20.png", "a_30.png")) == []  # every tenth
    (note,) = number_notes(named("a_1.png", "a_2.png", "a_4.png", "a_7.png", "a_8.png"))
    assert note.startswith("3 numbers of a_1.png to a_8.png are missing (3, 5 to 6)")
    assert number_notes(named("a_1_v2.png", "a_2_v2.png", "a_3_v2.png")) == []
    (note,) = number_notes(named("a_1.png", "a_2.png", "b_1.png", "b_2.png", "end.png"))
    assert note.endswith("follow each other: 2 like a_1.png, 2 like b_1.png, 1 without a number.")
    with pytest.raises(FilmError, match=r"a_01.png: a_1.png has the same number"):
        number_notes(named("a_1.png", "a_01.png"))
