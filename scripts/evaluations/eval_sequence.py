"""Color clips of known motion from hints on a few frames; measure error and flicker.

Clips are made from photographs: a pan, a zoom, and a layer that moves over a panning ground. Hints are
patches of true color on the first and the last frame (or on the first alone). Compared: `sequence`
(motion from optical flow), `no motion` (carried in place), `alone` (every frame by itself, with the hints
of the nearest hinted frame in place), `true motion` (the same hints moved as the clip moves, every frame
by itself). Flicker is the mean change of chroma along the true motion, in levels of 255; the truth has
some too, from resampling.

    python -m scripts.evaluations.eval_sequence ../shared/data/photos/kodak --clips 3 [--frames 12] [--points 30]
    python -m scripts.evaluations.eval_sequence --pairs ../shared/data/pairs

With --pairs, a coarse check on real motion: two frames of a video (NAME_ref.jpg and NAME_target.jpg, 5 to 30
frames apart), hints on the first, error of the second.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.color import fit_gamut, rgb_to_luminance, rgb_to_yuv
from recolor_torch.filters import motion
from recolor_torch.guide import Guide
from recolor_torch.methods import LevinColorization
from recolor_torch.methods.levin import sequence as levin_sequence
from recolor_torch.methods.levin import spread_chroma
from recolor_torch.pictures.read import read_picture

SIZE = (192, 256)
Clip = tuple[Tensor, Tensor, Tensor]  # frames (T, 3, H, W); flow to the frame before (T, 2, H, W); where it holds


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="photographs of at least 384 x 288 pixels")
    parser.add_argument("--clips", type=int, default=3, help="photographs taken")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--points", type=int, default=30, help="hints on a hinted frame")
    parser.add_argument("--pairs", type=Path, help="folder with video/NAME_ref.jpg and video/NAME_target.jpg")
    args = parser.parse_args()
    if args.pairs is not None:
        video_pairs(args.pairs)
    if args.folder is not None:
        clips(args)


def clips(args: argparse.Namespace) -> None:
    """Error and flicker on clips that are made here."""
    photos = [p for p in sorted(args.folder.iterdir()) if p.suffix in (".png", ".jpg")]
    pictures = [read_picture(p).image for p in photos]
    pictures = [p for p in pictures if p.shape[-2] >= 288 and p.shape[-1] >= 384][: args.clips + 1]
    totals: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for i in range(args.clips):
        clips = {
            "pan": pan(pictures[i], args.frames),
            "zoom": zoom(pictures[i], args.frames),
            "layers": layers(pictures[i], pictures[(i + 1) % len(pictures)], args.frames),
        }
        for kind, clip in clips.items():
            for where, hinted in (("first", [0]), ("first and last", [0, args.frames - 1])):
                mask = draw_points(clip[0], hinted, args.points, seed=i)
                for name, chroma in color_all(clip, mask, hinted).items():
                    totals.setdefault((kind, where, name), []).append(measure(clip, chroma))
    print(f"{'clip':8} {'hints on':15} {'way':12} {'PSNR dB':>8} {'flicker':>8}")
    for (kind, where, name), values in totals.items():
        psnr, flicker = torch.tensor(values).mean(0).tolist()
        print(f"{kind:8} {where:15} {name:12} {psnr:8.2f} {flicker:8.3f}")


def video_pairs(folder: Path, side: int = 384, points: int = 60) -> None:
    """The second of two frames, colored from hints on the first."""
    print(f"{'pair':20} {'gray':>8} {'alone':>8} {'no motion':>9} {'sequence':>9}   PSNR dB of the second frame")
    rows = []
    for file in sorted((folder / "video").glob("*_ref.jpg")):
        name = file.name.removesuffix("_ref.jpg")
        both = [read_picture(file.with_name(f"{name}_{which}.jpg")).image for which in ("ref", "target")]
        frames = torch.cat([F.interpolate(x, (side * 9 // 16, side), mode="area") for x in both])
        clip = frames, torch.zeros(2, 2, *frames.shape[-2:]), torch.zeros_like(frames[:, :1])
        ways = color_all(clip, draw_points(frames, [0], points, seed=0), [0])
        ways["gray"] = torch.zeros_like(ways["truth"])
        rows.append([measure_second(frames, ways[way]) for way in ("gray", "alone", "no motion", "sequence")])
        print(f"{name:20} {rows[-1][0]:8.2f} {rows[-1][1]:8.2f} {rows[-1][2]:9.2f} {rows[-1][3]:9.2f}", flush=True)
    mean = torch.tensor(rows).mean(0).tolist()
    print(f"{'mean':20} {mean[0]:8.2f} {mean[1]:8.2f} {mean[2]:9.2f} {mean[3]:9.2f}")


def measure_second(frames: Tensor, chroma: Tensor) -> float:
    """PSNR of the second frame."""
    out = fit_gamut(rgb_to_luminance(frames[1:]), chroma[1:])
    return float(-10 * (out - frames[1:]).square().mean().log10())


def view(picture: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The picture at positions in pixels, (H, W) each, bilinear."""
    height, width = picture.shape[-2:]
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), -1)[None]
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def grid() -> tuple[Tensor, Tensor]:
    """Positions across and down of a frame's pixels."""
    y, x = torch.meshgrid(torch.arange(SIZE[0]).float(), torch.arange(SIZE[1]).float(), indexing="ij")
    return x, y


def moved_in_frame(flow: Tensor) -> Tensor:
    """1 where the flow leads to a place within the frame before; the first frame has none."""
    x, y = grid()
    px, py = x + flow[:, 0], y + flow[:, 1]
    inside = ((px >= 0) & (px <= SIZE[1] - 1) & (py >= 0) & (py <= SIZE[0] - 1)).float()
    inside[0] = 0
    return inside[:, None]


