r"""Color error of Gram transfer for each start and mode, on pairs of pictures.

    python -m scripts.evaluations.eval_gram ../shared/data/pairs --weights FILE [--max-side 256] [--limit N] \
        [--json FILE]

The folder has a ``manifest.json`` with ``pairs``: name, kind, target, reference, has_ground_truth. Printed, a line a
variant: mean CIEDE2000 to the target's true colors (pairs without them are left out), by kind, and CPU seconds a
picture. With --json finished variants are kept and not computed again.
"""

import argparse
import json
import os
import time
from pathlib import Path

import torch
from torch import Tensor

from recolor_torch.color import rgb_to_luminance
from recolor_torch.evaluation import color_error
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import GramTransfer
from recolor_torch.pictures import read_picture
from recolor_torch.pipeline import recolor
from recolor_torch.resize import resize, working_size

VARIANTS: dict[str, dict[str, object] | None] = {"gray": None, "rank-colour, one step": {"levels": 1, "steps": 1}}
VARIANTS |= {"chroma, rank-colour (default)": {}}
VARIANTS |= {f"chroma, {start}": {"start": start} for start in ("target", "source", "average", "noise")}
VARIANTS |= {
    "chroma, shuffled reference": {"preparation": "shuffle"},
    "chroma, blurred reference": {"preparation": "blur"},
    "chroma, not smoothed": {"total_variation": 0.0},
    "chroma, match picture": {"match": "picture"},
    "chroma, match picture, not smoothed": {"match": "picture", "total_variation": 0.0},
}
VARIANTS |= {
    f"rgb, {start}": {"optimize": "rgb", "start": start} for start in ("rank-colour", "target", "source", "average")
}
VARIANTS |= {
    f"rgb, {start}, luminance kept": {"optimize": "rgb", "start": start}
    for start in ("rank-colour", "target", "average")
}
VARIANTS |= {"rgb, match color, luminance kept": {"optimize": "rgb", "match": "color"}}


def load(path: Path, max_side: int) -> Tensor:
    image = read_picture(path).image.float()
    return resize(image, working_size(image.shape[-2], image.shape[-1], max_side)).clamp(0, 1)


def measure(
    settings: dict[str, object] | None, pairs: list[dict[str, str]], arguments: argparse.Namespace, keep_luma: bool
) -> dict[str, float]:
    """Mean CIEDE2000 over all pairs and by kind, and CPU seconds a picture."""
    errors: dict[str, list[float]] = {}
    before = time.process_time()
    for pair in pairs:
        target, reference = (load(arguments.folder / pair[key], arguments.max_side) for key in ("target", "reference"))
        if settings is None:
            result = rgb_to_luminance(target).expand_as(target)
        else:
            method = GramTransfer(weights=arguments.weights, **settings)  # type: ignore[arg-type]
            result = recolor(target, method, Guide((Reference(reference),)), keep="luma" if keep_luma else "none")
        for key in ("all", pair["kind"]):
            errors.setdefault(key, []).append(float(color_error(result, target)))
    seconds = (time.process_time() - before) / len(pairs)
    return {key: sum(values) / len(values) for key, values in errors.items()} | {"seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", default=os.environ.get("RECOLOR_VGG19"))
    parser.add_argument("--max-side", type=int, default=256)
    parser.add_argument("--limit", type=int, help="of the pairs, evenly spread")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pairs = [p for p in json.loads((arguments.folder / "manifest.json").read_text())["pairs"] if p["has_ground_truth"]]
    pairs = [p for p in pairs if p["kind"] in ("video", "multi_view")]
    if arguments.limit:
        pairs = [pairs[i * len(pairs) // arguments.limit] for i in range(arguments.limit)]
    print(f"{len(pairs)} pairs, longer side {arguments.max_side}: {', '.join(p['name'] for p in pairs)}")
    kept = arguments.json and arguments.json.is_file()
    table: dict[str, dict[str, float]] = json.loads(arguments.json.read_text()) if kept else {}
    for name in arguments.variants:
        if name not in table:
            table[name] = measure(VARIANTS[name], pairs, arguments, not name.startswith("rgb") or "kept" in name)
            if arguments.json:
                arguments.json.write_text(json.dumps(table, indent=1))
        print(f"{name:32}" + "".join(f"  {key} {value:6.2f}" for key, value in table[name].items()), flush=True)


if __name__ == "__main__":
    main()
