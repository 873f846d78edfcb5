"""Soft hints as a match with a reference gives them, made from true colors."""

import torch
import torch.nn.functional as F
from torch import Tensor

from recolor_torch.checks import check_image


class TransferSimulation:
    """Transferred chroma with a confidence, as correspondence with a reference would bring it.

    The true chroma is displaced smoothly, its strength and tint are changed as by another exposure, regions are
    replaced by the chroma of another picture of the batch, and the whole is coarse. The confidence is high where the
    colors are right and low where they are wrong, mostly, and 0 in holes.

    Args:
        displacement: largest displacement, as a share of the side.
        wrong: largest share of a picture that has another picture's colors; a picture draws its own share.
        unrelated: share of the pictures with wrong colors everywhere.
        holes: largest share of a picture without any color.
        deceived: share of the wrong regions whose confidence is as high as that of right ones.
        coarseness: side of the cells that share a color and a confidence, in pixels, at most.
    """

    def __init__(
        self,
        displacement: float = 0.04,
        wrong: float = 0.4,
        unrelated: float = 0.15,
        holes: float = 0.7,
        deceived: float = 0.1,
        coarseness: int = 8,
    ) -> None:
        self.displacement, self.wrong, self.unrelated = displacement, wrong, unrelated
        self.holes, self.deceived, self.coarseness = holes, deceived, coarseness

    def __call__(self, chroma: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Soft hints for a batch.

        Args:
            chroma: the true chroma, (B, 2, H, W).
            generator: on the device of ``chroma``.

        Returns:
            Chroma, (B, 2, H, W), 0 where there is none, and its confidence, (B, 1, H, W), [0, 0.95].
        """
        check_image(chroma, "chroma", channels=2)
        b, _, h, w = chroma.shape

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, device=chroma.device)

        def smooth(channels: int, cells: int) -> Tensor:
            """Smooth noise, nearly uniform in [0, 1]."""
            noise = torch.randn(b, channels, cells, cells, generator=generator, device=chroma.device)
            noise = F.interpolate(noise, size=(h, w), mode="bicubic", align_corners=False)
            return 0.5 * (1 + torch.erf(noise))

        rows = torch.linspace(-1 + 1 / h, 1 - 1 / h, h, device=chroma.device)
        columns = torch.linspace(-1 + 1 / w, 1 - 1 / w, w, device=chroma.device)
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], -1)
        amount = 4 * self.displacement * uniform(b, 1, 1, 1)
        moved = grid + amount * (smooth(2, 6) - 0.5).permute(0, 2, 3, 1)
        right = F.grid_sample(chroma.float(), moved, mode="bilinear", padding_mode="border", align_corners=False)
        # Another exposure: stronger or weaker, and a little tinted.
        right = right * (0.6 + 0.8 * uniform(b, 1, 1, 1)) + 0.02 * (uniform(b, 2, 1, 1) - 0.5)

        other = right.roll(1, 0).flip(3)
        share = torch.where(uniform(b) < self.unrelated, 1.01, self.wrong * uniform(b)).view(b, 1, 1, 1)
        is_wrong = smooth(1, 5) < share
        color = torch.where(is_wrong, other, right)

        sure = 0.3 + 0.65 * smooth(1, 8)
        doubtful = 0.5 * smooth(1, 8)
        fooled = uniform(b, 1, 1, 1) < self.deceived
        confidence = torch.where(is_wrong & ~fooled, doubtful, sure)
        confidence = torch.where(smooth(1, 6) < self.holes * uniform(b, 1, 1, 1), 0, confidence)

        cell = self.coarseness
        if h % cell == 0 and w % cell == 0:
            color, confidence = (
                F.interpolate(F.avg_pool2d(x, cell), scale_factor=cell, mode="bilinear", align_corners=False)
                for x in (color, confidence)
            )
        confidence = torch.where(confidence > 0.02, confidence.clamp(0, 0.95), 0)
        return (color * (confidence > 0)).to(chroma), confidence.to(chroma)
