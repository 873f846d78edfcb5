"""What one link changes: pairs of one kind, colored without and with it.

    python -m scripts.figures.links_sheet PAIRS -o SHEET.png [--side 320] [--only NAME ...] [--links FILE]

PAIRS is a folder with ``manifest.json``. FILE, links.json beside this script without it, has for each pair a rectangle
of the target and one of the reference in shares of the sides. A row has target, reference, the result without and with
the link; the table says how far the mean color of the linked region lies from that of the reference's region.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.guide import Guide, Link, Reference
from recolor_torch.hints.links import Region
from recolor_torch.methods import Correspondence
from recolor_torch.pipeline import recolor
from recolor_torch.plots.figures import plot_strip, write_figure
from scripts.common import load_pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--links", type=Path, default=Path(__file__).with_name("links.json"))
    parser.add_argument("--weights")
    args = parser.parse_args()
    links = [k for k in json.loads(args.links.read_text()) if not args.only or k["pair"] in args.only]
    kinds = ["same_kind", "gray_target", "video", "multi_view"]
    pairs = {e["name"]: (t, r) for e, t, r in load_pairs(args.pairs, "all", args.side, kinds, False)}
    method = Correspondence(weights=args.weights)
    panels: dict[str, Tensor] = {}
    print("| pair | region | color off the reference's, without | with the link |\n|---|---|---|---|")
    for link in links:
        truth, reference = pairs[link["pair"]]
        gray = rgb_to_luminance(truth).expand(-1, 3, -1, -1)
        target, region = (rectangle(link[k], x) for k, x in (("target", truth), ("reference", reference)))
        guide = Guide((Reference(reference),))
        results = [recolor(gray, method, g) for g in (guide, replace(guide, links=(Link(0, target, region),)))]
        wanted = mean_color(reference, region)
        off = [float((mean_color(x, target) - wanted).norm()) * 255 for x in results]
        print(f"| {link['pair']} | {link['what']} | {off[0]:.1f} | {off[1]:.1f} |", flush=True)
        named = {"target": outlined(truth, target), "reference": outlined(reference, region)}
        named |= {"without": results[0], f"with the link ({link['what']})": results[1]}
        panels |= {f"{link['pair']}: {name}": x for name, x in named.items()}
    write_figure(args.output, plot_strip(panels, 4, 3), dpi=80)


def rectangle(shares: list[float], image: Tensor) -> Tensor:
    """A mask, (1, 1, H, W), of a rectangle in shares of the sides."""
    height, width = image.shape[-2:]
    x, y, w, h = shares
    mask = Region("rectangle", ((x, y), (w, h))).scaled(width, height).rasterize((width, height), (height, width))
    return torch.from_numpy(mask)[None, None].float()


def outlined(image: Tensor, mask: Tensor) -> Tensor:
    """The picture with a red line around a region."""
    grown = torch.nn.functional.max_pool2d(mask, 5, 1, 2) - torch.nn.functional.max_pool2d(mask, 1)
    red = torch.tensor([1.0, 0.1, 0.1]).view(1, 3, 1, 1)
    return torch.where(grown > 0, red, image)


def mean_color(image: Tensor, mask: Tensor) -> Tensor:
    """Mean U and V of a region."""
    return (rgb_to_yuv(image)[:, 1:] * mask).sum((0, 2, 3)) / mask.sum()


if __name__ == "__main__":
    with torch.no_grad():
        main()
