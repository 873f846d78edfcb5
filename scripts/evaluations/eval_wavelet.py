r"""Color error and blockiness of wavelet merging on pairs of pictures, to choose and to report its default.

    python -m scripts.evaluations.eval_wavelet ../shared/data/pairs [--half tune|report|all] [--max-side 480] \
        [--json FILE]

The folder has a ``manifest.json`` with ``pairs``: name, kind, target, reference, has_ground_truth. Pairs are split by
scene into two halves: settings are chosen on ``tune`` and quoted from ``report``. Printed, a line a variant:
CIEDE2000 to the target's true colors (mean over pairs; pairs without true colors are left out), by kind, and the
blockiness over that of the target on 8, 16, 32 and 64 pixels, of the picture and of its chroma (mean, and worst pair
of the picture).
"""

import argparse
import json
from pathlib import Path

import torch
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import Tensor

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.filters import blockiness
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import Recolorizer, build_method
from recolor_torch.pipeline import recolor
from scripts.common import load, scene

PERIODS = (8, 16, 32, 64)
MERGES: dict[str, dict[str, object]] = {
    "default": {},
    "default, dwt": {"transform": "dwt"},
    "linear:0.4,0.15": {"schedule": "linear:0.4,0.15"},
    "linear:0.5,0.2": {"schedule": "linear:0.5,0.2"},
    "default, db2": {"wavelet": "db2"},
    "default, sym4": {"wavelet": "sym4"},
    "default, match rgb": {"match": "rgb"},
    "no match, linear:0.2,0.2": {"match": "none", "schedule": "linear:0.2,0.2"},
    "no match, hard:7": {"match": "none", "schedule": "hard:7"},
    "report: hard:7, dwt": {"match": "none", "schedule": "hard:7", "transform": "dwt"},
    "report: figure 16, dwt": {"match": "none", "schedule": "linear:0.2,0.2", "transform": "dwt"},
    "matched only": {"schedule": [1, 1]},
    "source only": {"schedule": [0, 0]},
}


def load_pairs(folder: Path, half: str, max_side: int) -> list[tuple[dict[str, str], Tensor, Tensor]]:
    """Manifest entry, target and reference of each pair with true colors in one half of the scenes."""
    pairs = [p for p in json.loads((folder / "manifest.json").read_text())["pairs"] if p["has_ground_truth"]]
    scenes = sorted({scene(p) for p in pairs})
    wanted = {s for i, s in enumerate(scenes) if half == "all" or (i % 2 == 0) == (half == "tune")}
    return [
        (p, *(load(folder / p[key], max_side) for key in ("target", "reference"))) for p in pairs if scene(p) in wanted
    ]


def lab(image: Tensor) -> Tensor:
    return torch.from_numpy(rgb2lab(image[0].permute(1, 2, 0).numpy()))


def measure(method: Recolorizer | None, pairs: list[tuple[dict[str, str], Tensor, Tensor]]) -> dict[str, float]:
    """Mean CIEDE2000 over all pairs and by kind, and blockiness relative to the target."""
    errors: dict[str, list[float]] = {}
    picture, chroma = [], []
    for pair, target, reference in pairs:
        if method is None:
            result = rgb_to_luminance(target).expand_as(target)
        else:
            result = recolor(target, method, Guide(references=(Reference(reference),)))
        error = float(deltaE_ciede2000(lab(target).numpy(), lab(result).numpy()).mean())
        for key in ("all", pair["kind"]):
            errors.setdefault(key, []).append(error)
        for period in PERIODS:
            picture.append(float(blockiness(result, period) / blockiness(target, period)))
            if method is not None:
                planes = [rgb_to_yuv(x)[:, 1:] for x in (result, target)]
                chroma.append(float(blockiness(planes[0], period) / blockiness(planes[1], period)))
    means = {f"dE {key}": sum(values) / len(values) for key, values in errors.items()}
    means["blocks"] = sum(picture) / len(picture)
    means["blocks worst"] = max(picture)
    means["chroma blocks"] = sum(chroma) / len(chroma) if chroma else float("nan")
    return means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--half", choices=["tune", "report", "all"], default="report")
    parser.add_argument("--max-side", type=int, default=480)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the table here as well")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pairs = load_pairs(arguments.folder, arguments.half, arguments.max_side)
    print(f"{len(pairs)} pairs ({arguments.half}): {', '.join(p['name'] for p, _, _ in pairs)}")
    methods: dict[str, Recolorizer | None] = {"gray": None, "histogram": build_method("histogram")}
    methods |= {name: build_method("wavelet", **settings) for name, settings in MERGES.items()}
    table = {}
    with torch.inference_mode():
        for name, method in methods.items():
            table[name] = measure(method, pairs)
            if len(table) == 1:
                print(f"{'':26}" + "".join(f"{key:>15}" for key in table[name]))
            print(f"{name:26}" + "".join(f"{value:15.3f}" for value in table[name].values()), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
