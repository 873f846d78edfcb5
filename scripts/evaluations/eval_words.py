"""Colors by words, measured on clothing pictures that neither network has seen: inside and outside of the true regions.

    python -m scripts.evaluations.eval_words photographs/train -o words/

The folder has ``index.csv``, the tar files and ``ccp_masks.tar``; the pictures are those that training holds out (with
``--tune``: as many that it does not). For every region over --share of its picture:

* ``true``: the word is the color name nearest to the region's mean color; CIEDE2000 inside with it against without.
* ``counter``: the word is a basic color at least 60 degrees of hue away from the region's; whether the mean hue inside
  is within 30 degrees of the word's, and the mean change of a and b inside and outside.

A region that is not found counts as it is: nothing changed. Writes words.csv, a line a region and word, from which a
run that was stopped goes on, and words.md.
"""

import argparse
import csv
import sys
import zlib
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from recolor_torch.color import rgb_to_lab
from recolor_torch.color.difference import ciede2000
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.pipeline import recolor
from recolor_torch.text_guidance.color_table import COLORS
from scripts.training.word_pictures import CCP, INDEX, Named, clothing

# Names that a person would use first.
_NAMES = (
    *("red", "maroon", "orange", "rust", "brown", "chocolate", "tan", "beige", "cream", "yellow", "mustard", "olive"),
    *("green", "mint", "teal", "turquoise", "blue", "navy", "azure", "denim", "purple", "lavender", "mauve", "pink"),
    *("salmon", "peach", "black", "white", "gray", "charcoal", "blond", "khaki", "camel", "burgundy"),
)
_BASIC = ("red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink")
_LEFT_OUT = ("skin", "jewelry", "glasses")
_COLUMNS = ("name", "thing", "kind", "word", "share", "found", "before", "after", "hue_off", "inside", "outside")


def main() -> int:
    """Region by region, then sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.02, help="least share of the picture that a region has")
    parser.add_argument("--tune", action="store_true", help="pictures that were trained on, to choose settings by")
    parser.add_argument("--limit", type=int, help="of pictures")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    file = args.output / "words.csv"
    done = list(csv.DictReader(file.open())) if file.exists() else []
    known = {row["name"] for row in done}
    if not done:
        file.write_text(",".join(_COLUMNS) + "\n")
    chosen = [p for p in clothing(args.pictures) if (tunes(p) if args.tune else p.held_out)][: args.limit]
    left = [p for p in chosen if p.name not in known]
    work = partial(judge, least=args.share)
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        for number, rows in enumerate(pool.map(work, left) if args.workers > 1 else map(work, left), start=1):
            with file.open("a") as opened:
                csv.DictWriter(opened, _COLUMNS).writerows(rows)
            print(f"{number} of {len(left)}", flush=True)
    text = table(list(csv.DictReader(file.open())))
    (args.output / "words.md").write_text(text)
    print(text)
    return 0


def tunes(picture: Named) -> bool:
    """Whether a picture is one of those that settings are chosen by."""
    return zlib.crc32(picture.name.encode()) % 10_000 >= 9_500


@lru_cache(maxsize=1)
def the_method() -> NetworkColorization:
    """One for each process."""
    torch.set_num_threads(1)
    return NetworkColorization()


def judge(picture: Named, least: float) -> list[dict[str, object]]:
    """The rows of a picture."""
    method = the_method()
    truth = torch.from_numpy(picture.pixels.copy()).permute(2, 0, 1)[None].float() / 255
    lab = rgb_to_lab(truth)
    plain = rgb_to_lab(recolor(truth, method))
    rows = []
    for thing in (t for t in CCP if t not in _LEFT_OUT):
        inside = torch.from_numpy(picture.labels == INDEX[thing])
        share = float(inside.float().mean())
        if share < least:
            continue
        mean = lab[0][:, inside].mean(1).numpy()
        for kind, word in (("true", nearest(mean)), ("counter", counter(mean, picture.name + thing))):
            result = rgb_to_lab(recolor(truth, method, text=f"{word} {thing}"))
            change = (result - plain)[0, 1:].square().sum(0).sqrt()
            hue = _hue(result[0, 1:][:, inside].mean(1).numpy()) - _hue(np.array(COLORS[word][1:]))
            rows.append(
                {
                    "name": picture.name, "thing": thing, "kind": kind, "word": word, "share": round(share, 4),
                    "found": int(not any("was not used" in note for note in method.notes[0])),
                    "before": round(float(ciede2000(plain, lab)[0, 0][inside].mean()), 3),
                    "after": round(float(ciede2000(result, lab)[0, 0][inside].mean()), 3),
                    "hue_off": round(abs((hue + 180) % 360 - 180), 1),
                    "inside": round(float(change[inside].mean()), 3),
                    "outside": round(float(change[~inside].mean()), 3),
                }
            )  # fmt: skip
    return rows


def nearest(mean: np.ndarray) -> str:
    """The name of the color nearest to a mean Lab color; lightness counts less than hue and chroma."""
    weights = np.array((0.4, 1, 1))
    return min(_NAMES, key=lambda n: float(np.linalg.norm((np.array(COLORS[n]) - mean) * weights)))


def counter(mean: np.ndarray, seed: str) -> str:
    """A basic color whose hue is at least 60 degrees away, the same at each call."""
    own = _hue(mean[1:])
    far = [n for n in _BASIC if abs((_hue(np.array(COLORS[n][1:])) - own + 180) % 360 - 180) >= 60]
    return far[zlib.crc32(seed.encode()) % len(far)]


def _hue(ab: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(ab[1], ab[0])))


def table(rows: list[dict[str, str]]) -> str:
    """Figures over all regions, and by thing."""
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        groups["all"].append(row)
        groups[row["thing"]].append(row)
    lines = [
        "| region | count | found | CIEDE2000 inside without | with the true word | hue within 30 degrees "
        "| change inside | outside | outside / inside |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, group in sorted(groups.items(), key=lambda g: -len(g[1])):
        true = [r for r in group if r["kind"] == "true"]
        other = [r for r in group if r["kind"] == "counter"]

        def mean(part: list[dict[str, str]], key: str) -> float:
            return float(np.mean([float(r[key]) for r in part]))

        near = np.mean([float(r["hue_off"]) <= 30 for r in other])
        lines.append(
            f"| {name} | {len(true)} | {mean(other, 'found'):.0%} "
            f"| {mean(true, 'before'):.2f} | {mean(true, 'after'):.2f} | {near:.0%} "
            f"| {mean(other, 'inside'):.1f} | {mean(other, 'outside'):.1f} "
            f"| {mean(other, 'outside') / max(1e-9, mean(other, 'inside')):.2f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
