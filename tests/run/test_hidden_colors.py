"""The colors under a target's transparent pixels are seen by nobody, and count for nothing."""

import numpy as np
import pytest
from PIL import Image

from recolor_torch.cli import main


def target(path, hidden, width=48, height=32):
    rng = np.random.default_rng(0)
    pixels = np.empty((height, width, 4), np.uint8)
    pixels[..., :3] = rng.integers(0, 200, (height, width, 1)) + np.array([0, 10, 20])
    pixels[..., 3] = 255
    pixels[: height // 2, : width // 2] = (*hidden, 0)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("flags", [("--histogram.mode", "rgb"), ("--target", "color", "--histogram.mode", "monge")])
def test_hidden_colors_move_nothing_and_stay(tmp_path, monkeypatch, large, flags):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recolor_torch.run.large.LARGE", 100 if large else 10**6)  # in strips, or whole
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save("ref.png")
    results = []
    for name, hidden in (("a", (255, 0, 255)), ("b", (0, 255, 0))):
        given = target(f"{name}.png", hidden)
        assert (
            main(["colorize", f"{name}.png", "-r", "ref.png", "-m", "histogram", *flags, "-o", f"{name}_new.png"]) == 0
        )
        results.append(np.asarray(Image.open(f"{name}_new.png")))
        seen = given[..., 3] > 0
        assert np.array_equal(results[-1][~seen], given[~seen])
        assert not np.array_equal(results[-1][seen], given[seen])
    assert np.array_equal(results[0][seen], results[1][seen])


def test_a_target_that_is_transparent_everywhere_is_no_failure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGBA", (8, 8), (10, 20, 30, 0)).save("a.png")
    Image.new("RGB", (8, 8), (200, 20, 30)).save("ref.png")
    assert main(["colorize", "a.png", "-r", "ref.png", "-m", "histogram", "-o", "b.png"]) == 0
