r"""Color error of correspondence and of every other reference method on pairs of pictures with known colors.

    python -m scripts.evaluations.eval_correspondence PAIRS [--half tune|report|all] [--side 256] [--weights VGG] \
        [--shuffled] [--grain LEVELS]
    python -m scripts.evaluations.eval_correspondence PAIRS --kinds same_kind gray_target -o SHEET.png

PAIRS is a folder with ``manifest.json`` (pairs: name, kind, target, reference, has_ground_truth). The luminance of a
target is colored from its reference at SIDE pixels on the longer side; the result is compared with the target's own
colors by mean CIEDE2000. Scenes alternate between two halves: settings are chosen on ``tune`` and frozen before
``report`` is read. With ``--shuffled`` every target gets the reference of a pair half the list away, which shows
something else. ``--grain`` adds white noise of that standard deviation (levels of 255) to the luminance of the targets,
and to that of the truth: what is measured is the color.
"""

import argparse
import os
import time
from collections import defaultdict
from pathlib import Path

import torch
from torch import Tensor

from recolor_torch.color import fit_gamut, rgb_to_luminance, rgb_to_yuv
from recolor_torch.evaluation import color_error
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import Recolorizer, build_method
from recolor_torch.pipeline import recolor
from recolor_torch.plots.figures import plot_strip, write_figure
from scripts.common import Pair, load_pairs

METHODS: dict[str, tuple[str, dict[str, object]]] = {
    "histogram (chroma)": ("histogram", {}),
    "histogram, rank": ("histogram", {"rank": True}),
    "histogram, rgb": ("histogram", {"mode": "rgb"}),
    "histogram, yuv": ("histogram", {"mode": "yuv", "restore": "gamut"}),
    "histogram, lab": ("histogram", {"mode": "lab", "restore": "gamut"}),
    "wavelet": ("wavelet", {}),
    "network alone": ("network", {}),
    "correspondence": ("correspondence", {}),
    "low trust": ("correspondence", {"trust": "low"}),
    "high trust": ("correspondence", {"trust": "high"}),
    "unfilled": ("correspondence", {"fill": "none"}),
    "no rejection": ("correspondence", {"rejection": 0.0}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--half", choices=["tune", "report", "all"], default="report")
    parser.add_argument("--kinds", nargs="+", default=["video", "multi_view"])
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--grain", type=float, default=0.0, help="standard deviation, levels of 255")
    parser.add_argument("--weights", help="VGG-19 weights, else RECOLOR_VGG19 or torchvision's")
    parser.add_argument("--methods", nargs="+", help="beginnings of the names in METHODS; all without it")
    parser.add_argument("--gram", action="store_true", help="include Gram transfer, which is slow")
    parser.add_argument("-o", "--output", type=Path, help="write a sheet of results")
    args = parser.parse_args()
    if args.weights:
        os.environ["RECOLOR_VGG19"] = args.weights
    listed = METHODS | ({"gram": ("gram", {})} if args.gram else {})
    names = [n for n in listed if not args.methods or any(n.startswith(m) for m in args.methods)]
    methods = {name: build_method(listed[name][0], **listed[name][1]) for name in names}
    pairs = load_pairs(args.pairs, args.half, args.side, args.kinds, args.shuffled)
    if args.output:
        write_sheet(pairs, methods, args.output)
    else:
        print_table(pairs, methods, args)


def print_table(pairs: list[Pair], methods: dict[str, Recolorizer], args: argparse.Namespace) -> None:
    """Mean errors by kind, how often each method is better than gray, and its CPU seconds."""
    errors: dict[str, list[float]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    ratios: dict[str, list[float]] = defaultdict(list)
    for i, (entry, clean, reference) in enumerate(pairs):
        truth = with_grain(clean, args.grain, i)
        gray = rgb_to_luminance(truth).expand(-1, 3, -1, -1)
        errors["gray"].append(float(color_error(gray, truth)))
        for name, method in methods.items():
            start = time.process_time()
            result = recolor(gray, method, Guide((Reference(reference),)))
            seconds[name].append(time.process_time() - start)
            errors[name].append(float(color_error(result, truth)))
            ratios[name].append(mean_chroma(result) / mean_chroma(reference))
        last = {name: f"{values[-1]:.2f}" for name, values in errors.items()}
        print(f"{entry['kind']} {entry['name']}: {last}", flush=True)
    kinds = [entry["kind"] for entry, _, _ in pairs]
    heads = [f"{kind} ({kinds.count(kind)})" for kind in args.kinds]
    print(
        f"\nMean CIEDE2000, half {args.half}, {args.side} pixels{', references shuffled' * args.shuffled}"
        f"{f', grain of {args.grain:g} levels' if args.grain else ''}"
    )
    print(f"| method | {' | '.join(heads)} | all | better than gray | worst against gray | chroma | CPU s |")
    print("|---" * (len(heads) + 6) + "|")
    for name, values in errors.items():
        means = [[v for v, kind in zip(values, kinds) if kind == wanted] for wanted in args.kinds] + [values]
        cells = [f"{sum(v) / max(len(v), 1):.2f}" for v in means]
        gains = [v - g for v, g in zip(values, errors["gray"])]
        cells += [f"{sum(g < 0 for g in gains)} of {len(values)}", f"{max(gains):+.2f}"]
        cells += [f"{sum(ratios[name]) / len(values):.2f}" if name in ratios else ""]
        cells += [f"{sorted(seconds[name])[len(values) // 2]:.2f}" if name in seconds else ""]
        print(f"| {name} | {' | '.join(cells)} |")


def with_grain(truth: Tensor, levels: float, seed: int) -> Tensor:
    """The picture with white noise on its luminance and its own chroma."""
    if not levels:
        return truth
    yuv = rgb_to_yuv(truth)
    noise = torch.randn(yuv[:, :1].shape, generator=torch.Generator().manual_seed(seed))
    return fit_gamut((yuv[:, :1] + levels / 255 * noise).clamp(0, 1), yuv[:, 1:])


def mean_chroma(image: Tensor) -> float:
    """Mean length of (U, V)."""
    return float(rgb_to_yuv(image)[:, 1:].norm(dim=1).mean())


def write_sheet(pairs: list[Pair], methods: dict[str, Recolorizer], output: Path) -> None:
    """A row a pair: target with its colors, reference, and each method's result."""
    panels: dict[str, Tensor] = {}
    for entry, truth, reference in pairs:
        gray = rgb_to_luminance(truth).expand(-1, 3, -1, -1)
        row = {"target": truth, "reference": reference}
        row |= {name: recolor(gray, method, Guide((Reference(reference),))) for name, method in methods.items()}
        panels |= {f"{entry['name']}: {label}": picture for label, picture in row.items()}
    write_figure(output, plot_strip(panels, len(methods) + 2, 2.5), dpi=80)


if __name__ == "__main__":
    with torch.no_grad():
        main()
