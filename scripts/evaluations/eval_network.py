"""Color without any input, measured: error, colorfulness and perceptual distance against the truth, by setting.

    python -m scripts.evaluations.eval_network photographs/ -o network/ --limit 96
    python -m scripts.evaluations.eval_network photographs/ -o network/ --side 512 --lpips alexnet.safetensors \
        --setting mean:vividness=0 --setting unfinished:finish=false

Pictures are reduced to --side on the longer side (0: their own size). Writes network.csv (a line a picture and setting)
and network.md. ``share`` is the mean chroma (of YUV) of the result over that of the truth, ``colorful`` the same ratio
of the means of Hasler and Süsstrunk's colorfulness.
"""

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
import yaml

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation.lpips import Lpips
from recolor_torch.evaluation.metrics import score
from recolor_torch.evaluation.protocols import to_8_bits
from recolor_torch.files import write_bytes_atomically
from recolor_torch.guide import Guide
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.pictures import read_picture
from recolor_torch.pictures.read import PictureError
from recolor_torch.pipeline import recolor
from recolor_torch.resize import resize, working_size
from recolor_torch.run.targets import find_targets

COLUMNS = ("psnr", "ciede2000", "lpips", "chroma", "colorfulness")


def main() -> int:
    """Evaluate picture by picture, then sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", help="photographs in color: files, folders, globs")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder")
    parser.add_argument("--side", type=int, default=256, help="longer side of the pictures; 0 for their own")
    parser.add_argument("--limit", type=int, help="take only so many pictures, evenly spread")
    parser.add_argument("--lpips", type=Path, help="AlexNet or VGG-16 in torchvision's layout")
    parser.add_argument("--setting", action="append", default=[], help="NAME:key=value,key=value of the method")
    args = parser.parse_args()
    try:
        methods = {name: build(text) for name, _, text in (s.partition(":") for s in ["default:", *args.setting])}
        targets = [t.path for t in find_targets(args.pictures)]
        lpips = Lpips(args.lpips) if args.lpips else None
    except (UsageError, WeightsMissing, ValueError) as error:
        print(f"eval_network: {error}", file=sys.stderr)
        return 2
    if args.limit and args.limit < len(targets):
        targets = [targets[i] for i in np.linspace(0, len(targets) - 1, args.limit).astype(int)]
    args.output.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for number, path in enumerate(targets, start=1):
        try:
            rows += evaluate(path, args.side, methods, lpips)
        except PictureError as error:
            print(f"eval_network: {error}", file=sys.stderr)
        if number % 10 == 0:
            print(f"{number} of {len(targets)}", flush=True)
    write(args.output / "network.csv", rows)
    text = table(rows, args.side)
    write_bytes_atomically(args.output / "network.md", text.encode())
    print(text)
    return 0


def build(text: str) -> NetworkColorization:
    """The method with settings of the form key=value,key=value."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    method = NetworkColorization(**{key: yaml.safe_load(value) for key, _, value in pairs})
    method.prepare()
    return method


@torch.no_grad()
def evaluate(
    path: Path, side: int, methods: dict[str, NetworkColorization], lpips: Lpips | None
) -> list[dict[str, object]]:
    """A row for gray, for the truth, and for each setting."""
    image = read_picture(path).image
    truth = to_8_bits(resize(image, working_size(*image.shape[-2:], side or None)).clamp(0, 1))
    gray = rgb_to_luminance(truth).expand_as(truth)
    results = {"gray": gray, "truth": truth}
    results |= {name: to_8_bits(recolor(truth, method, Guide())) for name, method in methods.items()}
    rows: list[dict[str, object]] = []
    for name, result in results.items():
        scores = score(result, truth, gray, lpips)
        scores["chroma"] = float(rgb_to_yuv(result)[:, 1:].norm(dim=1).mean())
        rows.append({"picture": str(path), "setting": name} | {c: scores[c] for c in COLUMNS if c in scores})
    return rows


def write(path: Path, rows: list[dict[str, object]]) -> None:
    """All rows as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["picture", "setting", *COLUMNS])
        writer.writeheader()
        writer.writerows(rows)


def table(rows: list[dict[str, object]], side: int) -> str:
    """Means by setting, and their ratios to gray and to the truth."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for column in COLUMNS:
            if column in row:
                found[str(row["setting"])][column].append(float(row[column]))  # type: ignore[arg-type]
    means = {name: {c: float(np.mean(v)) for c, v in columns.items()} for name, columns in found.items()}
    gray, truth = means["gray"], means["truth"]
    count = len(found["gray"]["psnr"])
    lines = [f"{count} pictures, longer side {side or 'as it is'}", ""]
    lines += [
        "| setting | PSNR | over gray | CIEDE2000 | of gray | LPIPS | of gray | share | colorful |",
        "|" + " --- |" * 9,
    ]
    for name, m in means.items():
        if name == "truth":
            continue
        gain = np.subtract(found[name]["psnr"], found["gray"]["psnr"])
        error = float(np.std(gain, ddof=1) / len(gain) ** 0.5) if len(gain) > 1 else 0.0
        cells = [f"{m['psnr']:.2f}", f"{gain.mean():+.2f} ± {error:.2f}"]
        cells += [f"{m['ciede2000']:.2f}", f"{m['ciede2000'] / gray['ciede2000']:.3f}"]
        cells += [f"{m['lpips']:.3f}", f"{m['lpips'] / gray['lpips']:.3f}"] if "lpips" in m else ["", ""]
        cells += [f"{m['chroma'] / truth['chroma']:.2f}", f"{m['colorfulness'] / truth['colorfulness']:.2f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
