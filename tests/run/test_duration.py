import json
from pathlib import Path

import pytest

from recolor_torch.methods import METHODS, HistogramTransfer, LevinColorization
from recolor_torch.pictures.info import PictureInfo
from recolor_torch.run.duration import SECONDS, estimate_seconds, in_words
from recolor_torch.run.plan import Job


@pytest.fixture
def jobs(tmp_path):
    fields = dict.fromkeys(PictureInfo.__dataclass_fields__)
    info = PictureInfo(**{**fields, "width": 2000, "height": 1000})
    return [Job(Path(f"{n}.png"), tmp_path / f"{n}.png", tmp_path, info) for n in range(10)]


def test_every_method_has_a_time():
    assert set(SECONDS) == set(METHODS)


def test_the_time_grows_with_targets_and_stops_with_the_working_side(jobs):
    ten, one = (estimate_seconds(some, HistogramTransfer(), None) for some in (jobs, jobs[:1]))
    assert ten == pytest.approx(10 * one)
    assert one == pytest.approx(2 * SECONDS["histogram"] + 0.2)
    assert estimate_seconds(jobs[:1], LevinColorization(), 1000) == pytest.approx(0.5 * SECONDS["levin"] + 0.2)
    assert estimate_seconds([], LevinColorization(), None) == 0


def test_results_that_are_there_say_more_than_the_table(jobs, tmp_path):
    line = {"method": "levin", "status": "done", "seconds": 8.0, "working_size": [1000, 2000]}
    text = "\n".join(json.dumps({**line, "output": f"{n}.png"}) for n in range(3))
    (tmp_path / "run.jsonl").write_text(text + "\n")
    assert estimate_seconds(jobs[:1], LevinColorization(), 2000) == pytest.approx(8 + 0.2)
    assert estimate_seconds(jobs[:1], HistogramTransfer(), None) == pytest.approx(2 * SECONDS["histogram"] + 0.2)


def test_words():
    assert in_words(100) == "2 minutes"
    assert in_words(5400) == "1.5 hours"
