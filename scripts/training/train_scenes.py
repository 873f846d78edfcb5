"""Train the multi-path network beside the plain eight-block one on one GPU against the clock, and compare them.

    python -m scripts.training.train_scenes packed/*.tar.gz --labels index.csv --column group -o trained/ --seconds 75
    python -m scripts.training.train_scenes photographs/ --labels labels.csv -o trained/ --steps 10 --device cpu \\
        --scale 0.05                                                                                      rehearsal

Pictures stay in GPU memory, training runs in bfloat16. Both networks see the same crops for the same number of steps,
which are counted beforehand so that both fit the time. Written: ``multi_path.safetensors``,
``eight_blocks.safetensors``, ``scenes.jpg`` (gray, multi-path, eight blocks, truth) and ``scenes.jsonl`` with all
numbers.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from recolor_torch.color import fit_gamut, rgb_to_lab, rgb_to_luminance, rgb_to_yuv
from recolor_torch.color.ab import ab_to_chroma
from recolor_torch.color.bins import annealed_mean, count_bins, rebalancing_weights
from recolor_torch.color.difference import ciede2000
from recolor_torch.color.scaling import chroma_to_unit
from recolor_torch.losses.classification import chroma_loss, distribution_loss
from recolor_torch.networks import EightBlockNet, MultiPathNet
from recolor_torch.networks.loading import save_network
from recolor_torch.training.colorization import quarter_ab
from recolor_torch.training.resident import PictureStore
from recolor_torch.training.scenes import UNKNOWN, numbered, read_labels, scene_accuracy, scene_loss
from scripts.training.fitting import Fit, add_flags, counted, parse, prepare, wait
from scripts.training.train_unet import Notes, decoded

CANVAS, CROP, BATCH = 160, 128, 256
SCENE_WEIGHT = 0.2
# Scenes with fewer pictures than this are not told apart.
LEAST_OF_A_SCENE = 30


def main() -> int:
    """Read, train, validate, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", help="tar files of photographs, and folders")
    parser.add_argument("--labels", type=Path, required=True, help="CSV file with the columns name and --column")
    parser.add_argument("--column", default="label")
    parser.add_argument("--width", type=int, default=64, help="of the multi-path network; the paper's is 64")
    add_flags(parser, rate=5e-4)
    args = parse(parser)
    compare(args, prepare(args, "scenes.jsonl"))
    return 0


def compare(args: argparse.Namespace, note: Notes) -> None:
    """Train both networks on the same crops for as many steps, and compare them."""
    device = torch.device(args.device)
    labels = read_labels(args.labels, args.column)
    training, aside = decoded(args.pictures, CANVAS)
    scenes = common_scenes(labels[n] for n, _ in training if n in labels)
    stores = [PictureStore([p for _, p in part], CANVAS, device) for part in (training, aside)]
    numbers = [
        torch.tensor(numbered([n for n, _ in part], labels, scenes), device=device) for part in (training, aside)
    ]
    note(event="pictures", training=len(training), held_out=len(aside), scenes=", ".join(scenes))
    networks: dict[str, nn.Module] = {"multi_path": MultiPathNet(scenes, args.width), "eight_blocks": EightBlockNet()}
    index = torch.randperm(len(stores[0]), device=device)[:2048]
    counts = torch.stack([count_bins(quarter_ab(stores[0].whole(part, CROP))) for part in index.split(256)]).sum(0)
    weights = rebalancing_weights(counts).to(device)
    batch = max(2, round(args.scale * BATCH))

    def learn(fit: Fit) -> Callable[[], None]:
        generator = torch.Generator(device).manual_seed(args.seed)

        def step() -> None:
            index = torch.randint(len(stores[0]), (batch,), generator=generator, device=device)
            image = stores[0].crops(index, CROP, generator)
            with torch.autocast(device.type, torch.bfloat16):
                estimate = fit.network(rgb_to_luminance(image))
            row, column = fit.done // 2 % 2, fit.done % 2
            ab = quarter_ab(image)[..., row::2, column::2]
            loss = distribution_loss(estimate.logits[..., row::2, column::2].float(), ab, weights)
            if estimate.scene is not None:
                truth = chroma_to_unit(rgb_to_yuv(image)[:, 1:])
                loss = loss + 10 * chroma_loss(chroma_to_unit(estimate.chroma.float()), truth)
                loss = loss + SCENE_WEIGHT * scene_loss(estimate.scene, numbers[0][index])
            fit.step(loss)

        return step

    def made(name: str, steps: int) -> Fit:
        torch.manual_seed(args.seed)
        network = networks[name].to(device, memory_format=torch.channels_last).train()
        return Fit(network, args.rate, steps)

    steps = args.steps or counted({n: learn(made(n, 10**6)) for n in networks}, args.seconds, device, note)
    networks = {"multi_path": MultiPathNet(scenes, args.width), "eight_blocks": EightBlockNet()}
    fits: dict[str, Fit] = {}
    for name in networks:
        fits[name] = made(name, steps)
        began = time.perf_counter()
        step = learn(fits[name])
        for _ in range(steps):
            step()
        wait(device)
        seconds = time.perf_counter() - began
        note(event="trained", network=name, steps=steps, seen=steps * batch, seconds=seconds)
        note(event="scores", network=name, **scene_scores(fits[name].averaged, stores[1], numbers[1], weights))
        save_network(fits[name].averaged, args.output / f"{name}.safetensors")
    sheet(args.output / "scenes.jpg", {n: f.averaged for n, f in fits.items()}, stores[1])


