"""What each setting of Lightning's Trainer does with each module: a table in Markdown.

    python scripts/checks/trainer_settings.py            all settings
    python scripts/checks/trainer_settings.py precision  those whose name has this in it

Rows are settings, columns are RecolorModule under predict, and ColorizationTraining, AdversarialTraining and
GramTransferModule under fit. A cell says "works", or the sentence that the user gets. Pictures are 32 pixels wide, made
up by the script, and two steps are made.
"""

import argparse
import io
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.loggers import CSVLogger
from PIL import Image

from recolor_torch.hints.simulation import HintSimulation
from recolor_torch.lit import GramTransferModule, RecolorModule, TransferData
from recolor_torch.lit.datamodule import PictureDataModule
from recolor_torch.methods import GramTransfer, HistogramTransfer
from recolor_torch.networks import ColorUNet, Discriminator
from recolor_torch.training.adversarial import AdversarialTraining
from recolor_torch.training.colorization import ColorizationTraining
from recolor_torch.training.data import TrainingDataModule

COLUMNS = ("predict", "train", "adversarial", "gram")
TWO = "two processes"
WORKS, TOLD = "works", "outcome: "
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "devices": 1,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {"enable_model_summary": True, "enable_checkpointing": True},
    **{f"precision {p}": {"precision": p} for p in ("64-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true")},
    "fast_dev_run": {"fast_dev_run": True},
    "overfit_batches 1": {"overfit_batches": 1},
    "limit_train_batches 1, limit_predict_batches 1": {"limit_train_batches": 1, "limit_predict_batches": 1},
    "limit_train_batches 0.5, limit_predict_batches 0.5": {"limit_train_batches": 0.5, "limit_predict_batches": 0.5},
    "limit_val_batches 0": {"limit_val_batches": 0},
    "val_check_interval 1": {"val_check_interval": 1},
    "check_val_every_n_epoch 2": {"check_val_every_n_epoch": 2},
    "num_sanity_val_steps 2": {"num_sanity_val_steps": 2},
    "accumulate_grad_batches 2": {"accumulate_grad_batches": 2},
    "gradient_clip_val 1": {"gradient_clip_val": 1.0},
    "gradient_clip_val 0.1, by value": {"gradient_clip_val": 0.1, "gradient_clip_algorithm": "value"},
    "profiler simple": {"profiler": "simple"},
    "profiler advanced": {"profiler": "advanced"},
    "logger CSV": {"logger": CSVLogger},
    "enable_checkpointing false": {"enable_checkpointing": False},
    "enable_progress_bar": {"enable_progress_bar": True},
    "deterministic": {"deterministic": True},
    "benchmark": {"benchmark": True},
    "inference_mode false": {"inference_mode": False},
    "detect_anomaly": {"detect_anomaly": True},
    "use_distributed_sampler false": {"use_distributed_sampler": False},
    "reload_dataloaders_every_n_epochs 1": {"reload_dataloaders_every_n_epochs": 1},
    "max_epochs 1": {"max_steps": -1, "max_epochs": 1},
    "min_steps 2": {"min_steps": 2},
    "max_time of an hour": {"max_time": "00:01:00:00"},
    f"{TWO}, ddp": {"devices": 2, "strategy": "ddp"},
    f"{TWO}, ddp_find_unused_parameters_true": {"devices": 2, "strategy": "ddp_find_unused_parameters_true"},
}


