"""Lightning's progress bar with a word for each number."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.callbacks.progress.rich_progress import CustomTimeColumn
from rich.progress import TextColumn, TimeElapsedColumn, TimeRemainingColumn


class LabeledProgressBar(RichProgressBar):
    """Says which time is behind and which is ahead, where Lightning's own shows two times without a word."""

    def configure_columns(self, trainer: pl.Trainer) -> list[Any]:
        """Lightning's columns, but for that of the times."""
        columns: list[Any] = []
        for column in super().configure_columns(trainer):
            if isinstance(column, CustomTimeColumn):
                columns += [TimeElapsedColumn(), TextColumn("so far,"), TimeRemainingColumn(), TextColumn("left")]
            else:
                columns.append(column)
        return columns

    def _get_train_description(self, current_epoch: int) -> str:
        # Where the steps are limited and the epochs are not, Lightning writes "Epoch 0/-2".
        return super()._get_train_description(current_epoch).removesuffix("/-2")


def label_progress(trainer: pl.Trainer) -> None:
    """Put the bar in the place of Lightning's own; one that the user chose stays."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    for i, callback in enumerate(callbacks):
        if type(callback) is RichProgressBar:
            callbacks[i] = LabeledProgressBar()
