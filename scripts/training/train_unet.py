"""Train the colorization network on one GPU against the clock: minutes in place of days.

    python -m scripts.training.train_unet packed/*.tar.gz -o trained/ --seconds 450 --perceptual vgg16.safetensors
    python -m scripts.training.train_unet packed/*.tar.gz -o trained/ --seconds 300 --perceptual vgg16.safetensors \
        --start recolor_torch/networks/unet.safetensors --freeze-encoder --first-stage 1          more for the decoder
    python -m scripts.training.train_unet photographs/ -o trained/ --steps 10 --device cpu --scale 0.02     rehearsal

The pictures are decoded once and stay in GPU memory; crops, hints and transferred colors are made there. Training runs
in bfloat16 and channels_last, in four stages: crops of 128, 192 and 256 pixels with classification and regression, then
crops of 256 pixels with a perceptual loss and a discriminator, which make the vivid chroma vivid and coherent. Learning
rate and stages follow the share of the time that has passed. --start goes on from weights, and --freeze-encoder then
leaves what others read of the encoder as it is. Written to the output folder: ``unet.safetensors`` (the
moving average in half precision, for ``recolor_torch/networks``), ``log.jsonl``, a sheet of held-out pictures, and,
with --state, all that is needed to go on, in files of at most 15 MB.
"""

import argparse
import json
import math
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recolor_torch.color import fit_gamut, rgb_to_luminance, rgb_to_yuv
from recolor_torch.color.bins import count_bins, rebalancing_weights
from recolor_torch.color.scaling import chroma_to_unit
from recolor_torch.hints.simulation import HintSimulation, gaussian_centres, paint_points
from recolor_torch.hints.transfer_simulation import TransferSimulation
from recolor_torch.losses.classification import chroma_loss, distribution_loss
from recolor_torch.losses.colorfulness import colorfulness_loss
from recolor_torch.losses.perceptual import PerceptualLoss
from recolor_torch.networks import ColorUNet, Discriminator
from recolor_torch.networks.loading import save_network
from recolor_torch.pictures.opening import PictureError
from recolor_torch.training.colorization import quarter_ab
from recolor_torch.training.data import decode_small, picture_files
from recolor_torch.training.resident import PictureStore

Named = tuple[str, np.ndarray]

CANVAS = 256
HELD_OUT = 0.05
# Steps of a stage before its speed is measured.
WARM_UP = 10


@dataclass(frozen=True)
class Stage:
    """Crops of one size, until a share of the time has passed."""

    until: float
    size: int
    batch: int
    finishing: bool = False


STAGES = (Stage(0.3, 128, 384), Stage(0.5, 192, 192), Stage(0.72, 256, 96), Stage(1.0, 256, 96, finishing=True))


def main() -> int:
    """Read, train, validate, write."""
    args = parse()
    torch.manual_seed(args.seed)
    torch.backends.cudnn.benchmark = False  # its search took longer than all that it saved in three minutes
    torch.set_float32_matmul_precision("high")
    device = torch.device(args.device)
    args.output.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    training, held_out = read(args.sources, device, args.limit)
    note = Notes(args.output / "log.jsonl")
    note(event="pictures", training=len(training), held_out=len(held_out), seconds=time.perf_counter() - began)
    trainer = Trainer(args, training, held_out, note)
    trainer.run()
    trainer.save(args.state)
    return 0


