import pytest
from PIL import Image


def test_every_applicable_method_is_on_the_sheet(recolor, folder):
    code, out, err = recolor("compare", "old.png", "-r", "ref.jpg", "-o", "sheet.png")
    assert (code, err) == (0, "")
    names = [line.split(":")[0] for line in out.splitlines()[:-1]]
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
        (("old.png", "-o", "x.png"), "Say what colours are wanted"),
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
