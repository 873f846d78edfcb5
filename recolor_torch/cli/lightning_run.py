"""Runs of LightningCLI, once the words of the command have been looked at."""

from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import BasePredictionWriter
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from recolor_torch.cli.checkpoint import check_checkpoint, restoring
from recolor_torch.cli.config import check_config, check_size
from recolor_torch.cli.launcher import forget_launcher
from recolor_torch.cli.lightning import DESCRIPTIONS, named_configs
from recolor_torch.cli.reporting import say_kept
from recolor_torch.cli.running import quiet_lightning
from recolor_torch.cli.terminal import clear_start
from recolor_torch.errors import UsageError
from recolor_torch.lit import GramTransferModule
from recolor_torch.lit.datamodule import PictureDataModule
from recolor_torch.lit.progress import label_progress
from recolor_torch.lit.together import StopTogether
from recolor_torch.lit.writer import PictureWriter
from recolor_torch.paths import show_path


class _Parser(LightningArgumentParser):
    """LightningCLI's parser; a mistake is one sentence, and the exit code 2."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the message as one sentence."""
        raise UsageError(f"{' '.join(str(message).split()).removesuffix('.')}.")


class RecolorCLI(LightningCLI):
    """LightningCLI; predictions are streamed to disk by a callback and never collected."""

    checkpoint: str | None = None

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """A Trainer; one that predicts pictures writes them, whether the config names a writer or not."""
        wanted = self.config[str(self.subcommand)]["trainer"]
        alone = str(wanted["devices"]) == "1" or (wanted["devices"] == "auto" and torch.cuda.device_count() <= 1)
        if alone and wanted["num_nodes"] == 1:
            forget_launcher()
        trainer = super().instantiate_trainer(**kwargs)
        label_progress(trainer)
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        predicts = self.subcommand == "predict" and isinstance(self.datamodule, PictureDataModule)
        if predicts and not any(isinstance(c, BasePredictionWriter) for c in callbacks):
            callbacks.append(PictureWriter())
        if predicts:
            callbacks.append(StopTogether())
        return trainer

    def before_instantiate_classes(self) -> None:
        """Turn the collecting of predictions off."""
        if self.subcommand == "predict":
            self.config.predict.return_predictions = False

    def _parse_ckpt_path(self) -> None:
        # In place of Lightning's, which also lets the file name the classes of the run: the config alone does.
        verb = str(self.config["subcommand"])
        path = self.config[verb].get("ckpt_path")
        if path is not None:
            self.checkpoint = str(path)
            check_checkpoint(self.checkpoint, training=verb == "fit")
            self.config[verb]["weights_only"] = True

    def _run_subcommand(self, subcommand: str) -> None:
        with restoring(self.checkpoint):
            super()._run_subcommand(subcommand)


def run(argv: list[str]) -> int:
    """Run a verb, the first of these words; returns the exit code."""
    quiet_lightning()
    clear_start()
    for file in named_configs(argv):
        if argv[0] == "predict":
            check_config(Path(file))
        else:
            check_size(Path(file))
    try:
        return _close(_run(argv))
    except MisconfigurationException as error:
        raise UsageError(" ".join(str(error).split())) from error
    except SystemExit as stop:
        # Lightning turns a KeyboardInterrupt into an exit with code 1.
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from stop
        raise


def _run(argv: list[str]) -> LightningCLI:
    return RecolorCLI(
        pl.LightningModule,
        pl.LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        save_config_callback=None,
        parser_class=_Parser,
        parser_kwargs={
            "prog": "recolor",
            **{verb: {"description": text} for verb, text in DESCRIPTIONS.items()},
        },
        args=argv,
    )


def _close(cli: LightningCLI) -> int:
    if isinstance(cli.model, GramTransferModule) and cli.model.losses:
        _say_transfer(cli)
        return 0
    writers = [c for c in cli.trainer.callbacks if isinstance(c, PictureWriter)]  # type: ignore[attr-defined]
    if not writers or not isinstance(cli.datamodule, PictureDataModule):
        return 0
    counts = writers[0].entries
    skipped = len(cli.datamodule.plan.skipped) if cli.datamodule.plan else 0
    if cli.trainer.is_global_zero:
        if cli.datamodule.plan:
            say_kept(cli.datamodule.plan)
        out = show_path(cli.datamodule.output or "")
        print(f"{counts['done']} done, {skipped} skipped, {counts['failed']} failed, in {out}")
    closed = cli.datamodule.plan is not None and cli.datamodule.plan.closed
    return 3 if counts["failed"] or closed else 0


def _say_transfer(cli: LightningCLI) -> None:
    loss, rounded = cli.model.final_losses()
    steps, folder = len(cli.model.losses), cli.trainer.log_dir or cli.trainer.default_root_dir
    print(f"{steps} steps, loss {loss:.6g}, {rounded:.6g} after rounding to 8 bits, in {folder}")