def parse() -> argparse.Namespace:
    """Arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", help="tar files of pictures, and folders")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, help="of training, without reading and the last validation")
    parser.add_argument("--steps", type=int, help="in place of --seconds")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--scale", type=float, default=1.0, help="of the batch sizes")
    parser.add_argument("--encoder", choices=["lite0", "lite2"], default="lite2")
    parser.add_argument("--encoder-weights", type=Path, help="safetensors; without it the package of the encoder")
    parser.add_argument("--perceptual", type=Path, help="VGG-16 as safetensors; without it no perceptual loss")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--compile", action="store_true", help="torch.compile, which pays after some minutes")
    parser.add_argument("--first-stage", type=int, default=0, help="begin with this stage, 0 to 3")
    parser.add_argument("--last-stage", type=int, default=3, help="end with this one")
    parser.add_argument("--limit", type=int, help="take only so many pictures")
    parser.add_argument("--start", type=Path, help="weights to start from")
    parser.add_argument("--freeze-encoder", action="store_true", help="leave the encoder as it is")
    parser.add_argument("--hinted", type=float, default=0.55, help="share of the pictures that are given hints")
    parser.add_argument("--state", action="store_true", help="write the state of the optimizers too")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if (args.seconds is None) == (args.steps is None):
        parser.error("give either --seconds or --steps")
    return args


class Notes:
    """One JSON object a line, to a file and to the terminal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.began = time.perf_counter()

    def __call__(self, **values: object) -> None:
        line = {"at": round(time.perf_counter() - self.began, 1)}
        line |= {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def read(sources: list[str], device: torch.device, limit: int | None) -> tuple[PictureStore, PictureStore]:
    """The pictures that are trained on and those that are held out."""
    training, held_out = ([pixels for _, pixels in part] for part in decoded(sources, CANVAS, limit))
    return PictureStore(training, CANVAS, device), PictureStore(held_out, CANVAS, device)


def decoded(sources: list[str], side: int, limit: int | None = None) -> tuple[list[Named], list[Named]]:
    """Names and pixels, the longer side reduced to ``side``, of the pictures that are trained on and of those that are
    held out, by the same rule as ``TrainingDataModule``; of hardly any pictures some serve for both."""

    def decode(item: tuple[str, bytes]) -> tuple[str, np.ndarray | None]:
        try:
            return Path(item[0]).name, decode_small(item[1], side, longer=True)
        except PictureError:
            return item[0], None

    sides: tuple[list[Named], list[Named]] = ([], [])
    with ThreadPoolExecutor() as pool:
        for name, pixels in pool.map(decode, _limited(picture_files(sources), limit)):
            if pixels is not None:
                sides[zlib.crc32(name.encode()) % 10_000 < 10_000 * HELD_OUT].append((name, pixels))
    return sides[0], sides[1] or sides[0][:8]


def _limited(items: Iterator[tuple[str, bytes]], limit: int | None) -> Iterator[tuple[str, bytes]]:
    for count, item in enumerate(items):
        if count == limit:
            return
        yield item


class Trainer:
    """The networks, their optimizers, and the loop."""

    def __init__(self, args: argparse.Namespace, training: PictureStore, held_out: PictureStore, note: Notes) -> None:
        self.args, self.training, self.held_out, self.note = args, training, held_out, note
        self.device = torch.device(args.device)
        self.generator = torch.Generator(self.device).manual_seed(args.seed)
        network = ColorUNet(args.encoder, drop=0.1, pretrained=args.encoder_weights is None and args.start is None)
        if args.encoder_weights is not None and args.start is None:
            network.encoder.load_state_dict({k: v.float() for k, v in load_file(args.encoder_weights).items()})
        if args.start is not None:
            network.load_state_dict({k: v.float() for k, v in load_file(args.start).items()})
        self.network = network.to(self.device, memory_format=torch.channels_last)
        if args.freeze_encoder:
            network.encoder.eval().requires_grad_(False)
        self.averaged = ColorUNet(args.encoder).to(self.device, memory_format=torch.channels_last).eval()
        self.averaged.load_state_dict(self.network.state_dict())
        self.averaged.requires_grad_(False)
        if args.compile:
            # Part by part: the places of the logits change from step to step.
            for part in (network.encoder, network.bottom, *network.ups, *network.attention, *network.vivid_ups):
                part.compile(dynamic=False)
        encoder = [p for n, p in network.named_parameters() if n.startswith("encoder.") and p.requires_grad]
        others = [p for n, p in network.named_parameters() if not n.startswith("encoder.")]
        fused = self.device.type == "cuda"
        self.optimizer = torch.optim.AdamW(
            [{"params": others, "share": 1.0}, {"params": encoder, "share": 0.3}],
            lr=args.rate,
            weight_decay=0.03,
            fused=fused,
        )
        self.discriminator = Discriminator(64, 4, normalization="spectral").to(self.device)
        self.against = torch.optim.Adam(self.discriminator.parameters(), 4e-4, betas=(0.0, 0.9), fused=fused)
        self.perceptual: PerceptualLoss | None = None
        if args.perceptual is not None:
            self.perceptual = PerceptualLoss(load_file(args.perceptual)).to(
                self.device, memory_format=torch.channels_last
            )
        self.points = HintSimulation(means=(3.0, 15.0, 80.0))
        self.transfer = TransferSimulation()
        self.weights = self._class_weights()
        self.network.log_weights.copy_(self.weights.log())
        self.averaged.log_weights.copy_(self.weights.log())
        self.steps = self.seen = 0
        self.sums: dict[str, Tensor] = {}

    def _class_weights(self) -> Tensor:
        counts = torch.zeros(313, dtype=torch.int64, device=self.device)
        for index in torch.arange(len(self.training), device=self.device)[:4000].split(256):
            counts += count_bins(quarter_ab(self.training.whole(index, 128)))
        return rebalancing_weights(counts, 0.5).to(self.device)

    def run(self) -> None:
        """All stages."""
        args = self.args
        stages = STAGES[args.first_stage : args.last_stage + 1]
        first = STAGES[args.first_stage - 1].until if args.first_stage else 0.0
        span = stages[-1].until - first
        self.validate("start")
        began, spent = time.perf_counter(), 0.0  # validation between the stages does not count
        for stage in stages:
            pictures = self.training.reduced({128: 160, 192: 208}.get(stage.size, CANVAS))
            batch = max(2, round(args.scale * stage.batch))
            at, seen, first_step = time.perf_counter(), self.seen, self.steps
            end = (stage.until - first) / span
            while (progress := self._progress(time.perf_counter() - began - spent)) < end:
                self._rates(first + span * progress)
                # The discriminator gains weight over the first quarter of the finishing stage.
                strength = min(1.0, 4 * (first + span * progress - STAGES[-2].until) / (1 - STAGES[-2].until))
                self._step(pictures, stage, batch, max(0.0, strength))
                if self.steps == first_step + WARM_UP:
                    self._wait()
                    at, seen = time.perf_counter(), self.seen
                if self.steps % 100 == 0:
                    self._report(progress)
            self._wait()
            seconds = time.perf_counter() - at
            self.note(
                event="stage", size=stage.size, steps=self.steps, pictures_per_second=(self.seen - seen) / seconds
            )
            at = time.perf_counter()
            self.validate(f"after {stage.size}")
            save_network(self.averaged, self.args.output / "unet.safetensors")
            spent += time.perf_counter() - at
        self.note(event="end", steps=self.steps, seen=self.seen, seconds=time.perf_counter() - began)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _progress(self, seconds: float) -> float:
        return self.steps / self.args.steps if self.args.steps else seconds / self.args.seconds

    def _rates(self, progress: float) -> None:
        """Warm-up over 2 %, then a cosine down to 2 %."""
        fall = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.args.rate * group["share"] * min(1.0, fall, (self.steps + 1) / 150)

    def _step(self, pictures: PictureStore, stage: Stage, batch: int, strength: float) -> None:
        with torch.no_grad():
            index = torch.randint(len(pictures), (batch,), generator=self.generator, device=self.device)
            image, luminance, hints, mask = self._example(pictures.crops(index, stage.size, self.generator))
        phase = (self.steps // 2 % 2, self.steps % 2)
        with torch.autocast(self.device.type, torch.bfloat16):
            estimate = self.network(luminance, hints, mask, self.args.freeze_encoder, phase)
        loss, fake = self._loss(estimate, image, luminance, stage, phase)
        if stage.finishing:
            verdict = self._judged(luminance, fake)
            loss = loss + self._log(generator=-0.1 * strength * verdict.mean())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        if stage.finishing:
            self._oppose(luminance, rgb_to_yuv(image)[:, 1:], fake.detach())
        self._average()
        self.steps += 1
        self.seen += batch

    def _example(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures with their tone changed, the luminance that is shown, and hints with their confidence."""
        b, g, device = len(image), self.generator, self.device

        def uniform() -> Tensor:
            return torch.rand(b, 1, 1, 1, generator=g, device=device)

        image = image ** (1.3 ** (2 * uniform() - 1))
        luminance, chroma = rgb_to_yuv(image).split((1, 2), 1)
        grain = torch.randn(luminance.shape, generator=g, device=device)
        shown = luminance + 0.04 * uniform().square() * grain
        # One in five is soft, as old and enlarged pictures are.
        soft = nn.functional.avg_pool2d(shown, 3, 1, 1, count_include_pad=False)
        shown = torch.where(uniform() < 0.2, soft, shown)
        kind = uniform()
        points, known = self.points(chroma, g)
        match, confidence = self.transfer(chroma, g)
        # Of those with hints 54 % have points, 33 % a match, 13 % both; points are sure and lie over a match.
        kind = 1 - (1 - kind) / self.args.hinted
        known = known * (kind > 0) * ((kind < 0.54) | (kind > 0.87))
        confidence = confidence * (kind > 0.54)
        hints = torch.where(known > 0, points, match * (confidence > 0))
        return image, shown.clamp(0, 1), hints, torch.maximum(known, confidence)

    def _loss(self, estimate, image, luminance, stage: Stage, phase: tuple[int, int]) -> tuple[Tensor, Tensor]:
        ab = quarter_ab(image)[..., phase[0] :: 2, phase[1] :: 2]
        logits = estimate.logits.float() + self.weights.log().view(1, -1, 1, 1)
        truth = rgb_to_yuv(image)[:, 1:]
        mean, vivid = estimate.chroma.float(), estimate.vivid.float()
        loss = self._log(classes=distribution_loss(logits, ab, self.weights))
        loss = loss + self._log(mean=10 * chroma_loss(chroma_to_unit(mean), chroma_to_unit(truth)))
        share = 2.0 if stage.finishing else 4.0
        loss = loss + self._log(vivid=share * chroma_loss(chroma_to_unit(vivid), chroma_to_unit(truth)))
        loss = loss + self._log(colorfulness=15 * colorfulness_loss(vivid, truth))
        if stage.finishing and self.perceptual is not None:
            with torch.autocast(self.device.type, torch.bfloat16):
                shown = fit_gamut(rgb_to_luminance(image), vivid).to(memory_format=torch.channels_last)
                loss = loss + self._log(perceptual=2 * self.perceptual(shown, image))
        return loss, vivid

    def _judged(self, luminance: Tensor, chroma: Tensor) -> Tensor:
        """Verdicts at half of the size: detail of chroma below that is what JPEG left of it."""
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.discriminator(*(nn.functional.avg_pool2d(x, 2) for x in (luminance, chroma))).float()

    def _oppose(self, luminance: Tensor, truth: Tensor, fake: Tensor) -> None:
        real, made = self._judged(luminance, truth), self._judged(luminance, fake)
        loss = (1 - real).relu().mean() + (1 + made).relu().mean()
        self.against.zero_grad(set_to_none=True)
        loss.backward()
        self.against.step()
        self._log(discriminator=loss.detach(), right=((real > 0).float().mean() + (made < 0).float().mean()) / 2)

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(0.999, (1 + self.steps) / (20 + self.steps))
        ours, theirs = self.network.state_dict().values(), self.averaged.state_dict().values()
        floats = [(a, b) for a, b in zip(theirs, ours) if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - decay)

    def _log(self, **values: Tensor) -> Tensor:
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach()
        return next(iter(values.values()))

    def _report(self, progress: float) -> None:
        means = {name: float(value) / 100 for name, value in self.sums.items()}
        self.sums = {}
        self.note(step=self.steps, seen=self.seen, progress=progress, **means)

    @torch.no_grad()
    def validate(self, name: str) -> None:
        """PSNR and share of the true chroma on the held-out pictures, squeezed to 256 x 256."""
        scores: dict[str, list[Tensor]] = {}
        generator = torch.Generator(self.device).manual_seed(1)
        index = torch.arange(len(self.held_out), device=self.device)[: 4 if self.device.type == "cpu" else None]
        for part in index.split(64):
            image = self.held_out.whole(part, CANVAS)
            luminance, chroma = rgb_to_yuv(image).split((1, 2), 1)
            results = {"gray": torch.zeros_like(chroma)}
            for count in (0, 1, 10):
                rows, columns = gaussian_centres(len(part), count, CANVAS, CANVAS, generator)
                counts = torch.full((len(part),), count, device=self.device)
                hints, mask = paint_points(chroma, rows, columns, torch.full_like(rows, 6), counts)
                with torch.autocast(self.device.type, torch.bfloat16):
                    estimate = self.averaged(luminance, hints, mask)
                results |= {f"mean_{count}": estimate.chroma.float(), f"vivid_{count}": estimate.vivid.float()}
            for key, found in results.items():
                colored = fit_gamut(luminance, found)
                scores.setdefault(f"psnr_{key}", []).append(-10 * (colored - image).square().mean((1, 2, 3)).log10())
                share = rgb_to_yuv(colored)[:, 1:].norm(dim=1).mean((1, 2)) / chroma.norm(dim=1).mean((1, 2))
                scores.setdefault(f"share_{key}", []).append(share)
            if part[0] == 0:
                self._sheet(luminance, image, results)
        self.note(event="validation", name=name, **{k: float(torch.cat(v).mean()) for k, v in scores.items()})

    def _sheet(self, luminance: Tensor, image: Tensor, results: dict[str, Tensor]) -> None:
        columns = [
            luminance.expand_as(image),
            *(fit_gamut(luminance, results[k]) for k in ("mean_0", "vivid_0")),
            image,
        ]
        rows = torch.cat([torch.cat(list(c[:24]), 1) for c in columns], 2)
        halves = torch.cat(rows.split(12 * CANVAS, 1), 2) if len(image) >= 24 else rows
        pixels = (255 * halves).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        Image.fromarray(pixels).save(self.args.output / "sheet.jpg", quality=85)

    def save(self, state: bool) -> None:
        """The moving average; with ``state`` the weights themselves, the moments of Adam, and the discriminator."""
        save_network(self.averaged, self.args.output / "unet.safetensors")
        if not state:
            return
        save_network(self.network, self.args.output / "weights.safetensors")
        save_network(self.discriminator, self.args.output / "discriminator.safetensors")
        names = {p: n for n, p in self.network.named_parameters()}
        for moment in ("exp_avg", "exp_avg_sq"):
            found = {names[p]: s[moment].bfloat16().cpu() for p, s in self.optimizer.state.items()}
            save_file({k: v.contiguous() for k, v in found.items()}, self.args.output / f"{moment}.safetensors")


if __name__ == "__main__":
    sys.exit(main())
