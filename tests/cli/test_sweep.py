import pytest
import torch
from PIL import Image

from recolor_torch.cli.sweep import read_values
from recolor_torch.plots.sheets import message_panel, plot_sheet

ARGS = ("sweep", "in/frame_0.png", "-r", "ref.jpg", "--truth", "in/frame_0.png", "-o", "sheet.png", "-m")


def test_two_settings_make_a_grid(recolor, folder):
    grid = ("--param", "restore=report,gamut", "--param", "rank=false,true")
    code, out, err = recolor(*ARGS, "histogram mode=yuv", *grid)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    names = [line.split(":")[0] for line in lines[:4]]
    assert names == [f"restore={r}, rank={k}" for r in ("report", "gamut") for k in (False, True)]
    numbers = {line.split(":")[0]: float(line.split("CIEDE2000 ")[1].split(",")[0]) for line in lines[:4]}
    best = lines[4].removeprefix("lowest CIEDE2000: ")
    assert numbers[best] == min(numbers.values())
    assert lines[5] == "4 results, in sheet.png"
    assert Image.open(folder / "sheet.png").width > 900


def test_one_setting_makes_rows(recolor, folder):
    code, out, _ = recolor(*ARGS, "wavelet", "--param", "schedule=hard:2; linear:0.3,0.2; [0.5, 1]; hard:4; hard:3")
    assert code == 0
    assert out.splitlines()[-1].startswith("5 results")


def test_a_value_that_does_not_work_says_so_in_its_panel(recolor, monkeypatch):
    from recolor_torch.methods import HistogramTransfer

    forward = HistogramTransfer.forward

    def odd(self, image, guide):
        if self.rank:
            raise ValueError("cannot rank this")
        return forward(self, image, guide)

    monkeypatch.setattr(HistogramTransfer, "forward", odd)
    code, out, _ = recolor(*ARGS, "histogram", "--param", "rank=true,false")
    assert code == 0
    assert out.startswith("rank=True: cannot rank this\n")
    assert out.splitlines()[-1].startswith("1 results")


def test_values_are_those_of_yaml():
    assert read_values("histogram", ["edge_threshold=null,0.2,1e-3", "mode=rgb"]) == {
        "edge_threshold": [None, 0.2, 1e-3],
        "mode": ["rgb"],
    }
    assert read_values("wavelet", ["schedule=[0.1, 1]; hard:3"]) == {"schedule": [[0.1, 1], "hard:3"]}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            ("histogram", "--param", "moed=rgb"),
            "histogram has no setting 'moed'. Known settings: mode, rank, smoothing, restore, "
            "edge_threshold. Did you mean mode?",
        ),
        (("histogram", "--param", "mode=rgb,,yuv"), "values are written NAME=a,b,c"),
        (("histogram", "--param", "mode=rgb", "--param", "mode=yuv"), "mode is given twice"),
        (("histogram",), "Say what to vary"),
        (("histgram", "--param", "mode=rgb"), "Unknown method 'histgram'"),
        (("histogram", "--param", "mode=rgbb"), "Unknown mode 'rgbb'"),
        (("histogram", "--param", "smoothing=abc"), 'histogram: smoothing must be a number, got "abc".'),
        (("correspondence", "--param", "side=96.5"), "correspondence: side must be a whole number, got 96.5."),
        (("levin", "--param", "sigma=0.1"), "levin needs hints"),
        (("histogram", "--param", "smoothing=" + ",".join(map(str, range(1, 102)))), "101 results are more than fit"),
    ],
)
def test_mistakes_are_one_sentence(recolor, folder, args, words):
    code, out, err = recolor(*ARGS, *args)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert not (folder / "sheet.png").exists()


def test_a_sheet_has_its_labels_in_their_places(rgb):
    first, second = rgb[:1], rgb[1:, :, :10]
    figure = plot_sheet([[("a", first)], [("b", first), ("c", second)]], marked="c")
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["a", "", "b", "c"]
    assert [axis.title.get_fontweight() for axis in figure.axes] == ["normal", "normal", "normal", "bold"]
    with pytest.raises(ValueError, match="a picture or more in each row"):
        plot_sheet([[]])


def test_a_message_fits_its_panel():
    like = torch.zeros(1, 3, 30, 200)
    short, long = message_panel("no weights", like), message_panel("no weights " * 40, like)
    assert short.shape == long.shape == (1, 3, 160, 480)
    ink = (long < 0.9).any(1)[0]
    assert ink.any()
    assert not ink[:, :10].any()
    assert not ink[:, -5:].any()
    assert not ink[-2:].any()
