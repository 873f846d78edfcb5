r"""Fit the coefficients by which the candidates of a correspondence share: methods/correspondence/gate.py.

    python -m scripts.training.fit_correspondence TRAIN --pairs PAIRS [--count 96] [--weights VGG] \
        -o gate.py

TRAIN is a folder with ``index.csv`` and tar shards of photographs; pairs are made of them: two views of one (moved,
turned, scaled, with other gamma, contrast and saturation), its two halves, two pictures with one label, and two
unrelated ones. PAIRS is a folder of pairs (see eval_correspondence.py), of which the half ``tune`` is used, as it is
and shuffled. What no reference knows is the estimate of the colorization network, as when the method runs; pictures
that the network was trained on would flatter it, so targets are those that its training held out. The gate minimises
the mean color difference (CIE94's weights) of the mixed chroma; the error line is a least squares fit to the logarithm
of the distance that remains.
"""

import argparse
import csv
import io
import math
import os
import random
import zlib
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.color import fit_gamut, rgb_to_lab, rgb_to_luminance, rgb_to_yuv
from recolor_torch.features import VGG19, find_vgg19
from recolor_torch.guide import Reference
from recolor_torch.methods.correspondence import Networks, describe_places, find_candidates
from recolor_torch.methods.correspondence.features import LAYERS
from recolor_torch.methods.network import FILL_VIVIDNESS, NetworkColorization
from recolor_torch.networks import ColorUNet
from scripts.common import load_pairs

KINDS = ("near", "random", "overlap", "halves", "random", "label", "overlap", "random")
# How much a pair of each kind counts.
WEIGHT = {"near": 1.0, "overlap": 1.0, "halves": 1.0, "label": 0.5, "random": 1.0, "true": 2.0, "shuffled": 2.0}
LABELLED = ("corel", "flowers12", "imagenette", "intel_scenes", "food")
LOCATIONS = 1500
NAMES = ("matches", "regression", "table", "fallback")
HEAD = '''"""Coefficients by which the candidates of a correspondence share, and of the error to expect."""

# Fitted by scripts/training/fit_correspondence.py to pairs with known colors, related and unrelated.
# The columns are the evidence in the order of ``gather_evidence`` (score, lead, closeness of the way back, spread,
# disagreement, and the means over the picture of score, closeness and disagreement) and a constant.
GATE = (
'''


