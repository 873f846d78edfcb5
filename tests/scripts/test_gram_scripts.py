import importlib
import sys
from pathlib import Path

import pytest
import torch

from recolor_torch.features import VGG19, find_vgg19
from recolor_torch.guide import Reference
from recolor_torch.methods.gram.objective import GramObjective, LossWeights
from recolor_torch.pictures import write_picture

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script():
    return lambda name: importlib.import_module(f"scripts.{name}")


def test_the_peer_structure_has_the_same_numbers(script, vgg19_path):
    weights = find_vgg19(vgg19_path, depth=5)
    g = torch.Generator().manual_seed(0)
    content, style, picture = (torch.rand(1, 3, 32, 48, generator=g, dtype=torch.float64) for _ in range(3))
    picture.requires_grad_()
    loss = script("benchmarks.gram_peer").Peer(weights, content, style).closure(picture)
    losses = LossWeights({f"conv_{k}": 1000.0 for k in range(1, 6)}, {"conv_5": 1.0})
    vgg = VGG19(weights, losses.layers).double()
    ours = GramObjective(vgg, content, (Reference(style),), losses).evaluate(picture.detach())
    assert float(ours.total) == pytest.approx(float(loss), rel=1e-6)
    assert float((ours.gradient - picture.grad).norm() / picture.grad.norm()) < 1e-5


def test_a_sweep_says_what_it_cannot_make(script, vgg19_path, tmp_path, monkeypatch, capsys):
    for name in ("old", "style"):
        write_picture(tmp_path / f"{name}.png", torch.rand(1, 3, 20, 24))
    configs = [str(SCRIPTS.parent / "configs" / "gram" / f"report-fig34-content-{k}.yaml") for k in ("01", "09")]
    arguments = [str(tmp_path / "old.png"), str(tmp_path / "style.png"), "-o", str(tmp_path / "sheet.png")]
    arguments += ["--presets", *configs, "--size", "16", "--steps", "2", "--weights", str(vgg19_path)]
    monkeypatch.setattr(sys, "argv", ["sweep_gram.py", *arguments])
    assert script("figures.sweep_gram").main() == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("2 presets")
    assert captured.err.count("not made: ") == 1
    assert (tmp_path / "sheet.png").stat().st_size > 5000


def test_figures_of_gram_transfer(script, vgg19_path, tmp_path, monkeypatch):
    monkeypatch.setenv("RECOLOR_VGG19", str(vgg19_path))
    (tmp_path / "pairs/multi_view").mkdir(parents=True)
    for part in ("target", "ref"):
        write_picture(tmp_path / f"pairs/multi_view/hill_{part}.jpg", torch.rand(1, 3, 40, 60))
    arguments = [str(tmp_path / "out"), "--pairs", str(tmp_path / "pairs"), "--figures", "30", "34"]
    arguments += ["--side", "48", "--steps", "12"]
    monkeypatch.setattr(sys, "argv", ["report_figures.py", *arguments])
    assert script("figures.report_figures").main() == 0
    for name in ("figure_30.png", "figure_30_steps.png", "figure_34.png"):
        assert (tmp_path / "out" / name).stat().st_size > 5000
