import os
from pathlib import Path

import pytest
import torch

from recolor_torch.gallery import Match
from recolor_torch.plots.retrieval_sheet import plot_matches

SIZES = {"target.png": (30, 60), "a.png": (60, 30), "tiny.png": (2, 3)}


def read(path):
    if path.name not in SIZES:
        raise OSError("gone")
    return torch.full((1, 3, *SIZES[path.name]), 0.2)


def test_a_row_a_target_with_scores_and_places_left_empty():
    matches = [Match(0, Path("/x/a.png"), 0.51234, True), Match(1, Path("/x/gone.png"), -0.1, False)]
    figure = plot_matches([(Path("target.png"), matches), (Path("tiny.png"), matches[:1])], 2, read)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == [
        "target.png\ntarget",
        "a.png\n0.512, mirrored",
        "gone.png\n-0.100",
        "tiny.png\ntarget",
        "a.png\n0.512, mirrored",
        "",
    ]
    first = figure.axes[0].images[0].get_array()
    assert first.shape == (256, 256, 3)
    assert first[128, 128].tolist() == [51, 51, 51]
    assert first[5, 5].tolist() == [255, 255, 255]
    assert [len(axis.images) for axis in figure.axes] == [1, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("name", ["x" * 80 + ".png", "short.png"])
def test_long_names_are_cut_in_the_middle(name):
    title = plot_matches([(Path(name), [])], 1, read).axes[0].get_title()
    shown = title.partition("\n")[0]
    assert len(shown) <= 29
    assert os.path.splitext(shown)[1] == ".png"
