"""Photographs to train on, from tar files and folders, small and in memory."""

import io
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from recolor_torch.color import rgb_to_lab
from recolor_torch.errors import UsageError
from recolor_torch.paths import as_path, is_folder
from recolor_torch.pictures.formats import FORMATS
from recolor_torch.pictures.opening import PictureError, picture_suffixes, quiet
from recolor_torch.system import pass_on_lack_of_memory


def read_small(sources: Sequence[str | Path], side: int, longer: bool = False) -> Iterator[tuple[str, np.ndarray]]:
    """Names and pixels, (H, W, 3) uint8, of the pictures in tar files and folders; what is no picture is left out.

    Args:
        sources: tar files, and folders with what lies below them.
        side: pictures whose shorter side is longer than this are reduced to it. None is enlarged.
        longer: this holds for their longer side.

    Raises:
        UsageError: a source does not exist or cannot be read.
    """
    for name, data in picture_files(sources):
        try:
            yield name, decode_small(data, side, longer)
        except PictureError:
            continue


def picture_files(sources: Sequence[str | Path]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the picture files in tar files and folders.

    Raises:
        UsageError: a source does not exist or cannot be read.
    """
    for source in map(Path, sources):
        yield from _files(as_path(source))


class TrainingPictures(Dataset[Any]):
    """Random crops of pictures, as a stream in which a position says all: which picture, and which crop of it.

    The n-th round through the pictures has its own order, and the position is the seed of the crop. So a run that
    is resumed sees what it would have seen.

    Args:
        pictures: (H, W, 3) uint8.
        size: side of the crops in pixels.
        least: a crop's side is at least this share of the picture's shorter side.
        seed: of the stream.
    """

    def __init__(self, pictures: Sequence[np.ndarray], size: int, least: float = 0.5, seed: int = 0) -> None:
        self.pictures, self.size, self.least, self.seed = pictures, size, least, seed

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, position: int) -> Tensor:
        """(3, size, size), uint8."""
        return self.crop(position, self.pictures[self.which(position)])

    def which(self, position: int) -> int:
        """The number of the picture at a position of the stream."""
        around, place = divmod(position, len(self.pictures))
        return int(np.random.default_rng((self.seed, around)).permutation(len(self.pictures))[place])

    def crop(self, position: int, pixels: np.ndarray) -> Tensor:
        """The crop at a position of the stream, of this picture, (H, W, C): (C, size, size), uint8."""
        draw = np.random.default_rng((self.seed, *divmod(position, len(self.pictures))))
        share, down, across, turn = draw.random(4)
        height, width = pixels.shape[:2]
        side = min(height, width) * (self.least + (1 - self.least) * share)
        left, top = across * (width - side), down * (height - side)
        return _cut(pixels, self.size, (left, top, left + side, top + side), turn < 0.5)


class CentredPictures(Dataset[Any]):
    """The square middle of each picture, (3, size, size), uint8.

    Args:
        pictures: (H, W, 3) uint8.
        size: side in pixels.
    """

    def __init__(self, pictures: Sequence[np.ndarray], size: int) -> None:
        self.pictures, self.size = pictures, size

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Tensor:
        pixels = self.pictures[index]
        height, width = pixels.shape[:2]
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        return _cut(pixels, self.size, (left, top, left + side, top + side), False)


def _cut(pixels: np.ndarray, size: int, box: tuple[float, float, float, float], mirrored: bool) -> Tensor:
    """A part of a picture of three channels or more, (H, W, C) uint8, brought to ``size`` squared: (C, size, size)."""
    parts = []
    for first in range(0, pixels.shape[-1], 3):
        part = pixels[..., first : first + 3]
        # Pillow has pictures of three channels and of one.
        for plane in [part] if part.shape[-1] == 3 else np.split(part, part.shape[-1], -1):
            image = Image.fromarray(np.ascontiguousarray(plane if plane.shape[-1] == 3 else plane[..., 0]))
            image = image.resize((size, size), Image.Resampling.BICUBIC, box)
            parts.append(np.asarray(ImageOps.mirror(image) if mirrored else image).reshape(size, size, -1))
    return torch.from_numpy(np.concatenate(parts, -1).copy()).permute(2, 0, 1)


class _Stretch(DistributedSampler[Any]):
    """An epoch as the next stretch of the stream; each process has every n-th position.

    Where it begins is asked for, and counted in batches that have been learned from: so a run that is resumed inside an
    epoch goes on behind the last of them, and an epoch that was cut short leaves no pictures out.
    """

    def __init__(self, dataset: Dataset[Any], length: int, processes: int, rank: int, begin: Callable[[], int]) -> None:
        super().__init__(dataset, num_replicas=processes, rank=rank)
        self.length, self.begin = length, begin

    def __iter__(self) -> Iterator[int]:
        start = self.begin()
        return iter(range(start + self.rank, start + self.length, self.num_replicas))

    def __len__(self) -> int:
        return len(range(self.rank, self.length, self.num_replicas))


class _ResumableLoader(DataLoader[Any]):
    """Says to Lightning that it goes on where a run was cut. The Trainer's count of batches is all its state."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing of its own."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take back."""


def batches_done(trainer: pl.Trainer) -> int:
    """How many batches a run has learned from, those before it was resumed included.

    A batch counts from the end of its step on, so in a step it is the batch's number, from 0.
    """
    return trainer.fit_loop.epoch_loop.batch_progress.total.processed  # type: ignore[attr-defined]


class TrainingDataModule(pl.LightningDataModule):
    """Photographs for training a colorization network: decoded once, kept in memory as 8-bit pixels.

    Args:
        sources: tar files of pictures, and folders.
        size: side of the crops that are trained on, in pixels, a multiple of 32.
        side: shorter side at which pictures are kept in memory.
        least: a crop's side is at least this share of the picture's shorter side.
        batch_size: pictures in a batch, on each device.
        epoch: pictures in an epoch, over all devices; all of them once without it.
        held_out: share of the pictures that are never trained on and serve for validation.
        validated: at most so many of those are looked at.
        limit: take only so many pictures.
        min_chroma: pictures with a mean chroma (of Lab) below this are left out: they are gray.
        workers: processes that make the crops.
        seed: of order and crops.
    """

    def __init__(
        self,
        sources: list[str],
        size: int = 128,
        side: int = 160,
        least: float = 0.5,
        batch_size: int = 32,
        epoch: int | None = None,
        held_out: float = 0.05,
        validated: int = 200,
        limit: int | None = None,
        min_chroma: float = 3.0,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if size % 32 or size < 32:
            raise UsageError(f"The size of the crops must be a multiple of 32, got {size}.")
        self.sources, self.size, self.side, self.least = list(sources), size, side, least
        self.batch_size, self.epoch, self.held_out = batch_size, epoch, held_out
        self.validated, self.limit, self.min_chroma = validated, limit, min_chroma
        self.workers, self.seed = workers, seed
        self.training: list[np.ndarray] = []
        self.validation: list[np.ndarray] = []
        self.names: tuple[list[str], list[str]] = ([], [])

    def setup(self, stage: str | None = None) -> None:
        """Read the pictures, once."""
        if self.training:
            return
        for count, (name, pixels) in enumerate(read_small(self.sources, self.side)):
            if count == self.limit:
                break
            if _mean_chroma(pixels) < self.min_chroma:
                continue
            # By the name, so that a picture stays on its side when others come or go.
            aside = zlib.crc32(Path(name).name.encode()) % 10_000 < 10_000 * self.held_out
            (self.validation if aside else self.training).append(pixels)
            self.names[aside].append(Path(name).name)
        if not self.training:
            raise UsageError(f"There are no pictures to train on in {', '.join(self.sources)}.")

    def samples(self, count: int) -> Iterator[Tensor]:
        """``count`` crops of the training pictures (or as many as there are), (1, 3, size, size), uint8."""
        dataset = TrainingPictures(self.training, self.size, self.least, self.seed)
        return (dataset[position][None] for position in range(min(count, len(dataset))))

    def stream(self) -> TrainingPictures:
        """What is trained on."""
        return TrainingPictures(self.training, self.size, self.least, self.seed)

    def held_back(self) -> CentredPictures:
        """What is validated on."""
        return CentredPictures(self.validation[: self.validated], self.size)

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of ``stream``: (B, 3, size, size), uint8."""
        dataset = self.stream()
        trainer = self.trainer
        if trainer is None:
            raise RuntimeError("Batches for training need a Trainer: it says which epoch they are for.")
        length = self.epoch or len(dataset)
        together = self.batch_size * trainer.world_size
        if length < together:
            raise UsageError(
                f"An epoch of {length} pictures is less than a batch of {together}"
                " (batch_size on each device): there would be nothing to learn from."
            )
        # With overfit_batches each epoch has the same pictures.
        begin = (lambda: 0) if trainer.overfit_batches else (lambda: batches_done(trainer) * together)  # type: ignore[attr-defined]
        return _ResumableLoader(
            dataset,
            self.batch_size,
            sampler=_Stretch(dataset, length, trainer.world_size, trainer.global_rank, begin),
            num_workers=self.workers,
            drop_last=True,
            persistent_workers=self.workers > 0,
        )

    def val_dataloader(self) -> DataLoader[Any]:
        """Batches of the pictures that are held out."""
        return DataLoader(self.held_back(), self.batch_size)

    def test_dataloader(self) -> DataLoader[Any]:
        """The pictures that are held out: give a folder of its own as ``validation`` for a test."""
        return self.val_dataloader()


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    if is_folder(source):
        for file in sorted(p for p in source.rglob("*") if p.suffix.lower() in FORMATS):
            yield str(file), file.read_bytes()
        return
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None and Path(member.name).suffix.lower() in FORMATS:
                    yield member.name, content.read()
    except (OSError, tarfile.TarError) as error:
        raise UsageError(f"{source}: neither a folder nor a tar file that can be read ({error}).") from error


def decode_small(data: bytes, side: int, longer: bool = False) -> np.ndarray:
    """Pixels of a picture file, (H, W, 3) uint8, its shorter (or its longer) side reduced to ``side``.

    Raises:
        PictureError: the file is damaged.
    """
    picture_suffixes()  # so that what reads HEIC is there
    try:
        with quiet():
            file = Image.open(io.BytesIO(data))
        file.draft("RGB", (2 * side, 2 * side))
        image = ImageOps.exif_transpose(file).convert("RGB")
        given = max(image.size) if longer else min(image.size)
        if given > side:
            scale = side / given
            image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
        return np.asarray(image)
    # Decoders meet damaged bytes with nearly any exception.
    except Exception as error:
        pass_on_lack_of_memory(error)
        raise PictureError(f"a picture is damaged: {error}") from error


def _mean_chroma(pixels: np.ndarray) -> float:
    """Mean chroma in Lab, of a reduced copy."""
    small = torch.from_numpy(pixels[::4, ::4].copy()).permute(2, 0, 1)[None] / 255
    return float(rgb_to_lab(small)[:, 1:].norm(dim=1).mean())
