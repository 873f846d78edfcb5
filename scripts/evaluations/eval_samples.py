"""Diverse colorings, measured: how near the best of several samples is, how they differ, and where.

    python -m scripts.evaluations.eval_samples photographs/ -o samples/ --limit 24 --lpips alexnet.safetensors

For each picture the network draws --samples colorings. ``best`` is the largest of their PSNRs, ``mean`` their mean,
``first`` that of the most likely one. ``apart`` is the mean LPIPS of all pairs of samples. ``where`` is the rank
correlation, over the pixels, of what samples differ by (the deviation of their chroma) with how far the most likely one
is from the truth: samples should differ where the color is uncertain. ``agree`` is the share of pixels in which all
samples lie within 5 units of CIEDE2000 of their mean. Writes samples.csv, samples.md and sheet.jpg: one sample each of
--shown pictures, numbered, in which a person counts what looks plausible.
"""

import argparse
import csv
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from recolor_torch.color import rgb_to_lab, rgb_to_luminance, rgb_to_yuv
from recolor_torch.color.difference import ciede2000
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation.lpips import Lpips
from recolor_torch.evaluation.protocols import to_8_bits
from recolor_torch.files import write_bytes_atomically
from recolor_torch.guide import Guide
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.pictures import PictureError, read_picture
from recolor_torch.pipeline import recolor
from recolor_torch.resize import resize, working_size
from recolor_torch.run.targets import find_targets

COLUMNS = ("gray", "first", "mean", "best", "apart", "where", "agree")
# CIEDE2000 up to which two colors pass for the same, and pixels that a correlation is taken of.
ALIKE, LOOKED_AT = 5.0, 4096
CELL = 200


def main() -> int:
    """Draw, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", help="photographs in color: files, folders, globs")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder")
    parser.add_argument("--side", type=int, default=256, help="longer side of the pictures")
    parser.add_argument("--limit", type=int, help="take only so many pictures, evenly spread")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--shown", type=int, default=24, help="samples on the sheet, of as many pictures")
    parser.add_argument("--lpips", help="weights of AlexNet or VGG-16")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.samples < 2:
        print(f"eval_samples: --samples must be 2 or more, got {args.samples}.", file=sys.stderr)
        return 2
    try:
        paths = [t.path for t in find_targets(args.pictures)]
        lpips = Lpips(args.lpips) if args.lpips else None
        methods = [NetworkColorization(samples=args.samples, sample=k, seed=args.seed) for k in range(args.samples)]
        methods[0].prepare()
    except (UsageError, WeightsMissing, ValueError) as error:
        print(f"eval_samples: {error}", file=sys.stderr)
        return 2
    for method in methods:
        method.loaded, method.digest = methods[0].loaded, methods[0].digest
    if args.limit and args.limit < len(paths):
        paths = [paths[i] for i in np.linspace(0, len(paths) - 1, args.limit).astype(int)]
    args.output.mkdir(parents=True, exist_ok=True)
    rows, shown = [], []
    for number, path in enumerate(paths):
        try:
            truth = read_picture(path).image
        except PictureError as error:
            print(f"eval_samples: {error}", file=sys.stderr)
            continue
        truth = to_8_bits(resize(truth, working_size(*truth.shape[-2:], args.side)).clamp(0, 1))
        with torch.no_grad():
            samples = [to_8_bits(recolor(truth, method, Guide())) for method in methods]
        rows.append({"picture": path.name, **measure(samples, truth, lpips)})
        # Of the samples that are drawn, not of the most likely one; each picture shows another one.
        shown.append(samples[1 + number % (args.samples - 1)])
    with (args.output / "samples.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["picture", *COLUMNS])
        writer.writeheader()
        writer.writerows(rows)
    sheet(shown[: args.shown]).save(args.output / "sheet.jpg", quality=90)
    text = table(rows, args.samples, args.side)
    write_bytes_atomically(args.output / "samples.md", text.encode())
    print(text)
    return 0


def measure(samples: list[Tensor], truth: Tensor, lpips: Lpips | None) -> dict[str, float]:
    """The numbers of one picture."""
    psnr = [float(-10 * (s - truth).square().mean().log10()) for s in samples]
    gray = float(-10 * (rgb_to_luminance(truth) - truth).square().mean().log10())
    found = {"gray": gray, "first": psnr[0], "mean": float(np.mean(psnr)), "best": max(psnr)}
    if lpips is not None:
        with torch.no_grad():
            apart = [float(lpips(a, b)) for a, b in combinations(samples, 2)]
        found["apart"] = float(np.mean(apart))
    chroma = torch.stack([rgb_to_yuv(s)[0, 1:] for s in samples])
    spread = chroma.var(0).sum(0).sqrt()
    off = (chroma[0] - rgb_to_yuv(truth)[0, 1:]).norm(dim=0)
    found["where"] = rank_correlation(spread.flatten(), off.flatten())
    labs = torch.cat([rgb_to_lab(s) for s in samples])
    far = ciede2000(labs, labs.mean(0, keepdim=True).expand_as(labs)).amax(0)
    return found | {"agree": float((far < ALIKE).float().mean())}


def rank_correlation(x: Tensor, y: Tensor) -> float:
    """Spearman's, of evenly spread entries; ties as they come."""
    step = max(1, len(x) // LOOKED_AT)
    a, b = (v[::step].argsort().argsort().double() for v in (x, y))
    return float(torch.corrcoef(torch.stack((a, b)))[0, 1])


def sheet(pictures: list[Tensor]) -> Image.Image:
    """Numbered pictures in rows of six."""
    rows = -(-len(pictures) // 6)
    page = Image.new("RGB", (6 * CELL, rows * CELL), "white")
    for number, picture in enumerate(pictures):
        pixels = (255 * picture[0]).round().to(torch.uint8).permute(1, 2, 0).numpy()
        image = Image.fromarray(pixels)
        image.thumbnail((CELL - 6, CELL - 6))
        place = (number % 6 * CELL + 3, number // 6 * CELL + 3)
        page.paste(image, place)
        ImageDraw.Draw(page).text(place, str(number + 1), fill="white", stroke_width=2, stroke_fill="black")
    return page


def table(rows: list[dict[str, float]], samples: int, side: int) -> str:
    """Means over the pictures."""
    columns = [c for c in COLUMNS if any(c in row for row in rows)]
    means = [f"{np.mean([row[c] for row in rows]):.3f}" for c in columns]
    lines = [f"{len(rows)} pictures, longer side {side}, {samples} samples each", ""]
    lines += ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns), "| " + " | ".join(means) + " |"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
