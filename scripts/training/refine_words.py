"""Teach the finder of words portraits, after ``scripts.training.train_words``; on a CPU, without a way to go on.

    python -m scripts.training.refine_words photographs/train -o refined/ --start trained/words.safetensors

The finder has learned from whole figures in the street, and from parts of at least half of them; in a portrait it
takes hands for clothes and finds a shirt in its collar alone. Here it learns from close parts of the same pictures:
squares around a place of a person, from a sixth to a half of the picture's longer side, aged as old photographs are.
That nothing else is forgotten, it learns its own answers of before in pictures of all other kinds.

The folder has ``index.csv``, the tar files and ``ccp_masks.tar`` (``scripts.training.word_pictures``). Pictures that
the colorization network has not seen stay out; on those of clothing the overlap is reported before and after, whole
and close. Writes words.safetensors and log.jsonl.
"""

import argparse
import copy
import math
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from recolor_torch.color import rgb_to_luminance
from recolor_torch.networks.finder import WordFinder
from recolor_torch.networks.loading import SHIPPED, load_network
from recolor_torch.networks.unet import ColorUNet
from recolor_torch.text_guidance.regions import WORDS, load_finder, save_finder
from scripts.training.train_unet import Notes
from scripts.training.word_pictures import (
    INDEX,
    SIDE,
    WORN,
    Named,
    aged,
    clothing,
    padded,
    part,
    training_pictures,
)
from scripts.training.word_training import GRID, finder_loss, overlap

# Views of each picture with a mask: whole, and close parts.
WHOLE, CLOSE = 1, 2
# Of a close part: its side as a share of the picture's longer side, and in pixels at least.
NEAREST, FARTHEST, LEAST = 0.16, 0.5, 40
RATE, WARM = 6e-4, 100
# Pictures of a step with masks, and without; how much the latter count.
NAMED, OTHERS, KEEP = 8, 4, 1.0
PEOPLE = tuple(INDEX[n] for n in ("hair", "skin", *WORN))


class View(NamedTuple):
    """Features in half precision, and what is known: of labels 1, 0 or UNKNOWN, else log odds and presence."""

    features: list[Tensor]
    known: Tensor
    presence: Tensor | None = None


def main() -> int:
    """Look, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--start", type=Path, default=WORDS, help="what train_words wrote; else the package's own")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--others", type=int, default=800, help="pictures of other kinds, whose answers are kept")
    parser.add_argument("--limit", type=int, help="of pictures with masks, for a rehearsal")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    note = Notes(args.output / "log.jsonl")
    network, digest = load_network("unet", SHIPPED)
    assert isinstance(network, ColorUNet)
    network.eval()
    finder, _ = load_finder(args.start, network, digest)
    with torch.no_grad():
        named = list(clothing(args.pictures))[: args.limit]
        training = [view for p in named if not p.held_out for view in views(network, p)]
        held_out = {
            kind: [view for p in named if p.held_out for view in views(network, p, kind)] for kind in ("whole", "close")
        }
        note(event="named", views=len(training), held_out=len(held_out["whole"]))
        others = list(kept(network, finder, args.pictures, args.others))
    note(event="others", views=len(others), before={kind: overlap(finder, known(v)) for kind, v in held_out.items()})
    learned = train(finder, training, others, args.steps, note)
    save_finder(learned, args.output / "words.safetensors", digest)
    note(event="done", after={kind: overlap(learned, known(v)) for kind, v in held_out.items()})
    return 0


def views(network: ColorUNet, named: Named, only: str | None = None) -> Iterator[View]:
    """A picture whole and in close parts; or one unaged view of the kind ``only``."""
    draw = np.random.default_rng(zlib.crc32(named.name.encode()))
    for kind, count in (("whole", WHOLE), ("close", CLOSE)):
        if only not in (None, kind):
            continue
        for _ in range(1 if only else count):
            cut = {"whole": padded_of, "close": close}[kind](named.pixels, named.labels, draw)
            if cut is None:
                continue
            pixels, labels = cut
            image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
            image = rgb_to_luminance(image) if only else aged(pixels, draw)
            few = labels[SIDE // GRID // 2 :: SIDE // GRID, SIDE // GRID // 2 :: SIDE // GRID]
            truth = torch.from_numpy(named.truth()[few.astype(np.int64)]).permute(2, 0, 1)
            yield View([x[0].half() for x in network.understanding(image)], truth)


def padded_of(pixels: np.ndarray, labels: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The picture whole, as ``part`` gives a part."""
    del draw
    return padded(pixels, labels)


