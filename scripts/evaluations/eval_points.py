"""PSNR against the number of given points: gray, Levin propagation, the network, and both together.

The protocol is that of Zhang et al., "Real-Time User-Guided Image Colorization with Learned Deep Priors" (2017):
pictures at 256 x 256 pixels, points as patches of 6 x 6 pixels in the mean color of the truth there, their places
normal around the centre with a deviation of a quarter of the side, PSNR over R, G and B of 8-bit pictures.

    python -m scripts.evaluations.eval_points photographs/ -o points/
    python -m scripts.evaluations.eval_points photographs/ -o points/ --weights unet.safetensors --limit 40

Writes scores.csv (a line a picture, method and count; a second run goes on where the first was), points.md and
points.png.
"""

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from recolor_torch.color import rgb_to_luminance
from recolor_torch.color.difference import LARGEST_PSNR, psnr
from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.evaluation.protocols import points_of, random_numbers, to_8_bits
from recolor_torch.files import write_bytes_atomically
from recolor_torch.guide import Guide
from recolor_torch.methods import LevinColorization, Recolorizer
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.pictures import read_picture
from recolor_torch.pictures.read import PictureError
from recolor_torch.pipeline import recolor
from recolor_torch.plots.figures import write_figure
from recolor_torch.resize import resize
from recolor_torch.run.targets import find_targets

SIDE = 256
COUNTS = (0, 1, 2, 5, 10, 20, 50, 100, 500)
# Zhang et al. (2017) on 1000 pictures of ImageNet, by the array that comes with their code.
PUBLISHED = {0: 24.4, 1: 25.4, 2: 26.2, 5: 27.4, 10: 28.4, 20: 29.3, 50: 30.4, 100: 31.1, 500: 32.1}
Scores = dict[tuple[str, str, int], float]


def main() -> int:
    """Evaluate picture by picture, then sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", help="photographs in color: files, folders, globs")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder")
    parser.add_argument("--weights", help="of the network; those that come with the package without it")
    parser.add_argument("--network", default="unet", choices=["unet", "eccv16", "siggraph17"])
    parser.add_argument("--vividness", type=float, default=0.0, help="of the network: 0, the mean, has the least error")
    parser.add_argument("--trust", type=float, help="of the combination, in place of its default")
    parser.add_argument("--limit", type=int, help="take only so many pictures, evenly spread")
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    network = {"network": args.network, "weights": args.weights, "vividness": args.vividness}
    trust = {} if args.trust is None else {"trust": args.trust}
    methods: dict[str, Recolorizer | None] = {
        "gray": None,
        "levin": LevinColorization(),
        "network": NetworkColorization(**network, propagate=False),
        "both": NetworkColorization(**network, **trust),
    }
    try:
        targets = [t.path for t in find_targets(args.pictures)]
        for method in methods.values():
            if method is not None:
                method.prepare()
    except (UsageError, WeightsMissing) as error:
        print(f"eval_points: {error}", file=sys.stderr)
        return 2
    if args.limit and args.limit < len(targets):
        targets = [targets[i] for i in np.linspace(0, len(targets) - 1, args.limit).astype(int)]
    args.output.mkdir(parents=True, exist_ok=True)
    scores = read_scores(args.output / "scores.csv")
    for number, path in enumerate(targets, start=1):
        missing = [(m, n) for m in methods for n in args.counts if (str(path), m, n) not in scores]
        if missing:
            try:
                evaluate(path, methods, missing, scores, args.seed)
            except PictureError as error:
                print(f"eval_points: {error}", file=sys.stderr)
                continue
            write_scores(args.output / "scores.csv", scores)
            print(f"{number} of {len(targets)}: {path.name}", flush=True)
    wanted = {str(path) for path in targets}
    scores = {key: value for key, value in scores.items() if key[0] in wanted}
    text = table(scores, args.counts)
    write_bytes_atomically(args.output / "points.md", text.encode())
    write_figure(args.output / "points.png", plot(scores, args.counts))
    print(text)
    return 0


@torch.no_grad()
def evaluate(
    path: Path, methods: dict[str, Recolorizer | None], missing: list[tuple[str, int]], scores: Scores, seed: int
) -> None:
    """Score one picture; the points of a count are the first of those of a larger one."""
    truth = to_8_bits(resize(read_picture(path).image, (SIDE, SIDE)))
    for name, count in missing:
        method = methods[name]
        if method is None or (name == "levin" and count == 0):
            result = rgb_to_luminance(truth).expand_as(truth)
        else:
            hints, mask = points_of(truth, count, random_numbers(seed, path.name, "points"))
            guide = Guide(hints=hints, hint_mask=mask) if count else Guide()
            result = recolor(truth, method, guide)
        scores[str(path), name, count] = float(psnr(to_8_bits(result), truth).clamp_max(LARGEST_PSNR))


def table(scores: Scores, counts: list[int]) -> str:
    """Mean and standard error of each method and count, and how often both together lose to the better one."""
    found = by_method(scores)
    pictures = len({path for path, _, _ in scores})
    lines = [f"PSNR in dB over {pictures} pictures, mean ± standard error", ""]
    lines += ["| points | " + " | ".join(map(str, counts)) + " |", "| --- |" + " --- |" * len(counts)]
    for name, columns in found.items():
        cells = [f"{np.mean(columns[n]):.2f} ± {error(columns[n]):.2f}" for n in counts]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    gains = []
    for n in counts:
        better = np.maximum(np.mean(found["levin"][n]), np.mean(found["network"][n]))
        gains.append(f"{np.mean(found['both'][n]) - better:+.2f}")
    lines.append("| both, over the better mean | " + " | ".join(gains) + " |")
    published = [f"{PUBLISHED[n]:.1f}" if n in PUBLISHED else "" for n in counts]
    lines.append("| Zhang et al. 2017, other pictures | " + " | ".join(published) + " |")
    return "\n".join(lines) + "\n"


def plot(scores: Scores, counts: list[int]) -> Figure:
    """The curves, with a symmetric logarithmic axis so that 0 has its place."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, columns in by_method(scores).items():
        means, errors = [np.mean(columns[n]) for n in counts], [error(columns[n]) for n in counts]
        axes.errorbar(counts, means, errors, marker="o", markersize=4, capsize=2, label=name)
    known = [n for n in counts if n in PUBLISHED]
    published = [PUBLISHED[n] for n in known]
    axes.plot(known, published, "--", color="0.6", label="Zhang et al. 2017, other pictures")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks(counts, [str(n) for n in counts])
    axes.set_xlabel("points")
    axes.set_ylabel("PSNR, dB")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def by_method(scores: Scores) -> dict[str, dict[int, list[float]]]:
    """Values by method and count."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (_, name, count), value in scores.items():
        found[name][count].append(value)
    return found


def error(values: list[float]) -> float:
    """Standard error of the mean."""
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def read_scores(path: Path) -> Scores:
    """What an earlier run left."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        return {(r["picture"], r["method"], int(r["points"])): float(r["psnr"]) for r in csv.DictReader(file)}


def write_scores(path: Path, scores: Scores) -> None:
    """All scores, as CSV."""
    lines = ["picture,method,points,psnr"] + [f'"{p}",{m},{n},{v:.4f}' for (p, m, n), v in scores.items()]
    write_bytes_atomically(path, ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
