from unittest.mock import patch

import pytest
from PIL import Image

from recolor_torch.errors import WeightsMissing
from recolor_torch.methods import METHODS, HistogramTransfer
from recolor_torch.plots.figures import plot_strip


def test_every_applicable_method_is_on_the_sheet(recolor, folder):
    code, out, err = recolor("compare", "old.png", "-r", "ref.jpg", "-o", "sheet.png")
    assert (code, err) == (0, "")
    # Methods whose weights are not here are on the sheet too, and say so.
    names = [line.split(":")[0] for line in out.splitlines()[:-1] if " s, " in line]
    assert {"histogram", "wavelet"} <= set(names)
    assert "levin" not in names  # there are no hints
    assert out.splitlines()[-1] == f"{len(names)} results, in sheet.png"
    assert Image.open(folder / "sheet.png").width > 1000


def test_settings_and_truth(recolor, folder):
    tries = ("--try", "histogram", "--try", "histogram mode=rgb edge_threshold=0.2")
    args = ("compare", "in/frame_0.png", "-r", "ref.jpg", "--truth", "in/frame_0.png", *tries, "-o", "sheet.svg")
    code, out, _ = recolor(*args)
    assert code == 0
    assert out.splitlines()[1].startswith("histogram mode=rgb edge_threshold=0.2: ")
    assert "CIEDE2000" in out
    assert "dB" in out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("old.png", "-r", "ref.jpg", "-o", "old.png"), "old.png is an input"),
        (("old.png", "-r", "ref.jpg"), "Say where the sheet goes"),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--try", "histgram"), "Unknown method 'histgram'"),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--try", "histogram mode"), "SETTING=VALUE, got 'mode'"),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--try", "histogram moed=rgb"), "moed"),
        (("old.png", "-r", "ref.jpg", "-o", "x.png", "--truth", "ref.jpg"), "must have the size of the target"),
        (("nope.png", "-r", "ref.jpg", "-o", "x.png"), "nope.png"),
    ],
)
def test_mistakes_are_one_sentence(recolor, folder, args, words):
    code, out, err = recolor("compare", *args)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_a_method_without_weights_says_so_in_its_panel(recolor, folder, monkeypatch):
    class Weightless(HistogramTransfer):
        def prepare(self):
            raise WeightsMissing("No VGG-19 weights were found: name a file.")

    seen = {}
    monkeypatch.setattr(
        "recolor_torch.plots.figures.plot_strip", lambda panels: seen.update(panels) or plot_strip(panels)
    )
    # The test above has all methods. They are restored in their order.
    with patch.dict(METHODS, {"weightless": Weightless, "histogram": HistogramTransfer}, clear=True):
        code, out, err = recolor("compare", "old.png", "-r", "ref.jpg", "-o", "sheet.png")
        assert (code, err) == (0, "")
        assert "weightless: No VGG-19 weights were found: name a file.\n" in out
        panel = seen["weightless\nweights missing"]
        assert panel.amin() < 0.1 < 0.9 < panel.amax()  # there is writing on it
        code, out, err = recolor("compare", "old.png", "-r", "ref.jpg", "-o", "other.png", "--try", "weightless")
        assert (code, out) == (4, "")
        assert not (folder / "other.png").exists()


def test_all_kinds_of_guidance_reach_the_methods(recolor, folder):
    hints = '{"size": [24, 16], "points": [{"x": 5, "y": 5, "radius": 2, "color": "#cc3311"}]}'
    (folder / "hints.json").write_text(hints)
    code, out, _ = recolor("compare", "old.png", "-r", "ref.jpg", "--hints", "hints.json", "-o", "sheet.png")
    assert code == 0
    assert {"histogram", "levin", "poisson", "wavelet"} <= {line.split(":")[0] for line in out.splitlines()}
    assert "colorfulness" in out  # there is no truth
