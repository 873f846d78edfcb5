r"""Colour error of a reference corrected by 20 true points, against the reference alone and the points alone.

    python -m scripts.evaluations.eval_semi_interactive PAIRS [--half tune|report|all] [--side 256] \
        [--weights VGG] [--points 20]

PAIRS is a folder with ``manifest.json``, see eval_correspondence.py. Patches of 4 x 4 pixels (at 256 on the longer
side) at random places of the target carry its true colours; the reference is the pair's own, then that of a pair half
the list away. Mean CIEDE2000 to the target's own colours.
"""

import argparse
import os
from collections import defaultdict
from pathlib import Path

import torch
from torch import Tensor

from recolor_torch.color import rgb_to_luminance
from recolor_torch.evaluation import color_error
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import build_method
from recolor_torch.pipeline import recolor
from scripts.common import load_pairs


def draw_points(picture: Tensor, points: int, seed: int) -> Tensor:
    """Mask of square patches at random places, (1, 1, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros_like(picture[:, :1])
    size = max(2, round(max(picture.shape[-2:]) / 64))
    for _ in range(points):
        y, x = (int(torch.randint(0, n - size, (1,), generator=generator)) for n in picture.shape[-2:])
        mask[..., y : y + size, x : x + size] = 1
    return mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--half", choices=["tune", "report", "all"], default="report")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--weights", help="VGG-19 weights, else RECOLOR_VGG19 or torchvision's")
    parser.add_argument("--transfers", nargs="+", default=["correspondence", "histogram"])
    args = parser.parse_args()
    if args.weights:
        os.environ["RECOLOR_VGG19"] = args.weights
    rows: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for which in ("right", "wrong"):
        pairs = load_pairs(args.pairs, args.half, args.side, ["video", "multi_view"], which == "wrong")
        for i, (entry, truth, reference) in enumerate(pairs):
            gray = rgb_to_luminance(truth).expand(-1, 3, -1, -1)
            mask = draw_points(truth, args.points, i)
            pictures = (Reference(reference),)
            levin = recolor(gray, "levin", Guide(hints=truth, hint_mask=mask))
            for name in args.transfers:
                alone = recolor(gray, name, Guide(pictures))
                method = build_method("semi_interactive", transfer=name)
                both = recolor(gray, method, Guide(pictures, hints=truth, hint_mask=mask))
                rows[which, name].append([float(color_error(x, truth)) for x in (gray, alone, levin, both)])
                print(which, entry["name"], name, [f"{x:.2f}" for x in rows[which, name][-1]], flush=True)
    print(f"\nMean CIEDE2000, half {args.half}, {args.side} pixels, {args.points} points")
    print(
        "| reference | transfer | gray | transfer alone | levin alone | both | better than both alone | worst - levin |"
    )
    print("|---" * 8 + "|")
    for (which, name), values in rows.items():
        means = [f"{sum(column) / len(values):.2f}" for column in zip(*values)]
        wins = sum(v[3] < min(v[1], v[2]) for v in values)
        worst = max(v[3] - v[2] for v in values)
        print(f"| {which} | {name} | {' | '.join(means)} | {wins} of {len(values)} | {worst:+.2f} |")


if __name__ == "__main__":
    with torch.no_grad():
        main()
