"""The training script, rehearsed: packed pictures, all stages, weights that the method can use."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from vggs import random_features

from recolor_torch.networks.loading import load_network
from scripts.training import pack_pictures, train_unet


@pytest.fixture
def packed(tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        coarse.resize((90, 70), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    args = ["pack_pictures", str(folder), "-o", str(tmp_path / "packed"), "--megabytes", "0.003", "1"]
    monkeypatch.setattr("sys.argv", args)
    assert pack_pictures.main() == 0
    files = sorted((tmp_path / "packed").iterdir())
    assert len(files) == 2
    return files


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Small crops, and pictures no larger than the largest of them."""
    stages = zip(train_unet.STAGES, (32, 64, 64, 64))
    monkeypatch.setattr(train_unet, "STAGES", tuple(train_unet.Stage(s.until, n, 2, s.finishing) for s, n in stages))
    monkeypatch.setattr(train_unet, "CANVAS", 64)


def test_all_stages(packed, tmp_path, monkeypatch):
    vgg = {f"features.{k}": v for k, v in random_features("D")[:22].state_dict().items()}
    save_file(vgg, tmp_path / "vgg16.safetensors")
    encoder = train_unet.ColorUNet("lite0").encoder.state_dict()
    save_file(encoder, tmp_path / "lite0.safetensors")
    args = ["train_unet", *map(str, packed), "-o", str(tmp_path / "out"), "--steps", "5", "--device", "cpu", "--state"]
    args += ["--encoder", "lite0", "--encoder-weights", str(tmp_path / "lite0.safetensors")]
    monkeypatch.setattr("sys.argv", [*args, "--perceptual", str(tmp_path / "vgg16.safetensors")])
    assert train_unet.main() == 0
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert lines[0]["training"] + lines[0]["held_out"] >= 12
    assert [line["size"] for line in lines if line.get("event") == "stage"] == [32, 64, 64, 64]
    assert lines[-1] == {**lines[-1], "event": "end", "steps": 5, "seen": 10}
    network, _ = load_network("unet", tmp_path / "out" / "unet.safetensors")
    estimate = network(torch.rand(1, 1, 32, 32))
    assert estimate.vivid.isfinite().all()
    assert network.log_weights.abs().max() > 0
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {"exp_avg.safetensors", "discriminator.safetensors"}


def test_more_for_the_decoder_leaves_the_encoder(packed, tmp_path, monkeypatch):
    start = train_unet.ColorUNet("lite0")
    train_unet.save_network(start, tmp_path / "start.safetensors")
    args = ["train_unet", *map(str, packed), "-o", str(tmp_path / "out"), "--steps", "3", "--device", "cpu"]
    args += ["--encoder", "lite0", "--start", str(tmp_path / "start.safetensors"), "--freeze-encoder"]
    monkeypatch.setattr("sys.argv", [*args, "--first-stage", "1", "--last-stage", "2", "--hinted", "1"])
    assert train_unet.main() == 0
    before = load_file(tmp_path / "start.safetensors")
    after = load_file(tmp_path / "out" / "unet.safetensors")
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert {name.partition(".")[0] for name in changed} >= {"bottom", "ups", "mean", "vivid"}
    assert not any(name.startswith("encoder.") for name in changed)
