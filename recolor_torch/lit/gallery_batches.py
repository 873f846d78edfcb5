"""Pictures for a gallery, read as luminance at the size of its descriptors."""

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from recolor_torch.files import file_hash
from recolor_torch.gallery.changes import FoundFile
from recolor_torch.gallery.descriptor import scaled_luminance
from recolor_torch.gallery.gallery import absolute
from recolor_torch.gallery.pending import Skipped
from recolor_torch.gallery.table import Row
from recolor_torch.pictures.captions import captions
from recolor_torch.pictures.decode import MAX_PIXELS
from recolor_torch.pictures.guidance import visible
from recolor_torch.pictures.read import PictureError, read_picture
from recolor_torch.system import usable_cores


class GalleryBatch:
    """Pictures as a gallery sees them, grouped by size.

    Not a dataclass: Lightning would take one apart.

    Attributes:
        rows: what the table will say of each picture.
        groups: positions in ``rows`` and their luminance, (N, 1, h, w), for each size.
        skipped: pictures that could not be read.
    """

    def __init__(self, rows: list[Row], luminance: list[Tensor], skipped: list[Skipped]) -> None:
        self.rows = rows
        self.skipped = skipped
        sizes: dict[tuple[int, ...], list[int]] = {}
        for i, y in enumerate(luminance):
            sizes.setdefault(tuple(y.shape), []).append(i)
        self.groups = [(members, torch.cat([luminance[i] for i in members])) for members in sizes.values()]


class GalleryDataset(Dataset[GalleryBatch]):
    """Item i is the i-th batch of pictures.

    Args:
        folder: the gallery.
        files: the pictures.
        side: longer side of their luminance.
        batch_size: pictures in a batch.
        max_pixels: pictures with more are passed over.
    """

    def __init__(
        self, folder: Path, files: Sequence[FoundFile], side: int, batch_size: int = 16, max_pixels: int = MAX_PIXELS
    ) -> None:
        self.folder = folder
        # Without files there is one batch of none: Lightning skips what has no batch, hooks included, and the other
        # processes would wait for this one for ever.
        self.batches = [files[i : i + batch_size] for i in range(0, max(1, len(files)), batch_size)]
        self.side = side
        self.max_pixels = max_pixels

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> GalleryBatch:
        rows, luminance, skipped = [], [], []
        for file in self.batches[index]:
            path = absolute(self.folder, file.path)
            try:
                picture = read_picture(path, self.max_pixels)
                image, _ = visible(picture)
                digest = bytes.fromhex(file_hash(path))
                status = os.stat(path)
                if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime):
                    raise PictureError(f"{path}: the file changed while it was being read.")
            except PictureError as error:
                skipped.append(Skipped(file.path, file.size, file.mtime, str(error)))
                continue
            except OSError as error:
                reason = f"{path}: cannot read this file ({error.strerror})."
                skipped.append(Skipped(file.path, file.size, file.mtime, reason))
                continue
            info = picture.info
            said = captions(picture)
            rows.append(Row(file.path, file.size, file.mtime, digest, info.width, info.height, text=said))
            luminance.append(scaled_luminance(image, self.side))
        return GalleryBatch(rows, luminance, skipped)


@dataclass(eq=False)
class GalleryDataModule(pl.LightningDataModule):
    """Pictures whose descriptors are to be computed, shared out to the processes of a run.

    Args:
        folder: the gallery.
        files: the pictures.
        side: longer side of their luminance.
        batch_size: pictures read at once; those of one size go through the network together.
        workers: processes that read ahead; -1 chooses.
        max_pixels: larger pictures are passed over.
    """

    folder: Path
    files: Sequence[FoundFile]
    side: int
    batch_size: int = 16
    workers: int = -1
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True  # a process may get no picture

    def predict_dataloader(self) -> DataLoader[Any]:
        """This process's batches."""
        assert self.trainer is not None
        rank, world = self.trainer.global_rank, self.trainer.world_size
        # By name and not by place: processes that list the files at different moments still agree whose each is.
        mine = [f for f in self.files if zlib.crc32(os.fsencode(f.path)) % world == rank]
        dataset = GalleryDataset(self.folder, mine, self.side, self.batch_size, self.max_pixels)
        chosen = 0 if len(dataset) < 4 else min(8, max(1, usable_cores() - 1))
        workers = chosen if self.workers < 0 else self.workers
        ahead = 2 if workers else None
        return DataLoader(dataset, batch_size=None, shuffle=False, num_workers=workers, prefetch_factor=ahead)
