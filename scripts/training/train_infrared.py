"""Fine-tune our U-Net to color near infrared, or thermal or radar pictures, on one GPU.

    python -m scripts.training.train_infrared nir/ -o trained/ --seconds 40
    python -m scripts.training.train_infrared nir/ -o trained/ --steps 10 --device cpu --scale 0.1      rehearsal

The first run leaves out a part of the training scenes, on which the best number of steps is found; the second trains on
all of them for that number. The last fifth of each category is never seen (``split_pairs``). Written:
``near_infrared.safetensors``, which ``load_network`` puts on the U-Net, and ``infrared.jsonl`` with all numbers.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from recolor_torch.color import fit_gamut, rgb_to_lab, rgb_to_yuv
from recolor_torch.color.difference import ciede2000
from recolor_torch.hints.simulation import HintSimulation
from recolor_torch.networks import NearInfraredNet
from recolor_torch.networks.loading import SHIPPED, load_into, save_network
from recolor_torch.training.infrared import (
    find_pairs,
    infrared_losses,
    read_pair,
    split_channels,
    split_pairs,
    varied,
)
from recolor_torch.training.resident import PictureStore
from scripts.training.fitting import Fit, add_flags, counted, parse, prepare, wait
from scripts.training.train_unet import Notes

CANVAS, CROP, BATCH = 384, 256, 32


def main() -> int:
    """Read, train, validate, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path, help="manifest of pairs, or the folder that has it")
    parser.add_argument("--start", type=Path, default=SHIPPED, help="U-Net to start from, in place of the package's")
    add_flags(parser, rate=4e-4)
    args = parse(parser)
    train(args, prepare(args, "infrared.jsonl"))
    return 0


def train(args: argparse.Namespace, note: Notes) -> None:
    """Find the number of steps on a part of the training scenes, then train on all of them."""
    device = torch.device(args.device)
    training, test = split_pairs(find_pairs(args.pairs), 0.2)
    part, aside = split_pairs(training, 0.2)
    note(event="pairs", training=len(training), test=len(test), for_the_steps=len(aside))
    pixels = {p.name: read_pair(p, CANVAS) for p in (*training, *test)}
    stores = {
        name: PictureStore([pixels[p.name] for p in pairs], CANVAS, device)
        for name, pairs in (("part", part), ("aside", aside), ("training", training), ("test", test))
    }
    steps, seconds = args.steps, None
    if steps is None:
        fit = begin(args, 10**6)
        steps = counted({"infrared": learn(args, fit, stores["part"])}, args.seconds / 2, device, note)
    scores = {}
    fit, began = begin(args, steps), time.perf_counter()
    step = learn(args, fit, stores["part"])
    looks = min(12, max(1, steps // 20))
    checks = {round(steps * k / looks) for k in range(1, looks + 1)}
    for _ in range(steps):
        step()
        if fit.done in checks:
            found = scored(fit.averaged, stores["aside"])
            scores[fit.done] = found["ciede_vivid"] + found["ciede_mean"]
            note(event="part", step=fit.done, **found)
    best = min(scores, key=lambda k: scores[k])
    wait(device)
    seconds = time.perf_counter() - began
    note(event="trained", network="near_infrared, without a part", steps=steps, seconds=seconds, best=best)
    # A schedule ends where it ends: the second run is as long as the first was good for, and its rate falls till then.
    fit, began = begin(args, best), time.perf_counter()
    step = learn(args, fit, stores["training"])
    for _ in range(best):
        step()
    wait(device)
    note(event="trained", network="near_infrared", steps=best, seconds=time.perf_counter() - began)
    note(event="scores", network="near_infrared", **scored(fit.averaged, stores["test"]))
    save_network(fit.averaged, args.output / "near_infrared.safetensors", args.start)


def begin(args: argparse.Namespace, steps: int) -> Fit:
    """The network as the U-Net has it."""
    torch.manual_seed(args.seed)
    network = NearInfraredNet(drop=0.1)
    load_into(network, args.start)
    network.freeze()
    network = network.to(args.device, memory_format=torch.channels_last).train()
    return Fit(network, args.rate, steps, decay=0.99)


def learn(args: argparse.Namespace, fit: Fit, store: PictureStore) -> Callable[[], None]:
    """What one step does."""
    device = torch.device(args.device)
    generator = torch.Generator(device).manual_seed(args.seed)
    batch = max(2, round(args.scale * BATCH))
    points = HintSimulation(means=(3.0, 15.0))

    def step() -> None:
        index = torch.randint(len(store), (batch,), generator=generator, device=device)
        image, given, mask = split_channels(store.crops(index, CROP, generator))
        given = varied(given, 0.25, 0.03, generator)
        hints, known = points(rgb_to_yuv(image)[:, 1:], generator)
        # Points in three of ten.
        known = known * mask * (torch.rand(batch, 1, 1, 1, generator=generator, device=device) < 0.3)
        with torch.autocast(device.type, torch.bfloat16):
            estimate = fit.network(given, hints, known)
        fit.step(torch.stack(list(infrared_losses(estimate, given, image, mask).values())).sum())

    return step


@torch.no_grad()
def scored(network: nn.Module, store: PictureStore) -> dict[str, float]:
    """Mean CIEDE2000 inside the masks: of the infrared as gray, and of the network's luminance with each chroma."""
    found: dict[str, list[Tensor]] = {}
    for part in torch.arange(len(store), device=store.canvases.device).split(16):
        image, given, mask = split_channels(store.whole(part, CROP))
        with torch.autocast(image.device.type, torch.bfloat16):
            estimate = network(given)
        luminance = estimate.luminance(given)
        pictures = {
            "gray": given.expand_as(image),
            "tone": luminance.expand_as(image),
            "mean": fit_gamut(luminance, estimate.chroma.float()),
            "vivid": fit_gamut(luminance, estimate.vivid.float()),
        }
        for name, picture in pictures.items():
            difference = ciede2000(rgb_to_lab(picture), rgb_to_lab(image)) * mask
            found.setdefault(f"ciede_{name}", []).append(difference.sum((1, 2, 3)) / mask.sum((1, 2, 3)))
    return {name: float(torch.cat(values).mean()) for name, values in found.items()}


if __name__ == "__main__":
    sys.exit(main())
