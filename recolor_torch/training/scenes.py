"""Training of a network that also learns what kind of scene it sees."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from recolor_torch.errors import UsageError
from recolor_torch.networks import Estimate
from recolor_torch.paths import as_path
from recolor_torch.text import read_text
from recolor_torch.training.colorization import ColorizationTraining
from recolor_torch.training.data import CentredPictures, TrainingDataModule, TrainingPictures, batches_done

# The label of a picture whose kind of scene is not known: it is learned from for its colors alone.
UNKNOWN = -1


def read_labels(path: str | Path, column: str = "label") -> dict[str, str]:
    """The labels in a CSV file, by the name of the picture file.

    Args:
        path: a table with the columns ``name`` and ``column``.
        column: the one that has the labels.

    Raises:
        UsageError: the file cannot be read, or lacks a column.
    """
    try:
        rows = list(csv.DictReader(read_text(as_path(path)).splitlines()))
    except (OSError, UnicodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as a table of labels ({error}).") from error
    for name in ("name", column):
        if not rows or name not in rows[0]:
            raise UsageError(f"{path}: a table of labels needs the columns name and {column}; {name} is missing.")
    return {Path(row["name"]).name: row[column] for row in rows}


def numbered(names: Sequence[str], labels: dict[str, str], scenes: Sequence[str]) -> list[int]:
    """The number of each picture's scene, ``UNKNOWN`` where it has no label or one that is not among ``scenes``.

    Example:
        >>> numbered(["a.jpg", "b.jpg"], {"a.jpg": "sea"}, ["forest", "sea"])
        [1, -1]
    """
    numbers = {scene: number for number, scene in enumerate(scenes)}
    return [numbers.get(labels.get(name, ""), UNKNOWN) for name in names]


class LabeledDataModule(TrainingDataModule):
    """Photographs with the kind of scene that each shows.

    The scenes are those of the network that is trained (``MultiPathNet``); of pictures of others only the colors are
    learned.

    Args:
        sources, size, side, least, batch_size, epoch, held_out, validated, limit, min_chroma, workers, seed: as of
            ``TrainingDataModule``.
        labels: CSV file with the columns ``name`` and ``column``.
        column: the column that has the labels.
    """

    def __init__(
        self,
        sources: list[str],
        labels: str,
        column: str = "label",
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
        super().__init__(
            sources, size, side, least, batch_size, epoch, held_out, validated, limit, min_chroma, workers, seed
        )
        self.labels, self.column = labels, column
        self.numbers: tuple[list[int], list[int]] = ([], [])

    def setup(self, stage: str | None = None) -> None:
        """Read the pictures and their labels, once."""
        if self.training:
            return
        labels = read_labels(self.labels, self.column)
        super().setup(stage)
        network = getattr(getattr(self.trainer, "lightning_module", None), "network", None)
        scenes = getattr(network, "scenes", None)
        if scenes is None:
            raise UsageError(f"{type(network).__name__} knows no scenes: labels are for MultiPathNet.")
        self.numbers = numbered(self.names[0], labels, scenes), numbered(self.names[1], labels, scenes)
        if max(self.numbers[0]) == UNKNOWN:
            known = ", ".join(sorted(set(labels.values()))[:9])
            raise UsageError(
                f"{self.labels}: no picture has one of the network's scenes in the column {self.column}: {known}."
            )

    def stream(self) -> TrainingPictures:
        """Crops with the numbers of their scenes."""
        return _LabeledPictures(self.training, self.numbers[0], self.size, self.least, self.seed)

    def held_back(self) -> CentredPictures:
        """The same of the pictures that are validated on."""
        return _LabeledMiddles(self.validation[: self.validated], self.numbers[1], self.size)


class _LabeledPictures(TrainingPictures):
    def __init__(
        self, pictures: Sequence[np.ndarray], numbers: Sequence[int], size: int, least: float, seed: int
    ) -> None:
        super().__init__(pictures, size, least, seed)
        self.numbers = numbers

    def __getitem__(self, position: int) -> tuple[Tensor, int]:  # type: ignore[override]
        return super().__getitem__(position), self.numbers[self.which(position)]


class _LabeledMiddles(CentredPictures):
    def __init__(self, pictures: Sequence[np.ndarray], numbers: Sequence[int], size: int) -> None:
        super().__init__(pictures, size)
        self.numbers = numbers

    def __getitem__(self, index: int) -> tuple[Tensor, int]:  # type: ignore[override]
        return super().__getitem__(index), self.numbers[index]


def scene_loss(logits: Tensor, numbers: Tensor) -> Tensor:
    """Cross entropy of the scenes, the mean over all pictures; those whose scene is not known count 0.

    Args:
        logits: (B, N).
        numbers: (B,), ``UNKNOWN`` where there is no label.
    """
    return F.cross_entropy(logits.float(), numbers, ignore_index=UNKNOWN, reduction="sum") / len(numbers)


def scene_accuracy(logits: Tensor, numbers: Tensor) -> Tensor:
    """For each picture with a label, whether its scene is the most likely one: (n,), 0 or 1."""
    known = numbers != UNKNOWN
    return (logits.argmax(1) == numbers)[known].float()


class MultiPathTraining(ColorizationTraining):
    """Trains a network on colors and on the kind of scene (Iizuka et al. 2016, eq. 6).

    Args:
        network: one that tells scenes apart.
        scene: weight of the cross entropy of the scenes.
        learning_rate, weight_decay, warmup, cooldown, classification, regression, mix, average, grain, tone, start,
            bins, seed: as of ``ColorizationTraining``.
    """

    def __init__(
        self,
        network: nn.Module,
        scene: float = 0.2,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        warmup: int = 200,
        cooldown: float = 0.2,
        classification: float = 1.0,
        regression: float = 10.0,
        mix: float = 0.5,
        average: float = 0.998,
        grain: float = 0.03,
        tone: float = 0.25,
        start: str | None = None,
        bins: str | None = None,
        seed: int = 0,
    ) -> None:
        settings: dict[str, Any] = {"warmup": warmup, "cooldown": cooldown, "weight_decay": weight_decay}
        settings |= {"classification": classification, "regression": regression, "mix": mix, "average": average}
        settings |= {"grain": grain, "tone": tone, "start": start, "bins": bins, "seed": seed}
        super().__init__(network, learning_rate, **settings)
        self.scene = scene

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:  # type: ignore[override]
        """The loss of a batch of pictures, (B, 3, H, W), uint8, and the numbers of their scenes, (B,)."""
        pictures, numbers = batch
        image, luminance, _, _ = self.example(pictures, batches_done(self.trainer))
        estimate = self.answer(luminance, None, None)
        told = scene_loss(_scene_of(estimate), numbers)
        self.log("train/scene", told)
        return self.loss(estimate, image) + self.scene * told

    def shown(self, batch: Any) -> tuple[Tensor, Tensor]:
        """The pictures of a batch as sRGB, and their luminance."""
        return super().shown(batch[0])

    def _measure(self, batch: Any, batch_idx: int, stage: str) -> None:
        super()._measure(batch, batch_idx, stage)
        right = scene_accuracy(_scene_of(self(self.shown(batch)[1])), batch[1])
        if len(right):
            self.log(f"{stage}/scene_accuracy", right.mean(), batch_size=len(right))


def _scene_of(estimate: Estimate) -> Tensor:
    if estimate.scene is None:
        raise UsageError("The network tells no scenes apart: MultiPathTraining is for MultiPathNet.")
    return estimate.scene