def common_scenes(labels: Iterable[str]) -> list[str]:
    """The labels that many pictures have, sorted; of few pictures all."""
    counts = Counter(labels)
    return sorted(n for n, count in counts.items() if count >= LEAST_OF_A_SCENE) or sorted(counts)


@torch.no_grad()
def scene_scores(network: nn.Module, store: PictureStore, numbers: Tensor, weights: Tensor) -> dict[str, float]:
    """Means over held-out pictures: PSNR and CIEDE2000 of each reading of the answer, and the scenes that are right."""
    found: dict[str, list[Tensor]] = {}
    for part in torch.arange(len(store), device=numbers.device).split(64):
        image = store.whole(part, CROP)
        luminance = rgb_to_luminance(image)
        with torch.autocast(image.device.type, torch.bfloat16):
            estimate = network(luminance)
        for name, chroma in readings(estimate, luminance, weights).items():
            colored = fit_gamut(luminance, chroma)
            psnr = -10 * (colored - image).square().mean((1, 2, 3)).log10()
            difference = ciede2000(rgb_to_lab(colored), rgb_to_lab(image)).flatten(1).mean(1)
            found.setdefault(f"psnr_{name}", []).append(psnr)
            found.setdefault(f"ciede_{name}", []).append(difference)
        if estimate.scene is not None:
            found.setdefault("scene_accuracy", []).append(scene_accuracy(estimate.scene, numbers[part]))
    known = numbers[numbers != UNKNOWN]
    scores = {name: float(torch.cat(v).mean()) for name, v in found.items() if len(known) or name != "scene_accuracy"}
    if "scene_accuracy" in scores:
        scores["commonest_scene"] = float((known == known.mode().values).float().mean())
    return scores


def readings(estimate, luminance: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Chroma at full size by reading: gray, the distribution's mean and annealed mean, and the regression."""
    logits = estimate.logits.float()
    fair = logits - weights.log().view(1, -1, 1, 1)  # of the colors as they are, without the rebalancing
    found = {"gray": torch.zeros_like(luminance).expand(-1, 2, -1, -1)}
    for name, small in (("mean", annealed_mean(fair, 1.0)), ("annealed", annealed_mean(logits))):
        ab = F.interpolate(small, size=luminance.shape[-2:], mode="bilinear", align_corners=False)
        found[name] = ab_to_chroma(luminance, ab)
    if estimate.scene is not None:
        found["regression"] = estimate.chroma.float()
    return found


@torch.no_grad()
def sheet(path: Path, networks: dict[str, nn.Module], store: PictureStore) -> None:
    """Gray, the answer of each network, and the truth, of 24 held-out pictures."""
    image = store.whole(torch.arange(min(24, len(store)), device=store.canvases.device), CROP)
    luminance = rgb_to_luminance(image)
    columns = [luminance.expand_as(image)]
    for network in networks.values():
        ab = F.interpolate(annealed_mean(network(luminance).logits.float()), size=(CROP, CROP), mode="bilinear")
        columns.append(fit_gamut(luminance, ab_to_chroma(luminance, ab)))
    rows = torch.cat([torch.cat(list(c), 1) for c in (*columns, image)], 2)
    halves = torch.cat(rows.split(12 * CROP, 1), 2) if len(image) == 24 else rows
    Image.fromarray((255 * halves).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()).save(path, quality=88)


if __name__ == "__main__":
    sys.exit(main())
