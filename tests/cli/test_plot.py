import json

import pytest
from PIL import Image

from recolor_torch.cli import main


@pytest.mark.parametrize("suffix", ["png", "svg"])
@pytest.mark.parametrize(
    "args",
    [
        ("histogram", "old.png", "-r", "ref.jpg"),
        ("histogram", "old.png", "-r", "ref.jpg", "--mode", "chroma"),
        ("histogram", "old.png", "-r", "ref.jpg", "--result", "ref.jpg"),
        ("wavelet", "old.png", "--levels", 2),
        ("edges", "old.png", "--threshold", 0.5),
        ("lambda", "old.png", "-r", "ref.jpg", "--schedules", "hard:2", "linear:0.3,0.2"),
        ("hints", "hints.json", "--target", "old.png"),
        ("loss", "run"),
        ("loss", "run", "again.csv"),
    ],
)
def test_kinds(recolor, folder, args, suffix):
    points = [{"x": 5, "y": 6, "radius": 3, "color": "#cc2200"}]
    (folder / "hints.json").write_text(json.dumps({"size": [24, 16], "points": points}))
    (folder / "run/snapshots").mkdir(parents=True)
    Image.open(folder / "old.png").save(folder / "run/snapshots/step_00002.png")
    log = "epoch,loss,step,style/conv_1\n0,9.5,0,4\n0,3,1,2\n0,1.5,2,1\n"
    for name in ("run/metrics.csv", "again.csv"):
        (folder / name).write_text(log)
    code, out, err = recolor("plot", *args, "-o", f"plot.{suffix}")
    assert (code, err) == (0, "")
    assert out == f"{args[0]}, in plot.{suffix}\n"
    if suffix == "png":
        picture = Image.open(folder / "plot.png").convert("L")
        assert picture.width > 600
        low, high = picture.getextrema()
        assert low < 60
        assert high > 200
    else:
        assert (folder / "plot.svg").read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("edges", "old.png", "-o", "old.png"), "old.png is an input, and inputs are never overwritten"),
        (("histogram", "old.png", "-r", "ref.png", "-o", "./ref.png"), "ref.png is an input"),
        (("histgram", "old.png"), "unknown kind 'histgram'. Known kinds: histogram"),
        (("histogram", "old.png", "-r", "ref.jpg"), "Say where the plot goes"),
        (("histogram", "old.png", "-r", "ref.jpg", "-o", "x.pdf"), "-o PLOT.png or -o PLOT.svg"),
        (("histogram", "nope.png", "-r", "ref.jpg", "-o", "x.png"), "nope.png"),
        (("edges", "old.png", "-o", "no/where.png"), "no/where.png: cannot write this file"),
        (("lambda", "old.png", "-r", "ref.jpg", "-o", "x.png", "--schedules", "soft:3"), "Unknown schedule 'soft:3'"),
        (("wavelet", "old.png", "-o", "x.png", "--wavelet", "daub"), "daub"),
        (("loss", "nowhere", "-o", "x.png"), "nowhere: cannot read this log"),
        (("loss", "old.png", "-o", "x.png"), "old.png: cannot read this log"),
        (("loss", "ref.csv", "-o", "x.png"), "ref.csv: this is no log of losses by step"),
    ],
)
def test_mistakes_are_one_sentence(recolor, folder, args, words):
    Image.new("RGB", (8, 8)).save(folder / "ref.png")
    (folder / "ref.csv").write_text("target,reference\na.png,b.png\n")
    code, out, err = recolor("plot", *args)
    assert (code, out) == (2, "")
    assert err.startswith("recolor plot: ")
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize("kind", ["histogram", "wavelet", "edges", "hints", "loss", "lambda"])
def test_help_of_each_kind_has_an_example(kind, capsys):
    with pytest.raises(SystemExit):
        main(["plot", kind, "--help"])
    assert f"recolor plot {kind} " in capsys.readouterr().out
