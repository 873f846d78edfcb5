"""The training scripts for scenes and for infrared, rehearsed."""

import csv
import json
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from recolor_torch.networks import ColorUNet, Estimate, NearInfraredNet
from recolor_torch.networks import loading as loading_module
from recolor_torch.networks.loading import load_network, save_network
from recolor_torch.training.infrared import find_pairs, read_pair
from scripts.evaluations import eval_infrared
from scripts.training import train_infrared, train_scenes
from scripts.training.fitting import Fit

WIDTHS = (8, 8, 8, 8, 8)


class SmallNet(torch.nn.Module):
    """In the place of ``EightBlockNet``, whose 32 million numbers take long to write."""

    def __init__(self):
        super().__init__()
        self.only = torch.nn.Conv2d(1, 313, 4, 4)

    def forward(self, luminance):
        return Estimate(self.only(luminance), None)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    rows, entries = ["name,label"], []
    (tmp_path / "rgb").mkdir()
    for i in range(10):
        pixels = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).resize((50, 40), Image.Resampling.BICUBIC)
        image.save(tmp_path / "rgb" / f"{i}.png")
        image.getchannel("R").save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{'ab'[i % 2]}")
        entries.append({"rgb": f"rgb/{i}.png", "nir": f"{i}.png"})
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    (tmp_path / "manifest.json").write_text(json.dumps({"pairs": entries}))
    return tmp_path


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_scenes(folder, monkeypatch):
    monkeypatch.setattr(train_scenes, "CROP", 32)
    monkeypatch.setattr(train_scenes, "EightBlockNet", SmallNet)
    args = ["train_scenes", str(folder / "rgb"), "--labels", str(folder / "labels.csv"), "-o", str(folder / "out")]
    monkeypatch.setattr("sys.argv", [*args, "--steps", "2", "--device", "cpu", "--scale", "0.01", "--width", "4"])
    assert train_scenes.main() == 0
    found = lines(folder / "out" / "scenes.jsonl")
    trained = [line for line in found if line["event"] == "trained"]
    assert [(t["network"], t["steps"]) for t in trained] == [("multi_path", 2), ("eight_blocks", 2)]
    scores = {line["network"]: line for line in found if line["event"] == "scores"}
    assert 0 <= scores["multi_path"]["scene_accuracy"] <= 1
    assert scores["multi_path"]["psnr_gray"] == scores["eight_blocks"]["psnr_gray"]
    assert load_network("multi_path", folder / "out" / "multi_path.safetensors")[0].scenes == ("a", "b")
    assert (folder / "out" / "scenes.jpg").stat().st_size > 1000


def test_infrared(folder, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(train_infrared, "CROP", 32)
    monkeypatch.setattr(train_infrared, "CANVAS", 64)
    monkeypatch.setattr(train_infrared, "NearInfraredNet", partial(NearInfraredNet, "lite0", WIDTHS))
    base = folder / "base.safetensors"
    save_network(ColorUNet("lite0", widths=WIDTHS), base)
    monkeypatch.setattr(loading_module, "SHIPPED", base)
    args = ["train_infrared", str(folder), "-o", str(folder / "out"), "--start", str(base), "--steps", "2"]
    monkeypatch.setattr("sys.argv", [*args, "--device", "cpu", "--scale", "0.07"])
    assert train_infrared.main() == 0
    found = lines(folder / "out" / "infrared.jsonl")
    assert found[0] == {**found[0], "training": 7, "test": 2}
    best = next(line["best"] for line in found if "best" in line)
    assert found[-1]["event"] == "scores"
    assert next(line for line in found if line.get("network") == "near_infrared")["steps"] == best
    adapter = folder / "out" / "near_infrared.safetensors"
    network, _ = load_network("near_infrared", adapter)
    assert network.widths == WIDTHS

    monkeypatch.setenv("RECOLOR_NETWORK", str(base))
    args = ["eval_infrared", str(folder), "-o", str(folder / "eval"), "--weights", str(adapter), "--vividness", "0"]
    monkeypatch.setattr("sys.argv", [*args, "--side", "48"])
    assert eval_infrared.main() == 0
    rows = list(csv.DictReader((folder / "eval" / "infrared.csv").open()))
    scores = {row["way"]: float(row["ciede2000"]) for row in rows if row["pair"] == "9"}
    pair = read_pair(next(p for p in find_pairs(folder) if p.name == "9"), 48)
    truth, gray = (rgb2lab(pair[..., c] / 255) for c in ([0, 1, 2], [3, 3, 3]))
    assert scores["gray"] == pytest.approx(deltaE_ciede2000(truth, gray).mean(), abs=0.02)
    assert scores["gray"] > 0
    assert set(scores) >= {"U-Net", "mean color of the category", "infrared, vividness 0"}


def test_the_schedule_rises_and_falls():
    network = torch.nn.Linear(1, 1)
    fit = Fit(network, 1.0, 100)
    rates = []
    for _ in range(100):
        fit.step(network(torch.ones(1, 1)).sum())
        rates.append(fit.optimizer.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) > 0.99
    assert rates[-1] < 0.03
    assert not torch.equal(fit.averaged.weight, network.weight)
