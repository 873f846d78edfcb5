r"""Color error of a reference corrected by true points, against the reference alone and the points alone.

    python -m scripts.evaluations.eval_semi_interactive PAIRS [--half tune|report|all] [--side 256] \
        [--weights VGG] [--points 1 5 10 20 50] [--start 0] [--every 1]

PAIRS is a folder with ``manifest.json``, see eval_correspondence.py. Patches of 4 x 4 pixels (at 256 on the longer
side) at random places of the target carry its true colors; those of a smaller number are among those of a larger one.
The reference is the pair's own, then that of a pair half the list away; ``points`` is the network corrected by the
points, as ``recolor colorize --hints`` does it. ``--start 1 --every 2`` takes every second pair from the second on.
Mean CIEDE2000 to the target's own colors.
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
from recolor_torch.methods import NetworkColorization, SemiInteractive
from recolor_torch.methods.base import Transferred
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


class OnePrior(SemiInteractive):
    """The method, with what the reference says computed once for all numbers of points."""

    def __init__(self, transfer: str) -> None:
        super().__init__(transfer=transfer)
        self.known: Transferred | None = None

    def _prior(self, image: Tensor, guide: Guide) -> Transferred:
        if self.known is None:
            self.known = super()._prior(image, guide)
        return self.known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--half", choices=["tune", "report", "all"], default="report")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--points", type=int, nargs="+", default=[1, 5, 10, 20, 50])
    parser.add_argument("--start", type=int, default=0, help="leave out so many pairs")
    parser.add_argument("--every", type=int, default=1, help="take every n-th pair")
    parser.add_argument("--weights", help="VGG-19 weights, else RECOLOR_VGG19 or torchvision's")
    parser.add_argument("--transfer", default="auto")
    args = parser.parse_args()
    if args.weights:
        os.environ["RECOLOR_VGG19"] = args.weights
    rows: dict[tuple[str, int], list[list[float]]] = defaultdict(list)
    network = NetworkColorization()
    for which in ("right", "wrong"):
        pairs = load_pairs(args.pairs, args.half, args.side, ["video", "multi_view"], which == "wrong")
        for i, (entry, truth, reference) in enumerate(pairs[args.start :: args.every]):
            gray = rgb_to_luminance(truth).expand(-1, 3, -1, -1)
            method, pictures = OnePrior(args.transfer), (Reference(reference),)
            nothing = torch.zeros_like(gray[:, :1])
            alone = recolor(gray, method, Guide(pictures, hints=truth, hint_mask=nothing))
            for points in args.points:
                guide = Guide(hints=truth, hint_mask=draw_points(truth, points, i))
                hinted = recolor(gray, network, guide)
                both = recolor(gray, method, Guide(pictures, hints=truth, hint_mask=guide.hint_mask))
                rows[which, points].append([float(color_error(x, truth)) for x in (gray, alone, hinted, both)])
                print(which, entry["name"], points, [f"{x:.2f}" for x in rows[which, points][-1]], flush=True)
    print(f"\nMean CIEDE2000, half {args.half}, {args.side} pixels, {len(rows['right', args.points[0]])} pairs")
    print("| reference | points | gray | reference alone | points alone | both | better than both | worst - points |")
    print("|---" * 8 + "|")
    for (which, points), values in rows.items():
        means = [f"{sum(column) / len(values):.2f}" for column in zip(*values)]
        wins = sum(v[3] < min(v[1], v[2]) for v in values)
        worst = max(v[3] - v[2] for v in values)
        print(f"| {which} | {points} | {' | '.join(means)} | {wins} of {len(values)} | {worst:+.2f} |")


if __name__ == "__main__":
    with torch.no_grad():
        main()
