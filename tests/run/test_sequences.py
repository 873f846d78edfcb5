from pathlib import Path

import pytest

from recolor_torch.errors import UsageError
from recolor_torch.pictures.info import PictureInfo
from recolor_torch.run.plan import Job
from recolor_torch.run.sequences import clip_windows


def frames(count, hinted, size=(100, 100)):
    def info():
        fields = dict.fromkeys(PictureInfo.__dataclass_fields__)
        return PictureInfo(**{**fields, "width": size[0], "height": size[1]})

    return [
        Job(Path(f"{i}.png"), Path("out") / f"{i}.png", Path("out"), info(), hints=Path("h") if i in hinted else None)
        for i in range(count)
    ]


def ends(count, hinted, most=4, megapixels=8.0):
    windows = clip_windows(frames(count, hinted), most, megapixels)
    assert [job.target.stem for window in windows for job in window] == [str(i) for i in range(count)]
    return [len(window) for window in windows]


def test_windows_end_at_hinted_frames():
    assert ends(10, [0, 3, 6]) == [4, 3, 3]
    assert ends(10, [0, 2, 9]) == [3, 4, 3]


def test_a_far_hint_leaves_windows_of_the_most_frames():
    assert ends(10, [0]) == [4, 4, 2]
    assert ends(3, [1]) == [3]


def test_the_first_window_reaches_the_first_hint():
    assert ends(10, [7]) == [8, 2]


def test_memory_bounds_a_window():
    assert max(ends(10, [0], most=9, megapixels=0.01)) == 4


def test_no_hints_and_hints_too_late_are_refused():
    with pytest.raises(UsageError, match="No frame of the clip has hints"):
        ends(5, [])
    with pytest.raises(UsageError, match="first frame with hints is number 51, and 40 frames"):
        ends(60, [50], most=4, megapixels=0.1)
    assert clip_windows([], 4, 8.0) == []
