"""A LightningModule that predicts with any method."""

from typing import Any, Literal

import lightning.pytorch as pl
import torch
from torch import Tensor

from recolor_torch.compose import Keep
from recolor_torch.guide import Guide
from recolor_torch.methods import Recolorizer
from recolor_torch.pipeline import recolor
from recolor_torch.precision import refuse_half
from recolor_torch.run.batches import PictureBatch, Result
from recolor_torch.run.coloring import color_batch, describe_bare, describe_method
from recolor_torch.run.description import Coloring


class RecolorModule(pl.LightningModule):
    """Recolors batches of pictures with a method, under ``Trainer.predict``.

    Args:
        method: the method with its settings.
        target: ``gray`` drops the color that a target has, ``color`` lets the method see it.
        keep: ``luma`` keeps the target's luminance exactly, ``none`` takes the method's own.
        strength: 0 gives the input back, 1 the full result.
        max_side: longer side of the copy that the method works on; the method's ``largest_side`` without it.
    """

    def __init__(
        self,
        method: Recolorizer,
        target: Literal["gray", "color"] = "gray",
        keep: Keep = "luma",
        strength: float = 1.0,
        max_side: int | None = None,
    ) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True  # fewer batches than processes
        self.coloring = Coloring(target, keep, strength, max_side)
        self.method = method
        # A method without parameters or buffers has no device of its own.
        self.register_buffer("_place", torch.zeros(()), persistent=False)

    def describe(self) -> dict[str, Any]:
        """What the run record says of the method, and what a result depends on; loads what the method needs."""
        return describe_method(self.method, self.coloring)

    def describe_bare(self, hints: bool) -> dict[str, Any] | None:
        """``describe`` of what colors the targets without hints of a run that has some; None where the method does."""
        return describe_bare(self.method, self.coloring, hints)

    def forward(self, images: Tensor, guide: Guide) -> Tensor:
        """Recolor sRGB images, (B, 3, H, W), as ``recolor`` does."""
        c = self.coloring
        return recolor(
            images, self.method, guide, target=c.target, keep=c.keep, strength=c.strength, max_side=c.max_side
        )

    def setup(self, stage: str) -> None:
        """Refuse weights and pictures of 16 bits.

        Raises:
            UsageError: they do not hold a luminance of 8 bits.
        """
        refuse_half(self.trainer.precision, "Pictures")

    def on_predict_start(self) -> None:
        """A run begins without what an earlier one left."""
        self.method.reset()

    def predict_step(self, batch: PictureBatch, batch_idx: int = 0) -> list[Result]:
        """Results for all jobs of the batch; where the batch fails, its pictures are tried one by one."""
        place: Tensor = self._place  # type: ignore[assignment]
        return color_batch(self.method, batch, self.coloring, place)
