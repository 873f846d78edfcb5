"""LightningDataModules."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
from torch.utils.data import DataLoader, DistributedSampler

from recolor_torch.errors import UsageError
from recolor_torch.paths import as_path
from recolor_torch.run.description import GallerySource, Guidance, Loading, Output, Run, Targets
from recolor_torch.run.engine import batches_of, default_readers
from recolor_torch.run.plan import Plan
from recolor_torch.run.planning import make_folders, plan_run


class _Share(DistributedSampler[Any]):
    """Every n-th batch for each of n processes, none twice; a process may get none.

    Lightning's own sampler for prediction fails where there are fewer batches than processes.
    """

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.rank, len(self.dataset), self.num_replicas))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(range(self.rank, len(self.dataset), self.num_replicas))  # type: ignore[arg-type]


class PictureDataModule(pl.LightningDataModule):
    """Pictures to recolor, with their references, in batches of equal size.

    Finished targets are left out, by the hashes of input and settings in ``run.jsonl`` beside the outputs.

    Args:
        targets: files, folders or globs.
        output: a file for one target, else a folder in which the tree below each folder is kept.
        references: pictures whose colors are wanted, for all targets.
        reference_weights: share of each reference; equal without it.
        reference_masks: for each reference a picture of its size, white where its colors count.
        each_reference: a result from each reference, named after it, in place of one from all of them.
        target_mask: picture, white where targets are to be recolored; it is resized to each target.
        target_list: text file with a target a line.
        hints: file of given colors for one target, or a folder with a file of the same stem for each.
        text: colors for things, as "red dress, green lawn".
        sequence: the targets are the frames of a clip, in natural order: hints on some are carried to the others,
            by a method that does so (levin with ``sequence``), and the clip is colored as a whole.
        pairs: CSV, TSV or JSONL with the columns target, reference[, hints], in place of targets and references.
        suffix: put between an output's name and its extension.
        ext: format of the outputs; ``auto`` keeps each target's.
        overwrite: replace existing outputs, and do finished targets again.
        batch_size: most pictures in a batch; -1 chooses.
        batch_megapixels: most megapixels in a batch; a larger picture is a batch of its own.
        workers: processes that read ahead; -1 chooses by the number of targets and cores.
        max_pixels: larger pictures are refused.
        gallery: folders of ``recolor gallery``, in place of references: each target gets those most like it.
        gallery_count: how many references each target gets from the gallery.
        words: references are among the gallery's pictures that these words fit.
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
        each_reference: bool = False,
        target_mask: Path | None = None,
        target_list: Path | None = None,
        hints: Path | None = None,
        text: str | None = None,
        sequence: bool = False,
        pairs: Path | None = None,
        suffix: str = "",
        ext: Literal["auto", "png", "jpg", "webp", "tif"] = "auto",
        overwrite: bool = False,
        batch_size: int = -1,
        batch_megapixels: float = 8.0,
        workers: int = -1,
        max_pixels: int = 1_000_000_000,
        gallery: list[Path] | None = None,
        gallery_count: int = 3,
        words: str | None = None,
        weights: str | None = None,
        download: bool = False,
        vgg_preprocessing: Literal["torchvision", "caffe", "caffe-bgr"] | None = None,
    ) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True  # fewer batches than processes
        self.run = Run(
            Targets(tuple(targets or ()), _path(target_list), _path(pairs), sequence),
            Output(_path(output), suffix, ext, overwrite),
            Guidance(
                tuple(as_path(r) for r in references or ()),
                tuple(reference_weights or ()),
                tuple(as_path(m) for m in reference_masks or ()),
                _path(target_mask),
                _path(hints),
                each_reference,
                text,
            ),
            GallerySource(
                tuple(as_path(g) for g in gallery), gallery_count, weights, download, vgg_preprocessing, words
            )
            if gallery
            else None,
            loading=Loading(batch_size, batch_megapixels, workers, max_pixels),
        )
        self.plan: Plan | None = None

    @classmethod
    def of(cls, run: Run, plan: Plan | None = None) -> "PictureDataModule":
        """The module of a run that is described, and perhaps planned, already."""
        module = cls()
        module.run, module.plan = run, plan
        return module

    @property
    def output(self) -> Path | None:
        """Where results go."""
        return self.run.output.path

    def make_plan(
        self,
        settings: dict[str, Any],
        on_step: Callable[[str, int, int], None] | None = None,
        bare: dict[str, Any] | None = None,
    ) -> Plan:
        """Settle what is to be done; see ``plan_run``."""
        self.plan = plan_run(self.run, settings, on_step, bare)
        return self.plan

    def setup(self, stage: str) -> None:
        """Plan with the settings of the trainer's module. Lightning waits for all processes after this."""
        assert self.trainer is not None
        if self.run.targets.sequence and self.trainer.world_size > 1:
            raise UsageError("The frames of a clip are colored one after another: use one device.")
        if self.plan is None:
            module: Any = self.trainer.lightning_module
            hints = bool(self.run.guidance.hints or self.run.targets.pairs)
            bare = module.describe_bare(hints)
            self.make_plan(module.describe(), bare=bare)
        assert self.plan is not None
        make_folders(self.plan)

    def predict_dataloader(self) -> DataLoader[Any]:
        """Batches of the plan's jobs, shared out to the processes."""
        assert self.plan is not None
        assert self.trainer is not None
        dataset: Any = batches_of(self.plan, self.run)
        workers = default_readers(len(dataset)) if self.run.loading.workers < 0 else self.run.loading.workers
        share = _Share(dataset, self.trainer.world_size, self.trainer.global_rank, shuffle=False)
        ahead = 1 if workers else None
        return DataLoader(dataset, batch_size=None, sampler=share, num_workers=workers, prefetch_factor=ahead)


def _path(path: Path | None) -> Path | None:
    return None if path is None else as_path(path)
