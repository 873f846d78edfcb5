import io

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from recolor_torch.cli.reporting import Reporter


@pytest.fixture
def weights(vgg19_path, monkeypatch):
    monkeypatch.delenv("RECOLOR_VGG19", raising=False)
    return str(vgg19_path)


def test_a_picture_is_recolored_with_its_luminance(recolor, folder, entries, weights):
    few = ("--gram.steps", 3, "--gram.coarse_steps", 2, "--gram.style", '{"conv_1": 200, "conv3_1": 100}')
    code, out, err = recolor(
        "colorize", "old.png", "-r", "ref.jpg", "-m", "gram", "--gram.weights", weights, *few, "-o", "out/"
    )
    assert (code, err) == (0, "")
    assert "1 done, 0 skipped, 0 failed" in out
    (entry,) = entries("out")
    assert entry["method"] == "gram"
    assert entry["parameters"]["style"] == {"conv_1": 200, "conv3_1": 100}
    assert len(entry["vgg19"]) == 64
    result = Image.open(folder / "out/old.png").convert("RGB")
    gray = torch.from_numpy(np.array(Image.open(folder / "old.png").convert("L"), np.float32))
    rgb = torch.from_numpy(np.array(result, np.float32))
    luminance = rgb @ torch.tensor([0.299, 0.587, 0.114])
    assert float((luminance - gray).abs().max()) <= 0.51
    assert float(rgb.std(-1).max()) > 3  # there is color


def test_without_weights_exit_4(recolor, folder, monkeypatch, weights):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder))
    deep = ("--gram.content", '{"conv_9": 1}')
    command = ("colorize", "old.png", "-r", "ref.jpg", "-m", "gram", *deep, "-o", "x.png")
    code, out, err = recolor(*command)
    assert (code, out) == (4, "")
    assert err.count("\n") == 1
    assert "No VGG-19 weights were found" in err
    code, _, err = recolor(*command, "--gram.weights", weights)
    assert code == 4
    assert err.count("\n") == 1
    assert "has only conv_1 to conv_5 of VGG-19, and conv_9 is needed" in err
    assert not (folder / "x.png").exists()


def test_wrong_settings_exit_2(recolor, weights):
    for setting in (("--gram.style", '{"conv_77": 1}'), ("--gram.start", "middle"), ("--gram.style", "3")):
        code, _, err = recolor("colorize", "old.png", "-r", "ref.jpg", "-m", "gram", *setting, "-o", "x.png")
        assert code == 2
        assert err.count("\n") == 1


def test_progress_of_one_picture_is_shown():
    screen = io.StringIO()
    writer = Reporter(Console(file=screen, force_terminal=True, width=100), 1, as_json=False, slow=True)
    assert writer.shown
    with writer.progress:
        writer.on_progress(0.42)
    assert "42% of this batch" in screen.getvalue()
    assert not Reporter(Console(file=screen, force_terminal=True), 1, as_json=False).shown
