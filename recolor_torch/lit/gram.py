"""Gram transfer under Lightning's Trainer: the picture is the parameter (report, section 4)."""

from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor, nn
from torch.utils.data import DataLoader

from recolor_torch.color import rgb_to_luminance
from recolor_torch.describe import INSTANTIATOR, arguments
from recolor_torch.errors import UsageError
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import GramTransfer
from recolor_torch.methods.gram import Problem
from recolor_torch.methods.gram.descent import has_ended, make_closure
from recolor_torch.methods.gram.objective import Evaluation
from recolor_torch.pictures import PictureError, read_picture, write_picture
from recolor_torch.pictures.guidance import read_visible
from recolor_torch.precision import refuse_half
from recolor_torch.resize import resize, working_size

MOST_STEPS = 1_000_000


class TransferData(pl.LightningDataModule):
    """One target and its references.

    Args:
        target: the picture to recolor.
        references: pictures whose style is wanted.
        reference_weights: share of each reference; equal without it.
        size: longer side to work at; None for the target's own.
        square: bring all pictures to ``size`` x ``size``, as the report does.
        target_color: ``gray`` drops the color that the target has.
    """

    def __init__(
        self,
        target: str,
        references: list[str],
        reference_weights: list[float] | None = None,
        size: int | None = 256,
        square: bool = False,
        target_color: Literal["gray", "color"] = "gray",
    ) -> None:
        super().__init__()
        if reference_weights is not None and len(reference_weights) != len(references):
            raise UsageError(f"{len(reference_weights)} reference weights were given for {len(references)} references.")
        if square and size is None:
            raise UsageError("square needs a size.")
        self.target, self.references, self.reference_weights = target, references, reference_weights
        self.size, self.square, self.target_color = size, square, target_color

    def pictures(
        self, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> tuple[Tensor, tuple[Reference, ...]]:
        """Target and references as sRGB, (1, 3, H, W), on ``device``.

        Raises:
            UsageError: a picture cannot be read.
        """
        try:
            target = self._fitted(read_picture(self.target).image.to(dtype))
            images = [read_visible(path).to(dtype) for path in self.references]
        except PictureError as error:
            raise UsageError(str(error)) from error
        if self.target_color == "gray":
            target = rgb_to_luminance(target).expand(-1, 3, -1, -1).contiguous()
        weights = self.reference_weights or [1.0] * len(images)
        references = [Reference(self._fitted(x) if self.square else x) for x in images]
        placed = tuple(Reference(r.image.to(device), weight=w) for r, w in zip(references, weights))
        return target.to(device), placed

    def _fitted(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        square = self.square and self.size is not None
        return resize(image, (self.size, self.size) if square else working_size(height, width, self.size)).clamp(0, 1)  # type: ignore[arg-type]

    def train_dataloader(self) -> DataLoader[Any]:
        """A turn for each step; the pictures are known from the start."""
        return DataLoader(range(MOST_STEPS), batch_size=None)  # type: ignore[arg-type]


class GramTransferModule(pl.LightningModule):
    """Optimises a picture with the objective and the optimisers of ``GramTransfer``, step by step under a Trainer.

    Each step logs the loss and its terms, such as ``style/conv_1``. Smaller sizes (``levels`` of the method) are
    worked through before the first step. A checkpoint holds the picture and the optimiser: a resumed run is the same
    run. It ends at the Trainer's ``max_steps``, or by the method's ``tolerance``; its ``steps`` count for smaller
    sizes and for ``predict`` alone.

    Args:
        method: what is minimised and how.
    """

    def __init__(self, method: GramTransfer) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.method = method
        self.losses: list[float] = []
        self.variable: nn.Parameter
        self._problem: Problem | None = None
        self._loaded: Tensor | None = None
        self._seen: Evaluation | None = None

    @property
    def problem(self) -> Problem:
        """What is minimised; there is one from ``setup`` on."""
        if self._problem is None:
            raise RuntimeError("GramTransferModule has no problem before its setup by a Trainer.")
        return self._problem

    @property
    def picture(self) -> Tensor:
        """The picture as it is now, sRGB, (1, 3, H, W)."""
        if self._problem is None and self._loaded is not None:
            return self._loaded
        return self.problem.region.to_rgb(self.variable.detach())

    def setup(self, stage: str) -> None:
        """Read the pictures, find the weights, and work through the smaller sizes."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, TransferData):
            raise UsageError("GramTransferModule takes its pictures from TransferData.")
        refuse_half(self.trainer.precision, "Gram transfer")
        dtype = torch.float64 if self.trainer.precision == "64-true" else torch.float32
        target, references = data.pictures(self.trainer.strategy.root_device, dtype)
        with torch.no_grad():
            solver = self.method.solver
            self._problem = solver.problem(target, references)
            change = solver.from_smaller_sizes(target, Guide(references)) if self.trainer.ckpt_path is None else None
            self.variable = nn.Parameter(solver.start_variable(self._problem, change).contiguous())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The method's optimiser of the picture."""
        return self.method.solver.optimizer(self.variable, self.problem.region)

    def training_step(self, batch: int, batch_idx: int) -> STEP_OUTPUT:
        """One accepted step (of L-BFGS), or one step of Adam."""
        optimizer = self.optimizers()
        evaluations: list[Evaluation] = []
        closure = make_closure(self.problem.objective, self.problem.region, self.variable, evaluations.append)
        loss = float(optimizer.step(closure))  # type: ignore[union-attr]
        converged = self._state(optimizer).get("converged", False)
        if evaluations and not converged:
            self._seen = evaluations[-1]  # a line search ends with the point that it accepts
        if self._seen is not None:
            self.log_dict({"loss": loss, **self._seen.terms})
        self.losses.append(loss)
        if converged or has_ended(self.losses, self.method.tolerance):
            self.trainer.should_stop = True
        return None

    def final_losses(self) -> tuple[float, float]:
        """The loss of the picture in float32, and after rounding to 8 bits."""
        picture = self.picture
        rounded = picture.clamp(0, 1).mul(255).round().div(255)
        evaluate = self.problem.objective.evaluate
        return tuple(float(evaluate(x, low_precision=False).total) for x in (picture, rounded))  # type: ignore[return-value]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The losses so far and the picture go along, and what ``load_from_checkpoint`` makes the module of."""
        checkpoint["gram_losses"] = self.losses
        checkpoint["gram_picture"] = self.picture
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = {**arguments(self), **INSTANTIATOR}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The losses so far come back; outside of a Trainer, which knows the pictures, the picture does too."""
        self.losses = list(checkpoint["gram_losses"])
        self._loaded = checkpoint.get("gram_picture")
        if self._problem is None:
            self.variable = nn.Parameter(torch.empty_like(checkpoint["state_dict"]["variable"]))

    def _state(self, optimizer: Any) -> dict[str, Any]:
        return optimizer.state[self.variable]


class Snapshots(pl.Callback):
    """Writes the picture as it is at some steps, and at the end, beside the log.

    Args:
        steps: at which to write ``snapshots/step_00100.png``; 0 is the start.
        folder: where; the logger's folder without it.
    """

    def __init__(self, steps: list[int] | None = None, folder: str | None = None) -> None:
        self.steps, self.folder = set(steps or ()), folder

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The start."""
        if trainer.global_step == 0:
            self._write(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A step that was asked for."""
        self._write(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The result, as ``picture.png``."""
        self._save(trainer, pl_module, "picture.png")

    def _write(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.global_step in self.steps:
            self._save(trainer, pl_module, f"snapshots/step_{trainer.global_step:05d}.png")

    def _save(self, trainer: pl.Trainer, pl_module: pl.LightningModule, name: str) -> None:
        path = self.place(trainer) / name
        if trainer.is_global_zero:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(path, pl_module.picture)  # type: ignore[arg-type]

    def place(self, trainer: pl.Trainer) -> Path:
        """The folder that is written to."""
        return Path(self.folder or trainer.log_dir or trainer.default_root_dir)