def outcomes(columns: Sequence[str], setting: str, folder: Path) -> dict[str, str]:
    """For each column ``works``, or the error's sentence."""
    if not setting.startswith(TWO):
        return {column: attempt(column, setting, make_pictures(folder / column)) for column in columns}
    for column in columns:
        make_pictures(folder / column)
    # One pair of processes for all columns: starting one takes longer than its work. What may fail comes last.
    ordered = sorted(columns, key="adversarial".__eq__)
    command = [sys.executable, __file__, "--cells", *ordered, "--setting", setting, "--folder", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if run.returncode:
        return dict.fromkeys(columns, run.stderr.strip().splitlines()[-1])
    # A line of each process; the first of those that failed says why.
    lines = [line.removeprefix(TOLD).partition(" ") for line in run.stdout.splitlines() if line.startswith(TOLD)]
    told = {column: [text for name, _, text in lines if name == column] for column in columns}
    missing = {column: f"{len(texts)} processes of 2 told" for column, texts in told.items() if len(texts) != 2}
    return {column: min(texts, key=WORKS.__eq__) for column, texts in told.items() if texts} | missing


def attempt(column: str, setting: str, folder: Path) -> str:
    """What a column does in this process."""
    logging.getLogger("lightning").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            _run(column, dict(SETTINGS[setting]), folder)
        except Exception as error:  # noqa: BLE001 # the sentence is the result
            return f"{type(error).__name__}: {' '.join(str(error).split())}"
        finally:
            torch.use_deterministic_algorithms(False)
    return WORKS


def make_pictures(folder: Path) -> Path:
    """Eight pictures to train on, and a reference."""
    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir(parents=True)
    for i in range(8):
        pixels = rng.normal((60 + 20 * i, 120, 220 - 20 * i), 15, (36, 36, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "pictures" / f"{i}.png")
    return folder


def _run(column: str, options: dict[str, Any], folder: Path) -> None:
    torch.manual_seed(0)
    if "logger" in options:
        options["logger"] = options["logger"](folder / "log")
    place = {"default_root_dir": folder / "root", "logger": False, "num_sanity_val_steps": 0}
    trainer = pl.Trainer(**{**QUIET, **place, "max_steps": 4 if column == "adversarial" else 2, **options})
    module, data = _subject(column, folder)
    if column == "predict":
        _check_predictions(trainer, trainer.predict(module, data))
        return
    before = [p.detach().clone() for p in module.parameters()]
    trainer.fit(module, data)
    if column == "gram":
        assert len(module.losses) == trainer.global_step, "not one loss a step"
    else:
        changed = any(not torch.equal(a, b) for a, b in zip(before, module.parameters()))
        assert changed, "nothing was learned"
        assert all(p.isfinite().all() for p in module.parameters()), "a weight is no number"
        steps = trainer.global_step // (2 if column == "adversarial" else 1)
        assert int(module.averaged.n_averaged) == steps, "the moving average is behind"
        _check_ranks(trainer, module)


def _check_predictions(trainer: pl.Trainer, predictions: Any) -> None:
    assert isinstance(predictions, list), "no list of predictions"
    results = [r for batch in predictions for r in batch]
    assert results or trainer.world_size > 1, "no prediction"
    for result in results:
        assert result.error is None, result.error
        assert result.image.isfinite().all(), "a value is no number"
        gray = result.picture.image.to(result.image)
        weights = torch.tensor([0.299, 0.587, 0.114]).to(gray).view(3, 1, 1)
        assert ((result.image - gray) * weights).sum(1).abs().max() < 1e-5, "the luminance is another"


def _check_ranks(trainer: pl.Trainer, module: pl.LightningModule) -> None:
    """All processes have the same weights and the same batch statistics."""
    if trainer.world_size > 1:
        state = torch.cat([v.double().flatten() for v in module.state_dict().values()])
        states = module.all_gather(state)
        assert torch.equal(states[0], states[1]), "the processes differ"


def _subject(column: str, folder: Path) -> tuple[pl.LightningModule, pl.LightningDataModule]:
    pictures = [str(folder / "pictures")]
    first = folder / "pictures" / "0.png"
    if column == "predict":
        module = RecolorModule(HistogramTransfer())
        return module, PictureDataModule(pictures, folder / "out", [first], batch_size=3, overwrite=True, workers=0)
    if column == "gram":
        method = GramTransfer(style={"conv_1": 100.0}, content={}, levels=1, steps=20, tolerance=0.0)
        return GramTransferModule(method), TransferData(str(folder / "pictures" / "1.png"), [str(first)], size=32)
    data = TrainingDataModule(pictures, size=32, side=36, batch_size=2, held_out=0.3)
    network = ColorUNet("lite0", (8, 8, 8, 8, 8))
    if column == "train":
        return ColorizationTraining(network, warmup=1, hints=HintSimulation()), data
    return AdversarialTraining(network, Discriminator(4), hints=HintSimulation()), data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="settings whose name has one of these in it")
    parser.add_argument("--cells", nargs="+", choices=COLUMNS, help=argparse.SUPPRESS)
    parser.add_argument("--setting", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.cells:
        for column in args.cells:
            line = f"{TOLD}{column} {attempt(column, args.setting, args.folder / column)}\n"
            os.write(1, line.encode())  # at once: the processes share it
        return
    print("| setting | " + " | ".join(COLUMNS) + " |\n" + "| --- " * (1 + len(COLUMNS)) + "|")
    for setting in SETTINGS:
        if args.words and not any(word in setting for word in args.words):
            continue
        with tempfile.TemporaryDirectory() as folder:
            cells = outcomes(COLUMNS, setting, Path(folder))
        print(f"| {setting} | " + " | ".join(cells[column] for column in COLUMNS) + " |", flush=True)


if __name__ == "__main__":
    main()
