"""Color from near infrared, measured on scenes that were never trained on, against simpler ways.

    python -m scripts.evaluations.eval_infrared nir/ -o infrared/
    python -m scripts.evaluations.eval_infrared thermal/ -o thermal/ --weights thermal.safetensors

The last fifth of the scenes of each category is colored (``split_pairs``). Mean CIEDE2000 where both pictures have
content, of: the infrared picture shown as gray; our U-Net on it as if it were a photograph; the mean color of the
training photographs of its category, with the infrared as luminance and as one flat color; the network for infrared, by
--vividness. Writes infrared.csv, infrared.md and sheet.jpg (infrared, U-Net, table, ours, truth).
"""

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from recolor_torch.color import fit_gamut, rgb_to_lab, rgb_to_yuv
from recolor_torch.color.difference import ciede2000
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation.metrics import colorfulness
from recolor_torch.evaluation.protocols import to_8_bits
from recolor_torch.files import write_bytes_atomically
from recolor_torch.guide import Guide
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.pipeline import recolor
from recolor_torch.training.infrared import Pair, find_pairs, read_pair, split_pairs

SHOWN = ("gray", "U-Net", "mean chroma of the category", "infrared", "truth")


def main() -> int:
    """Color, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path, help="manifest of pairs, or the folder that has it")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder")
    parser.add_argument("--weights", help="of the network for infrared; those of the package without it")
    parser.add_argument("--side", type=int, default=384, help="longer side of the pictures")
    parser.add_argument("--vividness", type=float, nargs="+", default=[0.0, 0.5], help="of that network")
    parser.add_argument("--shown", type=int, default=12, help="pictures on the sheet, the first --vividness last")
    args = parser.parse_args()
    try:
        training, test = split_pairs(find_pairs(args.pairs), 0.2)
        methods = {"U-Net": NetworkColorization(vividness=0)}
        for value in args.vividness:
            name = f"infrared, vividness {value:g}"
            methods[name] = NetworkColorization("near_infrared", args.weights, vividness=value)
        for method in methods.values():
            method.prepare()
        means = mean_colors(training, args.side)
    except (UsageError, WeightsMissing, ValueError) as error:
        print(f"eval_infrared: {error}", file=sys.stderr)
        return 2
    args.output.mkdir(parents=True, exist_ok=True)
    rows, strips = [], []
    for pair in test:
        found, strip = evaluate(pair, args.side, methods, means)
        rows += found
        strips.append(strip)
    with (args.output / "infrared.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    chosen = [strips[i] for i in np.linspace(0, len(strips) - 1, min(args.shown, len(strips))).astype(int)]
    width = max(s.width for s in chosen)
    page = Image.new("RGB", (width, sum(s.height for s in chosen)), "white")
    for i, strip in enumerate(chosen):
        page.paste(strip, (0, sum(s.height for s in chosen[:i])))
    page.save(args.output / "sheet.jpg", quality=88)
    text = table(rows)
    write_bytes_atomically(args.output / "infrared.md", text.encode())
    print(text)
    return 0


def parts_of(pair: Pair, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Photograph (1, 3, H, W), infrared and mask (1, 1, H, W), in [0, 1]."""
    pixels = torch.from_numpy(read_pair(pair, side)).permute(2, 0, 1)[None] / 255
    return pixels[:, :3], pixels[:, 3:4], pixels[:, 4:]


def mean_colors(pairs: list[Pair], side: int) -> dict[str, tuple[Tensor, Tensor]]:
    """By category: mean chroma and mean sRGB color of the photographs, each picture counting alike."""
    found = defaultdict(list)
    for pair in pairs:
        image, _, mask = parts_of(pair, side)
        chroma = rgb_to_yuv(image)[:, 1:]
        found[pair.category].append([(x * mask).sum((2, 3)) / mask.sum() for x in (chroma, image)])
    return {name: tuple(torch.stack(x).mean(0)[..., None, None] for x in zip(*v)) for name, v in found.items()}


@torch.no_grad()
def evaluate(
    pair: Pair, side: int, methods: dict[str, NetworkColorization], means: dict[str, tuple[Tensor, Tensor]]
) -> tuple[list[dict[str, object]], Image.Image]:
    """A row for each way, and a strip of pictures."""
    truth, given, mask = parts_of(pair, side)
    gray = given.expand_as(truth)
    chroma, flat = means[pair.category]
    results = {"gray": gray, "mean chroma of the category": fit_gamut(given, chroma.expand(-1, -1, *given.shape[-2:]))}
    results["mean color of the category"] = flat.expand_as(truth)
    results |= {name: recolor(gray, method, Guide()) for name, method in methods.items()}
    rows: list[dict[str, object]] = []
    for name, result in results.items():
        image = to_8_bits(result)
        difference = ciede2000(rgb_to_lab(image), rgb_to_lab(truth)) * mask
        row = {"pair": pair.name, "category": pair.category, "way": name}
        row["ciede2000"] = round(float(difference.sum() / mask.sum()), 4)
        row["lightness"] = round(
            float((rgb_to_lab(image) - rgb_to_lab(truth))[:, :1].abs().mul(mask).sum() / mask.sum()), 4
        )
        rows.append(row | {"colorful": round(float(colorfulness(image * mask) / colorfulness(truth * mask)), 4)})
    ours = next(r for n, r in reversed(results.items()) if n.startswith("infrared"))
    panels = {**results, "infrared": ours, "truth": truth}
    strip = torch.cat([panels[name] for name in SHOWN], 3)[0]
    return rows, Image.fromarray((255 * to_8_bits(strip)).round().to(torch.uint8).permute(1, 2, 0).numpy())


def table(rows: list[dict[str, object]]) -> str:
    """Means by way, and by category."""
    ways = list(dict.fromkeys(str(r["way"]) for r in rows))
    categories = list(dict.fromkeys(str(r["category"]) for r in rows))

    def mean(way: str, column: str, category: str | None = None) -> float:
        chosen = [r for r in rows if r["way"] == way and category in (None, r["category"])]
        return float(np.mean([r[column] for r in chosen]))  # type: ignore[arg-type]

    count = len({r["pair"] for r in rows})
    lines = [
        f"{count} pairs of scenes that were not trained on: mean CIEDE2000, |L| off, colorfulness over the truth's",
        "",
    ]
    lines += ["| way | CIEDE2000 | off in L | colorful | " + " | ".join(categories) + " |"]
    lines += ["|" + " --- |" * (4 + len(categories))]
    for way in ways:
        cells = [f"{mean(way, c):.2f}" for c in ("ciede2000", "lightness", "colorful")]
        cells += [f"{mean(way, 'ciede2000', c):.1f}" for c in categories]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
