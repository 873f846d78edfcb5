"""LightningDataModules."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
from torch.utils.data import DataLoader, DistributedSampler

from recolor_torch.errors import UsageError
from recolor_torch.pictures.read import PictureError, probe
from recolor_torch.run import record
from recolor_torch.run.batches import BatchDataset
from recolor_torch.run.plan import Guidance, Plan, make_plan, refuse_inputs
from recolor_torch.run.retrieval import Retrieval
from recolor_torch.run.sequences import SequenceDataset, clip_windows
from recolor_torch.run.targets import Target, find_targets, read_list, read_pairs
from recolor_torch.system import usable_cores


class _Share(DistributedSampler):
    """Every n-th batch for each of n processes, none twice; a process may get none.

    Lightning's own sampler for prediction fails where there are fewer batches than processes.
    """

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.rank, len(self.dataset), self.num_replicas))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(range(self.rank, len(self.dataset), self.num_replicas))  # type: ignore[arg-type]


class PictureDataModule(pl.LightningDataModule):
    """Pictures to recolour, with their references, in batches of equal size.

    Finished targets are left out, by the hashes of input and settings in ``run.jsonl`` beside the outputs.

    Args:
        targets: files, folders or globs.
        output: a file for one target, else a folder in which the tree below each folder is kept.
        references: pictures whose colours are wanted, for all targets.
        reference_weights: share of each reference; equal without it.
        reference_masks: for each reference a picture of its size, white where its colours count.
        target_mask: picture, white where targets are to be recoloured; it is resized to each target.
        target_list: text file with a target a line.
        hints: file of given colours for one target, or a folder with a file of the same stem for each.
        sequence: the targets are the frames of a clip, in natural order: hints on some are carried to the others,
            by a method that does so (levin with ``sequence``), and the clip is coloured as a whole.
        pairs: CSV, TSV or JSONL with the columns target, reference[, hints], in place of targets and references.
        suffix: put between an output's name and its extension.
        ext: format of the outputs; ``auto`` keeps each target's.
        overwrite: replace existing outputs, and do finished targets again.
        batch_size: most pictures in a batch.
        batch_megapixels: most megapixels in a batch; a larger picture is a batch of its own.
        workers: processes that read ahead; -1 chooses by the number of targets and cores.
        max_pixels: larger pictures are refused.
        gallery: folders of ``recolor gallery``, in place of references: each target gets those most like it.
        gallery_count: how many references each target gets from the gallery.
        weights: file of the VGG-19 weights that the gallery was made with; found by itself without it.
        download: let torchvision fetch VGG-19 where no weights are found.
        vgg_preprocessing: how VGG-19's input is made, where the weights' file does not say.
    """

    def __init__(
        self,
        targets: list[str] | None = None,
        output: Path | None = None,
        references: list[Path] | None = None,
        reference_weights: list[float] | None = None,
        reference_masks: list[Path] | None = None,
        target_mask: Path | None = None,
        target_list: Path | None = None,
        hints: Path | None = None,
        sequence: bool = False,
        pairs: Path | None = None,
        suffix: str = "",
        ext: Literal["auto", "png", "jpg", "webp", "tif"] = "auto",
        overwrite: bool = False,
        batch_size: int = 16,
        batch_megapixels: float = 8.0,
        workers: int = -1,
        max_pixels: int = 1_000_000_000,
        gallery: list[Path] | None = None,
        gallery_count: int = 3,
        weights: str | None = None,
        download: bool = False,
        vgg_preprocessing: Literal["torchvision", "caffe"] | None = None,
    ) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True  # fewer batches than processes
        self.targets = list(targets or [])
        self.output = None if output is None else Path(output)
        self.guidance = Guidance(
            tuple(Path(r) for r in references or ()),
            tuple(reference_weights or ()),
            tuple(Path(m) for m in reference_masks or ()),
            None if target_mask is None else Path(target_mask),
            None if hints is None else Path(hints).expanduser(),
        )
        self.sequence = sequence
        self.target_list = target_list
        self.pairs = pairs
        self.suffix = suffix
        self.ext = ext
        self.overwrite = overwrite
        self.batch_size = batch_size
        self.batch_megapixels = batch_megapixels
        self.workers = workers
        self.max_pixels = max_pixels
        self.retrieval: Retrieval | None = None
        if gallery:
            galleries = tuple(Path(g) for g in gallery)
            self.retrieval = Retrieval(galleries, gallery_count, weights, download, vgg_preprocessing)
        self.plan: Plan | None = None

    def make_plan(self, settings: dict[str, Any], on_search: Callable[[int, int], None] | None = None) -> Plan:
        """Settle what is to be done; ``settings`` describe the method.

        ``on_search`` is told how many of how many targets have been looked up in the gallery.

        Raises:
            UsageError: something named does not exist, or the request is refused (see ``make_plan`` in plan.py).
        """
        if self.output is None:
            raise UsageError("Say where the result goes: no output was given.")
        if self.batch_size < 1 or self.workers < -1:
            raise UsageError(f"A batch has 1 picture or more, got {self.batch_size}; workers are -1 or more.")
        if "/" in self.suffix or "\\" in self.suffix:
            raise UsageError(f"A suffix is put into a name and holds no slash, got {self.suffix!r}.")
        self._check_guidance()
        if self.retrieval is not None:
            settings = {**settings, **self.retrieval.settings()}
        targets = self._find_targets()
        single = len(self.targets) == 1 and len(targets) == 1 and Path(self.targets[0]).expanduser().is_file()
        self.plan = make_plan(
            targets,
            self.output,
            self.guidance,
            settings,
            single=single,
            suffix=self.suffix,
            ext=self.ext,
            overwrite=self.overwrite,
            max_pixels=self.max_pixels,
            sequence=self.sequence,
        )
        if self.retrieval is not None:
            self.plan.jobs = self.retrieval.find(self.plan.jobs, self.max_pixels, on_search)
            refuse_inputs(self.plan.jobs)
        if self.sequence:
            clip_windows(self.plan.jobs, self.batch_size, self.batch_megapixels)  # refuses what cannot be held
        return self.plan

    def setup(self, stage: str) -> None:
        """Plan with the settings of the trainer's module. Lightning waits for all processes after this."""
        assert self.trainer is not None
        if self.sequence and self.trainer.world_size > 1:
            raise UsageError("The frames of a clip are coloured one after another: use one device.")
        if self.plan is None:
            self.make_plan(self.trainer.lightning_module.describe())  # type: ignore[operator]
        assert self.output is not None
        assert self.plan is not None
        for job in self.plan.jobs:
            _make_folder(job.output.parent)

    def predict_dataloader(self) -> DataLoader:
        """Batches of the plan's jobs, shared out to the processes."""
        assert self.plan is not None
        assert self.trainer is not None
        dataset: BatchDataset
        if self.sequence:
            dataset = SequenceDataset(self.plan.jobs, self.batch_size, self.batch_megapixels, self.max_pixels)
        else:
            dataset = BatchDataset(self.plan.jobs, self.batch_size, self.batch_megapixels, self.max_pixels)
        workers = _default_workers(len(dataset)) if self.workers < 0 else self.workers
        share = _Share(dataset, self.trainer.world_size, self.trainer.global_rank, shuffle=False)
        ahead = 1 if workers else None
        return DataLoader(dataset, batch_size=None, sampler=share, num_workers=workers, prefetch_factor=ahead)

    def _find_targets(self) -> list[Target]:
        if self.pairs is not None:
            if self.targets or self.target_list:
                raise UsageError("Targets come from the pairs: give either pairs or targets, not both.")
            pairs = read_pairs(Path(self.pairs))
            if self.guidance.references and any(pair.references for pair in pairs):
                raise UsageError("The pairs name their references: give either those or -r, not both.")
            return pairs
        names = self.targets + (read_list(Path(self.target_list)) if self.target_list else [])
        if not names:
            raise UsageError("No targets were given: name files, folders or globs (./-x.jpg for -x.jpg).")
        targets = self._without_hints(names, find_targets(names, skip=self.output))
        return self._without_results(targets)

    def _without_results(self, targets: list[Target]) -> list[Target]:
        """The targets without what earlier runs put into the output folder, where that is a folder of targets."""
        assert self.output is not None
        if not self.output.is_dir():
            return targets
        made = {(self.output / name).absolute() for name in record.load(self.output)}
        left = [t for t in targets if t.path.absolute() not in made]
        return left if left else targets

    def _without_hints(self, names: list[str], targets: list[Target]) -> list[Target]:
        """The targets without those in the folder of hints, where that lies in a folder of targets."""
        folder = self.guidance.hints
        if folder is None or not folder.is_dir() or any(Path(n).absolute() == folder.absolute() for n in names):
            return targets
        inner = folder.absolute()
        # A target that was named itself, and not found below a folder, has no folder in its relative path.
        return [t for t in targets if len(t.relative.parts) == 1 or inner not in t.path.absolute().parents]

    def _check_guidance(self) -> None:
        g = self.guidance
        if self.retrieval is not None and g.references:
            raise UsageError("References come from the gallery: give either a gallery or references, not both.")
        for path in (*g.references, *g.reference_masks, g.target_mask):
            if path is not None and not path.is_file():
                what = "is a folder, not a picture" if path.is_dir() else "no such file"
                raise UsageError(f"{path}: {what}.")  # one file each: folders and globs are for targets
            if path is not None:
                try:
                    probe(path, self.max_pixels)
                except PictureError as error:
                    raise UsageError(str(error)) from error
        if g.hints is not None and not g.hints.exists():
            raise UsageError(f"{g.hints}: no such file or folder of hints.")
        if g.weights and len(g.weights) != len(g.references):
            raise UsageError(f"{len(g.weights)} reference weights were given for {len(g.references)} references.")
        if g.weights and (min(g.weights) < 0 or sum(g.weights) <= 0):
            raise UsageError(f"Reference weights must be 0 or more and not all 0, got {list(g.weights)}.")
        if g.reference_masks and len(g.reference_masks) != len(g.references):
            raise UsageError(f"{len(g.reference_masks)} reference masks were given for {len(g.references)} references.")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot make this folder ({error.strerror}).") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{folder}: no permission to write in this folder.")


def _default_workers(batches: int) -> int:
    """None for a few batches, which start-up would cost more than it saves; else a core is left to the method."""
    return 0 if batches < 4 else min(8, batches, max(1, usable_cores() - 1))
