import csv
import itertools
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from pictures import save_picture

from recolor_torch.cli import main
from recolor_torch.errors import UsageError
from recolor_torch.features import layer_depth
from recolor_torch.lit import GramTransferModule, Snapshots, TransferData
from recolor_torch.methods import GramTransfer
from recolor_torch.pictures import read_picture

CONFIGS = Path(__file__).parents[2] / "configs" / "gram"


@pytest.fixture
def folder(tmp_path, vgg19_path, monkeypatch):
    monkeypatch.setenv("RECOLOR_VGG19", str(vgg19_path))
    save_picture(tmp_path / "old.png", 40, 32, seed=1)
    save_picture(tmp_path / "style.png", 36, 36, seed=2)
    return tmp_path


def fit(folder, steps, method=None, callbacks=(), ckpt_path=None, **data):
    module = GramTransferModule(method or GramTransfer(optimize="rgb", start="average", levels=1, tolerance=0))
    logger = CSVLogger(folder, "log")
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=logger,
        callbacks=list(callbacks),
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=any(isinstance(c, ModelCheckpoint) for c in callbacks),
    )
    pictures = TransferData(str(folder / "old.png"), [str(folder / "style.png")], **{"size": 32, **data})
    trainer.fit(module, pictures, ckpt_path=ckpt_path)
    with open(Path(logger.log_dir) / "metrics.csv") as file:
        return module, list(csv.DictReader(file)), trainer


def test_each_loss_is_logged_and_falls(folder):
    snapshots = Snapshots([0, 2, 5])
    module, rows, trainer = fit(folder, 5, callbacks=[snapshots])
    losses = [float(row["loss"]) for row in rows]
    assert len(losses) == 5
    assert all(later <= earlier for earlier, later in itertools.pairwise(losses))
    parts = [f"style/conv_{k}" for k in range(1, 6)] + ["content/conv_5"]
    for row in rows:
        assert sum(float(row[name]) for name in parts) == pytest.approx(float(row["loss"]), rel=1e-4)
    place = snapshots.place(trainer)
    assert sorted(p.name for p in (place / "snapshots").iterdir()) == [f"step_0000{k}.png" for k in (0, 2, 5)]
    saved = read_picture(place / "picture.png").image
    torch.testing.assert_close(saved, module.picture.clamp(0, 1), atol=0.5 / 255 + 1e-6, rtol=0)
    exact, rounded = module.final_losses()
    assert exact == pytest.approx(losses[-1], rel=1e-3)
    evaluation = module.problem.objective.evaluate(saved, low_precision=False)
    assert rounded == pytest.approx(float(evaluation.total), rel=1e-5)


@pytest.mark.parametrize("algorithm", ["lbfgs", "adam"])
def test_a_resumed_run_is_the_same_run(folder, algorithm):
    def method():
        return GramTransfer(optimize="rgb", start="average", levels=1, tolerance=0, algorithm=algorithm)

    keep = ModelCheckpoint(folder / "kept", every_n_train_steps=3, save_top_k=-1)
    whole, _, _ = fit(folder, 6, method(), [keep])
    (first,) = [p for p in (folder / "kept").iterdir() if "step=3" in p.name]
    alone = GramTransferModule.load_from_checkpoint(first, map_location="cpu")
    assert alone.method.settings() == whole.method.settings()
    assert (alone.losses, alone.picture.shape) == (whole.losses[:3], whole.picture.shape)
    resumed, rows, _ = fit(folder, 6, method(), ckpt_path=first)
    assert resumed.losses == whole.losses
    assert [int(row["step"]) for row in rows] == [3, 4, 5]
    assert torch.equal(resumed.picture, whole.picture)


def test_the_same_steps_as_the_method(folder):
    method = GramTransfer(steps=4, levels=2, coarse_steps=3, tolerance=0)
    module, _, _ = fit(folder, 4, method, size=64)
    target, references = TransferData(str(folder / "old.png"), [str(folder / "style.png")], size=64).pictures(
        torch.device("cpu")
    )
    from recolor_torch.guide import Guide
    from recolor_torch.pipeline import recolor

    again = recolor(target, method, Guide(references))
    torch.testing.assert_close(module.picture, again, atol=2e-3, rtol=0)


def test_it_ends_where_little_is_gained(folder):
    module, _, _ = fit(folder, 60, GramTransfer(optimize="rgb", levels=1, tolerance=0.5))
    assert 10 < len(module.losses) < 50


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.stem)
def test_presets(path):
    config = yaml.safe_load(path.read_text())
    assert path.read_text().startswith("# ")
    settings = config["model"]["init_args"]["method"]["init_args"]
    method = GramTransfer(**settings)
    assert config["trainer"]["logger"]["init_args"]["name"] == path.stem
    deepest = max(layer_depth(name) for name in (*method.style, *method.content))
    assert (deepest > 5) == ("Needs the weights of" in path.read_text())


def test_from_the_command_line(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    arguments = ["fit", "--config", str(CONFIGS / "report-fig31.yaml"), "--data.target", "old.png"]
    arguments += ["--data.references", "[style.png]", "--data.size", "16", "--trainer.max_steps", "3"]
    arguments += ["--model.method.style", '{"conv_1": 200}', "--trainer.enable_progress_bar", "false"]
    arguments += ["--trainer.callbacks.init_args.every_n_train_steps", "2", "--trainer.accelerator", "cpu"]
    assert main(arguments) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("3 steps, loss ")
    assert said.endswith("after rounding to 8 bits, in runs/report-fig31/version_0")
    header = (folder / "runs/report-fig31/version_0/metrics.csv").read_text().splitlines()[0]
    assert header == "content/conv_5,epoch,loss,step,style/conv_1"


def test_without_weights_exit_4(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    arguments = ["fit", "--config", str(CONFIGS / "report-fig34-content-09.yaml"), "--data.target", "old.png"]
    arguments += ["--data.references", "[style.png]", "--trainer.logger", "false", "--trainer.callbacks", "null"]
    assert main(arguments) == 4
    assert "has only conv_1 to conv_5 of VGG-19, and conv_9 is needed" in capsys.readouterr().err
    assert main([*arguments, "--data.target", "none.png", "--model.method.content", '{"conv_5": 1}']) == 2
    assert "none.png" in capsys.readouterr().err


def test_wrong_data_is_named():
    with pytest.raises(UsageError, match="2 reference weights were given for 1 references"):
        TransferData("a.png", ["b.png"], [1, 2])
    with pytest.raises(UsageError, match="square needs a size"):
        TransferData("a.png", ["b.png"], size=None, square=True)
