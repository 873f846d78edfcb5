"""Optical flow of ``filters.motion`` against OpenCV's DIS on photographs that were moved by known motion.

Motions: a shift, a zoom, a smooth random field, and an ellipse that moves over a still ground (`layers`), without and
with grain and a change of the light as old films have. Reported: the mean and the median error in pixels and the share
of pixels that are more than two pixels off, where the true place lies inside of the picture, and CPU seconds of one
thread.

    python scripts/evaluations/eval_motion.py ../shared/data/photos/kodak [--pictures 6] [--side 256]
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.color import rgb_to_luminance
from recolor_torch.filters.motion import optical_flow, warp
from recolor_torch.pictures import read_picture


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--side", type=int, default=256)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    paths = [p for p in sorted(args.folder.iterdir()) if p.suffix.lower() in (".png", ".jpg")][: args.pictures]
    total: dict[tuple[str, str, str], list[list[float]]] = {}
    for seed, path in enumerate(paths):
        picture = rgb_to_luminance(read_picture(path).image)
        scale = 1.25 * args.side / max(picture.shape[-2:])
        picture = F.interpolate(picture, scale_factor=scale, mode="bicubic", antialias=True).clamp(0, 1)
        for motion in ("shift", "zoom", "field", "layers"):
            there, here, flow, valid = move(picture, motion, seed)
            for state in ("clean", "old"):
                pair = (here, there) if state == "clean" else (age(here, seed, 1.0), age(there, seed + 99, 0.93))
                for name, way in WAYS.items():
                    start = time.process_time()
                    found = way(*pair)
                    seconds = time.process_time() - start
                    miss = (found - flow).norm(dim=1, keepdim=True)[valid > 0.5]
                    row = [float(miss.mean()), float(miss.median()), float((miss > 2).float().mean()), seconds]
                    total.setdefault((motion, state, name), []).append(row)
    print(f"{'motion':8} {'film':6} {'flow':8} {'mean':>6} {'median':>7} {'> 2 px':>7} {'CPU s':>6}")
    for (motion, state, name), rows in total.items():
        mean, median, far, seconds = np.mean(rows, 0)
        print(f"{motion:8} {state:6} {name:8} {mean:6.2f} {median:7.3f} {far:7.1%} {seconds:6.3f}")


def move(picture: Tensor, motion: str, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two pictures, the flow from the second to the first, and where it is known."""
    generator = torch.Generator().manual_seed(seed)
    height, width = (int(n / 1.25) for n in picture.shape[-2:])
    top, left = height // 8, width // 8
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    flow = torch.zeros(1, 2, height, width)
    if motion == "shift":
        flow += (torch.rand(1, 2, 1, 1, generator=generator) - 0.5) * 24
    elif motion == "zoom":
        flow = torch.stack(((x - width / 2) * 0.05, (y - height / 2) * 0.05))[None]
    elif motion == "field":
        coarse = (torch.rand(1, 2, 4, 5, generator=generator) - 0.5) * 16
        flow = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    there = picture[..., top : top + height, left : left + width]
    if motion != "layers":
        canvas = torch.zeros(1, 2, *picture.shape[-2:])
        canvas[..., top : top + height, left : left + width] = flow
        here = warp(picture, canvas)[0][..., top : top + height, left : left + width]
        place = torch.stack((x, y))[None] + flow
        inside = ((place >= 0) & (place <= torch.tensor([width - 1, height - 1]).view(1, 2, 1, 1))).all(1, keepdim=True)
        return there, here, flow, inside.float()
    front = picture.flip(3)[..., top : top + height, left : left + width]
    step = torch.tensor([7.0, -3.0])

    def disc(dx: float, dy: float) -> Tensor:
        return (((x - width / 2 - dx) / 50) ** 2 + ((y - height / 2 - dy) / 40) ** 2 < 1).float()[None, None]

    was, now = disc(0, 0), disc(-7, 3)
    shifted, _ = warp(front, step.view(1, 2, 1, 1).expand(1, 2, height, width))
    first, second = torch.lerp(there, front, was), torch.lerp(there, shifted, now)
    flow = now * step.view(1, 2, 1, 1)
    return first, second, flow, 1 - (was - now).clamp(min=0)  # uncovered ground has no place in the first


def age(picture: Tensor, seed: int, gain: float) -> Tensor:
    """Grain and another light."""
    generator = torch.Generator().manual_seed(seed)
    return (picture * gain + 0.025 * torch.randn(picture.shape, generator=generator)).clamp(0, 1)


def by_dis(here: Tensor, there: Tensor) -> Tensor:
    """OpenCV's dense inverse search, medium preset, on bytes."""
    a, b = (x[0, 0].mul(255).round().byte().numpy() for x in (here, there))
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(a, b, None)
    return torch.from_numpy(flow).permute(2, 0, 1)[None]


WAYS = {"torch": optical_flow, "DIS": by_dis}


if __name__ == "__main__":
    main()
