"""Color to color: how well a known change of light and white balance is undone, against color-matcher.

    python -m scripts.evaluations.eval_color_maps photographs/ -o maps/ --limit 40

Each photograph is cut in two overlapping parts. The left part is changed (gains of R and B, gamma, contrast,
saturation, drawn by its name), the right part as it was is the reference, and the left part as it was is the truth.
Writes maps.csv (CIEDE2000 by picture and method) and maps.md. Peers come from the package
 color-matcher where it is installed.
"""

import argparse
import csv
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recolor_torch.color import rgb_to_luminance
from recolor_torch.color.difference import color_error
from recolor_torch.errors import UsageError
from recolor_torch.evaluation.protocols import random_numbers, to_8_bits
from recolor_torch.files import write_bytes_atomically
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import HistogramTransfer
from recolor_torch.pictures import read_picture
from recolor_torch.pictures.read import PictureError
from recolor_torch.pipeline import recolor
from recolor_torch.resize import resize, working_size
from recolor_torch.run.targets import find_targets

MODES = ("rgb", "yuv", "lab", "moments", "monge", "sliced")
PEERS = ("reinhard", "mkl", "mvgd", "hm", "hm-mvgd-hm", "hm-mkl-hm")
Change = Callable[[Tensor, Tensor], Tensor]


def main() -> int:
    """Evaluate picture by picture, then sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", help="photographs in color: files, folders, globs")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder")
    parser.add_argument("--side", type=int, default=320, help="longer side of the pictures")
    parser.add_argument("--limit", type=int, help="take only so many pictures, evenly spread")
    args = parser.parse_args()
    try:
        targets = [t.path for t in find_targets(args.pictures)]
    except UsageError as error:
        print(f"eval_color_maps: {error}", file=sys.stderr)
        return 2
    if args.limit and args.limit < len(targets):
        targets = [targets[i] for i in np.linspace(0, len(targets) - 1, args.limit).astype(int)]
    args.output.mkdir(parents=True, exist_ok=True)
    methods: dict[str, Change] = {"unchanged": lambda image, _: image} | {m: ours(m) for m in MODES} | peers()
    rows = []
    for path in targets:
        try:
            truth, image, reference = case(path, args.side)
        except PictureError as error:
            print(f"eval_color_maps: {error}", file=sys.stderr)
            continue
        errors = {name: float(color_error(to_8_bits(f(image, reference)), truth)[0]) for name, f in methods.items()}
        rows += [{"picture": str(path), "method": name, "ciede2000": f"{e:.4f}"} for name, e in errors.items()]
    with (args.output / "maps.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["picture", "method", "ciede2000"])
        writer.writeheader()
        writer.writerows(rows)
    text = table(rows)
    write_bytes_atomically(args.output / "maps.md", text.encode())
    print(text)
    return 0


def case(path: Path, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Truth, changed picture and reference."""
    image = read_picture(path).image.float()
    image = to_8_bits(resize(image, working_size(*image.shape[-2:], side)).clamp(0, 1))
    width = image.shape[-1]
    left, right = image[..., : round(0.7 * width)], image[..., round(0.3 * width) :]
    draw = random_numbers(0, path.name, "light")
    red, blue, gamma, contrast, saturation = (float(low + (high - low) * draw.random()) for low, high in CHANGES)
    gains = torch.tensor([red, 1.0, blue]).view(1, 3, 1, 1)
    changed = (left * gains).clamp(0, 1) ** gamma
    changed = (changed - 0.5) * contrast + 0.5
    gray = rgb_to_luminance(changed)
    return left, to_8_bits((gray + saturation * (changed - gray)).clamp(0, 1)), right


# Gains of R and B, gamma, contrast, saturation: lowest and highest.
CHANGES = ((0.75, 1.3), (0.75, 1.3), (0.75, 1.35), (0.75, 1.1), (0.6, 1.15))


def ours(mode: str) -> Change:
    """A mode of ``histogram``."""
    method = HistogramTransfer(mode=mode)  # type: ignore[arg-type]

    def change(image: Tensor, reference: Tensor) -> Tensor:
        return recolor(image, method, Guide((Reference(reference),)), keep="none", target="color")

    return change


def peers() -> dict[str, Change]:
    """The methods of color-matcher."""
    try:
        from color_matcher import ColorMatcher
    except ImportError:
        print("eval_color_maps: color-matcher is not installed, its rows are missing", file=sys.stderr)
        return {}

    def change(name: str) -> Change:
        def run(image: Tensor, reference: Tensor) -> Tensor:
            source, wanted = (255 * x[0].permute(1, 2, 0).double().numpy() for x in (image, reference))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = ColorMatcher(source, wanted, method=name).main()
            result = np.nan_to_num(np.asarray(result, dtype=np.float64)).real
            return torch.from_numpy(result).float().permute(2, 0, 1)[None].div(255).clamp(0, 1)

        return run

    return {f"color-matcher {name}": change(name) for name in PEERS}


def table(rows: list[dict[str, str]]) -> str:
    """Mean, median and worst of each method."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        found[row["method"]].append(float(row["ciede2000"]))
    lines = [
        f"CIEDE2000, {len(found['unchanged'])} pictures",
        "",
        "| method | mean | median | worst | better than unchanged |",
    ]
    lines.append("| --- | --- | --- | --- | --- |")
    for name, errors in found.items():
        better = sum(e < u for e, u in zip(errors, found["unchanged"]))
        lines.append(f"| {name} | {np.mean(errors):.2f} | {np.median(errors):.2f} | {max(errors):.1f} | {better} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
