"""Streaming results to disk under Lightning: each picture is written and recorded as soon as its batch is done."""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import BasePredictionWriter

from recolor_torch.paths import printable
from recolor_torch.run.batches import PictureBatch
from recolor_torch.run.engine import write_all
from recolor_torch.run.writer import ResultWriter, clear_unfinished

LOG = logging.getLogger("recolor_torch")


class PictureWriter(BasePredictionWriter):
    """Writes each result under its job's output path and a line about it into ``run.jsonl``.

    Lightning's batch indices are not used, and nothing is kept.

    Args:
        save_stages: write intermediate results too, into a folder ``NAME.stages`` beside each output.
        threads: pictures of a batch that are encoded at a time.
    """

    def __init__(self, save_stages: bool = False, threads: int = 2) -> None:
        super().__init__(write_interval="batch")
        self.save_stages = save_stages
        self.threads = threads
        self.entries: dict[str, int] = {"done": 0, "failed": 0}
        self.writer: ResultWriter | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take what the record says of the method from the module; clear what killed runs left."""
        # Results carry their own paths.
        warnings.filterwarnings("ignore", message="Couldn't infer the batch indices")
        self.writer = ResultWriter(pl_module.describe(), self.save_stages)  # type: ignore[operator]
        pl_module.method.keep_stages = self.save_stages  # type: ignore[union-attr]
        if trainer.is_global_zero:
            clear_unfinished(trainer.datamodule.plan)  # type: ignore[attr-defined]

    def write_on_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: PictureBatch,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write the results of a batch and wait for the disk: a kill repeats at most this batch."""
        assert self.writer is not None
        for entry in write_all(self.writer, prediction, self.threads):
            self.entries[entry["status"]] += 1
            self.on_entry(entry)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Add up the counts of all processes. (A process without batches comes here, and not to ``on_predict_end``.)"""
        if trainer.world_size > 1:
            names = list(self.entries)
            counts = torch.tensor([self.entries[name] for name in names], device=pl_module.device)
            total = trainer.strategy.reduce(counts, reduce_op="sum")
            self.entries = dict(zip(names, total.tolist()))

    def on_entry(self, entry: dict[str, Any]) -> None:
        """Called with each line of the record, to say it; here what failed, and notes, go to the log."""
        for note in [entry["error"]] if entry["error"] else [f"{entry['target']}: {n}" for n in entry["notes"]]:
            LOG.warning(printable(note))
