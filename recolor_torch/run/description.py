"""What a run is: targets, guidance, gallery, coloring, loading and output, each described once and read by name.

Flags, YAML and Python make the same objects. Each checks itself when it is made, as far as that needs no file.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from recolor_torch.errors import UsageError
from recolor_torch.text_guidance.phrases import parse

Extension = Literal["auto", "png", "jpg", "webp", "tif"]
Preprocessing = Literal["torchvision", "caffe", "caffe-bgr"]


def check_text(text: str | None) -> None:
    """Raise ``UsageError`` where a text names no color for a thing."""
    if text is not None:
        try:
            parse(text)
        except ValueError as error:
            raise UsageError(str(error)) from error


@dataclass(frozen=True)
class Targets:
    """What is to be colored.

    Args:
        names: files, folders or globs.
        list: text file with a target a line.
        pairs: CSV, TSV or JSONL with the columns target, reference[, hints], in place of names and references.
        sequence: the targets are the frames of a clip, in natural order: hints on some are carried to the others.
    """

    names: tuple[str, ...] = ()
    list: Path | None = None
    pairs: Path | None = None
    sequence: bool = False

    def __post_init__(self) -> None:
        if self.pairs is not None and (self.names or self.list):
            raise UsageError("Targets come from the pairs: give either pairs or targets, not both.")


@dataclass(frozen=True)
class Guidance:
    """Where the colors of all targets come from; what a target names itself comes before it.

    Args:
        references: pictures whose colors are wanted.
        weights: share of each reference; equal where empty.
        reference_masks: for each reference a picture of its size, white where its colors count.
        target_mask: picture, white where targets are recolored; it is resized to each target.
        hints: file of given colors for one target, or a folder with a file of the same stem for each.
        each: a result from each reference, named after it, in place of one from all of them.
        text: colors for things, as "red dress, green lawn".
    """

    references: tuple[Path, ...] = ()
    weights: tuple[float, ...] = ()
    reference_masks: tuple[Path, ...] = ()
    target_mask: Path | None = None
    hints: Path | None = None
    each: bool = False
    text: str | None = None

    def __post_init__(self) -> None:
        check_text(self.text)
        if self.each and not self.references:
            raise UsageError("A look from each reference needs references: name them with -r.")
        if self.each and self.weights:
            raise UsageError("Each reference is alone: give weights, or a look from each reference, not both.")
        if self.weights and len(self.weights) != len(self.references):
            raise UsageError(f"{len(self.weights)} reference weights were given for {len(self.references)} references.")
        # A weight that is not a number compares as false.
        if self.weights and not (min(self.weights) >= 0 and 0 < sum(self.weights) < float("inf")):
            raise UsageError(f"Reference weights must be 0 or more and not all 0, got {list(self.weights)}.")
        if self.reference_masks and len(self.reference_masks) != len(self.references):
            count = len(self.references)
            raise UsageError(f"{len(self.reference_masks)} reference masks were given for {count} references.")


@dataclass(frozen=True)
class GallerySource:
    """Galleries that choose the references of each target.

    Args:
        galleries: folders of ``recolor gallery``, searched as one.
        count: references for each target.
        weights: file of the VGG-19 weights that the galleries were made with; found by itself where None.
        download: let torchvision fetch VGG-19 where no weights are found.
        preprocessing: how VGG-19's input is made, where the weights' file does not say.
        words: references are among the pictures whose names, captions or keywords have these words.
    """

    galleries: tuple[Path, ...]
    count: int = 3
    weights: str | None = None
    download: bool = False
    preprocessing: Preprocessing | None = None
    words: str | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"A target needs 1 reference or more from the gallery, got {self.count}.")


@dataclass(frozen=True)
class Coloring:
    """How a method's colors come to the picture.

    Args:
        target: ``gray`` drops the color that a target has, ``color`` lets the method see it.
        keep: ``luma`` keeps the target's luminance exactly, ``none`` takes the method's own.
        strength: 0 gives the input back, 1 the full result.
        max_side: longer side of the copy that the method works on; the method's ``largest_side`` where None.
    """

    target: Literal["gray", "color"] = "gray"
    keep: Literal["luma", "none"] = "luma"
    strength: float = 1.0
    max_side: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise UsageError(f"strength must be in [0, 1], got {self.strength}.")
        if self.max_side is not None and self.max_side < 1:
            raise UsageError(f"max_side must be 1 or more, got {self.max_side}.")


@dataclass(frozen=True)
class Loading:
    """How pictures are read.

    Args:
        batch_size: most pictures of one size in a batch; -1 chooses (``most_pictures``).
        batch_megapixels: most megapixels in a batch; a larger picture is a batch of its own.
        workers: readers ahead of the method; 0 reads in between, -1 chooses by the number of targets and cores.
        max_pixels: pictures with more pixels are refused.
    """

    batch_size: int = -1
    batch_megapixels: float = 8.0
    workers: int = -1
    max_pixels: int = 1_000_000_000

    def __post_init__(self) -> None:
        if self.batch_size < 1 and self.batch_size != -1:
            raise UsageError(f"A batch has 1 picture or more (-1 chooses), got {self.batch_size}.")
        if self.workers < -1:
            raise UsageError(f"Workers are 0 or more (-1 chooses), got {self.workers}.")

    def most_pictures(self, gpu: bool) -> int:
        """Most pictures in a batch: a GPU waits for its starts where they are few (a quarter more a second by 64)."""
        return self.batch_size if self.batch_size > 0 else 64 if gpu else 16


@dataclass(frozen=True)
class Output:
    """Where results go, and under which names.

    Args:
        path: a file for one target, else a folder in which the tree below each folder is kept.
        suffix: put between an output's name and its extension.
        ext: format of the outputs; ``auto`` keeps each target's.
        overwrite: replace existing outputs, and do finished targets again.
        save_stages: write intermediate results beside each output.
        folder: ``path`` is a folder for one target too, whatever its name is.
    """

    path: Path | None = None
    suffix: str = ""
    ext: Extension = "auto"
    overwrite: bool = False
    save_stages: bool = False
    folder: bool = False

    def __post_init__(self) -> None:
        if "/" in self.suffix or "\\" in self.suffix:
            raise UsageError(f"A suffix is put into a name and holds no slash, got {self.suffix!r}.")


@dataclass(frozen=True)
class Run:
    """A run: what is colored, from what, how, and where results go. The method is given beside it."""

    targets: Targets
    output: Output
    guidance: Guidance = field(default_factory=Guidance)
    gallery: GallerySource | None = None
    coloring: Coloring = field(default_factory=Coloring)
    loading: Loading = field(default_factory=Loading)

    def __post_init__(self) -> None:
        if self.gallery is not None and self.guidance.references:
            raise UsageError("References come from the gallery: give either a gallery or references, not both.")
