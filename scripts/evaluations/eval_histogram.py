"""Color error of the histogram methods on pairs of pictures with known colors.

    python -m scripts.evaluations.eval_histogram PAIRS [--kinds video multi_view] [--side 256]

PAIRS is a folder with manifest.json (pairs: target, reference, kind). The luminance of a target is
colored from its reference; the result is compared with the target's own colors by mean CIEDE2000
(scikit-image), at SIDE pixels on the longer side (0 for full size), without any file in between.
"""

import argparse
import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.exposure import match_histograms as skimage_match
from torch import Tensor

from recolor_torch.color import fit_gamut, rgb_to_luminance, rgb_to_yuv
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import HistogramTransfer
from recolor_torch.pictures import read_picture
from recolor_torch.pipeline import recolor
from recolor_torch.resize import resize, working_size

OURS = {
    "chroma (default)": HistogramTransfer("chroma"),
    "chroma, rank": HistogramTransfer("chroma", rank=True),
    "rgb": HistogramTransfer("rgb"),
    "soft": HistogramTransfer("soft"),
    "yuv, report's range": HistogramTransfer("yuv"),
    "yuv, gamut": HistogramTransfer("yuv", restore="gamut"),
    "lab, gamut": HistogramTransfer("lab", restore="gamut"),
}


def results(gray: Tensor, reference: Tensor) -> dict[str, Tensor]:
    """Every method's result, luminance kept, and without where that differs."""
    out = {"gray": gray}
    peer = skimage_match(_array(gray), _array(reference), channel_axis=2)
    peer_rgb = torch.from_numpy(np.clip(peer, 0, 1)).permute(2, 0, 1)[None].float()
    out["skimage match_histograms"] = peer_rgb
    out["skimage match_histograms, luminance kept"] = fit_gamut(rgb_to_luminance(gray), rgb_to_yuv(peer_rgb)[:, 1:])
    guide = Guide(references=(Reference(reference),))
    for name, method in OURS.items():
        out[name] = recolor(gray, method, guide)
        if method.space == "rgb":
            out[f"{name}, --keep none"] = recolor(gray, method, guide, keep="none")
    return out


def _array(x: Tensor) -> np.ndarray:
    return x[0].permute(1, 2, 0).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--kinds", nargs="+", default=["video", "multi_view"])
    parser.add_argument("--side", type=int, default=256)
    args = parser.parse_args()
    pairs = json.loads((args.pairs / "manifest.json").read_text())["pairs"]
    errors: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for pair in pairs:
        if pair["kind"] not in args.kinds:
            continue
        truth, reference = (read_picture(args.pairs / pair[key]).image for key in ("target", "reference"))
        if args.side:
            truth, reference = (
                resize(x, working_size(*x.shape[-2:], args.side)).clamp(0, 1) for x in (truth, reference)
            )
        gray = rgb_to_luminance(truth).expand(-1, 3, -1, -1).contiguous()
        lab = rgb2lab(_array(truth))
        for name, result in results(gray, reference).items():
            errors[name][pair["kind"]].append(float(deltaE_ciede2000(lab, rgb2lab(_array(result))).mean()))
    first = next(iter(errors.values()))
    print(f"Mean CIEDE2000, {args.side or 'full'} pixels on the longer side")
    print("| method | " + " | ".join(f"{k} ({len(first[k])})" for k in args.kinds) + " | all | better than gray |")
    print("|---|" + "---|" * (len(args.kinds) + 2))
    every_gray = [e for k in args.kinds for e in first[k]]
    for name, by_kind in errors.items():
        every = [e for k in args.kinds for e in by_kind[k]]
        cells = [f"{_mean(by_kind[k]):.2f}" for k in args.kinds] + [f"{_mean(every):.2f}"]
        wins = sum(a < b for a, b in zip(every, every_gray))
        print(f"| {name} | " + " | ".join(cells) + f" | {wins} of {len(every)} |")


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


if __name__ == "__main__":
    main()
