"""``recolor predict`` (and the other verbs of LightningCLI): runs from a config, on any number of devices."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.cli import LightningCLI

from recolor_torch.cli.running import quiet_lightning
from recolor_torch.data.datamodule import PictureDataModule
from recolor_torch.output.writer import PictureWriter


class Trainer(pl.Trainer):
    """Lightning's Trainer; predictions are streamed to disk by callbacks and never collected."""

    def predict(self, *args: Any, return_predictions: bool = False, **kwargs: Any) -> Any:
        """As Lightning's; ``return_predictions`` is off where it is not asked for."""
        return super().predict(*args, return_predictions=return_predictions, **kwargs)


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    quiet_lightning()
    cli = LightningCLI(
        pl.LightningModule,
        pl.LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        trainer_class=Trainer,
        save_config_callback=None,
        args=argv,
    )
    return _close(cli)


def _close(cli: LightningCLI) -> int:
    writers = [c for c in cli.trainer.callbacks if isinstance(c, PictureWriter)]  # type: ignore[attr-defined]
    if not writers or not isinstance(cli.datamodule, PictureDataModule):
        return 0
    counts = writers[0].entries
    skipped = len(cli.datamodule.plan.skipped) if cli.datamodule.plan else 0
    if cli.trainer.is_global_zero:
        print(f"{counts['done']} done, {skipped} skipped, {counts['failed']} failed, in {cli.datamodule.output}")
    return 3 if counts["failed"] else 0