def pan(picture: Tensor, frames: int, step: tuple[float, float] = (3.3, 1.6)) -> Clip:
    """A window that moves over the picture."""
    x, y = grid()
    shots = [view(picture, x + 20 + t * step[0], y + 20 + t * step[1]) for t in range(frames)]
    flow = torch.tensor(step).view(1, 2, 1, 1).expand(frames, 2, *SIZE)
    return torch.cat(shots), flow, moved_in_frame(flow)


def zoom(picture: Tensor, frames: int, rate: float = 1.02) -> Clip:
    """A window that shrinks around its middle."""
    x, y = grid()
    cx, cy = (SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2
    scale = [1.3 / rate**t for t in range(frames)]
    shots = [view(picture, picture.shape[-1] / 2 + s * (x - cx), picture.shape[-2] / 2 + s * (y - cy)) for s in scale]
    # The place of a pixel is s_t (x - c); in the frame before it was at s_t / s_(t-1) (x - c).
    flow = torch.stack(((x - cx) * (1 / rate - 1), (y - cy) * (1 / rate - 1)))[None].expand(frames, -1, -1, -1)
    return torch.cat(shots), flow, moved_in_frame(flow)


def layers(ground: Tensor, front: Tensor, frames: int) -> Clip:
    """An ellipse of another photograph that moves against a panning ground."""
    x, y = grid()
    back, flow_back, _ = pan(ground, frames, (1.4, 0.5))
    speed = (-2.7, 0.9)
    shots, flows, valid = [], [], []
    before = None
    for t in range(frames):
        left, top = 170 + t * speed[0], 80 + t * speed[1]
        inside = (((x - left) / 55) ** 2 + ((y - top) / 45) ** 2 < 1).float()[None, None]
        object_ = view(front, x - left + 200, y - top + 150)
        shots.append(torch.lerp(back[t : t + 1], object_, inside))
        flow = torch.where(inside > 0.5, -torch.tensor(speed).view(1, 2, 1, 1), flow_back[t : t + 1])
        flows.append(flow)
        was = inside if before is None else motion.warp(before, flow)[0]
        valid.append(((was - inside).abs() < 1e-3).float())  # neither covered before nor on the rim
        before = inside
    flow = torch.cat(flows)
    return torch.cat(shots), flow, moved_in_frame(flow) * torch.cat(valid)


def draw_points(frames: Tensor, hinted: list[int], points: int, seed: int) -> Tensor:
    """Masks of patches of 4 x 4 pixels on the hinted frames."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros_like(frames[:, :1])
    for t in hinted:
        for _ in range(points):
            y, x = (int(torch.randint(0, n - 4, (1,), generator=generator)) for n in frames.shape[-2:])
            mask[t, :, y : y + 4, x : x + 4] = 1
    return mask


def color_all(clip: Clip, mask: Tensor, hinted: list[int]) -> dict[str, Tensor]:
    """Chroma by each way."""
    frames, flow, valid = clip
    luminance, truth = rgb_to_luminance(frames), rgb_to_yuv(frames)[:, 1:]
    gray = luminance.expand(-1, 3, -1, -1)
    image = torch.cat((luminance, torch.zeros_like(truth)), 1)
    hints = rgb_to_yuv(frames)

    def sequence() -> Tensor:
        return LevinColorization(sequence=True)(image, Guide(hints=hints, hint_mask=mask))[:, 1:]

    def no_motion() -> Tensor:
        return without_flow(sequence)

    def alone() -> Tensor:
        out = []
        for t in range(len(gray)):
            near = min(hinted, key=lambda h: abs(h - t))
            out.append(spread_chroma(luminance[t : t + 1], truth[near : near + 1], mask[near : near + 1]))
        return torch.cat(out)

    def true_motion() -> Tensor:
        out, known, colors = [], mask[:1], truth[:1]
        for t in range(len(gray)):
            if t:
                parts, _ = motion.warp(torch.cat((known, colors), 1), flow[t : t + 1])
                known = torch.maximum((parts[:, :1] > 0.5).float() * valid[t : t + 1], mask[t : t + 1])
                colors = torch.where(mask[t : t + 1] > 0.5, truth[t : t + 1], parts[:, 1:])
            out.append(spread_chroma(luminance[t : t + 1], colors, known))
        return torch.cat(out)

    return {
        "sequence": sequence(),
        "no motion": no_motion(),
        "alone": alone(),
        "true motion": true_motion(),
        "truth": truth,
    }


def without_flow(run: Callable[[], Tensor]) -> Tensor:
    """``run`` with the optical flow switched off."""
    flow = levin_sequence.optical_flow
    levin_sequence.optical_flow = lambda a, b, *_: torch.zeros_like(a).expand(-1, 2, -1, -1)  # type: ignore[assignment, misc]
    try:
        return run()
    finally:
        levin_sequence.optical_flow = flow


def measure(clip: Clip, chroma: Tensor) -> tuple[float, float]:
    """PSNR of the pictures, and flicker in levels."""
    frames, flow, valid = clip
    pictures = fit_gamut(rgb_to_luminance(frames), chroma)
    psnr = -10 * torch.log10((pictures - frames).square().mean((-3, -2, -1)).clamp(min=1e-9)).mean()
    before, _ = motion.warp(chroma[:-1], flow[1:])
    change = (chroma[1:] - before).abs() * valid[1:]
    return float(psnr), float(255 * change.sum() / valid[1:].sum() / 2)


if __name__ == "__main__":
    main()