def close(pixels: np.ndarray, labels: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """A square of SIDE around a place of a person, mostly of the upper half; None where nobody is seen."""
    rows, columns = np.nonzero(np.isin(labels, PEOPLE))
    if len(rows) < 100:
        return None
    top, bottom = rows.min(), rows.max()
    if draw.random() < 0.75:
        upper = rows < top + 0.45 * (bottom - top)
        rows, columns = rows[upper], columns[upper]
    chosen = int(draw.integers(len(rows)))
    longer, shorter = max(labels.shape), min(labels.shape)
    side = min(shorter, max(LEAST, int(longer * draw.uniform(NEAREST, FARTHEST))))
    corner = [
        int(np.clip(n - side * draw.uniform(0.3, 0.7), 0, size - side))
        for n, size in zip((rows[chosen], columns[chosen]), labels.shape)
    ]
    box = (corner[1], corner[0], corner[1] + side, corner[0] + side)
    return (
        np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box)),
        np.asarray(Image.fromarray(labels).resize((SIDE, SIDE), Image.Resampling.NEAREST, box)),
    )


def kept(network: ColorUNet, finder: WordFinder, folder: Path, count: int) -> Iterator[View]:
    """Pictures of other kinds, with what the finder says of them."""
    subsets = {"flickr8k", "imagenet_samples", "imagenet_det", "corel", "voc2007", "intel_scenes", "cats_dogs"}
    subsets |= {"food", "flowers12", "yosemite", "houses", "garments", "bsds", "camvid"}
    draw = np.random.default_rng(0)
    rows = list(training_pictures(folder, subsets))
    for index in sorted(draw.permutation(len(rows))[:count]):
        pixels = rows[index][1]
        nothing = np.zeros(pixels.shape[:2], np.uint8)
        cut = padded(pixels, nothing) if draw.random() < 0.5 else part(pixels, nothing, draw)
        features = network.understanding(aged(cut[0], draw))
        maps, presence = finder(features)
        maps = F.interpolate(maps, size=(GRID, GRID), mode="bilinear", align_corners=False)
        yield View([x[0].half() for x in features], maps[0].half(), presence[0])


def train(
    finder: WordFinder, training: list[View], others: list[View], steps: int, note: Callable[..., None]
) -> WordFinder:
    """The running average of the finder's weights after so many steps."""
    finder = copy.deepcopy(finder).requires_grad_(True).train()
    for norm in finder.norms:
        norm.eval()  # the statistics of all pictures, not those of portraits
    averaged = torch.optim.swa_utils.AveragedModel(
        finder, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    optimizer = torch.optim.AdamW(finder.parameters(), RATE, weight_decay=0.03)
    draw, sums = np.random.default_rng(1), np.zeros(2)
    for step in range(steps):
        share = (step + 1) / WARM if step < WARM else 0.51 + 0.49 * math.cos(math.pi * step / steps)
        for group in optimizer.param_groups:
            group["lr"] = RATE * share
        features, truth, _ = batch([training[i] for i in draw.integers(len(training), size=NAMED)], draw)
        maps, presence = finder(features)
        loss = finder_loss(maps, presence, truth)
        features, before, there = batch([others[i] for i in draw.integers(len(others), size=OTHERS)], draw)
        maps, presence = finder(features)
        maps = F.interpolate(maps, size=(GRID, GRID), mode="bilinear", align_corners=False)
        keep = likeness(maps, before) + 0.3 * likeness(presence, there)
        optimizer.zero_grad()
        (loss + KEEP * keep).backward()
        torch.nn.utils.clip_grad_norm_(finder.parameters(), 1.0)
        optimizer.step()
        averaged.update_parameters(finder)
        sums += loss.item(), keep.item()
        if step % 100 == 99:
            note(step=step + 1, loss=round(sums[0] / 100, 4), keep=round(sums[1] / 100, 4))
            sums[:] = 0
    return averaged.module.eval()


def known(held_out: Iterable[View]) -> Iterator[tuple[list[Tensor], Tensor]]:
    """Features and truth of single views, for ``overlap``."""
    for view in held_out:
        yield [x[None].float() for x in view.features], view.known[None]


def batch(drawn: list[View], draw: np.random.Generator) -> tuple[list[Tensor], Tensor, Tensor]:
    """Views as one batch; half of the batches are mirrored."""
    features = [torch.stack(x).float() for x in zip(*(v.features for v in drawn))]
    maps = torch.stack([v.known for v in drawn])
    maps = maps if maps.dtype == torch.uint8 else maps.float()
    presence = torch.stack([torch.zeros(1) if v.presence is None else v.presence for v in drawn])
    if draw.random() < 0.5:
        features, maps = [x.flip(-1) for x in features], maps.flip(-1)
    return features, maps, presence


def likeness(odds: Tensor, before: Tensor) -> Tensor:
    """Relative entropy of two log odds: 0 where they are alike."""
    target = before.sigmoid()
    each = F.binary_cross_entropy_with_logits(odds, target) - F.binary_cross_entropy_with_logits(before, target)
    return 10 * each  # most places have none of most things


if __name__ == "__main__":
    sys.exit(main())
