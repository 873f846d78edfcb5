"""``recolor fit``, ``predict`` and the other verbs of LightningCLI: runs from a config, on any number of devices."""

import lightning.pytorch as pl
from lightning.pytorch.cli import LightningCLI

from recolor_torch.cli.checkpoint import check_checkpoint, restoring
from recolor_torch.cli.running import quiet_lightning
from recolor_torch.lit import GramTransferModule
from recolor_torch.lit.datamodule import PictureDataModule
from recolor_torch.lit.writer import PictureWriter
from recolor_torch.paths import show_path

PREDICT = """Recolour pictures with a method from a config, under Lightning's Trainer. The same file serves
recolor colorize --config. Example: recolor predict --config configs/methods/histogram.yaml
--data.targets '[scans/]' --data.references '[colour.jpg]' --data.output coloured/ --trainer.devices 2"""

FIT = """Optimise a picture, or train a network, from a config under Lightning's Trainer. Example:
recolor fit --config configs/gram/report-fig31.yaml --data.target old.jpg --data.references '[style.jpg]'
--trainer.max_steps 200; later --ckpt_path FILE goes on where a checkpoint was. recolor plot loss shows the log."""


class RecolorCLI(LightningCLI):
    """LightningCLI; predictions are streamed to disk by a callback and never collected."""

    checkpoint: str | None = None

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


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    quiet_lightning()
    try:
        return _close(_run(argv))
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
        parser_kwargs={"prog": "recolor", "fit": {"description": FIT}, "predict": {"description": PREDICT}},
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
        out = show_path(cli.datamodule.output or "")
        print(f"{counts['done']} done, {skipped} skipped, {counts['failed']} failed, in {out}")
    closed = cli.datamodule.plan is not None and cli.datamodule.plan.closed
    return 3 if counts["failed"] or closed else 0


def _say_transfer(cli: LightningCLI) -> None:
    loss, rounded = cli.model.final_losses()
    steps, folder = len(cli.model.losses), cli.trainer.log_dir or cli.trainer.default_root_dir
    print(f"{steps} steps, loss {loss:.6g}, {rounded:.6g} after rounding to 8 bits, in {folder}")