class PairMaker:
    """Pairs of pictures from photographs, by a seed."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder, self.dice = folder, random.Random(seed)
        with open(folder / "index.csv") as f:
            rows = [r for r in csv.DictReader(f) if r["shard"] == "train_00.tar" and float(r["mean_chroma"]) >= 6]
        self.rows = [r for r in rows if min(int(r["width"]), int(r["height"])) >= 140]
        # The rule by which training holds pictures out, see TrainingDataModule.
        self.held_out = [r for r in self.rows if zlib.crc32(Path(r["name"]).name.encode()) % 10_000 < 500]
        groups: dict[tuple[str, str], list[dict[str, str]]] = {}
        for r in self.rows:
            groups.setdefault((r["subset"], r["label"]), []).append(r)
        self.groups = [v for k, v in groups.items() if k[0] in LABELLED and len(v) >= 8]

    def make(self, kind: str) -> tuple[Tensor, Tensor]:
        """Target and reference, sRGB."""
        if kind == "label":
            held_out = [(a, group) for group in self.groups for a in group if a in self.held_out]
            a, group = self.dice.choice(held_out)
            return self.load(a), self.load(self.dice.choice([b for b in group if b is not a]))
        x = self.load(self.dice.choice(self.held_out))
        if kind == "random":
            return x, self.load(self.dice.choice(self.rows))
        if kind == "halves":
            half = x.shape[-1] // 2
            return x[..., :half], self.relight(x[..., half:], 1.0)
        part, strength = (0.85, 0.3) if kind == "near" else (0.7, 1.0)
        return self.view(x, part, strength), self.relight(self.view(x, part, strength), strength)

    def load(self, row: dict[str, str]) -> Tensor:
        with open(self.folder / row["shard"], "rb") as f:
            f.seek(int(row["offset"]))
            data = bytearray(Image.open(io.BytesIO(f.read(int(row["bytes"])))).convert("RGB").tobytes())
        image = torch.frombuffer(data, dtype=torch.uint8).view(int(row["height"]), int(row["width"]), 3)
        return image.permute(2, 0, 1)[None].float() / 255

    def view(self, x: Tensor, part: float, strength: float) -> Tensor:
        """A moved, turned, scaled and sheared part of a picture."""
        turn, scale = self.dice.gauss(0, 0.06 * strength), part * self.dice.uniform(0.85, 1.1)
        shear = [self.dice.gauss(0, 0.03) for _ in range(2)]
        cos, sin = scale * math.cos(turn), scale * math.sin(turn)
        shift = [self.dice.uniform(-1, 1) * (1 - part) for _ in range(2)]
        matrix = torch.tensor([[[cos, shear[0] - sin, shift[0]], [shear[1] + sin, cos, shift[1]]]])
        size = [1, 3, int(x.shape[-2] * part), int(x.shape[-1] * part)]
        grid = F.affine_grid(matrix, size, align_corners=False)
        return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)

    def relight(self, x: Tensor, strength: float) -> Tensor:
        """Other gamma, contrast, brightness, saturation and tint, and some noise."""
        dice = self.dice
        yuv = rgb_to_yuv(x.clamp(0, 1) ** dice.uniform(1 / 1.35, 1.35))
        luminance = ((yuv[:, :1] - 0.5) * dice.uniform(0.8, 1.15) + 0.5 + dice.uniform(-0.06, 0.06)).clamp(0, 1)
        tint = torch.tensor([dice.gauss(0, 0.008 * strength) for _ in range(2)]).view(1, 2, 1, 1)
        chroma = yuv[:, 1:] * (1 + strength * dice.uniform(-0.2, 0.2)) + tint
        return (fit_gamut(luminance, chroma) + dice.uniform(0, 0.012) * torch.randn_like(x)).clamp(0, 1)


def examine(
    networks: Networks, network: NetworkColorization, kind: str, target: Tensor, reference: Tensor, side: int
) -> dict[str, Tensor]:
    """Evidence, candidates, true chroma, luminance and weight of some locations of a pair."""
    luminance = rgb_to_luminance(target)
    places = describe_places(networks, luminance, (Reference(rgb_to_yuv(reference)),), side=side)
    found, size = find_candidates(places), places.size
    pooled = F.adaptive_avg_pool2d(rgb_to_yuv(target), size).flatten(2)[0].T
    guess = F.adaptive_avg_pool2d(network.prior(luminance)[0], size).flatten(2)[0].T
    chroma = torch.cat((found.chroma[0], guess[:, None]), 1)
    some = torch.randperm(pooled.shape[0])[:LOCATIONS]
    weight = torch.full((len(some),), WEIGHT[kind] / len(some))
    parts = {"evidence": found.evidence[0], "chroma": chroma, "y": pooled[:, 0], "truth": pooled[:, 1:]}
    return {name: x[some] for name, x in parts.items()} | {"weight": weight}


def to_lab(y: Tensor, chroma: Tensor) -> Tensor:
    """Lab of the picture that these give, (N, 3)."""
    return rgb_to_lab(fit_gamut(y.view(1, 1, -1, 1), chroma.T.reshape(1, 2, -1, 1)))[0, :, :, 0].T


def difference(lab: Tensor, truth: Tensor) -> Tensor:
    """Color difference with the weights of CIE94, smooth at 0."""
    c1, c2 = ((x[:, 1:].square().sum(1) + 1e-6).sqrt() for x in (lab, truth))
    d = lab - truth
    hue = (d[:, 1:].square().sum(1) - (c1 - c2).square()).clamp(min=0)
    mean = (c1 * c2).sqrt()
    parts = d[:, 0].square() + ((c1 - c2) / (1 + 0.045 * mean)).square() + hue / (1 + 0.015 * mean).square()
    return (parts + 0.25).sqrt() - 0.5


def fit(data: dict[str, Tensor], steps: int = 250, decay: float = 3e-4) -> tuple[Tensor, Tensor]:
    """The gate, (4, E + 1), and the error line, (E + 1)."""
    evidence = torch.cat((data["evidence"], torch.ones_like(data["y"])[:, None]), 1)
    weight = data["weight"] / data["weight"].sum()
    truth = to_lab(data["y"], data["truth"])
    gate = torch.zeros(len(NAMES), evidence.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([gate], lr=0.05)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
    for _ in range(steps):
        chroma = mix(evidence, gate, data["chroma"])
        loss = (weight * difference(to_lab(data["y"], chroma), truth)).sum() + decay * gate.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        left = (mix(evidence, gate, data["chroma"]) - data["truth"]).square().sum(1)
        wanted = ((left + 1e-5).log() / 2)[:, None]
        rows = evidence * weight[:, None]
        line = torch.linalg.solve(rows.T @ evidence + 1e-4 * torch.eye(evidence.shape[1]), rows.T @ wanted)
    return gate.detach(), line[:, 0]


def mix(evidence: Tensor, gate: Tensor, chroma: Tensor) -> Tensor:
    """Chroma of the candidates by their shares."""
    shares = (evidence @ gate.T).softmax(1)
    return (shares[:, :, None] * chroma).sum(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("--pairs", type=Path, help="folder of pairs with known colors")
    parser.add_argument("--count", type=int, default=96, help="pairs made of the photographs")
    parser.add_argument("--side", type=int, default=368, help="at which pairs are searched")
    parser.add_argument("--weights", help="VGG-19 weights, else RECOLOR_VGG19 or torchvision's")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    network = NetworkColorization(vividness=FILL_VIVIDNESS)
    network.prepare()
    assert isinstance(network.loaded, ColorUNet)
    vgg = VGG19(find_vgg19(args.weights or os.environ.get("RECOLOR_VGG19"), depth=5), LAYERS)
    networks = Networks(vgg, network.loaded)
    maker, data = PairMaker(args.train), []
    with torch.no_grad():
        for name, shuffled in (("true", False), ("shuffled", True)) if args.pairs else ():
            for _, target, reference in load_pairs(args.pairs, "tune", 256, ["video", "multi_view"], shuffled):
                data.append(examine(networks, network, name, target, reference, args.side))
                print(name, len(data), flush=True)
        for i in range(args.count):
            kind = KINDS[i % len(KINDS)]
            data.append(examine(networks, network, kind, *maker.make(kind), args.side))
            print(kind, len(data), flush=True)
    gate, line = fit({name: torch.cat([d[name] for d in data]) for name in data[0]})
    rows = [f"    ({', '.join(f'{x:.3f}' for x in row.tolist())}),  # {name}\n" for row, name in zip(gate, NAMES)]
    error = ", ".join(f"{x:.3f}" for x in line.tolist())
    end = f")\n# Logarithm of the expected distance to the true chroma, in units of U and V.\nERROR = ({error})\n"
    args.output.write_text(HEAD + "".join(rows) + end)


if __name__ == "__main__":
    main()
