"""Fit a whitening that comes with the package, for galleries too small to fit their own.

    python -m scripts.training.fit_whitening TRAIN [--layers meaning] [-o OUT] [--pictures 1400] [--seed 1]

TRAIN is a folder with ``index.csv`` (columns name, shard, offset, bytes, subset) and its tar shards. Pictures are drawn
from all subsets but those on which ``scripts.evaluations.eval_retrieval`` measures. Without --layers the features are
the default ones; the result is recolor_torch/gallery/whitenings/LAYERS.safetensors.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recolor_torch.features import find_vgg19
from recolor_torch.gallery import Descriptor, make_spec
from recolor_torch.gallery.descriptor import LAYERS, depth_of, expand_layers, scaled_luminance
from recolor_torch.gallery.fixed import FOLDER, save_whitening
from recolor_torch.gallery.whitening import fit_whitening
from scripts.evaluations.eval_retrieval import SUBSETS, read

BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("--layers", default="default", help="with commas, as for recolor gallery build")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--pictures", type=int, default=1400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weights", help="of VGG-19, where its layers are among them")
    args = parser.parse_args()
    with (args.train / "index.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["subset"] not in SUBSETS]
    drawn = [rows[i] for i in np.random.default_rng(args.seed).permutation(len(rows))[: args.pictures]]
    layers = LAYERS if args.layers == "default" else expand_layers(args.layers.split(","))
    weights = find_vgg19(args.weights, depth=depth_of(layers))
    spec = make_spec(weights, layers)
    raw = describe_pictures(args.train, drawn, Descriptor(weights, spec))
    output = args.output or FOLDER / f"{args.layers.replace(',', '-')}.safetensors"
    output.parent.mkdir(exist_ok=True)
    save_whitening(output, fit_whitening([raw.reshape(-1, raw.shape[-1])]), spec, len(drawn))
    print(f"{len(drawn)} pictures, {raw.shape[-1]} numbers each, {output.stat().st_size / 1e3:.0f} KB")


def describe_pictures(train: Path, rows: list[dict[str, str]], descriptor: Descriptor) -> np.ndarray:
    """Descriptors of pictures and of their mirror images, (N, 2, D); those of one size go through together."""
    sizes: dict[tuple[int, ...], list[tuple[int, Tensor]]] = {}
    for i, row in enumerate(rows):
        y = scaled_luminance(read(train, row), descriptor.spec.side)
        sizes.setdefault(tuple(y.shape), []).append((i, y))
    found: list[Tensor] = [torch.zeros(0)] * len(rows)
    with torch.inference_mode():
        for members in sizes.values():
            for start in range(0, len(members), BATCH):
                part = members[start : start + BATCH]
                for (i, _), copies in zip(part, descriptor.copies(torch.cat([y for _, y in part]))):
                    found[i] = copies
    return torch.stack(found).numpy()


if __name__ == "__main__":
    main()
