"""Lightning's progress bar with a word for each number."""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.callbacks.progress.rich_progress import CustomTimeColumn
from rich.progress import TextColumn, TimeElapsedColumn, TimeRemainingColumn

from recolor_torch.run.batches import PictureBatch


class LabeledProgressBar(RichProgressBar):
    """Says which time is behind and which is ahead, where Lightning's own shows two times without a word.

    Predicting counts pictures, where Lightning's counts batches.
    """

    _sizes: Sequence[int] = ()

    def configure_columns(self, trainer: pl.Trainer) -> list[Any]:
        """Lightning's columns, but for that of the times."""
        columns: list[Any] = []
        for column in super().configure_columns(trainer):
            if isinstance(column, CustomTimeColumn):
                columns += [TimeElapsedColumn(), TextColumn("so far,"), TimeRemainingColumn(), TextColumn("left")]
            else:
                columns.append(column)
        return columns

    def on_predict_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Begin the bar; where batches hold pictures, it counts these: batches are of many sizes."""
        begun = self.predict_progress_bar_id
        super().on_predict_batch_start(trainer, pl_module, batch, batch_idx, dataloader_idx)
        if isinstance(batch, PictureBatch) and self.predict_progress_bar_id not in (None, begun):
            assert self.progress is not None
            loader: Any = trainer.predict_dataloaders
            self._sizes = [len(loader.dataset.batches[i]) for i in loader.sampler]
            self.progress.update(self.predict_progress_bar_id, total=sum(self._sizes))

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Move the bar on."""
        if not isinstance(batch, PictureBatch):
            super().on_predict_batch_end(trainer, pl_module, outputs, batch, batch_idx, dataloader_idx)
        elif not self.is_disabled and self.predict_progress_bar_id is not None:
            assert self.progress is not None
            self.progress.update(self.predict_progress_bar_id, completed=sum(self._sizes[: batch_idx + 1]))
            self.refresh()

    def _get_train_description(self, current_epoch: int) -> str:
        # Where the steps are limited and the epochs are not, Lightning writes "Epoch 0/-2".
        return super()._get_train_description(current_epoch).removesuffix("/-2")


def label_progress(trainer: pl.Trainer) -> None:
    """Put the bar in the place of Lightning's own; one that the user chose stays."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    for i, callback in enumerate(callbacks):
        if type(callback) is RichProgressBar:
            callbacks[i] = LabeledProgressBar()
