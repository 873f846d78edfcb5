"""Large pictures with hints: a full solve, a smaller working size with chroma enlarged, or a warm start from it.

The picture is a mosaic of different photographs at native resolution; hints are patches of true color. Ways:
`full`, the solve at full size; `WxH + bicubic`, a solve at a working size whose chroma is enlarged; `... + guided`,
the same enlarged by a joint bilateral filter on luminance (Kopf et al. 2007); `... + fine`, the same as the start
of a solve at full size with a loose confidence in it. Seconds are the median of the repetitions.

    python -m scripts.benchmarks.bench_large_hints ../shared/data/photos/sunhays80 --side 2048 --points 2000 --threads 1
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.color import fit_gamut, rgb_to_luminance, rgb_to_yuv
from recolor_torch.methods.levin import spread_chroma
from recolor_torch.pictures.read import read_picture
from recolor_torch.resize import resize, resize_hints


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--points", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    truth = mosaic(args.folder, args.side)
    mask = patches(args.side, args.points)
    luminance, chroma = rgb_to_luminance(truth), rgb_to_yuv(truth)[:, 1:]
    print(f"{'way':24} {'seconds':>8} {'PSNR dB':>8}   ({args.side}x{args.side}, {args.points} patches of 6x6)")
    for name, run in ways(truth, luminance, chroma, mask, args.side).items():
        seconds = []
        for _ in range(args.repeat):
            start = time.perf_counter()
            out = run()
            seconds.append(time.perf_counter() - start)
        gap = fit_gamut(luminance, out) - truth
        print(
            f"{name:24} {statistics.median(seconds):8.2f} {float(-10 * gap.square().mean().log10()):8.2f}", flush=True
        )


def ways(truth: Tensor, luminance: Tensor, chroma: Tensor, mask: Tensor, side: int) -> dict[str, Callable[[], Tensor]]:
    """Each way as a function without arguments."""

    def small(size: int) -> tuple[Tensor, Tensor]:
        hints, known = resize_hints(truth, mask, (size, size))
        gray = resize(luminance, (size, size)).clamp(0, 1)
        return gray, spread_chroma(gray, rgb_to_yuv(hints)[:, 1:], known)

    def bicubic(size: int) -> Tensor:
        return resize(small(size)[1], (side, side))

    def guided(size: int) -> Tensor:
        gray, low = small(size)
        return joint_bilateral(low, gray, luminance)

    def fine(size: int) -> Tensor:
        prior = resize(small(size)[1], (side, side))
        return spread_chroma(luminance, chroma, mask, prior=prior, confidence=torch.full_like(mask, 1e-2))

    out: dict[str, Callable[[], Tensor]] = {"full": lambda: spread_chroma(luminance, chroma, mask)}
    for size in (side // 2, side // 4):
        out |= {
            f"{size}x{size} + bicubic": lambda size=size: bicubic(size),
            f"{size}x{size} + guided": lambda size=size: guided(size),
            f"{size}x{size} + fine": lambda size=size: fine(size),
        }
    return out


def joint_bilateral(low: Tensor, low_gray: Tensor, gray: Tensor, sigma: float = 0.05) -> Tensor:
    """``low`` at the size of ``gray``: a mean of the 3 x 3 pixels around, by distance and likeness of luminance."""
    size = gray.shape[-2:]
    scale = size[0] / low.shape[-2]
    height, width = low.shape[-2:]
    y, x = ((torch.arange(n, dtype=gray.dtype) + 0.5) / scale - 0.5 for n in size)
    cy, cx = y.round().long(), x.round().long()
    total, weight = torch.zeros_like(gray).expand(-1, 2, -1, -1).clone(), torch.full_like(gray, 1e-12)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            iy, ix = (cy + dy).clamp(0, height - 1), (cx + dx).clamp(0, width - 1)
            near = torch.exp(-((y - (cy + dy)) ** 2)[:, None] - ((x - (cx + dx)) ** 2))
            values, grays = low[..., iy, :][..., ix], low_gray[..., iy, :][..., ix]
            w = near * torch.exp(-((gray - grays) ** 2) / (2 * sigma**2)) + 1e-6 * near
            total, weight = total + w * values, weight + w
    return total / weight


def mosaic(folder: Path, side: int) -> Tensor:
    """Photographs at their own resolution, in rows, cut to a square."""
    rows, row, pictures = [], [], iter(sorted(p for p in folder.rglob("*") if p.suffix in (".jpg", ".png")))
    height = 512
    while sum(r.shape[-2] for r in rows) < side:
        row = []
        while sum(p.shape[-1] for p in row) < side:
            picture = read_picture(next(pictures)).image
            if picture.shape[-2] >= height:
                row.append(picture[..., :height, :])
        rows.append(torch.cat(row, -1)[..., :side])
    return torch.cat(rows, -2)[..., :side, :]


def patches(side: int, count: int, size: int = 6) -> Tensor:
    """A mask of patches at random places."""
    generator = torch.Generator().manual_seed(0)
    centers = torch.zeros(1, 1, side, side)
    centers.view(-1)[torch.randperm(side * side, generator=generator)[:count]] = 1
    return F.max_pool2d(F.pad(centers, (size // 2, size - 1 - size // 2) * 2), size, stride=1)


if __name__ == "__main__":
    main()
