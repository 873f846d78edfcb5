"""A sheet of what a network in training makes of pictures it does not learn from."""

from pathlib import Path

import lightning.pytorch as pl
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate
from torchvision.utils import make_grid

from recolor_torch.color import rgb_to_yuv
from recolor_torch.files import write_atomically
from recolor_torch.training.colorization import VALIDATED_POINTS, ColorizationTraining, colors_of


class SampleSheet(pl.Callback):
    """Writes a sheet after each validation: a picture a row; gray, what each head makes of it without points, what
    they make of it with ten, and the truth.

    Args:
        folder: where the sheets go; below the logger's folder without it.
        pictures: rows of the sheet.
    """

    def __init__(self, folder: str | None = None, pictures: int = 12) -> None:
        self.folder, self.pictures = folder, pictures

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the sheet, from one process."""
        folder = self.folder or trainer.log_dir
        loaders = trainer.val_dataloaders
        if trainer.sanity_checking or not trainer.is_global_zero or folder is None or loaders is None:
            return
        if not isinstance(pl_module, ColorizationTraining):
            raise TypeError(f"SampleSheet goes with ColorizationTraining, got {type(pl_module).__name__}.")
        dataset = loaders.dataset
        batch = default_collate([dataset[i] for i in range(min(self.pictures, len(dataset)))])
        batch = pl_module.transfer_batch_to_device(batch, pl_module.device, 0)
        grid = sample_grid(pl_module, *pl_module.shown(batch))
        path = Path(folder) / "samples" / f"step_{trainer.global_step:07}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as part:
            Image.fromarray(grid.permute(1, 2, 0).numpy()).save(part, format="PNG")


@torch.no_grad()
def sample_grid(module: ColorizationTraining, images: Tensor, luminance: Tensor) -> Tensor:
    """The sheet for sRGB pictures (B, 3, H, W) and what is shown of them, as (3, H', W') uint8 on the CPU."""
    chroma = rgb_to_yuv(images)[:, 1:]
    columns = [luminance.expand_as(images)]
    for points in VALIDATED_POINTS if module.hints else (0,):
        estimate = module(luminance, *module.given_points(chroma, points, 0))
        columns += colors_of(estimate, luminance).values()
    columns.append(images)
    grid = make_grid(torch.stack(columns, 1).flatten(0, 1), nrow=len(columns))
    return (grid * 255).round().to(torch.uint8).cpu()
