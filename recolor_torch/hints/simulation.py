"""Points that a user might have given, drawn from true colors: Zhang et al., "Real-Time User-Guided Image
Colorization with Learned Deep Priors" (2017), section 3.2."""

import torch
import torch.nn.functional as F
from torch import Tensor

from recolor_torch.checks import check_image


def paint_points(
    chroma: Tensor, rows: Tensor, columns: Tensor, widths: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor]:
    """Square patches in the mean color that the truth has under each; of overlapping ones the last is on top.

    A patch ``w`` wide covers the pixels from ``centre - w // 2`` on; what lies outside the picture is left out.

    Args:
        chroma: the true chroma, (B, 2, H, W).
        rows, columns: centres in pixels, (B, K), int64, inside of the picture.
        widths: sides in pixels, (B, K), int64, 1 or more.
        counts: how many of the K patches of each picture are painted, (B,), int64.

    Returns:
        The chroma of the hints, (B, 2, H, W), 0 where there is none, and their mask, (B, 1, H, W).
    """
    check_image(chroma, "chroma", channels=2)
    b, _, h, w = chroma.shape
    k = rows.shape[1]
    if k == 0:
        return torch.zeros_like(chroma), torch.zeros_like(chroma[:, :1])
    top, left = (rows - widths // 2).clamp(min=0), (columns - widths // 2).clamp(min=0)
    bottom = (rows - widths // 2 + widths).clamp(max=h)
    right = (columns - widths // 2 + widths).clamp(max=w)
    # Sums over rectangles from one running sum, in float64: it runs over the whole picture.
    total = F.pad(chroma.double().cumsum(2).cumsum(3), (1, 0, 1, 0)).flatten(2)

    def at(i: Tensor, j: Tensor) -> Tensor:
        return total.gather(2, (i * (w + 1) + j)[:, None].expand(-1, 2, -1))

    sums = at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left)
    means = (sums / ((bottom - top) * (right - left))[:, None]).to(chroma)

    number = torch.arange(1, k + 1, device=chroma.device).expand(b, k)
    number = torch.where(number <= counts[:, None], number, 0)
    reach = torch.arange(int(widths.max()), device=chroma.device)
    y, x = top[..., None] + reach, left[..., None] + reach
    place = y[..., :, None] * w + x[..., None, :]
    inside = (y < bottom[..., None])[..., :, None] & (x < right[..., None])[..., None, :]
    place = torch.where(inside, place, 0).flatten(1)
    painted = torch.where(inside, number[..., None, None], 0).flatten(1)
    canvas = torch.zeros(b, h * w, dtype=torch.int64, device=chroma.device)
    canvas = canvas.scatter_reduce(1, place, painted, "amax")
    colors = F.pad(means, (1, 0)).gather(2, canvas[:, None].expand(-1, 2, -1))
    return colors.view(b, 2, h, w), (canvas > 0).to(chroma).view(b, 1, h, w)


def gaussian_centres(
    pictures: int, points: int, height: int, width: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Rows and columns, (pictures, points): normal around the centre with a deviation of a quarter of each side."""
    draws = torch.randn(2, pictures, points, generator=generator, device=generator.device)
    rows = (height * (0.5 + 0.25 * draws[0])).floor().clamp(0, height - 1).long()
    columns = (width * (0.5 + 0.25 * draws[1])).floor().clamp(0, width - 1).long()
    return rows, columns


class HintSimulation:
    """Draws how many points a picture has, where they lie and how wide they are.

    Args:
        means: mean numbers of points; each picture draws one of them, and then its number from the geometric
            distribution (from 0 on) with that mean. Zhang et al. have 7.
        none: share of pictures without any point, beside those that draw 0.
        all: share of pictures with all of their true colors given.
        widest: patches are 1 to this many pixels wide.
    """

    def __init__(
        self, means: tuple[float, ...] = (7.0,), none: float = 0.0, all: float = 0.01, widest: int = 9
    ) -> None:
        if not means or min(means) <= 0:
            raise ValueError(f"means must be more than 0, got {list(means)}.")
        if not (0 <= none <= 1 and 0 <= all <= 1 and none + all <= 1):
            raise ValueError(f"none and all are shares whose sum is at most 1, got {none:g} and {all:g}.")
        self.means, self.none, self.all, self.widest = tuple(means), none, all, widest

    def __call__(self, chroma: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Hints for a batch.

        Args:
            chroma: the true chroma, (B, 2, H, W).
            generator: on the device of ``chroma``.

        Returns:
            Chroma of the hints, (B, 2, H, W), and their mask, (B, 1, H, W).
        """
        b, _, h, w = chroma.shape
        device = chroma.device
        means = torch.tensor(self.means, device=device)
        mean = means[torch.randint(len(means), (b,), generator=generator, device=device)]
        # The inverse of the distribution function of the geometric distribution: P(N >= n) = (1 - p)^n.
        draw = torch.rand(b, generator=generator, device=device).clamp(min=1e-6)
        counts = (draw.log() / torch.log1p(-1 / (1 + mean))).floor().long()
        kind = torch.rand(b, generator=generator, device=device)
        counts = torch.where(kind < self.none, 0, counts)
        points = int(counts.max())
        rows, columns = gaussian_centres(b, points, h, w, generator)
        widths = torch.randint(1, self.widest + 1, (b, points), generator=generator, device=device)
        hints, mask = paint_points(chroma, rows, columns, widths, counts)
        everything = (kind > 1 - self.all)[:, None, None, None]
        return torch.where(everything, chroma, hints), torch.where(everything, 1.0, mask)
