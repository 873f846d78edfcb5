"""The slim feature network is distilled from a whole VGG-19, never from a slim one."""

import importlib
import sys

import numpy as np
import pytest
import torch

from recolor_torch.features import VGG19, VggWeights, find_vgg19
from recolor_torch.features.layers import CHANNELS, feature_index
from recolor_torch.features.weights import PREPROCESSING


@pytest.fixture
def module():
    return importlib.import_module("scripts.training.distill_features")


def random_vgg() -> VggWeights:
    generator, state, before = torch.Generator().manual_seed(0), {}, 3
    for k, channels in enumerate(CHANNELS[:5], start=1):
        name = f"features.{feature_index(k)}"
        state[f"{name}.weight"] = torch.randn(channels, before, 3, 3, generator=generator) * (2 / (9 * before)) ** 0.5
        state[f"{name}.bias"] = torch.zeros(channels)
        before = channels
    return VggWeights(state, *PREPROCESSING["torchvision"], source="random")


def test_a_slim_network_has_the_widths_asked_for_and_a_mean_activation_of_one(module):
    pictures = [np.random.default_rng(k).integers(0, 256, (120, 130, 3), np.uint8) for k in range(6)]
    widths = [4, 6, 6, 8, 8]
    slim = module.distil(pictures, random_vgg(), widths, count=2, seed=0)
    assert slim.widths == tuple(widths)
    images = [torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in pictures]
    means = [VGG19(slim, ["relu_5"])(image)["relu_5"].mean((0, 2, 3)) for image in images]
    alive = torch.stack(means).mean(0)
    torch.testing.assert_close(alive[alive > 0], torch.ones_like(alive[alive > 0]), rtol=1e-3, atol=0)


def test_a_slim_teacher_is_refused(module, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("RECOLOR_VGG19", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["distill_features.py", str(tmp_path), "-o", str(tmp_path / "out.safetensors")])
    monkeypatch.setattr(module, "read_small", lambda *_: iter(()))
    with pytest.raises(SystemExit, match="2"):
        module.main()
    assert "is a slim network itself: name VGG-19" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()
    assert find_vgg19(depth=5).widths != CHANNELS[:5]
