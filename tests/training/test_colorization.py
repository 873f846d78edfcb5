"""Training of networks: it learns, it resumes where it was, and its configs run."""

import csv
from pathlib import Path
from types import SimpleNamespace

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from recolor_torch.cli.lightning import main
from recolor_torch.color import rgb_to_luminance
from recolor_torch.color.bins import BINS
from recolor_torch.errors import UsageError
from recolor_torch.hints.simulation import HintSimulation
from recolor_torch.losses.classification import distribution_loss
from recolor_torch.networks import ColorUNet, Discriminator
from recolor_torch.networks.loading import load_network, save_network
from recolor_torch.training.adversarial import AdversarialTraining
from recolor_torch.training.colorization import ColorizationTraining, quarter_ab, read_counts
from recolor_torch.training.data import TrainingDataModule

CONFIGS = Path(__file__).parents[2] / "configs" / "train"
WIDTHS = (16, 16, 16, 16, 8)
QUIET = {
    "accelerator": "cpu",
    "devices": 1,
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of two kinds: dark ones are blue, bright ones are orange."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(24):
        base = np.array([30, 60, 140]) if i % 2 else np.array([240, 170, 90])
        noise = rng.normal(0, 12, (48, 48, 1))
        Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


def data(pictures, **settings):
    settings = {"size": 32, "side": 40, "batch_size": 4, "epoch": 8, "held_out": 0.15, **settings}
    return TrainingDataModule([str(pictures)], **settings)


def module(**settings):
    torch.manual_seed(0)
    settings = {"learning_rate": 3e-3, "warmup": 2, "cooldown": 0.0, "hints": HintSimulation(), **settings}
    return ColorizationTraining(ColorUNet("lite0", widths=WIDTHS), **settings)


class Losses(pl.Callback):
    def __init__(self):
        self.found = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.found.append(trainer.callback_metrics["train/loss"].item())


def fit(model, pictures, tmp_path, steps, resume=None, **trainer):
    losses = Losses()
    keep = pl.callbacks.ModelCheckpoint(dirpath=tmp_path, filename="last", enable_version_counter=False)
    runner = pl.Trainer(max_steps=steps, callbacks=[losses, keep], **{**QUIET, **trainer})
    runner.fit(model, data(pictures), ckpt_path=resume)
    return losses.found, runner


def test_it_learns_two_kinds_of_pictures(pictures, tmp_path):
    # An untrained encoder is as good here as one that learns, and its statistics need no time to settle.
    model = module(average=0.8, sparse=True, frozen_steps=1000)
    losses, runner = fit(model, pictures, tmp_path, 60, check_val_every_n_epoch=30)
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    metrics = {k: v.item() for k, v in runner.callback_metrics.items()}
    assert metrics["val/psnr_0_regression"] > metrics["val/psnr_gray"] + 2
    assert metrics["train/pictures_per_second"] > 0
    loaded, _ = load_network("unet", tmp_path / "last.ckpt")
    torch.testing.assert_close(loaded.state_dict(), model.averaged.module.state_dict())


def test_the_encoder_is_held_at_first(pictures, tmp_path):
    model = module(frozen_steps=2)
    before = model.network.encoder.blocks[3].project_conv.weight.clone()
    mean = model.network.encoder.bn0.running_mean.clone()
    fit(model, pictures, tmp_path, 2)
    assert torch.equal(before, model.network.encoder.blocks[3].project_conv.weight)
    assert torch.equal(mean, model.network.encoder.bn0.running_mean)
    fit(model, pictures, tmp_path, 4)
    assert not torch.equal(before, model.network.encoder.blocks[3].project_conv.weight)


def test_weights_and_bins_to_start_from(pictures, tmp_path, network_path):
    model = module(start=str(network_path))
    loaded, _ = load_network("unet", network_path)
    torch.testing.assert_close(model.network.state_dict(), loaded.state_dict())
    counts = torch.arange(1, BINS + 1)
    save_file({"counts": counts}, tmp_path / "bins.safetensors")
    assert torch.equal(read_counts(tmp_path / "bins.safetensors"), counts)
    with pytest.raises(UsageError, match=r"unet\.safetensors is no file of bin statistics"):
        read_counts(network_path)
    with pytest.raises(UsageError, match=r"missing\.safetensors is no file of bin statistics"):
        read_counts(tmp_path / "missing.safetensors")
    model = module(bins=str(tmp_path / "bins.safetensors"))
    fit(model, pictures, tmp_path, 1)
    assert model.bin_weights[0] > model.bin_weights[-1]


def test_adversaries_take_turns(pictures, tmp_path, network_path):
    torch.manual_seed(0)
    settings = {"start": str(network_path), "hints": HintSimulation(), "adversarial": 1.0}
    model = AdversarialTraining(ColorUNet("lite0", widths=WIDTHS), Discriminator(8), **settings)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    _, runner = fit(model, pictures, tmp_path, 8)
    assert {"train/generator", "train/discriminator", "train/right"} <= set(runner.callback_metrics)
    after = model.state_dict()
    for name in ("network.mean.0.weight", "discriminator.blocks.0.weight", "averaged.module.mean.0.weight"):
        assert not torch.equal(before[name], after[name])
    assert all(p.requires_grad for p in model.network.parameters())


def test_batches_of_an_adversarial_step_share_its_gradient(monkeypatch):
    model = AdversarialTraining(ColorUNet("lite0", widths=WIDTHS), Discriminator(4), accumulate=2)
    monkeypatch.setattr(model, "manual_backward", lambda loss: loss.backward())
    monkeypatch.setattr(model, "clip_gradients", lambda *args, **kwargs: None)
    trainer = SimpleNamespace(is_last_batch=False)
    monkeypatch.setattr(AdversarialTraining, "trainer", trainer)
    weight = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    assert [model._learn(optimizer, slope * weight, i) for i, slope in enumerate((2, 4, 6))] == [False, True, False]
    assert weight.item() == -3  # the mean of 2 and 4, and 6 waits
    trainer.is_last_batch = True
    assert model._learn(optimizer, 6 * weight, 4)  # the last batch of an epoch makes a step by itself
    assert weight.item() == -6
    with pytest.raises(UsageError, match="accumulate must be at least 1, got 0"):
        AdversarialTraining(ColorUNet("lite0", widths=WIDTHS), Discriminator(4), accumulate=0)


@pytest.mark.parametrize("name", sorted(p.stem for p in CONFIGS.glob("*.yaml")))
def test_configs_open_with_what_they_are(name):
    text = (CONFIGS / f"{name}.yaml").read_text()
    assert text.startswith("# ")
    assert f"configs/train/{name}.yaml" in text
    assert set(yaml.safe_load(text)) <= {"seed_everything", "model", "data", "trainer"}


def run_config(name, pictures, tmp_path, monkeypatch, *more):
    monkeypatch.chdir(tmp_path)
    args = ["fit", "--config", str(CONFIGS / f"{name}.yaml"), "--data.sources", f'["{pictures}"]', "--data.size", "32"]
    args += ["--data.epoch", "8", "--data.batch_size", "4", "--trainer.check_val_every_n_epoch", "1"]
    args += ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false", *more]
    assert main(args) == 0


def test_the_unet_config_runs_and_resumes(pictures, tmp_path, monkeypatch):
    small = ["--model.init_args.network.init_args.pretrained", "false"]
    small += ["--model.init_args.network.init_args.widths", "[16,16,16,16,8]"]
    small += ["--model.init_args.network.init_args.encoder", "lite0"]
    run_config("unet", pictures, tmp_path, monkeypatch, *small, "--trainer.max_steps", "2")
    run = tmp_path / "training" / "unet"
    assert [p.name for p in (run / "samples").iterdir()] == ["step_0000002.png"]
    more = ["--trainer.max_steps", "4", "--ckpt_path", str(run / "last.ckpt")]
    run_config("unet", pictures, tmp_path, monkeypatch, *small, *more)
    assert sorted(p.name for p in (run / "samples").iterdir()) == ["step_0000002.png", "step_0000004.png"]
    with (run / "version_1" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {int(row["step"]) for row in rows} <= {2, 3, 4}
    assert any(row["val/psnr_0_regression"] for row in rows)
    load_network("unet", run / "last.ckpt")


def test_the_adversarial_config_runs(pictures, tmp_path, monkeypatch, network_path):
    more = ["--model.init_args.network.init_args.widths", "[16,16,16,16,8]", "--trainer.max_steps", "4"]
    more += ["--model.init_args.network.init_args.encoder", "lite0"]
    run_config("adversarial", pictures, tmp_path, monkeypatch, *more, "--model.init_args.start", str(network_path))
    loaded, _ = load_network("unet", tmp_path / "training" / "adversarial" / "last.ckpt")
    save_network(loaded, tmp_path / "tuned.safetensors")


@pytest.mark.slow
def test_the_eight_block_config_runs(pictures, tmp_path, monkeypatch):
    run_config("eight_blocks", pictures, tmp_path, monkeypatch, "--trainer.max_steps", "1", "--data.validated", "1")
    load_network("eccv16", tmp_path / "training" / "eight_blocks" / "last.ckpt")


@pytest.mark.slow
def test_an_epoch_on_200_photographs(shared, tmp_path):
    shard = shared / "data" / "train" / "train_00.tar"
    model = module(learning_rate=2e-3, frozen_steps=1000)
    pictures = TrainingDataModule([str(shard)], size=64, side=80, batch_size=10, limit=200, held_out=0.1)
    pictures.setup()
    dataset = pictures.val_dataloader().dataset
    images = torch.stack([dataset[i] for i in range(len(dataset))]) / 255

    def entropy():
        with torch.no_grad():
            logits = model.network.eval()(rgb_to_luminance(images)).logits
        return distribution_loss(logits, quarter_ab(images)).item()

    before, losses = entropy(), Losses()
    runner = pl.Trainer(max_epochs=1, callbacks=[losses], enable_checkpointing=False, **QUIET)
    runner.fit(model, pictures)
    assert len(losses.found) == len(pictures.training) // 10
    assert entropy() < before - 0.3
    assert runner.callback_metrics["val/psnr_0_regression"] > 15
