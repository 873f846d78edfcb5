"""References from a gallery: found before a method runs, so that methods never open files."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recolor_torch.features import VggWeights, find_vgg19
from recolor_torch.pictures.guidance import read_visible
from recolor_torch.pictures.read import PictureError
from recolor_torch.run.description import GallerySource
from recolor_torch.run.plan import Job

if TYPE_CHECKING:
    from recolor_torch.gallery import Gallery

_SPARE = 8
"""More matches than wanted are asked for: the target itself may be in the gallery, and pictures may be gone."""


class Retrieval:
    """Finds the references of each target in galleries, which are opened once.

    Args:
        source: which galleries are asked, and for how much.
    """

    def __init__(self, source: GallerySource) -> None:
        self.source = source
        self._opened: tuple[Gallery, VggWeights] | None = None

    def open(self) -> "tuple[Gallery, VggWeights]":
        """The gallery, and the weights that it is asked with.

        Raises:
            UsageError: there is no gallery, or it was made with other features.
            WeightsMissing: there are no weights.
        """
        if self._opened is None:
            from recolor_torch.gallery import Gallery  # faiss is slow to import, and most runs need none

            gallery = Gallery.open(self.source.galleries)
            depth = gallery.header.spec.depth
            source = self.source
            found = find_vgg19(
                source.weights, depth=depth, download=source.download, preprocessing=source.preprocessing
            )
            self._opened = gallery, found
        return self._opened

    def settings(self) -> dict[str, Any]:
        """What results depend on: the galleries' contents, and how many references are taken."""
        gallery, _ = self.open()
        files = [[entry.sha256 for entry in state.header.files()] for state in gallery.states]
        words = {} if self.source.words is None else {"gallery_words": self.source.words}
        return {"gallery": files, "gallery_count": self.source.count, **words}

    def find(self, jobs: list[Job], max_pixels: int, on_each: Callable[[int, int], None] | None = None) -> list[Job]:
        """The jobs with references; those that have their own, or cannot be read, stay as they are.

        A target is never its own reference. ``on_each`` is told how many of how many are done.
        """
        gallery, weights = self.open()
        found = []
        for i, job in enumerate(jobs):
            if on_each is not None:
                on_each(i, len(jobs))
            found.append(job if job.references or job.info is None else self._one(gallery, weights, job, max_pixels))
        return found

    def _one(self, gallery: "Gallery", weights: VggWeights, job: Job, max_pixels: int) -> Job:
        try:
            image = read_visible(job.target, max_pixels)
        except PictureError:
            return job  # reading it again for the method says why, and that is recorded
        matches = gallery.query(image, self.source.count + _SPARE, weights, self.source.words)[0]
        own = os.path.realpath(job.target)
        paths = [m.path for m in matches if os.path.realpath(m.path) != own and os.path.isfile(m.path)][
            : self.source.count
        ]
        if not paths:
            return replace(job, problem="the gallery has no picture for it that is still on the disk")
        equal = (1.0,) * len(paths)
        masks = (None,) * len(paths)
        return replace(job, references=tuple(paths), weights=equal, reference_masks=masks, found=True)
