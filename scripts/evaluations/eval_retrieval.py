r"""How well a gallery finds pictures again that were cropped, mirrored and brightened, and pictures of one label.

    python -m scripts.evaluations.eval_retrieval TRAIN [--pictures 300] [--seed 0] [--layers meaning] \
        [--weights vgg19.safetensors] [--labels GALLERY]

TRAIN is a folder with ``index.csv`` (columns name, shard, offset, bytes, label, subset) and its tar shards. The first
table: a gallery of ``--pictures`` of them, drawn by ``--seed``; queries are gray. With ``--labels``, a gallery of the
pictures of ``SUBSETS`` under their own names, the second table: the share of the five nearest others of the same subset
that have the query's label, beside raw thumbnails and chance.
"""

import argparse
import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from recolor_torch.color import rgb_to_luminance
from recolor_torch.features import find_vgg19
from recolor_torch.gallery import Descriptor, DescriptorSpec, make_spec
from recolor_torch.gallery.descriptor import LAYERS, depth_of, expand_layers, scaled_luminance
from recolor_torch.gallery.raw import RawStore
from recolor_torch.gallery.store import open_state
from recolor_torch.gallery.vectors import vector_chunks
from recolor_torch.gallery.whitening import fit_whitening, to_vectors

SUBSETS = ("corel", "intel_scenes", "flowers12", "imagenette")
Row = dict[str, str]


def read(train: Path, row: Row) -> Tensor:
    with (train / row["shard"]).open("rb") as file:
        file.seek(int(row["offset"]))
        data = file.read(int(row["bytes"]))
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def crop(x: Tensor, area: float, rng: np.random.Generator) -> Tensor:
    height, width = x.shape[-2:]
    h, w = round(height * area**0.5), round(width * area**0.5)
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    return x[..., top : top + h, left : left + w]


def thumbnail(y: Tensor) -> Tensor:
    """16 x 16 gray pixels, mean taken away."""
    small = F.interpolate(y, (16, 16), mode="bicubic", antialias=True).flatten(1)
    return small - small.mean(1, keepdim=True)


def finding_again(train: Path, rows: Sequence[Row], layers: Sequence[str], weights: str | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = find_vgg19(weights, depth=depth_of(layers))
    spec = make_spec(found, layers)
    descriptor = Descriptor(found, spec)
    pictures = [rgb_to_luminance(read(train, row)) for row in rows]
    distortions: dict[str, Callable[[Tensor], Tensor]] = {
        "crop to 60 %": lambda y: crop(y, 0.6, rng),
        "mirrored": lambda y: y.flip(-1),
        "gamma .7": lambda y: y**0.7,
        "all, crop to 70 %": lambda y: crop(y, 0.7, rng).flip(-1) ** 0.7,
    }

    def seen(y: Tensor) -> Tensor:
        return scaled_luminance(y.expand(-1, 3, -1, -1), spec.side)

    queries = {name: [distort(y) for y in pictures] for name, distort in distortions.items()}
    with torch.inference_mode():
        copies = torch.cat([descriptor.copies(seen(y)) for y in pictures]).numpy()
        asked = {name: torch.cat([descriptor(seen(y)) for y in ys]).numpy() for name, ys in queries.items()}
        plain = torch.stack([torch.cat([thumbnail(y), thumbnail(y.flip(-1))]) for y in pictures]).numpy()
        plain_asked = {name: torch.cat([thumbnail(y) for y in ys]).numpy() for name, ys in queries.items()}
    whitening = fit_whitening([copies.reshape(-1, copies.shape[-1])])
    name = " + ".join(spec.layers)
    print(f"{len(rows)} pictures, gray queries, mirrored copies, recall@1 / @5 in %")
    print(f"{'':46}" + "".join(f"{name:>20}" for name in distortions) + f"{'mean':>16}")
    for label, base, queried, w in (
        ("16 x 16 thumbnails", plain, plain_asked, None),
        (name, copies, asked, None),
        (f"{name}, whitened", copies, asked, whitening),
    ):
        recalls = [recall(base, q, w) for q in queried.values()]
        mean = np.mean(recalls, axis=0)
        cells = "".join(f"{f'{one:.1f} / {five:.1f}':>20}" for one, five in recalls)
        print(f"{label:<46}{cells}{f'{mean[0]:.2f} / {mean[1]:.2f}':>16}")


def recall(base: np.ndarray, queries: np.ndarray, whitening) -> tuple[float, float]:
    """Share of queries whose picture is the first, and among the first five; the worst place where scores tie."""
    count = len(base)
    vectors = to_vectors(base.reshape(-1, base.shape[-1]), whitening)
    scores = (to_vectors(queries, whitening) @ vectors.T).reshape(count, count, -1).max(-1)
    rank = (scores >= np.diag(scores)[:, None]).sum(1)
    return 100 * float((rank <= 1).mean()), 100 * float((rank <= 5).mean())


def labels_of_neighbours(train: Path, rows: Sequence[Row], gallery: Path) -> None:
    state = open_state(gallery)
    spec: DescriptorSpec = state.header.spec
    table = list(state.table)
    raw = RawStore(state.folder, state.header.raw)
    all_vectors = np.concatenate([v for v, _ in vector_chunks(table, raw, state.whitening)])
    place = {Path(row.path).name: i for i, row in enumerate(table)}
    print(f"{len(table)} pictures; share of the five nearest others of the subset that have the label, in %")
    print(f"{'':14}{'pictures':>9}{'labels':>8}{'chance':>8}{'thumbnails':>12}{'gallery':>9}")
    for subset in SUBSETS:
        members = [row for row in rows if row["subset"] == subset]
        labels = np.array([row["label"] for row in members])
        at = np.array([place[row["name"]] for row in members])
        vectors = all_vectors.reshape(len(table), spec.copies, -1)[at]
        small = [thumbnail(rgb_to_luminance(read(train, row))) for row in members]
        plain = to_vectors(torch.cat(small).numpy(), None)[:, None]
        same = labels[:, None] == labels[None]
        chance = (same.sum() - len(labels)) / (len(labels) * (len(labels) - 1))
        shares = [agreement(v, labels) for v in (plain, vectors)]
        print(
            f"{subset:<14}{len(members):>9}{len(set(labels)):>8}{100 * chance:>8.1f}{shares[0]:>12.1f}{shares[1]:>9.1f}"
        )


def agreement(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Of each picture's five nearest others, by the better of a picture and its mirror image."""
    count = len(vectors)
    scores = (vectors[:, 0] @ vectors.reshape(-1, vectors.shape[-1]).T).reshape(count, count, -1).max(-1)
    np.fill_diagonal(scores, -np.inf)
    nearest = np.argsort(-scores, axis=1)[:, :5]
    return 100 * float((labels[nearest] == labels[:, None]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layers", default=",".join(LAYERS), help="with commas, as for recolor gallery build")
    parser.add_argument("--weights", help="of VGG-19, where its layers are among them")
    parser.add_argument("--labels", type=Path, metavar="GALLERY")
    args = parser.parse_args()
    with (args.train / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    drawn = np.random.default_rng(args.seed).permutation(len(rows))[: args.pictures]
    if args.pictures:
        layers = expand_layers(args.layers.split(","))
        finding_again(args.train, [rows[i] for i in drawn], layers, args.weights, args.seed)
    if args.labels:
        labels_of_neighbours(args.train, rows, args.labels)


if __name__ == "__main__":
    main()
