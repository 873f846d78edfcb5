"""A LightningModule that predicts with any method."""

import time
from dataclasses import replace
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from torch import Tensor

from recolor_torch.color import fit_gamut, rgb_to_yuv
from recolor_torch.compose import Keep
from recolor_torch.guide import Guide
from recolor_torch.methods import Recolorizer, method_name
from recolor_torch.pictures.read import Picture
from recolor_torch.pipeline import recolor
from recolor_torch.precision import refuse_half
from recolor_torch.resize import working_size
from recolor_torch.run.batches import PictureBatch, Result
from recolor_torch.run.plan import Job

HARDLY_ANY = 0.01
"""Mean length of (U, V) below which a result passes for gray, and its record says so."""

BYTES_PER_PIXEL = 120
"""Memory at the target's full size, beside the method's own: reading, composing, writing (measured)."""


class RecolorModule(pl.LightningModule):
    """Recolours batches of pictures with a method, under ``Trainer.predict``.

    Args:
        method: the method with its settings.
        target: ``gray`` drops the colour that a target has, ``color`` lets the method see it.
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
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must be in [0, 1], got {strength}.")
        self.method = method
        self.target: Literal["gray", "color"] = target
        self.keep: Keep = keep
        self.strength = strength
        self.max_side = method.working_side(max_side)
        # A method without parameters or buffers has no device of its own.
        self.register_buffer("_place", torch.zeros(()), persistent=False)

    def describe(self) -> dict[str, Any]:
        """What the run record says of the method, and what a result depends on; loads what the method needs."""
        self.method.prepare()
        return {
            "method": method_name(self.method),
            "parameters": self.method.settings(),
            **self.method.provenance(),
            "target_color": self.target,
            "keep": self.keep,
            "strength": self.strength,
            "max_side": self.max_side,
        }

    def forward(self, images: Tensor, guide: Guide) -> Tensor:
        """Recolour sRGB images, (B, 3, H, W), as ``recolor`` does."""
        return recolor(
            images,
            self.method,
            guide,
            target=self.target,
            keep=self.keep,
            strength=self.strength,
            max_side=self.max_side,
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
        results = [Result(job, error=message) for job, message in batch.failures]
        if batch.images is None:
            return results
        if self.strength == 0:
            triples = zip(batch.jobs, batch.pictures, batch.hashes)
            return results + [Result(job, picture, digest, copy=True) for job, picture, digest in triples]
        if len(batch.jobs) > 1:
            try:
                return results + self._run(batch, range(len(batch.jobs)), batch.images, batch.guide)
            except Exception:
                # One bad picture, or a batch too large for the memory: find out one by one.
                pass
        for i, job in enumerate(batch.jobs):
            try:
                results += self._run(batch, [i], *batch.select(i))
            except Exception as error:
                results.append(Result(job, batch.pictures[i], batch.hashes[i], error=_sentence(job, error)))
        return results

    def _run(self, batch: PictureBatch, indices: "range | list[int]", images: Tensor, guide: Guide) -> list[Result]:
        start = time.perf_counter()
        place: Tensor = self._place  # type: ignore[assignment]
        self.method.stages.clear()
        out = self(images.to(place), guide.to(place)).float().cpu()
        seconds = (time.perf_counter() - start) / len(images)
        height, width = images.shape[-2:]
        size = working_size(height, width, self.max_side)
        stages = dict(self.method.stages)
        chroma = rgb_to_yuv(out)[:, 1:]
        if self.method.keep_stages:
            stages["chroma"] = fit_gamut(torch.full_like(out[:, :1], 0.5), chroma)
        gray = (chroma.norm(dim=1).mean((1, 2)) < HARDLY_ANY).tolist()
        return [
            Result(
                batch.jobs[i],
                _noted(batch.pictures[i], guide) if gray[k] else batch.pictures[i],
                batch.hashes[i],
                out[k : k + 1],
                seconds=seconds,
                working_size=size,
                stages={name: _of_sample(stage, k) for name, stage in stages.items()},
            )
            for k, i in enumerate(indices)
        ]


def _noted(picture: Picture, guide: Guide) -> Picture:
    reason = "what was given does not fit it" if guide.references or guide.hints is not None else "give it some points"
    return replace(picture, notes=(*picture.notes, f"the result has hardly any colour: {reason}."))


def _of_sample(stage: Tensor | str, index: int) -> Tensor | str:
    if isinstance(stage, str):
        return stage
    return stage[index if stage.shape[0] > 1 else 0][None].float().cpu()


def _sentence(job: Job, error: Exception) -> str:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "not enough memory" in str(error):
        return f"{job.target}: not enough memory; try a smaller --max-side."
    return f"{job.target}: {type(error).__name__}: {' '.join(str(error).split())[:500]}"
