"""What several scripts share: pairs of pictures with known colors."""

import json
import re
from pathlib import Path

from torch import Tensor

from recolor_torch.pictures import read_picture
from recolor_torch.resize import resize, working_size

Pair = tuple[dict[str, str], Tensor, Tensor]


def load_pairs(folder: Path, half: str, side: int, kinds: list[str], shuffled: bool) -> list[Pair]:
    """Manifest entry, target and reference of the pairs of these kinds, in one half of the scenes."""
    pairs = json.loads((folder / "manifest.json").read_text())["pairs"]
    scenes = sorted({scene(p) for p in pairs if p["has_ground_truth"]})
    wanted = {s for i, s in enumerate(scenes) if half == "all" or (i % 2 == 0) == (half == "tune")}
    chosen = [p for p in pairs if p["kind"] in kinds and (scene(p) in wanted or not p["has_ground_truth"])]
    references = [chosen[(i + len(chosen) // 2 * shuffled) % len(chosen)]["reference"] for i in range(len(chosen))]
    return [(p, load(folder / p["target"], side), load(folder / r, side)) for p, r in zip(chosen, references)]


def scene(pair: dict[str, str]) -> tuple[str, str]:
    """Kind and place: NAME, NAME_short, NAME_1 and NAME_2 are one."""
    return pair["kind"], re.sub(r"(_short|_\d+)$", "", pair["name"])


def load(path: Path, max_side: int) -> Tensor:
    image = read_picture(path).image.float().clamp(0, 1)
    return resize(image, working_size(image.shape[-2], image.shape[-1], max_side)).clamp(0, 1)
