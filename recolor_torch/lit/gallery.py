"""Computing the descriptors of a gallery under a Trainer, on any number of devices, with checkpoints."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from recolor_torch.features import VggWeights
from recolor_torch.gallery.changes import FoundFile
from recolor_torch.gallery.descriptor import Descriptor, DescriptorSpec
from recolor_torch.gallery.pending import Skipped, write_checkpoint
from recolor_torch.gallery.table import Row
from recolor_torch.lit.gallery_batches import GalleryBatch, GalleryDataModule
from recolor_torch.lit.together import StopTogether


class DescriptorModule(pl.LightningModule):
    """Descriptors of batches of pictures, under ``Trainer.predict``.

    Args:
        descriptor: the network with its pooling.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self.descriptor = descriptor

    def forward(self, luminance: Tensor) -> Tensor:
        """(B, 1, h, w) to (B, copies, D)."""
        return self.descriptor.copies(luminance)

    def predict_step(self, batch: GalleryBatch, batch_idx: int = 0) -> np.ndarray:
        """Raw descriptors of the batch's rows, (N, copies, D)."""
        if not batch.rows:
            return np.zeros((0, 0, 0), np.float32)
        place = next(self.descriptor.parameters())
        parts = [self(y.to(place)).float().cpu() for _, y in batch.groups]
        order = torch.tensor([i for members, _ in batch.groups for i in members])
        return torch.cat(parts)[order.argsort()].numpy()


class CheckpointWriter(Callback):
    """Writes what was computed as checkpoints of the gallery, so that a run that is killed goes on from there.

    Args:
        folder: the gallery.
        spec: what descriptors are computed by.
        every: most pictures between two checkpoints.
        seconds: most seconds between two.
        on_done: called with the number of pictures of each batch that is done, and those that could not be read.
    """

    def __init__(
        self,
        folder: Path,
        spec: DescriptorSpec,
        every: int = 2048,
        seconds: float = 20.0,
        on_done: Callable[[int, list[Skipped]], None] | None = None,
    ) -> None:
        self.folder = folder
        self.spec = spec
        self.every = every
        self.seconds = seconds
        self.on_done = on_done
        self._clear()

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: GalleryBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take a batch's descriptors, and write a checkpoint where it is time."""
        self._rows += batch.rows
        self._skipped += batch.skipped
        if len(outputs):
            self._raw.append(outputs)
        if self.on_done is not None:
            self.on_done(len(batch.rows) + len(batch.skipped), batch.skipped)
        if len(self._rows) + len(self._skipped) >= self.every or time.monotonic() - self._last >= self.seconds:
            self.flush()
        if trainer.received_sigterm:  # Lightning looks at this while it trains, and not while it predicts
            self.flush()
            raise KeyboardInterrupt

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the rest, and wait until every process has."""
        self.flush()
        trainer.strategy.barrier()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Write what there is before an error or an interruption ends the run."""
        self.flush()

    def flush(self) -> None:
        """Write a checkpoint of what is not yet in one."""
        if self._rows or self._skipped:
            raw = np.concatenate(self._raw) if self._raw else np.zeros((0, self.spec.copies, 0), np.float32)
            write_checkpoint(self.folder, self.spec, self._rows, raw, self._skipped)
        self._clear()

    def _clear(self) -> None:
        self._rows: list[Row] = []
        self._raw: list[np.ndarray] = []
        self._skipped: list[Skipped] = []
        self._last = time.monotonic()


def embed_pictures(
    folder: Path,
    spec: DescriptorSpec,
    files: list[FoundFile],
    weights: VggWeights,
    *,
    batch_size: int = 16,
    workers: int = -1,
    max_pixels: int | None = None,
    writer: CheckpointWriter | None = None,
    **trainer_options: Any,
) -> bool:
    """Compute the descriptors of ``files`` into checkpoints of the gallery in ``folder``.

    Args:
        folder: the gallery.
        spec: what descriptors are computed by.
        files: the pictures.
        weights: of VGG-19, the spec's.
        batch_size: pictures read at once.
        workers: processes that read ahead; -1 chooses.
        max_pixels: larger pictures are passed over.
        writer: in place of one with its defaults.
        trainer_options: of Lightning's Trainer, as ``devices=4``.

    Returns:
        Whether the run was interrupted.
    """
    data = GalleryDataModule(Path(folder), files, spec.side, batch_size, workers)
    if max_pixels is not None:
        data.max_pixels = max_pixels
    options: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    options["use_distributed_sampler"] = False  # the data are shared out already; a second time would lose most
    callback = writer or CheckpointWriter(Path(folder), spec)
    trainer = pl.Trainer(callbacks=[callback, StopTogether()], **{**options, **trainer_options})
    try:
        trainer.predict(DescriptorModule(Descriptor(weights, spec)), data, return_predictions=False)
    except (SystemExit, KeyboardInterrupt):
        # Lightning turns a KeyboardInterrupt into an exit with code 1; StopTogether raises one.
        callback.flush()
        return True
    return trainer.interrupted
