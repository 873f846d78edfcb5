"""A run that is cut and resumed is the run that was not cut: the same losses and the same averaged weights."""

import json
import os

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from PIL import Image

from recolor_torch.describe import arguments
from recolor_torch.hints.simulation import HintSimulation
from recolor_torch.networks import (
    ColorUNet,
    Discriminator,
    EightBlockNet,
    MultiPathNet,
    NearInfraredNet,
    UserGuidedNet,
)
from recolor_torch.networks.loading import load_network
from recolor_torch.networks.near_infrared import is_trained
from recolor_torch.training.adversarial import AdversarialTraining
from recolor_torch.training.colorization import ColorizationTraining
from recolor_torch.training.data import TrainingDataModule, batches_done
from recolor_torch.training.infrared import InfraredTraining, PairDataModule
from recolor_torch.training.scenes import LabeledDataModule, MultiPathTraining

STEPS, CUTS = 7, (3, 4)  # 3 steps are an epoch: cuts at the end of one, and in the next with a third to come
WIDTHS = (8, 8, 8, 8, 8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(20):
        pixels = rng.normal((60 + 7 * i, 120, 200 - 8 * i), 15, (40, 40, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def pairs(pictures, tmp_path_factory):
    """A manifest of the same pictures with their green as infrared, and a table of labels."""
    folder = tmp_path_factory.mktemp("pairs")
    entries = []
    for path in sorted(pictures.glob("*.png")):
        Image.open(path).getchannel("G").save(folder / path.name)
        entries.append({"rgb": str(path), "nir": path.name})
    (folder / "manifest.json").write_text(json.dumps({"pairs": entries}))
    (folder / "labels.csv").write_text("name,label\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(18)))
    return folder


def module(kind, accumulate=1):
    torch.manual_seed(0)
    if kind == "eight_blocks":
        return ColorizationTraining(EightBlockNet(), regression=0.0, warmup=4, average=0.9)
    if kind == "user_guided":
        return ColorizationTraining(UserGuidedNet(), warmup=4, hints=HintSimulation(), average=0.9)
    if kind == "multi_path":
        return MultiPathTraining(MultiPathNet(("a", "b"), width=4), warmup=4, average=0.9)
    if kind == "near_infrared":
        network = NearInfraredNet("lite0", WIDTHS, drop=0.3)
        return InfraredTraining(network, warmup=4, hints=HintSimulation(), average=0.9)
    if kind == "adversarial":
        return AdversarialTraining(
            ColorUNet("lite0", WIDTHS, drop=0.3),
            Discriminator(4),
            hints=HintSimulation(),
            average=0.9,
            accumulate=accumulate,
        )
    return ColorizationTraining(
        ColorUNet("lite0", WIDTHS, drop=0.3), warmup=4, sparse=True, hints=HintSimulation(), average=0.9
    )


class Watch(pl.Callback):
    """Keeps the losses, and writes checkpoints where ModelCheckpoint would: at the ends of batches and of epochs."""

    def __init__(self, folder=None, per_step=1, cuts=()):
        self.folder, self.per_step, self.cuts, self.losses, self.epochs = folder, per_step, cuts, [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append(trainer.callback_metrics["train/loss"].item())
        self._save(trainer, "batch")

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs.append(trainer.current_epoch)
        self._save(trainer, "epoch")

    def _save(self, trainer, end):
        step, rest = divmod(trainer.global_step, self.per_step)
        path = f"{self.folder}/{step}-{end}.ckpt"
        # With accumulated gradients a step's number stays for some batches: the first of them is the one that made it.
        if step in self.cuts and not rest and not os.path.exists(path):
            trainer.save_checkpoint(path)


def run(kind, pictures, workers, accumulate, watch, resume=None, steps=STEPS, draws=None, pairs=None, epoch=8):
    by_hand = kind == "adversarial"  # Lightning refuses to accumulate for what steps by itself
    model = module(kind, accumulate if by_hand else 1)
    settings = {"size": 32, "side": 40, "batch_size": 2, "epoch": epoch, "held_out": 0.1, "workers": workers}
    if kind == "near_infrared":
        data = PairDataModule([str(pairs)], **settings)
    elif kind == "multi_path":
        data = LabeledDataModule([str(pictures)], str(pairs / "labels.csv"), **settings)
    else:
        data = TrainingDataModule([str(pictures)], **settings)
    runner = pl.Trainer(
        max_steps=steps * watch.per_step,
        accumulate_grad_batches=1 if by_hand else accumulate,
        callbacks=[watch, draws] if draws else [watch],
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    runner.fit(model, data, ckpt_path=resume)
    return model


@pytest.mark.parametrize(
    ("kind", "workers", "accumulate"),
    [
        ("plain", 0, 1),  # of any two of the three settings all four combinations
        ("plain", 2, 2),
        ("adversarial", 2, 1),
        ("adversarial", 0, 2),
    ],
)
def test_a_cut_run_is_a_run_that_was_not_cut(pictures, tmp_path, kind, workers, accumulate, recwarn):
    per_step = 2 if kind == "adversarial" else 1  # both optimizers count
    whole, epoch = Watch(tmp_path, per_step, CUTS), 6 * accumulate
    model = run(kind, pictures, workers, accumulate, whole, epoch=epoch)
    assert len(whole.losses) == STEPS * accumulate
    names = sorted(p.stem for p in tmp_path.glob("*.ckpt"))
    assert names == ["3-batch", "3-epoch", "4-batch"]
    for name in names:
        cut = tmp_path / f"{name}.ckpt"
        step = int(name.split("-")[0])
        alone = type(model).load_from_checkpoint(cut, map_location="cpu")
        assert alone.averaged.n_averaged == step
        assert arguments(alone) == arguments(model)
        rest = Watch(per_step=per_step)
        resumed = run(kind, pictures, workers, accumulate, rest, cut, epoch=epoch)
        assert rest.losses == whole.losses[step * accumulate :], name
        after = resumed.state_dict()  # made anew at each call
        for key, value in model.state_dict().items():
            assert torch.equal(value, after[key]), (name, key)
        before, after = (m.averaged.module.distribution[0].weight for m in (alone, resumed))
        assert not torch.equal(before, after)
    loaded, _ = load_network("unet", cut)
    torch.testing.assert_close(alone.averaged.module.state_dict(), loaded.state_dict(), rtol=0, atol=0)
    assert not [w for w in recwarn if "not resumable" in str(w.message)]


@pytest.mark.parametrize(
    ("kind", "name", "steps", "cut", "workers"),
    [
        ("multi_path", "multi_path", 10, 5, 0),
        ("multi_path", "multi_path", 10, 8, 2),
        ("near_infrared", "near_infrared", 9, 5, 0),
        pytest.param("eight_blocks", "eccv16", 3, 2, 0, marks=pytest.mark.slow),
        pytest.param("user_guided", "siggraph17", 3, 2, 0, marks=pytest.mark.slow),
    ],
)
def test_a_cut_run_of_the_other_networks(pictures, pairs, tmp_path, kind, name, steps, cut, workers):
    whole = Watch(tmp_path, cuts=(cut,))
    model = run(kind, pictures, workers, 1, whole, steps=steps, pairs=pairs)
    file = tmp_path / f"{cut}-batch.ckpt"
    loaded, _ = load_network(name, file)
    alone = type(model).load_from_checkpoint(file, map_location="cpu")
    assert arguments(alone) == arguments(model)
    torch.testing.assert_close(alone.averaged.module.state_dict(), loaded.state_dict(), rtol=0, atol=0)
    rest = Watch()
    resumed = run(kind, pictures, workers, 1, rest, file, steps, pairs=pairs)
    assert rest.losses == whole.losses[cut:]
    after = resumed.state_dict()
    for key, value in model.state_dict().items():
        assert torch.equal(value, after[key]), key
    before = loaded.state_dict()
    moved = [k for k, v in resumed.averaged.module.state_dict().items() if not torch.equal(v, before[k])]
    assert any("num_batches" not in k for k in moved)
    if kind == "near_infrared":
        assert all(is_trained(k) or "num_batches" in k for k in moved)


def test_each_batch_of_a_step_has_its_own_draws(pictures):
    class Draws(pl.Callback):
        inputs = ()

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            pictures = torch.full((2, 3, 32, 32), 128, dtype=torch.uint8)
            self.inputs += (pl_module.example(pictures, batches_done(trainer))[1],)

    draws = Draws()
    model = run("plain", pictures, 0, 2, Watch(), draws=draws, steps=2)
    assert model.averaged.n_averaged == 2
    assert len(draws.inputs) == 4
    assert len({x.sum().item() for x in draws.inputs}) == 4
